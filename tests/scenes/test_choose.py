from collections.abc import Mapping
from dataclasses import replace

from tiny_archive import make_grid

from lczmap.scenes.sources.choose import choose
from lczmap.scenes.sources.source import Found, Request, lonlat_bounds

GRID = make_grid()
WEST, SOUTH, EAST, NORTH = lonlat_bounds(GRID)
MIDDLE = (WEST + EAST) / 2
WHOLE = (WEST - 0.1, SOUTH - 0.1, EAST + 0.1, NORTH + 0.1)
REQUEST = Request(GRID, "sentinel-2", "2024-01-01", "2024-12-31", ("B2",), max_cloud=60)
RADAR = replace(REQUEST, sensor="sentinel-1")
LEVEL: Mapping[str, str] = {"level": "L1C"}


def found(name: str, day: str, *, cloud: float | None = 0, bounds=WHOLE, time: str = "10:00:00", **other) -> Found:
    values = {"platform": "sentinel-2a", "orbit_direction": "descending", "relative_orbit": 8} | other
    return Found(name, "sentinel-2", datetime=f"{day}T{time}Z", state=LEVEL, cloud_cover=cloud, bounds=bounds, **values)


def radar(name: str, day: str, **other) -> Found:
    return replace(found(name, day, cloud=None, **other), sensor="sentinel-1", state={})


def names(result) -> list[str]:
    return [one.id for one in result[0]]


def test_the_clearest_dates_are_chosen_and_come_by_date() -> None:
    dates = [found("c", "2024-07-01", cloud=50), found("a", "2024-06-01", cloud=20), found("b", "2024-05-01", cloud=0)]
    dates.append(found("d", "2024-08-01", cloud=61))
    chosen = choose(dates, REQUEST, max_dates=2)
    assert names(chosen) == ["b", "a"]
    assert chosen[1] == {"cloudier than 60 %": 1, "beyond the dates that are wanted": 1}


def test_granules_of_a_pass_are_chosen_together_and_count_as_one_date() -> None:
    west, east = (WEST - 1, SOUTH - 1, MIDDLE, NORTH + 1), (MIDDLE, SOUTH - 1, EAST + 1, NORTH + 1)
    halves = [
        found("w", "2024-06-01", bounds=west, cloud=10),
        found("e", "2024-06-01", bounds=east, cloud=10, time="10:00:14"),
    ]
    alone = found("alone", "2024-06-11", bounds=west)  # clear, but half of the city
    assert names(choose([*halves, alone], REQUEST, max_dates=1)) == ["w", "e"]


def test_of_one_granule_in_two_processings_the_later_counts() -> None:
    old, new = found("S2A_20240601_N0509", "2024-06-01"), found("S2A_20240601_N0510", "2024-06-01")
    assert choose([new, old], REQUEST, max_dates=9) == ([new], {"processed again later": 1})


def test_every_season_has_its_own_dates() -> None:
    dates = [found(f"{m:02d}", f"2024-{m:02d}-01", cloud=m) for m in range(1, 13)]
    seasons = ((3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 1, 2))
    assert names(choose(dates, REQUEST, max_dates=1, seasons=seasons)) == ["01", "03", "06", "09"]


def test_orbit_platform_period_and_place_are_respected() -> None:
    scenes = [
        radar("kept", "2024-06-01"),
        radar("up", "2024-06-02", orbit_direction="ascending"),
        radar("neighbour", "2024-06-03", relative_orbit=9),
        radar("c", "2024-06-04", platform="sentinel-1c"),
        radar("late", "2025-06-01"),
        radar("elsewhere", "2024-06-05", bounds=(WEST + 5, SOUTH, EAST + 5, NORTH)),
        found("optical", "2024-06-01"),
    ]
    request = replace(RADAR, orbit="descending", relative_orbit=8, platform="sentinel-2a")
    chosen, dropped = choose(scenes, request, max_dates=9)
    assert [one.id for one in chosen] == ["kept"]
    assert dropped == {
        "of another orbit direction": 1,
        "of another relative orbit": 1,
        "of another platform": 1,
        "outside the period": 1,
        "showing next to nothing of the city": 1,
        "of another sensor": 1,
    }


def test_one_orbit_keeps_to_the_best_pass() -> None:
    part = (WEST, SOUTH, MIDDLE, NORTH)
    scenes = [
        radar("half", "2024-06-01", bounds=part, relative_orbit=7),
        radar("first", "2024-06-02"),
        radar("second", "2024-06-14"),
    ]
    assert names(choose(scenes, RADAR, max_dates=3, one_orbit=True)) == ["first", "second"]


def test_tracks_are_told_apart_by_the_repeat_cycle_where_no_orbit_is_stated() -> None:
    scenes = [
        radar("first", "2024-06-02", relative_orbit=None),
        radar("same track", "2024-06-26", relative_orbit=None, time="10:00:03"),
        radar("neighbour", "2024-06-09", relative_orbit=None, time="09:52:00"),
        radar("hours later", "2024-06-14", relative_orbit=None, time="12:00:00"),
    ]
    assert names(choose(scenes, RADAR, max_dates=4, one_orbit=True)) == ["first", "same track"]


def test_a_footprint_across_the_antimeridian_covers_a_city_on_either_side() -> None:
    from lczmap.grid import Grid

    for west, crs in ((730_000.0, "EPSG:32660"), (270_000.0, "EPSG:32601")):
        grid = Grid(crs, west, 5_500_000.0, 120, 120, 10, 120, GRID.aoi)
        scene = found("a", "2024-06-01", bounds=(176.0, 48.0, -176.0, 51.0))
        assert names(choose([scene], replace(REQUEST, grid=grid), max_dates=1)) == ["a"]


def test_a_tilted_swath_covers_what_it_shows_not_its_bounds() -> None:
    west, south, _, north = WHOLE
    corner = {"type": "Polygon", "coordinates": [[[west, south], [west, north], [west + 0.001, north], [west, south]]]}
    scenes = [replace(found("sliver", "2024-05-01"), footprint=corner), found("whole", "2024-06-01")]
    assert names(choose(scenes, REQUEST, max_dates=1)) == ["whole"]


def test_without_a_limit_all_dates_are_taken() -> None:
    dates = [found(str(month), f"2024-{month:02d}-01") for month in range(1, 13)]
    assert len(choose(dates, REQUEST, max_dates=None)[0]) == 12
