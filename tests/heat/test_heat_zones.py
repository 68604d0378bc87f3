from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from made_heat import write_city
from odc.geo.geobox import GeoBox
from scipy import ndimage

from lczmap.heat import zones
from lczmap.heat.zones import border_distance_m, place_clearance_m, read_zones


def other_ground(codes: np.ndarray, row: int, col: int) -> shapely.Geometry:
    """All unit squares of another class than a cell's, and the frame around the map."""
    framed = np.pad(codes, 1)
    squares = [shapely.box(c - 1, r - 1, c, r) for r, c in np.argwhere(framed != codes[row, col])]
    return shapely.union_all(squares)


@pytest.fixture(scope="module")
def patchwork() -> np.ndarray:
    return np.random.default_rng(2).choice([0, 2, 14], (6, 7), p=[0.05, 0.15, 0.8]).astype(np.uint8)


def test_distance_of_cells_from_borders_is_that_of_shapely(patchwork: np.ndarray) -> None:
    found = border_distance_m(patchwork, 100.0, reach_m=2000)
    for row, col in np.ndindex(patchwork.shape):
        expected = 0.0
        if patchwork[row, col]:
            expected = 100 * other_ground(patchwork, row, col).distance(shapely.Point(col + 0.5, row + 0.5))
        assert found[row, col] == pytest.approx(expected)


def test_distance_of_places_from_borders_is_that_of_shapely(patchwork: np.ndarray) -> None:
    for row, col in np.random.default_rng(3).uniform((0, 0), patchwork.shape, (20, 2)):
        if patchwork[int(row), int(col)]:
            ground = other_ground(patchwork, int(row), int(col))
            expected = min(100 * ground.distance(shapely.Point(col, row)), 200)
            assert place_clearance_m(patchwork, row, col, 100.0, reach_m=200) == pytest.approx(expected)


def test_cell_beside_another_class_is_half_a_cell_from_it() -> None:
    codes = np.full((9, 9), 14, np.uint8)
    codes[4, 6:] = 2
    assert border_distance_m(codes, 100.0, reach_m=2000)[4, 3:6].tolist() == [250.0, 150.0, 50.0]


def test_map_read_in_parts_has_the_same_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.full((70, 90), 14, np.uint8)
    codes[10:30, 20:60], codes[40:, 70:], codes[50:54, 5:9] = 2, 0, 6
    whole = border_distance_m(codes, 100.0, reach_m=9000)
    monkeypatch.setattr(zones, "TILE", 16)
    np.testing.assert_array_equal(border_distance_m(codes, 100.0, reach_m=9000), whole)
    assert whole.max() > 1000


@pytest.mark.parametrize("reach_m", [0, 50, 120, 200, 333.3, 1000])
def test_distances_up_to_the_reach_are_those_without_one(monkeypatch: pytest.MonkeyPatch, reach_m: float) -> None:
    codes = np.random.default_rng(1).choice([2, 14], (80, 90), p=[0.01, 0.99]).astype(np.uint8)
    codes[30:, 40:] = 14
    expected = np.minimum(border_distance_m(codes, 100.0, reach_m=9000), np.float32(reach_m))
    monkeypatch.setattr(zones, "TILE", 16)
    np.testing.assert_array_equal(border_distance_m(codes, 100.0, reach_m=reach_m), expected)


def test_wide_zones_are_looked_at_no_farther_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transform, nodes = ndimage.distance_transform_edt, []

    def counted(inside: np.ndarray) -> np.ndarray:
        nodes.append(inside.size)
        return transform(inside)

    monkeypatch.setattr(ndimage, "distance_transform_edt", counted)
    monkeypatch.setattr(zones, "TILE", 16)
    geobox = GeoBox((200, 200), Affine(100, 0, 400_000, 0, -100, 5_800_000), "EPSG:32633")
    city = read_zones(write_city(tmp_path / "lcz.tif", np.full((200, 200), 14), geobox))
    assert not nodes  # stations need no distances of all cells
    clearance = city.clearance_m(reach_m=300)
    assert clearance[100, 100] == 300 and clearance[1, 100] == 150
    tiles_at_the_end, widest = 4 * 13 - 4, 2 * (16 + 2 * 3) + 1
    assert max(nodes) <= widest**2 and len(nodes) <= tiles_at_the_end


def test_web_mercator_is_not_in_metres(tmp_path: Path) -> None:
    geobox = GeoBox((3, 3), Affine(100, 0, 1_490_000, 0, -100, 6_890_000), "EPSG:3857")
    path = write_city(tmp_path / "lcz.tif", np.full((3, 3), 2), geobox)
    with pytest.raises(
        ValueError,
        match=r"lcz.tif: expected metres that are true on the ground.*Pseudo-Mercator stretches lengths by 1.64",
    ):
        read_zones(path)


def test_map_in_degrees_is_refused(tmp_path: Path) -> None:
    geobox = GeoBox((3, 3), Affine(0.001, 0, 13, 0, -0.001, 52), "EPSG:4326")
    path = write_city(tmp_path / "lcz.tif", np.full((3, 3), 2), geobox)
    with pytest.raises(
        ValueError, match=r"lcz.tif: expected square, north-up pixels in metres, got 0.001 × 0.001 with the CRS WGS 84"
    ):
        read_zones(path)


def test_map_without_any_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no cell has a class"):
        read_zones(write_city(tmp_path / "lcz.tif", np.zeros((60, 60))))
