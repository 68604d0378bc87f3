from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from shapely.geometry import box

from lczmap.classes import CLASSES
from lczmap.evaluation.figures import class_colors, class_shares, draw_map, stretch_colors
from lczmap.grid import Grid, tile_geobox, tiles
from lczmap.raster import Stack, write_class_map, write_stack


def grid_of(rows: int, cols: int) -> Grid:
    west, north = 300_000.0, 5_800_000.0
    aoi = box(west, north - 100 * rows, west + 100 * cols, north)
    return Grid("EPSG:32633", west, north, 10 * cols, 10 * rows, 10, 200, aoi)


def write_map(folder: Path, codes: np.ndarray, **tags: str) -> Path:
    write_class_map(folder / "lcz.tif", codes, grid_of(*codes.shape).cell_geobox, tags=tags)
    return folder / "lcz.tif"


def drawn(path: Path) -> np.ndarray:
    """The picture's colours (y, x, 3), 0..255."""
    return np.rint(255 * matplotlib.image.imread(path)[..., :3]).astype(int)


def where(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero((picture == color).all(axis=2))


def test_codes_get_official_colours_and_nodata_is_transparent():
    colors = class_colors(np.array([[0, 1, 15, 17]], np.uint8))
    assert colors.tolist() == [[[0, 0, 0, 0], [140, 0, 0, 255], [0, 0, 0, 255], [106, 106, 255, 255]]]


def test_the_picture_has_the_colours_of_the_maps_palette(tmp_path: Path):
    grid = grid_of(30, 30)
    codes = np.full((30, 30), 11, np.uint8)
    write_class_map(tmp_path / "lcz.tif", codes, grid.cell_geobox, tags={}, palette="colour_blind")
    draw_map(tmp_path / "lcz.tif", tmp_path / "map.png")
    picture = drawn(tmp_path / "map.png")
    assert where(picture, (0x39, 0x69, 0x35))[0].size > 100_000  # the map, and the row of the legend
    assert where(picture, (0x00, 0x6A, 0x00))[0].size == 0


def test_shares_leave_nodata_out():
    shares = class_shares(np.array([[0, 0, 6], [6, 6, 17]], np.uint8))
    assert shares[5] == 0.75 and shares[16] == 0.25 and shares.sum() == 1
    assert class_shares(np.zeros((2, 2), np.uint8)).sum() == 0


def test_reflectance_is_stretched_between_its_percentiles_per_band():
    ramp = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 101)
    picture = stretch_colors(np.stack([ramp, ramp / 10, ramp + 3]))
    np.testing.assert_allclose(picture[..., 0].astype(int), picture[..., 1], atol=1)
    assert picture[0, 1, 0] <= 1 and picture[0, 99, 0] >= 254 and picture[0, 50, 0] in (127, 128)


def test_a_pixel_without_value_is_transparent_in_the_quick_look():
    reflectance = np.random.default_rng(0).random((3, 4, 4)).astype(np.float32)
    reflectance[1, 2, 3] = np.nan
    alpha = stretch_colors(reflectance)[..., 3]
    assert alpha[2, 3] == 0 and (alpha == 255).sum() == 15
    assert not stretch_colors(np.full((3, 2, 2), np.nan, np.float32)).any()


@pytest.mark.parametrize("shape", [(100, 100), (40, 60), (20, 60)])
def test_north_is_up_and_the_legend_shows_every_class(tmp_path, shape):
    codes = np.full(shape, 17, np.uint8)
    codes[: shape[0] // 2] = 11  # the northern half is trees
    draw_map(write_map(tmp_path, codes), tmp_path / "map.png", title="A city")
    picture = drawn(tmp_path / "map.png")
    trees, water = (where(picture, CLASSES[i].rgb) for i in (10, 16))
    map_width = np.percentile(np.concatenate([trees[1], water[1]]), 95)
    inside = [rows[cols < map_width] for rows, cols in (trees, water)]
    assert np.percentile(inside[0], 99) < np.percentile(inside[1], 1)
    for c in CLASSES:
        assert len(where(picture[:, int(map_width) :], c.rgb)[0]) > 100  # its patch in the legend


def test_what_is_known_of_the_network_stands_below_the_map(tmp_path):
    codes = np.full((4, 4), 17, np.uint8)
    draw_map(write_map(tmp_path, codes), tmp_path / "without.png")
    lines = "one: a line that is longer than the page is wide " * 4
    draw_map(write_map(tmp_path, codes, LCZMAP_RELIABILITY=lines), tmp_path / "with.png")
    without, noted = (drawn(tmp_path / f"{name}.png") for name in ("without", "with"))
    added = len(noted) - len(without)
    assert added > 20 and noted.shape[1] == without.shape[1]
    assert (without[-25:] == 255).all() and (noted[-25:] < 255).any()
    np.testing.assert_allclose(noted[:200], without[:200], atol=2)


def test_map_scene_and_truth_stand_side_by_side(tmp_path):
    grid = grid_of(30, 30)
    codes = np.full((30, 30), 14, np.uint8)
    codes[:10, :10] = 0
    lcz = write_map(tmp_path, codes)
    paths = []
    for tile in tiles(grid):  # the south is red, the north is blue
        geobox = tile_geobox(grid, tile)
        north = (geobox.transform.f - 10 * np.arange(geobox.shape[0]) > 5_800_000 - 1500)[:, None]
        red, blue = (np.broadcast_to(np.where(north, *v), geobox.shape) for v in ((0.05, 0.3), (0.3, 0.05)))
        pixels = np.stack([blue, red * 0 + 0.1, red]).astype(np.float32)
        paths.append(tmp_path / f"{tile.name}.tif")
        write_stack(paths[-1], Stack(pixels, ("B2", "B3", "B4"), geobox), encoding="uint16_reflectance")
    assert len(paths) == 4
    draw_map(lcz, tmp_path / "map.png", rgb_stack_paths=paths, title="A city", truth_path=lcz)
    picture = drawn(tmp_path / "map.png")
    red, blue, plants = (where(picture, color) for color in ((255, 0, 0), (0, 0, 255), CLASSES[13].rgb))
    assert np.percentile(blue[0], 99) < np.percentile(red[0], 1)
    assert len(red[0]) == pytest.approx(len(blue[0]), rel=0.02)
    middle = red[1][red[0] > np.median(red[0])].mean()
    assert (plants[1] < red[1].min()).sum() > 1e5 and (plants[1] > middle).sum() > 1e5  # a panel on each side


def test_a_stack_without_visible_bands_is_refused(tmp_path):
    grid = grid_of(20, 20)
    lcz = write_map(tmp_path, np.full((20, 20), 6, np.uint8))
    geobox = tile_geobox(grid, tiles(grid)[0])
    write_stack(tmp_path / "s1.tif", Stack(np.ones((1, *geobox.shape), np.float32), ("VV",), geobox))
    with pytest.raises(ValueError, match=r"s1\.tif: expected the bands \('B4', 'B3', 'B2'\) .* got \('VV',\)"):
        draw_map(lcz, tmp_path / "map.png", rgb_stack_paths=[tmp_path / "s1.tif"])
    assert not (tmp_path / "map.png").exists()
