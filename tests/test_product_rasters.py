"""What every raster of a map promises, whoever opens it: grid, nodata, CRS, names, layout."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

from lczmap.classes import CLASSES, NUM_CLASSES, code_to_wudapt, palette, wudapt_to_code
from lczmap.evaluation.map_agreement import DIFFERENCES, compare_maps
from lczmap.evaluation.map_change import map_change
from lczmap.mapping.confidence import write_confidence
from lczmap.mapping.filter import filter_map
from lczmap.mapping.mosaic import most_probable_code
from lczmap.raster import Float, check_true_metres, read_cells, write_categories, write_class_map, write_float_cog

BOX = GeoBox((300, 280), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")  # more than one block
OVERVIEWS = [2]


@dataclass(frozen=True)
class Promise:
    """What a raster shall be: band names, dtype and nodata."""

    names: tuple[str, ...]
    dtype: str
    nodata: float


CLASS_MAP = Promise(("LCZ",), "uint8", 0)
PROMISES = {
    "lcz.tif": CLASS_MAP,
    "lcz_filtered.tif": CLASS_MAP,
    "other.tif": CLASS_MAP,
    "difference.tif": Promise(("difference",), "uint8", 0),
    "confidence.tif": Promise(("confidence", "entropy"), "float32", math.nan),
    "change.tif": Promise(("transition", "probability"), "float32", math.nan),
    "probabilities.tif": Promise(tuple(c.title for c in CLASSES), "float32", math.nan),
}
each_raster = pytest.mark.parametrize("name", PROMISES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map and everything that is made of it."""
    path = tmp_path_factory.mktemp("products")
    p = np.random.default_rng(0).random((NUM_CLASSES, 30, 28)).astype(np.float32) ** 8
    p = np.repeat(np.repeat(p / p.sum(axis=0), 10, axis=1), 10, axis=2)
    p[:, :20, :30] = np.nan
    whole = (slice(0, 300), slice(0, 280))
    write_float_cog(path / "probabilities.tif", [(whole, p)], BOX, names=[c.title for c in CLASSES], tags={})
    write_class_map(path / "lcz.tif", most_probable_code(p), BOX, tags={})
    filter_map(path / "lcz.tif", path / "lcz_filtered.tif")
    write_confidence(path / "probabilities.tif", path / "confidence.tif")
    compare_maps(
        *(path / name for name in ("lcz.tif", "lcz_filtered.tif", "a.json", "difference.tif", "other.tif")), resamples=5
    )
    period = (path / "lcz.tif", path / "probabilities.tif")
    map_change(period, (path / "lcz_filtered.tif", period[1]), path / "change.tif", path / "change.json")
    return path


@each_raster
def test_every_raster_lies_on_the_grid_of_the_map_with_named_bands(folder: Path, name: str) -> None:
    promise = PROMISES[name]
    with rasterio.open(folder / name) as source:
        assert GeoBox(source.shape, source.transform, source.crs) == BOX
        assert source.descriptions == promise.names
        assert set(source.dtypes) == {promise.dtype}
        assert source.nodata == promise.nodata or (math.isnan(source.nodata) and math.isnan(promise.nodata))


@each_raster
def test_nodata_is_where_the_map_has_none(folder: Path, name: str) -> None:
    bands, _ = read_cells(folder / name)
    missing = np.isnan(bands) if bands.dtype == np.float32 else bands == 0
    expected = np.zeros(BOX.shape, np.bool_)
    expected[:20, :30] = True
    assert (missing == expected).all()


@each_raster
def test_every_raster_is_a_valid_cloud_optimised_geotiff(folder: Path, name: str) -> None:
    valid, errors, warnings = cog_validate(folder / name, strict=True, quiet=True)
    assert valid, [*errors, *warnings]
    with rasterio.open(folder / name) as source:
        assert source.overviews(1) == OVERVIEWS


@pytest.mark.parametrize("name", ["lcz_filtered.tif", "confidence.tif", "change.tif"])
def test_gdal_itself_reads_the_same(folder: Path, name: str) -> None:
    if shutil.which("gdalinfo") is None:
        pytest.skip("gdalinfo is not installed")
    out = subprocess.run(["gdalinfo", "-json", folder / name], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(out.replace(": nan", ": NaN"))
    assert found["size"] == [280, 300]
    assert found["geoTransform"] == [4e5, 100, 0, 5.8e6, 0, -100]
    assert "32633" in found["coordinateSystem"]["wkt"]
    assert tuple(band["description"] for band in found["bands"]) == PROMISES[name].names
    if PROMISES[name] == CLASS_MAP:
        entries = found["bands"][0]["colorTable"]["entries"]
        assert {code: tuple(entries[code]) for code in palette()} == palette()


def test_no_one_band_file_is_named_like_a_band_that_w2w_looks_for(folder: Path) -> None:
    for name, promise in PROMISES.items():
        if len(promise.names) == 1:
            with rasterio.open(folder / name) as source:
                assert "lczFilter" not in json.dumps([*source.descriptions, source.tags(), source.tags(1)])


def test_categories_have_their_names_and_colours(folder: Path) -> None:
    with rasterio.open(folder / "difference.tif") as source:
        colours = source.colormap(1)
    assert colours[0] == (0, 0, 0, 0)
    assert colours[DIFFERENCES[3].value] == (*bytes.fromhex(DIFFERENCES[3].color[1:]), 255)
    sidecar = ET.parse(folder / "difference.tif.aux.xml")
    assert [c.text for c in sidecar.iter("Category")] == [None, *(c.name for c in DIFFERENCES)]
    rows = [[cell.text for cell in row] for row in sidecar.iter("Row")]
    values = read_cells(folder / "difference.tif")[0]
    assert [row[:3] for row in rows] == [[str(c.value), str((values == c.value).sum()), c.name] for c in DIFFERENCES]
    assert rows[1][3:] == ["224", "130", "20", "255"]  # #e08214


@pytest.mark.parametrize(
    ("crs", "centre", "true"),
    [
        ("EPSG:32633", (4e5, 5.8e6), True),
        ("EPSG:32633", (0, 5e6), True),  # half a zone's width beyond
        ("EPSG:3035", (1.6e6, 0.94e6), True),  # equal-area, Canary Islands: lengths 3.5 % off
        ("EPSG:3857", (1e6, 1e5), True),  # at the equator even Web Mercator's are
        ("EPSG:3857", (1e6, 6.8e6), False),
        ("EPSG:6933", (1e6, 5.8e6), False),  # equal-area, but 0.7 by 1.4 m
    ],
)
def test_metres_that_are_none_on_the_ground_are_refused(crs: str, centre: tuple[float, float], true: bool) -> None:
    with nullcontext() if true else pytest.raises(ValueError, match=r"m\.tif: expected metres that are true .* UTM"):
        check_true_metres(crs, centre, "m.tif")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def parts() -> Iterator[tuple[tuple[slice, slice], Float]]:
        yield (slice(0, 256), slice(0, 256)), np.ones((1, 256, 256), np.float32)
        assert list(tmp_path.iterdir())  # it is being written
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_float_cog(tmp_path / "p.tif", parts(), BOX, names=["p"], tags={})
    assert list(tmp_path.iterdir()) == []


def test_values_of_another_shape_or_type_are_no_categories(tmp_path: Path) -> None:
    for shape, dtype in (((4, 4), np.uint8), (BOX.shape, np.int64)):
        values: Any = np.ones(shape, dtype)
        with pytest.raises(ValueError, match=r"c\.tif: expected uint8 of the shape \(300, 280\)"):
            write_categories(tmp_path / "c.tif", values, BOX, name="c", categories=DIFFERENCES, tags={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_codes_survive_the_way_to_101_and_back(dtype: Callable[..., Any]) -> None:
    codes = np.arange(NUM_CLASSES + 1).astype(dtype)
    there = code_to_wudapt(codes)
    assert there.tolist() == [*range(11), *range(101, 108)]
    assert wudapt_to_code(there.astype(dtype)).tolist() == codes.tolist()


@pytest.mark.parametrize("bad", [-1, 11, 17, 100, 108])
def test_no_other_value_is_a_wudapt_code(bad: int) -> None:
    with pytest.raises(ValueError, match=rf"expected WUDAPT codes 0\.\.10 or 101\.\.107, got \[{bad}\]"):
        wudapt_to_code(np.array([1, bad, 107]))
