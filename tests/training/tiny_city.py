"""A small city for the tests of training: its grid, and stacks painted by pixel position."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely

from lczmap.channels import S2_10, SO2SAT8
from lczmap.grid import HALO_PX, Grid, tile_geobox, tiles
from lczmap.raster import Stack, write_stack
from lczmap.training.patches import PatchTable

WEST, NORTH = 400_000.0, 5_800_000.0
CHANNELS = SO2SAT8.channels + S2_10.channels
STATE = {"sentinel-1": {"product": "slc"}, "sentinel-2": {"level": "L1C"}}


def city_grid() -> Grid:
    """4 × 3 km at 100 m in tiles of 2 km: 30 rows and 40 columns of cells, 2 × 2 tiles."""
    aoi = shapely.box(WEST, NORTH - 3000, WEST + 4000, NORTH)
    return Grid("EPSG:32633", WEST, NORTH, width=400, height=300, cell_px=10, tile_px=200, aoi=aoi)


def cell_box(row: int, col: int, rows: int = 1, cols: int = 1) -> shapely.Polygon:
    """A polygon over whole cells."""
    north, west = NORTH - 100 * row, WEST + 100 * col
    return shapely.box(west, north - 100 * rows, west + 100 * cols, north)


def patch_table(*cells: tuple[int, int], code: int = 1) -> PatchTable:
    """A table of training patches at (row, col)."""
    row, col = np.array(cells, np.int64).T
    same = np.full(len(row), code, np.int64)
    return PatchTable(row, col, same, same, np.full(len(row), "train", dtype="<U10"))


def write_stacks(folder: Path, grid: Grid, paint: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> None:
    """Write s1.tif and s2.tif of all tiles; `paint(y, x, channel)` gets pixel indices from the grid's corner."""
    for tile in tiles(grid):
        y, x = np.mgrid[-HALO_PX : tile.height + HALO_PX, -HALO_PX : tile.width + HALO_PX]
        for sensor, name, channels in (
            ("sentinel-1", "s1.tif", SO2SAT8.channels),
            ("sentinel-2", "s2.tif", S2_10.channels),
        ):
            pixels = np.stack([paint(y + tile.row, x + tile.col, CHANNELS.index(c)) for c in channels])
            stack = Stack(pixels.astype(np.float32), channels, tile_geobox(grid, tile), STATE[sensor])
            write_stack(folder / tile.name / name, stack)
