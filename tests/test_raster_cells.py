import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster import check_grid, read_at, strips_at, write_cells, write_float_cog

BOX = GeoBox((600, 40), Affine(100, 0, 300_000, 0, -100, 5_800_000), "EPSG:32633")
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    array = np.random.default_rng(0).random((3, *BOX.shape)).astype(np.float32)
    array[:, 300, 5] = np.nan
    return array


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("raster") / "cells.tif"
    whole = (slice(0, 600), slice(0, 40))
    write_float_cog(path, iter([(whole, array)]), BOX, names=NAMES, tags={})
    return path


def test_cells_in_any_order_are_those_of_the_whole_raster(raster: Path, array: np.ndarray) -> None:
    draw = np.random.default_rng(1)
    row, col = draw.integers(0, 600, 500), draw.integers(0, 40, 500)
    row[:4], col[:4] = (0, 599, 300, 300), (0, 39, 5, 5)  # both ends, and one cell twice
    np.testing.assert_array_equal(read_at(raster, row, col), array[:, row, col])
    every = np.concatenate([which for which, _ in strips_at(raster, row, col)])
    assert sorted(every.tolist()) == list(range(500))


def test_values_keep_the_type_of_the_file_and_no_cells_give_none(tmp_path: Path) -> None:
    write_cells(tmp_path / "c.tif", np.ones((2, 600, 40), np.int16), BOX, names=["a", "b"], nodata=None)
    none = np.array([], np.int64)
    values = read_at(tmp_path / "c.tif", none, none)
    assert (values.shape, values.dtype) == ((2, 0), np.int16)


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (600, 0), (0, 40)])
def test_a_cell_outside_is_refused(raster: Path, row: int, col: int) -> None:
    with pytest.raises(ValueError, match=r"cells\.tif: expected cells on its 600 × 40, got rows"):
        read_at(raster, np.array([3, row]), np.array([3, col]))


def test_another_grid_is_refused(raster: Path) -> None:
    check_grid(raster, BOX)
    with pytest.raises(ValueError, match=r"cells\.tif: expected the grid .*32632, got .*32633"):
        check_grid(raster, GeoBox(BOX.shape, BOX.transform, "EPSG:32632"))


def test_memory_holds_a_strip_not_the_raster(tmp_path: Path) -> None:
    tall = GeoBox((4096, 200), BOX.transform, BOX.crs)
    array = np.ones((3, *tall.shape), np.float32)
    write_cells(tmp_path / "tall.tif", array, tall, names=NAMES, nodata=None)
    row = np.arange(0, 4096, 16)
    tracemalloc.start()
    read_at(tmp_path / "tall.tif", row, row % 200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < array.nbytes / 6
