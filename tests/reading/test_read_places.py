"""The class at places: the right cell, the distance to its zone's border, and nothing guessed."""

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner, Result

from lczmap.classes import code_to_wudapt
from lczmap.cli import app
from lczmap.heat.zones import place_clearance_m
from lczmap.raster import write_cells, write_class_map, write_float_cog
from lczmap.reading.places import Places, classes_at

UTM = "EPSG:32633"
GEOBOX = GeoBox((30, 40), Affine(100, 0, 390_000, 0, -100, 5_820_000), UTM)
HEADER = ["place", "lon", "lat", "state", "code", "label", "class", "confidence", "entropy", "clearance_m"]


def made_codes() -> np.ndarray:
    codes = np.kron(np.random.default_rng(3).integers(1, 18, (6, 8)), np.ones((5, 5))).astype(np.uint8)
    codes[:2] = 0
    return codes


@pytest.fixture
def city(tmp_path: Path) -> Path:
    write_class_map(tmp_path / "lcz.tif", made_codes(), GEOBOX, tags={})
    return tmp_path


def write_confidence(path: Path, geobox: GeoBox = GEOBOX) -> np.ndarray:
    bands = np.random.default_rng(4).random((2, *geobox.shape)).astype(np.float32)
    bands[:, 20, 20] = np.nan
    whole = slice(0, geobox.shape[0]), slice(0, geobox.shape[1])
    write_float_cog(path, iter([(whole, bands)]), geobox, names=("confidence", "entropy"), tags={})
    return bands


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["read-places", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def degrees(x: float, y: float) -> tuple[float, float]:
    return pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(x, y)


def test_every_cell_is_found_with_its_clearance(city: Path) -> None:
    rng, codes = np.random.default_rng(5), made_codes()
    row, col = rng.uniform(0, 30, 200), rng.uniform(0, 40, 200)
    places = Places(tuple(map(str, range(200))), 390_000 + 100 * col, 5_820_000 - 100 * row, UTM)
    found, notes = classes_at(city / "lcz.tif", places)
    assert [place.code for place in found] == codes[row.astype(int), col.astype(int)].tolist()
    for place, r, c in zip(found, row, col, strict=True):
        if place.code:
            assert place.clearance_m == pytest.approx(place_clearance_m(codes, r, c, 100, reach_m=1000))
        else:
            assert (place.state, place.clearance_m) == ("no class", None)
    assert [place.state for place in found].count("no class") > 3
    assert len(notes) == 1 and "no confidence of lcz.tif is known" in notes[0]


def test_a_table_in_degrees_becomes_a_table_of_classes(city: Path) -> None:
    bands, codes = write_confidence(city / "confidence.tif"), made_codes()
    lon, lat = degrees(390_000 + 1250, 5_820_000 - 1250)  # row 12, column 12: the middle of a zone of 5 cells
    (city / "places.csv").write_text(
        f"name,lon,lat\nPark,{lon},{lat}\nSea,{lon + 9},{lat}\nEdge,{lon},{lat + 0.0108}\n"
    )
    result = run(city / "lcz.tif", city / "places.csv", city / "out.csv")
    assert result.exit_code == 0, result.exception
    assert "3 places, 1 with a class, 1 where the map has none, 1 outside the map" in result.output
    park, sea, edge = rows_of(city / "out.csv")
    assert list(park) == HEADER
    assert (park["place"], park["state"], int(park["code"])) == ("Park", "class", codes[12, 12])
    assert float(park["clearance_m"]) == pytest.approx(250, abs=0.2)
    assert float(park["confidence"]) == pytest.approx(bands[0, 12, 12], abs=1e-4)
    assert float(park["entropy"]) == pytest.approx(bands[1, 12, 12], abs=1e-4)
    assert (sea["state"], edge["state"]) == ("outside the map", "no class")
    assert all(place[key] == "" for place in (sea, edge) for key in HEADER[4:])


def test_points_and_metres_are_read_too(city: Path) -> None:
    points = gpd.points_from_xy([391_250], [5_818_750])
    gpd.GeoDataFrame({"id": ["a"]}, geometry=points, crs=UTM).to_file(city / "p.gpkg")
    (city / "p.csv").write_text("x;y\n391250,0;5818750\n")
    assert run(city / "lcz.tif", city / "p.gpkg", city / "a.csv").exit_code == 0
    assert run(city / "lcz.tif", city / "p.csv", city / "b.csv", "--crs", UTM).exit_code == 0
    (a,), (b,) = rows_of(city / "a.csv"), rows_of(city / "b.csv")
    assert (a.pop("place"), b.pop("place")) == ("a", "1")
    assert a == b and int(a["code"]) == made_codes()[12, 12]


def test_one_place_is_printed(city: Path) -> None:
    write_confidence(city / "confidence.tif")
    lon, lat = degrees(391_250, 5_818_750)
    result = run(city / "lcz.tif", "--at", f"{lon},{lat}")
    assert result.exit_code == 0, result.exception
    assert f"(code {made_codes()[12, 12]})" in result.output and "250 m to the border of its zone" in result.output
    assert "confidence 0." in result.output
    near = run(city / "lcz.tif", "--at", "391250,5818750", "--crs", UTM, "--reach", "100")
    assert "at least 100 m to the border" in near.output
    assert "outside the map" in run(city / "lcz.tif", "--at", "-70.5,-33.4").output
    assert sorted(path.name for path in city.iterdir() if path.suffix == ".csv") == []


def test_the_other_numbering_and_degrees_are_read_without_a_distance(tmp_path: Path) -> None:
    codes = np.array([[11, 17], [3, 0]], np.uint8)
    box = GeoBox((2, 2), Affine(0.001, 0, 179.999, 0, -0.001, -17.0), "EPSG:4326")  # Fiji, across the antimeridian
    write_cells(tmp_path / "old.tif", code_to_wudapt(codes)[None], box, names=["lcz"], nodata=0)
    names = ("west", "east", "none", "built", "far")
    x, y = np.array([179.9995, -179.9995, -179.9995, 179.9995, 0]), np.array([-17.0005] * 2 + [-17.0015] * 2 + [0])
    found, notes = classes_at(tmp_path / "old.tif", Places(names, x, y, "EPSG:4326"))
    assert [place.code for place in found] == [11, 17, 0, 3, 0]
    assert [place.state for place in found][2:] == ["no class", "class", "outside the map"]
    assert all(place.clearance_m is None for place in found)
    assert any(note.startswith("no distance to the zone's border: ") for note in notes)


def test_the_confidence_beside_another_map_is_not_taken_for_its_own(city: Path) -> None:
    write_confidence(city / "confidence.tif")
    (city / "lcz.tif").rename(city / "global.tif")
    place = Places(("a",), np.array([391_250.0]), np.array([5_818_750.0]), UTM)
    ((found,), notes) = classes_at(city / "global.tif", place)
    assert found.code and found.confidence is None and "no confidence of global.tif is known" in notes[0]
    ((named,), _) = classes_at(city / "global.tif", place, confidence=city / "confidence.tif")
    assert named.confidence is not None


def test_the_table_of_places_is_not_overwritten(city: Path) -> None:
    (city / "places.csv").write_text("lon,lat\n13.4,52.5\n")
    result = run(city / "lcz.tif", city / "places.csv", city / "places.csv")
    assert "is read here; give the table of classes another name" in str(result.exception)
    assert (city / "places.csv").read_text() == "lon,lat\n13.4,52.5\n"


def test_missing_confidence_of_a_cell_stays_empty(city: Path) -> None:
    write_confidence(city / "confidence.tif")
    places = Places(("a",), np.array([392_050.0]), np.array([5_817_950.0]), UTM)
    ((place,), notes) = classes_at(city / "lcz.tif", places)
    assert place.code and place.confidence is None and place.entropy is None and notes == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected a table of places and a CSV to write, or one place"),
        (("places.csv",), "expected a table of places and a CSV to write"),
        (("places.csv", "out.csv", "--at", "1,2"), "expected a table of places and a CSV to write"),
        (("--at", "13"), "--at: expected LON,LAT in degrees"),
        (("--at", "13,nan"), "--at: expected a place"),
        (("--at", "13,52", "--crs", "EPSG:1"), "expected a CRS such as EPSG:32633"),
        (("none.csv", "out.csv"), r"places none.csv: no such file"),
        (("places.csv", "out.csv"), "places places.csv: expected columns lon and lat"),
        (("nowhere.csv", "out.csv"), "line 3: expected a place, got the coordinates nan"),
        (("--at", "13,52", "--confidence", "other.tif"), "expected the bands confidence and entropy on the cells of"),
        (("--at", "13,52", "--band", "2"), "expected a band from 1 to 1, got 2"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_writes_nothing(
    city: Path, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(city)
    (city / "places.csv").write_text("name,height\na,3\n")
    (city / "nowhere.csv").write_text("lon,lat\n13,52\nnan,52\n")
    write_confidence(city / "other.tif", GEOBOX[:25, :25])
    result = run("lcz.tif", *arguments)
    assert message in str(result.exception)
    assert not (city / "out.csv").exists()


def test_a_map_of_fractions_is_refused(tmp_path: Path) -> None:
    values = np.full((1, *GEOBOX.shape), 2.5, np.float32)
    write_cells(tmp_path / "p.tif", values, GEOBOX, names=["p"], nodata=None)
    result = run(tmp_path / "p.tif", "--at", "391250,5818750", "--crs", UTM)
    assert "expected LCZ classes as whole numbers" in str(result.exception)
