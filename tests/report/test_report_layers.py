import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster import write_cells, write_class_map
from lczmap.report import layers


def cells(rows: int, cols: int) -> GeoBox:
    return GeoBox((rows, cols), Affine(100, 0, 500_000, 0, -100, 5_800_000), "EPSG:32633")


def test_only_maps_of_more_than_a_million_cells_are_coarsened() -> None:
    assert layers.coarsening((1000, 1000)) == 1
    assert layers.coarsening((1001, 1000)) == 2
    assert layers.coarsening((10_000, 10_000)) == 10
    assert layers.coarsening((1, 5), max_cells=2) == 3


def test_a_block_shows_its_most_frequent_class(tmp_path: Path) -> None:
    codes = np.array([[4, 4, 9, 3, 5], [2, 4, 3, 9, 0], [0, 0, 7, 0, 6], [0, 8, 0, 0, 6]], np.uint8)
    write_class_map(tmp_path / "lcz.tif", codes, cells(4, 5), tags={})
    shown = layers.shown_classes(tmp_path / "lcz.tif", (4, 5), 2)
    # 4 thrice; 3 and 9 tie: the lower; 5 beside none, in a block half outside; three of four and one without class
    np.testing.assert_array_equal(shown, [[4, 3, 5], [0, 0, 6]])


def test_strips_of_a_large_map_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_STRIP_VALUES", 20)
    codes = (np.arange(7 * 5).reshape(7, 5) % 17 + 1).astype(np.uint8)
    write_class_map(tmp_path / "lcz.tif", codes, cells(7, 5), tags={})
    np.testing.assert_array_equal(layers.shown_classes(tmp_path / "lcz.tif", (7, 5), 1), codes)
    assert layers.shown_classes(tmp_path / "lcz.tif", (7, 5), 3).shape == (3, 2)


def test_values_are_steps_of_half_a_percent_and_blocks_their_mean(tmp_path: Path) -> None:
    values = np.array([[[0.0, 0.5, 1.0]], [[0.2, 0.4, np.nan]]], np.float32)
    write_cells(tmp_path / "c.tif", values, cells(1, 3), names=["a", "b"], nodata=np.nan)
    one = layers.shown_values(tmp_path / "c.tif", (1, 3), 1, band=2)
    np.testing.assert_array_equal(one, [[40, 80, layers.MISSING]])
    two = layers.shown_values(tmp_path / "c.tif", (1, 3), 2, band=2)
    np.testing.assert_array_equal(two, [[60, layers.MISSING]])


def test_the_five_most_probable_classes_come_in_order(tmp_path: Path) -> None:
    values = np.full((17, 1, 2), 0.01, np.float32)
    values[[12, 3, 0, 16, 7], 0, 0] = [0.4, 0.2, 0.12, 0.1, 0.05]
    values[:, 0, 1] = np.nan
    write_cells(tmp_path / "p.tif", values, cells(1, 2), names=[str(k) for k in range(17)], nodata=np.nan)
    codes, steps = layers.shown_probabilities(tmp_path / "p.tif", (1, 2), 1)
    np.testing.assert_array_equal(codes[:, 0, 0], [13, 4, 1, 17, 8])
    np.testing.assert_array_equal(steps[:, 0, 0], [80, 40, 24, 20, 10])
    assert (codes[:, 0, 1] == 0).all()
    assert (steps[:, 0, 1] == layers.MISSING).all()


def test_packed_planes_lie_one_after_another() -> None:
    planes = [np.array([[1, 2], [3, 4]], np.uint8), np.array([[5, 6], [7, 8]], np.uint8)]
    assert zlib.decompress(base64.b64decode(layers.packed(planes))) == bytes(range(1, 9))


def test_a_raster_of_another_size_is_named(tmp_path: Path) -> None:
    write_class_map(tmp_path / "lcz.tif", np.ones((4, 5), np.uint8), cells(4, 5), tags={})
    with pytest.raises(ValueError, match=r"lcz\.tif.*expected 5 rows"):
        layers.shown_classes(tmp_path / "lcz.tif", (5, 5), 1)
    with pytest.raises(ValueError, match=r"lcz\.tif.*6 cells wide"):
        layers.shown_classes(tmp_path / "lcz.tif", (4, 6), 1)
