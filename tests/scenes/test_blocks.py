import numpy as np
from odc.geo.geobox import GeoBox
from tiny_archive import NORTH, WEST, make_grid, pixel_centres

from lczmap.grid import tile_geobox, tiles
from lczmap.scenes.blocks import BLOCK_PX, assemble


def _coordinates(block: GeoBox) -> np.ndarray:
    x, y = pixel_centres(block)
    return np.stack([x - WEST, NORTH - y]).astype(np.float32)


def test_every_pixel_of_a_tile_comes_from_its_own_place():
    grid = make_grid(600, 300)
    for tile in tiles(grid):
        geobox = tile_geobox(grid, tile)
        np.testing.assert_array_equal(assemble(geobox, grid, 2, _coordinates), _coordinates(geobox))


def test_blocks_are_the_same_whatever_tile_asks():
    grid = make_grid(600, 300)
    asked: set[tuple[float, float]] = set()

    def make_block(block: GeoBox) -> np.ndarray:
        asked.add((block.transform.c - WEST, NORTH - block.transform.f))
        return _coordinates(block)

    for tile in tiles(grid):
        assemble(tile_geobox(grid, tile), grid, 2, make_block)
    # pixels -24..624 touch the blocks that begin at -256, 0, 256 and 512
    starts_m = [10 * BLOCK_PX * i for i in (-1, 0, 1, 2)]
    assert asked == {(x, y) for x in starts_m for y in starts_m}
