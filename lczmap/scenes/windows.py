"""Where the windows lie in which shifts between scenes are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.grid import Grid
from lczmap.scenes.coregister import SEARCH_PX

WINDOW_PX = 256
"""Largest side of a window's core; a smaller city has smaller windows."""


@dataclass(frozen=True)
class Frame:
    """Windows of one city.

    `places` (window, 2) are their centres, down and right, in pixels from the city's centre; `size_px` is the city's
    (height, width).
    """

    windows: tuple[GeoBox, ...]
    places: npt.NDArray[np.float64]
    size_px: tuple[float, float]


def spread_windows(grid: Grid, per_side: tuple[int, int]) -> Frame:
    """Spread windows evenly over the city; each is a core of at most `WINDOW_PX` with `SEARCH_PX` more around.

    `per_side` is the least and the greatest number of windows along rows and columns.
    """
    rows, height = _spread(grid.height, per_side)
    cols, width = _spread(grid.width, per_side)
    shape = (height + 2 * SEARCH_PX, width + 2 * SEARCH_PX)
    corners = [(row, col) for row in rows for col in cols]
    windows = [
        GeoBox(shape, grid.geobox.transform @ Affine.translation(col - SEARCH_PX, row - SEARCH_PX), grid.crs)
        for row, col in corners
    ]
    centre = ((grid.height - height) / 2, (grid.width - width) / 2)
    return Frame(tuple(windows), np.array(corners, np.float64) - centre, (grid.height, grid.width))


def _spread(length: int, per_side: tuple[int, int]) -> tuple[list[int], int]:
    # first pixels of the cores along one side, and the cores' length
    count = int(np.clip(math.ceil(length / WINDOW_PX), *per_side))
    core = min(WINDOW_PX, max(length // count, 1))
    return [round(start) for start in np.linspace(0, length - core, count)], core
