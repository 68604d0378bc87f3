"""The zones of a map: which cells and places lie inside one, and which near its border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import NODATA_CODE, NUM_CLASSES, PaletteName, palette_of
from lczmap.raster import read_class_map, read_tags, square_pixel_m

Codes = npt.NDArray[np.uint8]
Metres = npt.NDArray[np.float32]

BORDER_M = 200.0
"""What lies nearer to another zone is influenced by it and counts as edge."""
TILE = 1024  # cells: what is computed at once, for memory; about 130 bytes each


@dataclass(frozen=True)
class Zones:
    """A map: `codes` (y, x) 1..17, 0 nodata, on the cells of `geobox`, which are squares of `cell_m` metres.

    `palette` is the map's own.
    """

    codes: Codes
    geobox: GeoBox
    cell_m: float
    palette: PaletteName = "official"

    @cached_property
    def cells(self) -> npt.NDArray[np.int64]:
        """Number of cells (17,) of each class; counted once, because a year of hours asks 8760 times."""
        return np.array([(self.codes == code).sum() for code in range(1, NUM_CLASSES + 1)], np.int64)

    def clearance_m(self, *, reach_m: float) -> Metres:
        """Return (y, x) the distance of each cell's centre from the border of its zone, `reach_m` at most."""
        return border_distance_m(self.codes, self.cell_m, reach_m=reach_m)


def read_zones(path: Path) -> Zones:
    """Read a map of square cells of true metres; ValueError for another one, or one without any class."""
    codes, geobox = read_class_map(path)
    cell_m = square_pixel_m(geobox, path)
    if not codes.any():
        raise ValueError(f"{path}: expected an LCZ map, no cell has a class")
    return Zones(codes, geobox, cell_m, palette_of(read_tags(path)))


def border_distance_m(codes: Codes, cell_m: float, *, reach_m: float) -> Metres:
    """Return (y, x) the distance from each cell's centre to the nearest border of its zone, in metres.

    The border of a zone is where another class, nodata or the end of the map begins: what lies there is another
    zone, or unknown. Exact: 50 m for a cell of 100 m beside another class. 0 for cells without class. What is
    farther than `reach_m` is `reach_m`: memory, beside what is returned, is that of one tile and so much around it.
    """
    rows, cols = codes.shape
    framed = np.pad(codes, 1)
    margin = int(np.ceil(reach_m / cell_m))
    distance = np.zeros(codes.shape, np.float32)
    for top in range(0, rows, TILE):
        for left in range(0, cols, TILE):
            tile = slice(top, min(top + TILE, rows)), slice(left, min(left + TILE, cols))
            has_class = codes[tile] != NODATA_CODE
            if has_class.any():
                found = np.minimum(_tile_distance(framed, tile, margin) * cell_m, reach_m)
                distance[tile] = np.where(has_class, found, 0)
    return distance


def _tile_distance(framed: Codes, tile: tuple[slice, slice], margin: int) -> npt.NDArray[np.float64]:
    """Return a tile's distances in cells, right up to `margin` cells; `framed` is the map with a ring of nodata."""
    rows, cols = (n - 2 for n in framed.shape)
    top, left = (max(part.start - margin, 0) for part in tile)
    bottom, right = min(tile[0].stop + margin, rows), min(tile[1].stop + margin, cols)
    inner = slice(tile[0].start - top, tile[0].stop - top), slice(tile[1].start - left, tile[1].stop - left)
    return _window_distance(framed[top : bottom + 2, left : right + 2])[inner]


def _window_distance(framed: Codes) -> npt.NDArray[np.float64]:
    """Return the distances in cells within a window (y + 2, x + 2), whose ring says what borders it; inf if none."""
    from scipy.ndimage import distance_transform_edt

    rows, cols = (n - 2 for n in framed.shape)
    beside = framed[1:-1, :-1] != framed[1:-1, 1:]  # (rows, cols + 1), upright cell sides
    above = framed[:-1, 1:-1] != framed[1:, 1:-1]  # (rows + 1, cols), level cell sides
    # nodes every half cell: the point of a border that is nearest to a centre is the middle or the end of a side
    inside = np.ones((2 * rows + 1, 2 * cols + 1), np.bool_)
    for offset in (0, 1, 2):
        inside[offset : offset + 2 * rows : 2, ::2] &= ~beside
        inside[::2, offset : offset + 2 * cols : 2] &= ~above
    if inside.all():
        return np.full((rows, cols), np.inf)
    distance: npt.NDArray[np.float64] = distance_transform_edt(inside)[1::2, 1::2] / 2
    return distance


def place_clearance_m(codes: Codes, row: float, col: float, cell_m: float, *, reach_m: float) -> float:
    """Return the distance from a place to the nearest ground of another class or without one, `reach_m` at most.

    `row` and `col` count in cells from the map's corner, 0.5 is the first cell's centre. The end of the map counts as
    ground without a class.
    """
    reach = int(np.ceil(reach_m / cell_m)) + 1
    framed = np.pad(codes, reach)
    top, left = int(row), int(col)
    window = framed[top : top + 2 * reach + 1, left : left + 2 * reach + 1]  # its middle is the place's cell
    rows, cols = np.nonzero(window != codes[top, left])
    down = np.maximum(np.abs(rows + top - reach + 0.5 - row) - 0.5, 0)
    across = np.maximum(np.abs(cols + left - reach + 0.5 - col) - 0.5, 0)
    return float(min(np.hypot(down, across).min(initial=np.inf) * cell_m, reach_m))
