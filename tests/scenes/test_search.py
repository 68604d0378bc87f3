from dataclasses import replace

import pytest
from tiny_archive import GRD_STATE, NORTH, WEST, constant, fields, make_grid, optical_scene, radar_scene

from lczmap.scenes.search import Wish, check_scenes, find_scenes

WISH = Wish(start="2024-05-01", end="2024-07-31", level="L1C", s1_channels="grd4")


def find(scenes, grid=None, **changes):
    return find_scenes(scenes, grid or make_grid(), replace(WISH, **changes), city="testville")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    field = fields()
    radar = {"VH": constant(0.02), "VV": constant(0.1)}
    west_half = constant(1)
    return [
        optical_scene(folder, field, id="clear", day="2024-06-10"),
        # the mask covers x < WEST + 600: half of the city's 1200 m
        optical_scene(folder, field, id="half", day="2024-06-01", cloud=lambda x, _y: x < WEST + 600),
        optical_scene(folder, field, id="overcast", day="2024-06-05", cloud=west_half),
        optical_scene(folder, field, id="late", day="2024-08-01"),
        optical_scene(folder, field, id="surface", day="2024-06-02", level="L2A"),
        radar_scene(folder, radar, id="up", direction="ascending"),
        radar_scene(folder, {"VV": constant(0.1)}, id="single-pol", direction="descending"),
    ]


def test_search_keeps_what_the_run_can_use_and_measures_it(scenes):
    found = find(scenes)
    assert [(s.id, s.usable_fraction) for s in found] == [("half", 0.5), ("clear", 1.0), ("up", 1.0)]


def test_search_without_radar_asks_for_none(scenes):
    found = find(scenes[:5], s1_channels=None)
    assert {s.sensor for s in found} == {"sentinel-2"}


def test_nothing_found_names_city_period_level_and_reasons(scenes):
    with pytest.raises(ValueError, match=r"testville, 2023-01-01\.\.2023-12-31, sentinel-2 level L1C") as error:
        find(scenes, start="2023-01-01", end="2023-12-31")
    assert "5 outside the period" in str(error.value)


def test_overcast_scenes_alone_are_an_error_with_the_reason(scenes):
    overcast = [s for s in scenes if s.id == "overcast"]
    with pytest.raises(ValueError, match="1 all cloud or nodata"):
        find(overcast, s1_channels=None)


def test_a_radar_run_on_a_place_without_radar_says_what_to_do(scenes):
    with pytest.raises(ValueError, match=r"none in the archive.*sentinel1\.use: preferred"):
        find(scenes[:5])
    with pytest.raises(ValueError, match="1 of another orbit direction, 1 without the channels"):
        find(scenes, orbit="descending")
    with pytest.raises(ValueError, match=r"channels so2sat8.*2 without the channels"):
        find(scenes, s1_channels="so2sat8")


def test_a_city_outside_all_scenes_is_told_both_extents(scenes):
    far = make_grid(west=WEST + 100_000, north=NORTH)
    # the city begins at 500 km east, the zone's meridian 3 E
    with pytest.raises(ValueError, match=r"\(3\.000\.\..*outside all 3 scenes \(1\.5"):
        find(scenes, far)


def test_optional_radar_that_is_not_there_is_a_warning(scenes, capsys):
    found = find(scenes[:5], radar_optional=True)
    assert {s.sensor for s in found} == {"sentinel-2"}
    assert "warning" in (said := capsys.readouterr().out) and "the map is made without Sentinel-1" in said
    with pytest.raises(ValueError, match="sentinel-2 level L2A"):
        find([s for s in scenes if s.id == "clear"], level="L2A", radar_optional=True)


def test_scenes_of_another_orbit_platform_or_season_are_passed_over(scenes):
    with pytest.raises(ValueError, match="2 of another relative orbit"):
        find(scenes, relative_orbit=16)
    with pytest.raises(ValueError, match="3 of another platform"):
        find(scenes, platforms=("sentinel-2c",))
    assert [s.id for s in find(scenes, platforms=("sentinel-2a",), relative_orbit=15)] == ["half", "clear", "up"]
    with pytest.raises(ValueError, match="outside the season"):
        find(scenes, months=(5,))


def test_scenes_that_a_ready_network_was_not_trained_on_are_refused_at_once(scenes):
    found = find(scenes)
    trained = {"sentinel-2": {"level": "L1C", "scenes": "others"}, "sentinel-1": {**GRD_STATE, "looks": "8.8"}}
    check_scenes(trained, found, "net")
    message = r"network net was trained on sentinel-1 pixels of .*gamma0.*scene up is .*sigma0.*allow_level_mismatch"
    with pytest.raises(ValueError, match=message):
        check_scenes(trained | {"sentinel-1": {"calibration": "gamma0"}}, found, "net")
    with pytest.raises(ValueError, match=r"sentinel-2 pixels of .*L2A"):
        check_scenes({"sentinel-2": {"level": "L2A"}}, found, "net")
