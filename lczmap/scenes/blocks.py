"""Fixed blocks of the city grid: pixels are made block by block, so they do not depend on the tile that asks.

The blocks are anchored at the city's corner. A tile takes the blocks that it touches and cuts them to its size:
two tiles, or two tile sizes, get the same bytes where they overlap, and memory holds one block of all dates for
each worker. Blocks are tasks of dask: they run on threads or on a cluster (parallel.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from affine import Affine
from dask.base import compute
from dask.delayed import delayed
from odc.geo.geobox import GeoBox

from lczmap.grid import PIXEL_M, Grid

BLOCK_PX = 256
_AT_A_TIME = 32  # blocks; their results are in memory together
Float = npt.NDArray[np.float32]


def assemble(geobox: GeoBox, grid: Grid, channels: int, make_block: Callable[[GeoBox], Float]) -> Float:
    """Return (channels, y, x) on `geobox`, a part of the city's pixels (also beyond its edge), made block by block.

    `make_block` gets the geobox of a block and returns its (channels, y, x).
    """
    height, width = geobox.shape
    top = round((grid.north - geobox.transform.f) / PIXEL_M)  # first pixel row of the geobox on the city's grid
    left = round((geobox.transform.c - grid.west) / PIXEL_M)
    corners = [
        (row, col)
        for row in range(top // BLOCK_PX * BLOCK_PX, top + height, BLOCK_PX)
        for col in range(left // BLOCK_PX * BLOCK_PX, left + width, BLOCK_PX)
    ]
    task = delayed(make_block, pure=False, traverse=False)
    out = np.empty((channels, height, width), np.float32)
    for start in range(0, len(corners), _AT_A_TIME):
        some = corners[start : start + _AT_A_TIME]
        blocks = compute(*(task(_block_geobox(grid, row, col)) for row, col in some))  # type: ignore[no-untyped-call]
        for (row, col), block in zip(some, blocks, strict=True):
            rows = slice(max(row, top), min(row + BLOCK_PX, top + height))
            cols = slice(max(col, left), min(col + BLOCK_PX, left + width))
            out[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = block[
                :, rows.start - row : rows.stop - row, cols.start - col : cols.stop - col
            ]
    return out


def _block_geobox(grid: Grid, row: int, col: int) -> GeoBox:
    transform = Affine(PIXEL_M, 0, grid.west + col * PIXEL_M, 0, -PIXEL_M, grid.north - row * PIXEL_M)
    return GeoBox((BLOCK_PX, BLOCK_PX), transform, grid.crs)
