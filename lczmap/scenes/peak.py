"""The highest point of a surface over shifts, to a fraction of a pixel, and how far it stands out. Pure arrays.

A surface is (shift down, shift right) at whole pixels, zero shift in the middle, an odd number of them each way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import interpolate

Double = npt.NDArray[np.float64]

_NEWTON_STEPS = 8  # two or three settle a smooth peak
_PEAK_PX = 4  # half size of the neighbourhood in which the peak is interpolated


def find_peak(surface: Double) -> Double:
    """Return the (down, right) shift of the maximum, to a fraction of a pixel."""
    size, reach = len(surface) - 1, len(surface) // 2
    row, col = np.unravel_index(np.argmax(surface), surface.shape)
    top, left = (int(np.clip(i - _PEAK_PX, 0, size - 2 * _PEAK_PX)) for i in (row, col))
    around = surface[top : top + 2 * _PEAK_PX + 1, left : left + 2 * _PEAK_PX + 1]
    axis = np.arange(2 * _PEAK_PX + 1.0)
    spline = interpolate.RectBivariateSpline(axis, axis, around, kx=5, ky=5)
    start = np.array([row - top, col - left], dtype=np.float64)
    at = start.copy()
    for _ in range(_NEWTON_STEPS):
        slope = np.array([spline.ev(*at, dx=1), spline.ev(*at, dy=1)])
        mixed = spline.ev(*at, dx=1, dy=1)
        curvature = np.array([[spline.ev(*at, dx=2), mixed], [mixed, spline.ev(*at, dy=2)]])
        if np.linalg.det(curvature) <= 0:  # no maximum in reach: the grid's own is as good as it gets
            break
        at = np.clip(at - np.linalg.solve(curvature, slope), np.maximum(start - 1, 0), np.minimum(start + 1, axis[-1]))
    return np.asarray(at + np.array([top - reach, left - reach]), dtype=np.float64)


def stand_out(surface: Double, peak: Double) -> float:
    """Return the height of the surface at `peak` above shifts elsewhere, in their robust standard deviations."""
    reach = len(surface) // 2
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    elsewhere = surface[np.hypot(down - peak[0], right - peak[1]) > _PEAK_PX]
    row, col = np.rint(peak).astype(int) + reach
    spread = 1.4826 * np.median(np.abs(elsewhere - np.median(elsewhere)))
    return float((surface[row, col] - np.median(elsewhere)) / max(spread, 1e-300))
