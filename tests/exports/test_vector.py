"""Polygons of one class: complete, disjoint, and with what the map says of them."""

import os
import sqlite3
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from scipy import ndimage
from tiny_run import TinyRun, make_run

from lczmap.classes import CLASSES, class_colors
from lczmap.exports import vector
from lczmap.exports.vector import connected_areas, export_vector
from lczmap.raster import area_polygons, read_class_map, write_class_map, write_float_cog

GEOBOX = GeoBox((30, 40), Affine(100, 0, 389_000, 0, -100, 5_820_000), "EPSG:32633")
CODES = np.random.default_rng(3).choice([0, 1, 6, 17], size=GEOBOX.shape).astype(np.uint8)
RING = np.array([[2, 2, 2, 0], [2, 9, 2, 2], [2, 2, 0, 9]], np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("vector"))


@pytest.fixture(scope="module")
def random_map(tmp_path_factory: pytest.TempPathFactory) -> geopandas.GeoDataFrame:
    folder = tmp_path_factory.mktemp("random")
    write_class_map(folder / "lcz.tif", CODES, GEOBOX, tags={})
    export_vector(folder / "lcz.tif", folder / "lcz.gpkg")
    return geopandas.read_file(folder / "lcz.gpkg", layer="lcz")


def test_polygons_cover_the_mapped_cells_once_and_no_others(random_map: geopandas.GeoDataFrame) -> None:
    mapped_m2 = np.count_nonzero(CODES) * 100.0**2
    assert random_map.geometry.is_valid.all()
    assert random_map.area.sum() == random_map["area_m2"].sum() == mapped_m2
    assert shapely.union_all(random_map.geometry.values).area == pytest.approx(mapped_m2)  # so none overlap
    drawn = rasterize(
        zip(random_map.geometry, random_map["code"], strict=True), GEOBOX.shape, transform=GEOBOX.transform
    )
    np.testing.assert_array_equal(drawn, CODES)
    assert random_map.crs.to_epsg() == 32633


def test_cells_that_touch_at_a_corner_are_apart(random_map: geopandas.GeoDataFrame) -> None:
    expected = sum(ndimage.label(np.equal(CODES, code))[1] for code in (1, 6, 17))  # scipy joins along edges
    assert len(random_map) == expected
    assert (random_map["cells"] * 1e4 == random_map.area).all()


def test_a_ring_has_a_hole_and_the_mean_confidence_of_its_own_cells() -> None:
    confidence = np.arange(12, dtype=np.float32).reshape(3, 4) / 20
    confidence[0, 0] = np.nan  # unknown: left out of the mean
    areas = connected_areas(RING, confidence)
    assert areas.codes.tolist() == [2, 9, 9] and areas.cells.tolist() == [8, 1, 1]
    ring = [1, 2, 4, 6, 7, 8, 9]  # cells in reading order, without the first
    np.testing.assert_allclose(areas.mean_confidence, [sum(ring) / 7 / 20, 5 / 20, 11 / 20], rtol=1e-6)
    ((numbers, polygons),) = area_polygons(areas.numbers, GEOBOX[:3, :4])
    by_number = dict(zip(numbers.tolist(), polygons, strict=True))
    assert len(by_number[1].interiors) == 1 and by_number[1].area == 80_000
    assert by_number[1].bounds == (389_000, 5_819_700, 389_400, 5_820_000)


def test_areas_without_a_known_confidence_have_none() -> None:
    unknown = np.where(RING == 9, np.nan, 0.5).astype(np.float32)
    assert connected_areas(RING, unknown).mean_confidence.tolist()[0] == 0.5
    assert np.isnan(connected_areas(RING, unknown).mean_confidence[1:]).all()
    assert np.isnan(connected_areas(RING).mean_confidence).all()


def test_batches_make_the_same_polygons() -> None:
    numbers = connected_areas(CODES).numbers
    ((every, whole),) = area_polygons(numbers, GEOBOX)
    parts = list(area_polygons(numbers, GEOBOX, batch=50))
    assert len(parts) > 2 and max(len(n) for n, _ in parts) == 50
    assert np.concatenate([n for n, _ in parts]).tolist() == every.tolist()
    assert shapely.equals_exact(np.concatenate([p for _, p in parts]), whole).all()


def test_geopackage_and_geoparquet_say_the_same(run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector, "BATCH", 20)  # several appended batches
    for name in ("lcz.gpkg", "lcz.parquet"):
        export_vector(run.lcz, tmp_path / name, confidence_path=run.confidence)
    package = geopandas.read_file(tmp_path / "lcz.gpkg", layer="lcz")
    parquet = geopandas.read_parquet(tmp_path / "lcz.parquet")
    assert package.crs == parquet.crs == run.grid.crs
    assert list(package.columns) == list(parquet.columns)
    assert shapely.equals_exact(package.geometry.values, parquet.geometry.values).all()
    for column in ("code", "label", "name", "color", "cells", "area_m2", "mean_confidence"):
        assert package[column].tolist() == parquet[column].tolist(), column
    row = package[package["code"] == 14].iloc[0]
    assert (row["label"], row["name"], row["color"]) == ("D", "Low plants", "#b9db79")
    assert row["mean_confidence"] == pytest.approx(0.2 + 14 / 40, abs=1e-4)


def test_the_geopackage_brings_its_own_style(run: TinyRun, tmp_path: Path) -> None:
    codes, geobox = read_class_map(run.lcz)
    write_class_map(tmp_path / "lcz.tif", codes, geobox, tags={}, palette="colour_blind")
    export_vector(tmp_path / "lcz.tif", tmp_path / "lcz.gpkg")
    assert set(pyogrio.list_layers(tmp_path / "lcz.gpkg")[:, 0]) == {"lcz", "layer_styles"}
    with sqlite3.connect(tmp_path / "lcz.gpkg") as database:
        ((table, column, text),) = database.execute(
            "SELECT f_table_name, f_geometry_column, styleQML FROM layer_styles WHERE useAsDefault = 1"
        )
        assert database.execute("SELECT column_name FROM gpkg_geometry_columns").fetchall() == [(column,)]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    renderer = ElementTree.fromstring(text).find("renderer-v2")
    assert table == "lcz" and renderer is not None and renderer.get("attr") == "code"
    rows = [(c.get("value"), c.get("label")) for c in renderer.iter("category")]
    assert rows == [(str(c.code), c.title) for c in CLASSES]
    drawn = [p.get("v") for p in renderer.iter("prop") if p.get("k") == "color"]
    expected = [
        ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5)) + ",255" for color in class_colors("colour_blind")
    ]
    assert drawn == expected


@pytest.mark.browser
def test_qgis_shows_the_polygons_in_the_maps_colours(run: TinyRun, tmp_path: Path) -> None:
    export_vector(run.lcz, tmp_path / "lcz.gpkg", confidence_path=run.confidence)
    program = """
import sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=lcz", "lcz", "ogr")
print(layer.isValid(), layer.featureCount(), layer.crs().authid(), layer.renderer().type(), sep=";")
for c in layer.renderer().categories():
    print(c.value(), c.label(), c.symbol().color().name(), sep=";")
"""
    lines = [line.split(";") for line in run_qgis(program, tmp_path / "lcz.gpkg").splitlines()]
    count = pyogrio.read_info(tmp_path / "lcz.gpkg", layer="lcz")["features"]
    assert lines[0] == ["True", str(count), run.grid.crs, "categorizedSymbol"]
    assert lines[1:] == [[str(c.code), c.title, c.color] for c in CLASSES]


def run_qgis(program: str, *arguments: Path) -> str:
    """Run a program in the Python that QGIS was built for, without a window; skip where there is none."""
    python = "/usr/bin/python3"
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": str(arguments[0].parent)}

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([python, "-c", *command], capture_output=True, text=True, check=False, env=environment)

    if not Path(python).exists() or run("import qgis.core").returncode:
        pytest.skip("QGIS (Debian package python3-qgis) is not installed")
    result = run(program, *map(str, arguments))
    assert result.stdout, result.stderr
    return result.stdout.strip()


def test_without_pyarrow_geoparquet_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'lczmap\[geoparquet\]'"):
        export_vector(tmp_path / "absent.tif", tmp_path / "lcz.parquet")


def test_bad_input_is_named(run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending in .gpkg or .parquet, got '.shp'"):
        export_vector(run.lcz, tmp_path / "lcz.shp")
    write_class_map(tmp_path / "empty.tif", np.zeros((3, 4), np.uint8), GEOBOX[:3, :4], tags={})
    with pytest.raises(ValueError, match=r"empty.tif: the map is empty, none of its 12 cells"):
        export_vector(tmp_path / "empty.tif", tmp_path / "lcz.gpkg")
    with pytest.raises(ValueError, match="expected a band named 'confidence'"):
        export_vector(run.lcz, tmp_path / "lcz.gpkg", confidence_path=run.lcz)
    part = ((slice(0, 3), slice(0, 4)), np.zeros((1, 3, 4), np.float32))
    write_float_cog(tmp_path / "other.tif", [part], GEOBOX[:3, :4], names=["confidence"], tags={})
    with pytest.raises(ValueError, match=r"other.tif: expected the map's grid"):
        export_vector(run.lcz, tmp_path / "lcz.gpkg", confidence_path=tmp_path / "other.tif")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty.tif", "empty.tif.aux.xml", "other.tif"]
