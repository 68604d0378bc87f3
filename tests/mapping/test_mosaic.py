from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box

from lczmap.classes import CLASSES
from lczmap.grid import Grid, tile_cells, tiles
from lczmap.mapping.mosaic import mosaic, most_probable_code, tile_cell_geobox
from lczmap.raster import band_names, read_cells, read_class_map, read_tags, write_probabilities

GRID = Grid("EPSG:32733", 500_000.0, 7_000_000.0, 110, 70, 10, 40, box(500_000, 6_999_300, 501_100, 7_000_000))


@pytest.fixture
def city() -> np.ndarray:
    """Probabilities (17, 7, 11) that differ in every cell; one cell has none."""
    city = np.random.default_rng(0).dirichlet(np.ones(17), GRID.cells_shape).astype(np.float32).transpose(2, 0, 1)
    city[:, 5, 8] = np.nan
    return city


@pytest.fixture
def parts(tmp_path: Path, city: np.ndarray) -> list[Path]:
    paths = []
    for tile in tiles(GRID):
        part = city[(slice(None), *tile_cells(GRID, tile))]
        paths.append(tmp_path / tile.name / "probabilities.tif")
        whole = (slice(0, part.shape[1]), slice(0, part.shape[2]))
        write_probabilities(paths[-1], iter([(whole, part)]), tile_cell_geobox(GRID, tile), tags={})
    return paths


def join(parts: list[Path], folder: Path, grid: Grid = GRID) -> None:
    mosaic(parts, grid, folder / "probabilities.tif", folder / "lcz.tif", tags={"LCZMAP_NETWORK": "x"})


def test_tiles_in_any_order_make_the_city(parts, city, tmp_path):
    assert len(parts) == 6
    join(parts[::-1], tmp_path)
    probabilities, geobox = read_cells(tmp_path / "probabilities.tif", expected=GRID.cell_geobox)
    np.testing.assert_array_equal(probabilities, city)
    codes, same = read_class_map(tmp_path / "lcz.tif")
    assert same == geobox
    expected = np.nan_to_num(city, nan=-1).argmax(axis=0) + 1
    expected[5, 8] = 0
    np.testing.assert_array_equal(codes, expected)
    assert band_names(tmp_path / "probabilities.tif") == tuple(c.title for c in CLASSES)


def test_the_map_has_the_colours_of_the_chosen_palette(parts, tmp_path):
    mosaic(parts, GRID, tmp_path / "probabilities.tif", tmp_path / "lcz.tif", palette="colour_blind")
    assert read_tags(tmp_path / "lcz.tif")["LCZMAP_PALETTE"] == "colour_blind"


def test_ties_go_to_the_lower_code_and_missing_cells_to_nodata():
    probabilities = np.zeros((17, 1, 3), np.float32)
    probabilities[[4, 13], 0, 0] = 0.5
    probabilities[:, 0, 1] = 1 / 17
    probabilities[16, 0, 2] = np.nan
    assert most_probable_code(probabilities).tolist() == [[5, 1, 0]]


def test_a_missing_tile_is_named(parts, tmp_path):
    with pytest.raises(ValueError, match="mosaic of 6 tiles: expected a file for each, got none for r001c002"):
        join(parts[:-1], tmp_path)
    assert not list(tmp_path.glob("*.tif"))
    parts[1].unlink()
    with pytest.raises(ValueError, match=r"r000c001.probabilities\.tif: no such file"):
        join(parts, tmp_path)


def test_a_tile_given_twice_is_refused(parts, tmp_path):
    with pytest.raises(ValueError, match="tile r000c000 was already given by"):
        join([*parts, parts[0]], tmp_path)


def test_a_tile_of_another_grid_is_refused(parts, tmp_path):
    moved = Grid("EPSG:32733", 500_100.0, 7_000_000.0, 110, 70, 10, 40, GRID.aoi)
    with pytest.raises(ValueError, match=r"probabilities\.tif: expected 17 bands on a tile of the city grid \(6 tiles"):
        join(parts, tmp_path, moved)
    assert not list(tmp_path.glob("*.tif"))


def test_a_map_without_any_class_is_an_error(tmp_path):
    paths = []
    for tile in tiles(GRID):
        paths.append(tmp_path / f"{tile.name}_p.tif")
        write_probabilities(paths[-1], iter([]), tile_cell_geobox(GRID, tile), tags={})
    with pytest.raises(ValueError, match=r"lcz\.tif: the map would be empty, none of its 77 cells has a class"):
        join(paths, tmp_path)
    assert not (tmp_path / "probabilities.tif").exists() and not (tmp_path / "lcz.tif").exists()


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected probabilities \(17, y, x\), got \(16, 2, 2\)"):
        most_probable_code(np.zeros((16, 2, 2), np.float32))
