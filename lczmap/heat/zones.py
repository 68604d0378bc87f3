"""The zones of a map: which cells and places lie inside one, and which near its border."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.classes import NODATA_CODE
from lczmap.raster import read_class_map

Codes = npt.NDArray[np.uint8]
Metres = npt.NDArray[np.float64]

BORDER_M = 200.0
"""What lies nearer to another zone is influenced by it and counts as edge."""


@dataclass(frozen=True)
class Zones:
    """A map: `codes` (y, x) 1..17, 0 nodata, on the cells of `geobox`, which are squares of `cell_m` metres.

    `clearance_m` (y, x) is the distance of each cell's centre from the border of its zone.
    """

    codes: Codes
    geobox: GeoBox
    cell_m: float
    clearance_m: Metres


def read_zones(path: Path) -> Zones:
    """Read a map of square cells in a CRS of metres; ValueError for another one, or one without any class."""
    codes, geobox = read_class_map(path)
    width, height = abs(geobox.transform.a), abs(geobox.transform.e)
    crs = None if geobox.crs is None else pyproj.CRS(str(geobox.crs))
    in_metres = crs is not None and crs.is_projected and crs.axis_info[0].unit_name == "metre"
    if not in_metres or not np.isclose(width, height):
        found = "no CRS" if crs is None else f"{crs.name}, {width:g} × {height:g} {crs.axis_info[0].unit_name}"
        raise ValueError(
            f"{path}: expected square cells in a CRS of metres, such as UTM, because distances to zone borders count "
            f"in metres; got {found}. Reproject the map, with the nearest neighbour"
        )
    if not codes.any():
        raise ValueError(f"{path}: expected an LCZ map, no cell has a class")
    return Zones(codes, geobox, width, border_distance_m(codes, width))


def border_distance_m(codes: Codes, cell_m: float) -> Metres:
    """Return (y, x) the distance from each cell's centre to the nearest border of its zone, in metres.

    The border of a zone is where another class, nodata or the end of the map begins: what lies there is another
    zone, or unknown. Exact: 50 m for a cell of 100 m beside another class. 0 for cells without class.
    """
    from scipy.ndimage import distance_transform_edt

    rows, cols = codes.shape
    framed = np.pad(codes, 1)
    beside = framed[1:-1, :-1] != framed[1:-1, 1:]  # (rows, cols + 1), upright cell sides
    above = framed[:-1, 1:-1] != framed[1:, 1:-1]  # (rows + 1, cols), level cell sides
    # nodes every half cell: the point of a border that is nearest to a centre is the middle or the end of a side
    inside = np.ones((2 * rows + 1, 2 * cols + 1), np.bool_)
    for offset in (0, 1, 2):
        inside[offset : offset + 2 * rows : 2, ::2] &= ~beside
        inside[::2, offset : offset + 2 * cols : 2] &= ~above
    distance: Metres = distance_transform_edt(inside)[1::2, 1::2] * (cell_m / 2)
    return np.where(codes == NODATA_CODE, 0.0, distance)


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
