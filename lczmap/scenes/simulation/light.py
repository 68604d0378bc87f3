"""Cast the sun's shadows over the rendered ground."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from lczmap.scenes.simulation.ground import HEIGHTS_PER_M, PIXEL_M

_BLOCK = 32  # pixels; the search along a ray ends where nothing in reach is high enough


def cast_shadows(height: npt.NDArray[np.uint8], *, azimuth_deg: float, elevation_deg: float) -> npt.NDArray[np.bool_]:
    """Return True where something stands between the pixel and the sun.

    `height` is half metres above flat ground at 2.5 m, `azimuth_deg` the bearing (clockwise from north) towards the
    sun, `elevation_deg` its angle above the horizon.
    """
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    rise = math.tan(elevation) * PIXEL_M * HEIGHTS_PER_M  # half metres per pixel along the ray
    highest = _reachable_height(height, math.ceil(float(height.max()) / rise))
    shadow = np.zeros(height.shape, np.bool_)
    _cast(height, highest, -math.cos(azimuth), math.sin(azimuth), rise, shadow)
    return shadow


def _reachable_height(height: npt.NDArray[np.uint8], reach: int) -> npt.NDArray[np.uint8]:
    """Return, for blocks of 32 pixels, the greatest height within `reach` pixels of them."""
    rows, cols = (math.ceil(n / _BLOCK) for n in height.shape)
    padded = np.zeros((rows * _BLOCK, cols * _BLOCK), np.uint8)
    padded[: height.shape[0], : height.shape[1]] = height
    blocks = padded.reshape(rows, _BLOCK, cols, _BLOCK).max(axis=(1, 3))
    around = math.ceil(reach / _BLOCK)
    wide = np.pad(blocks, around)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * around + 1, 2 * around + 1))
    return np.asarray(windows.max(axis=(2, 3)))


@njit(parallel=True, cache=True)
def _cast(
    height: npt.NDArray[np.uint8],
    highest: npt.NDArray[np.uint8],
    step_row: float,
    step_col: float,
    rise: float,
    shadow: npt.NDArray[np.bool_],
) -> None:
    rows, cols = height.shape
    for row in prange(rows):
        for col in range(cols):
            level = float(height[row, col])
            limit = float(highest[row // _BLOCK, col // _BLOCK])
            r, c = float(row), float(col)
            level += rise
            while level < limit:
                r += step_row
                c += step_col
                i, j = round(r), round(c)
                if i < 0 or j < 0 or i >= rows or j >= cols:
                    break
                if height[i, j] > level:
                    shadow[row, col] = True
                    break
                level += rise
