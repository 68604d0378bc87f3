import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from affine import Affine
from made_heat import GEOBOX, OFFSETS, offsets, write_city, write_surface, zones_of
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.classes import parse_class
from lczmap.cli import app
from lczmap.heat.measure import measure_heat, measure_island
from lczmap.heat.of_cells import raster_island
from lczmap.heat.of_stations import station_island
from lczmap.heat.rasters import read_temperatures
from lczmap.heat.rows import Choices, Island, TemperatureFile
from lczmap.heat.zones import Zones, read_zones
from lczmap.raster import warp, write_cells

HOUR = {"datetime": "2024-07-20T10:05:00Z"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heat")


@pytest.fixture(scope="module")
def lcz(folder: Path) -> Path:
    return write_city(folder / "lcz.tif", zones_of())


@pytest.fixture(scope="module")
def zones(lcz: Path) -> Zones:
    return read_zones(lcz)


def surface_of(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    return 302 + offsets(codes) + np.random.default_rng(seed).normal(0, 0.5, codes.shape)


def rows_of(island: Island) -> dict[str, dict[str, Any]]:
    return {row["label"]: row for row in island["classes"]}


def write_stations(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["station,lon,lat,time,temp_c", *rows]) + "\n")
    return path


def lonlat(row: float, col: float) -> str:
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    return "{:.7f},{:.7f}".format(*to_lonlat.transform(*(GEOBOX.transform @ (col, row))))


@pytest.fixture(scope="module")
def stations(folder: Path) -> Path:
    """Stations at the centres of twelve zones, and one at a border; warm nights in LCZ 2."""
    codes, rng, lines = zones_of(), np.random.default_rng(5), []
    places = [(r + 0.5, c + 0.5) for r in (5, 15, 25) for c in (5, 15, 25, 35)] + [(15.5, 20.1)]
    for k, (row, col) in enumerate(places):
        code, own = codes[int(row), int(col)], rng.normal(0, 0.2)
        for hour in (1, 13):
            island = OFFSETS[int(code)] * (0.5 if hour == 1 else 0.1)
            lines.append(f"s{k},{lonlat(row, col)},2024-07-20T{hour:02d}:00,{18 + hour / 2 + island + own:.3f}")
    return write_stations(folder / "stations.csv", lines)


def test_known_offsets_lie_in_the_intervals(zones: Zones, folder: Path) -> None:
    path = write_surface(folder / "k.tif", surface_of(zones.codes), units="K", **HOUR)
    island = raster_island(zones, TemperatureFile(path), "surface", Choices(block_m=1000))
    for label, expected in (("2", 4.0), ("6", 1.5), ("A", -3.0)):
        figure = rows_of(island)[label]["island_k"]
        assert figure["low"] < expected < figure["high"] and figure["high"] - figure["low"] < 0.5
    assert rows_of(island)["D"]["temperature_c"]["value"] == pytest.approx(302 - 273.15, abs=0.1)
    assert (island["name"], island["time"], island["unit_of_file"]) == ("SUHI (surface)", HOUR["datetime"], "kelvin")


def test_cells_within_200_m_of_a_border_are_left_out(zones: Zones, folder: Path) -> None:
    values = surface_of(zones.codes)
    values[zones.clearance_m(reach_m=200) < 200] += 20  # what a mixed cell would bring
    path = write_surface(folder / "edges.tif", values, units="K", **HOUR)
    row = rows_of(raster_island(zones, TemperatureFile(path), "surface", Choices()))["2"]
    cells, inside = zones.codes == 2, zones.clearance_m(reach_m=200) >= 200
    assert row["n"] == (cells & inside).sum() and row["edge_cells"] == cells.sum() - row["n"]
    assert row["temperature_c"]["value"] < 40


def test_raster_in_celsius_and_another_crs_gives_the_same(zones: Zones, folder: Path) -> None:
    kelvin = surface_of(zones.codes)
    fine = GeoBox((420, 620), Affine(0.00022, 0, 13.516, 0, -0.00014, 52.345), "EPSG:4326")  # 15 m
    there = warp((kelvin - 273.15).astype(np.float32), GEOBOX, fine, resampling="nearest")
    path = write_surface(folder / "lonlat.tif", there, fine, **HOUR)
    own = write_surface(folder / "own.tif", kelvin, units="K", **HOUR)
    far = raster_island(zones, TemperatureFile(path, unit="celsius"), "surface", Choices())
    near = raster_island(zones, TemperatureFile(own), "surface", Choices())
    assert far["resampling"] == "mean of the pixels in a cell" and far["pixel_m"] == pytest.approx(15.3, abs=0.5)
    for label in ("2", "6", "A", "D"):
        one, two = (rows_of(island)[label] for island in (far, near))
        assert one["n"] == two["n"]
        assert one["temperature_c"]["value"] == pytest.approx(two["temperature_c"]["value"], abs=0.05)


def test_scale_and_offset_of_a_file_are_applied(zones: Zones, folder: Path) -> None:
    import rasterio

    numbers = np.rint((surface_of(zones.codes) - 149.0) / 0.00341802).astype(np.uint16)
    path = folder / "numbers.tif"
    write_cells(path, numbers[None], GEOBOX, names=["ST"], nodata=0, tags=HOUR)
    named = folder / "LC09_L2SP_193023_20240720_20240721_02_T1_ST_B10.TIF"
    named.write_bytes(path.read_bytes())  # as USGS delivers them: no scale in the file
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets, target.units = (0.00341802,), (149.0,), ("K",)
    one, two = (read_temperatures(p, GEOBOX, kind="surface", time="2024-07-20 10:05").celsius for p in (path, named))
    np.testing.assert_allclose(one, surface_of(zones.codes) - 273.15, atol=0.01)
    np.testing.assert_array_equal(one, two)
    write_cells(named, numbers[None], GEOBOX, names=["ST"], nodata=0)
    with pytest.raises(ValueError, match=r"needs the date and hour.*the file's name says 2024-07-20"):
        read_temperatures(named, GEOBOX, kind="surface", time="2024-07-20")


def test_time_of_a_file_counts_before_that_of_the_user_and_a_difference_is_noted(zones: Zones, folder: Path) -> None:
    path = write_surface(folder / "dated.tif", surface_of(zones.codes), units="K", **HOUR)
    asked = ("2023-01-01 22:00", "2024-07-20T12:05+02:00")
    other, same = (read_temperatures(path, GEOBOX, kind="surface", time=time) for time in asked)
    assert other.time == same.time == HOUR["datetime"]
    assert other.notes[0].startswith(
        "asked for the time 2023-01-01 22:00, but the file's tag 'datetime' says 2024-07-20T10:05:00Z, which counts"
    )
    assert same.notes == ()
    write_surface(path, surface_of(zones.codes), units="K", datetime="2024-07-20")  # a day is no date and hour
    assert read_temperatures(path, GEOBOX, kind="surface", time="2024-07-20 10:05").time == "2024-07-20 10:05"
    assert read_temperatures(path, GEOBOX, kind="air").time == ""


def test_pixels_coarser_than_cells_widen_the_edge(zones: Zones, folder: Path) -> None:
    coarse = GeoBox((15, 15), Affine(400, 0, 400_000, 0, -400, 5_800_000), "EPSG:32633")
    path = write_surface(folder / "coarse.tif", np.full((15, 15), 300.0), coarse, units="K", **HOUR)
    island = raster_island(zones, TemperatureFile(path), "surface", Choices())
    assert island["border_m"] == 400 and island["resampling"] == "the pixel at a cell's centre"
    assert "coarser than the map's cells" in island["notes"][0]


def test_pixels_wider_than_the_zones_are_refused_with_a_remedy_that_helps(zones: Zones, folder: Path) -> None:
    coarse = GeoBox((6, 6), Affine(1000, 0, 400_000, 0, -1000, 5_800_000), "EPSG:32633")
    path = write_surface(folder / "wide.tif", np.full((6, 6), 300.0), coarse, units="K", **HOUR)
    with pytest.raises(ValueError, match=r"pixels of 1000 m are wider than the zones.*finer raster, or stations$"):
        raster_island(zones, TemperatureFile(path), "surface", Choices())
    path = write_surface(folder / "unsure.tif", surface_of(zones.codes), units="K", **HOUR)
    write_cells(folder / "doubt.tif", np.zeros((1, 60, 60), np.float32), GEOBOX, names=["confidence"], nodata=None)
    with pytest.raises(
        ValueError,
        match=r"a class of probability 0.5 or more.*`--least-confidence` \(`temperature.least_confidence`\) with",
    ):
        raster_island(zones, TemperatureFile(path), "surface", Choices(confidence=folder / "doubt.tif"))


def test_unit_in_a_band_name_or_a_tag_does_not_make_scores_temperatures(zones: Zones, folder: Path) -> None:
    scores = np.random.default_rng(0).normal(size=(1, 60, 60)).astype(np.float32)
    path = folder / "score_c.tif"
    write_cells(path, scores, GEOBOX, names=["score_c"], nodata=None, tags=HOUR | {"units": "degC"})
    with pytest.raises(ValueError, match="standardised and have no unit"):
        raster_island(zones, TemperatureFile(path), "surface", Choices())
    write_cells(path, scores + 20, GEOBOX, names=["surface_c"], nodata=None, tags=HOUR)
    with pytest.raises(ValueError, match="does not say whether it is in kelvin or degrees Celsius"):
        raster_island(zones, TemperatureFile(path), "surface", Choices())


def test_winter_stations_with_a_unit_are_not_taken_for_scores(zones: Zones, folder: Path) -> None:
    values = np.random.default_rng(6).normal(size=20)
    values = (values - values.mean()) / values.std()
    lines = [f"w{k},{lonlat(5, 5 + k / 2)},2024-01-01,{value:.4f}" for k, value in enumerate(values)]
    island = station_island(zones, TemperatureFile(write_stations(folder / "winter.csv", lines)), Choices())
    assert island["hours"] == [] and [step["when"] for step in island["steps"]] == ["2024-01-01"]


def test_unsure_cells_are_left_out_when_asked(zones: Zones, folder: Path) -> None:
    path = write_surface(folder / "sure.tif", surface_of(zones.codes), units="K", **HOUR)
    confidence = np.where(np.indices(GEOBOX.shape)[0] < 30, 0.4, 0.9).astype(np.float32)
    write_cells(folder / "confidence.tif", confidence[None], GEOBOX, names=["confidence"], nodata=None)
    all_cells = rows_of(raster_island(zones, TemperatureFile(path), "surface", Choices()))["D"]
    half = rows_of(
        raster_island(zones, TemperatureFile(path), "surface", Choices(confidence=folder / "confidence.tif"))
    )["D"]
    assert half["n"] + half["unsure_cells"] == all_cells["n"] and half["unsure_cells"] > 0


def test_raster_beside_the_map_is_refused(zones: Zones, folder: Path) -> None:
    elsewhere = GeoBox((60, 60), Affine(100, 0, 500_000, 0, -100, 5_800_000), "EPSG:32633")
    path = write_surface(folder / "elsewhere.tif", surface_of(zones.codes), elsewhere, units="K", **HOUR)
    with pytest.raises(ValueError, match=r"none of its cells has one. The raster covers 15.0"):
        raster_island(zones, TemperatureFile(path), "surface", Choices())


def test_surface_without_an_hour_or_with_many_bands_is_refused(zones: Zones, folder: Path) -> None:
    path = write_surface(folder / "untimed.tif", surface_of(zones.codes), units="K")
    with pytest.raises(ValueError, match="needs the date and hour"):
        raster_island(zones, TemperatureFile(path), "surface", Choices())
    two = folder / "two.tif"
    write_cells(two, np.full((2, 60, 60), 300, np.float32), GEOBOX, names=["a", "b"], nodata=None)
    with pytest.raises(ValueError, match="2 bands; name the one"):
        raster_island(zones, TemperatureFile(two), "surface", Choices())


def test_without_low_plants_there_is_no_island_unless_another_reference_is_named(folder: Path) -> None:
    codes = np.where(zones_of() == 14, 12, zones_of())
    zones = read_zones(write_city(folder / "no_d.tif", codes))
    path = write_surface(folder / "no_d_lst.tif", surface_of(zones_of()), units="K", **HOUR)
    island = raster_island(zones, TemperatureFile(path), "surface", Choices())
    assert "LCZ D: Low plants is not on the map, so no SUHI (surface) is given" in island["reference"]["why_not"]
    assert all(row["island_k"] is None and row["temperature_c"] for row in island["classes"])
    named = raster_island(zones, TemperatureFile(path), "surface", Choices(reference=parse_class("B")))
    assert named["definition"].startswith("SUHI_LCZx = T_LCZx - T_LCZB")
    assert rows_of(named)["2"]["island_k"]["value"] == pytest.approx(4, abs=0.2)


def test_everything_is_written_by_the_verb(lcz: Path, stations: Path, folder: Path) -> None:
    surface = write_surface(folder / "both.tif", surface_of(zones_of()), units="K", **HOUR)
    outputs = [folder / "out" / name for name in ("heat.json", "heat.csv", "heat.png")]
    result = CliRunner().invoke(
        app, ["measure-heat", *map(str, [lcz, *outputs]), "--air", str(stations), "--surface", str(surface)]
    )
    assert result.exit_code == 0, result.output
    assert "UHI (air) from stations.csv" in result.stdout and "SUHI (surface) from both.tif" in result.stdout
    report = json.loads(outputs[0].read_text())
    air = rows_of(report["air"])
    assert air["2"]["island_k"]["value"] == pytest.approx(4 * 0.3, abs=0.4)
    assert sum(row["n"] for row in air.values()) == 13
    assert [s["station"] for s in report["air"]["stations"] if s["near_border"]] == ["s12"]
    night, day = report["air"]["hours"]
    assert (night["when"], day["when"]) == (1, 13)
    assert rows_of(night)["2"]["island_k"]["value"] > rows_of(day)["2"]["island_k"]["value"] + 1
    table = list(csv.DictReader(outputs[1].open()))
    assert {row["when"] for row in table if row["island"] == "UHI (air)"} == {
        *("all", "hour 01", "hour 13", "2024-07-20T01:00:00", "2024-07-20T13:00:00")
    }
    assert {row["when"] for row in table if row["island"] == "SUHI (surface)"} == {"all"}
    assert outputs[2].read_bytes().startswith(b"\x89PNG")


def test_celsius_stations_and_a_kelvin_raster_of_several_bands_are_measured_together(lcz: Path, folder: Path) -> None:
    lines = [f"{k},{lonlat(5, 5 + 10 * k)},{18 + k}" for k in range(4)]
    (folder / "plain.csv").write_text("\n".join(["station,lon,lat,temp", *lines]) + "\n")
    bands = np.stack([np.full((60, 60), 1000), surface_of(zones_of())]).astype(np.float32)
    write_cells(folder / "bands.tif", bands, GEOBOX, names=["emissivity", "ST"], nodata=None, tags=HOUR)
    outputs = [str(folder / f"units.{kind}") for kind in ("json", "csv", "png")]
    command = ["measure-heat", str(lcz), *outputs, "--air", str(folder / "plain.csv"), "--air-unit", "celsius"]
    command += ["--surface", str(folder / "bands.tif"), "--surface-unit", "kelvin", "--surface-band", "2"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    report = json.loads(Path(outputs[0]).read_text())
    assert (report["air"]["unit_of_file"], report["surface"]["unit_of_file"]) == ("celsius", "kelvin")
    assert rows_of(report["surface"])["2"]["island_k"]["value"] == pytest.approx(4, abs=0.2)


def test_what_would_not_be_heeded_is_refused(zones: Zones, stations: Path, lcz: Path, folder: Path) -> None:
    with pytest.raises(
        ValueError, match=r"a table of stations, not a raster; leave out `--air-band` \(`temperature.air"
    ):
        measure_island(zones, TemperatureFile(stations, band=2), "air", Choices())
    raster = write_surface(folder / "plain.tif", surface_of(zones.codes), units="K")
    with pytest.raises(ValueError, match=r"a raster, not a table of stations; leave out .*`temperature.air.column`"):
        measure_island(zones, TemperatureFile(raster, column="T"), "air", Choices())
    outputs = [str(folder / f"unheeded.{kind}") for kind in ("json", "csv", "png")]
    result = CliRunner().invoke(
        app, ["measure-heat", str(lcz), *outputs, "--air", str(stations), "--surface-band", "2"]
    )
    assert isinstance(result.exception, ValueError)
    assert str(result.exception) == "`--surface-band` is said of a file; expected it as `--surface`"


def test_zones_too_small_for_the_border_are_refused_with_a_distance_that_helps(folder: Path) -> None:
    zones = read_zones(write_city(folder / "patchy.tif", zones_of(size=3)))  # the innermost cell is 150 m from another
    file = TemperatureFile(write_surface(folder / "patchy_lst.tif", surface_of(zones.codes), units="K", **HOUR))
    message = r"lies 200 m or more .*the innermost 150 m; say `--border` \(`temperature.border_m`\) with that or less"
    with pytest.raises(ValueError, match=message):
        raster_island(zones, file, "surface", Choices())
    assert rows_of(raster_island(zones, file, "surface", Choices(border_m=150)))["2"]["n"] > 0
    finer = Choices(border_m=0)
    wide = GeoBox((15, 15), Affine(400, 0, 400_000, 0, -400, 5_800_000), "EPSG:32633")
    file = TemperatureFile(write_surface(folder / "patchy_wide.tif", np.full((15, 15), 300.0), wide, units="K", **HOUR))
    with pytest.raises(ValueError, match="pixels of 400 m are wider than the zones"):  # less border would not help
        raster_island(zones, file, "surface", finer)


def test_temperatures_beside_the_zones_only_are_refused(folder: Path) -> None:
    codes = zones_of()
    codes[:, 30:] = 0
    zones = read_zones(write_city(folder / "half.tif", codes))
    values = np.where(codes == 0, 300.0, np.nan)
    file = TemperatureFile(write_surface(folder / "other_half.tif", values, units="K", **HOUR))
    with pytest.raises(ValueError, match="no cell with a class has one; choose a raster of the city"):
        raster_island(zones, file, "surface", Choices())


def test_stations_beside_the_map_are_named_and_without_any_other_refused(
    zones: Zones, stations: Path, folder: Path
) -> None:
    more = [*stations.read_text().splitlines()[1:], "far,20.0,52.0,2024-07-20T01:00,18"]
    island = station_island(zones, TemperatureFile(write_stations(folder / "more.csv", more)), Choices())
    assert "left out, beside the map or on ground without class: far" in island["notes"]
    with pytest.raises(ValueError, match="expected stations on the map, none of 1"):
        station_island(zones, TemperatureFile(write_stations(folder / "far.csv", more[-1:])), Choices())


def test_stations_with_clocks_of_several_offsets_are_grouped_in_utc_and_the_report_says_so(
    zones: Zones, folder: Path
) -> None:
    days = ("2024-07-20", "2024-07-21")
    lines = [f"a,{lonlat(5, 5)},{day}T22:00+02:00,20" for day in days]
    lines += [f"b,{lonlat(15, 15)},{day}T20:00Z,21" for day in days]
    for rows in (lines, lines[::-1]):
        island = station_island(zones, TemperatureFile(write_stations(folder / "clocks.csv", rows)), Choices())
        assert [hour["when"] for hour in island["hours"]] == [20]
        assert any("are in UTC" in note for note in island["notes"])


def test_stations_are_no_surface_temperatures(lcz: Path, stations: Path, folder: Path) -> None:
    outputs = [folder / "wrong" / name for name in ("heat.json", "heat.csv", "heat.png")]
    with pytest.raises(ValueError, match="expected a raster of land-surface temperatures"):
        measure_heat(lcz, *outputs, surface=TemperatureFile(stations))
    with pytest.raises(ValueError, match="give `--air` or `--surface`"):
        measure_heat(lcz, *outputs)
    assert not (folder / "wrong").exists()
