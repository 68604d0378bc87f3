"""Whether two sensors' georeferences agree in scale: the shift of windows against their place in the city. Pure arrays.

A shift that grows along an axis means that the pixels of one product are larger than its georeference says. Shift at
the centre and growth along both axes are those at which the windows' own surfaces (coregister.py), each looked up at
its own shift, are highest in sum. The spread when windows are left out in turn, each time by one Newton step from the
joint solution, is their uncertainty (jackknife).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import interpolate, ndimage

from lczmap.scenes.coregister import SEARCH_PX, Correlation, explained, usable_windows, weigh
from lczmap.scenes.peak import find_peak, stand_out

Double = npt.NDArray[np.float64]

SIGNIFICANT_SIGMA = 3.0
HARMFUL_PX = 0.3
"""A shift that changes by less than this from one side of the city to the other does no harm."""

_EDGE_PX = np.arange(-4.0, 5.0)  # hypotheses: how much the shift grows from the centre to the outermost windows
_MIN_WINDOWS = 5  # for four unknowns
_MIN_CONTRAST = 8.0  # as for a shift
_STEPS = 6  # of Newton's method; two or three settle a smooth peak


@dataclass(frozen=True)
class Scale:
    """By what factor the moving image's coordinates, from the city's centre, must be multiplied along columns and rows.

    `right` and `down` are 1 where both sensors agree, `sigma_right` and `sigma_down` their standard deviations.
    `is_consistent` is False when either departs significantly from 1 by a harmful amount; None where the windows do
    not tell (unrelated, `contrast` too low). NaN and infinity where there are too few windows.
    """

    right: float
    down: float
    sigma_right: float
    sigma_down: float
    contrast: float
    is_consistent: bool | None


UNKNOWN = Scale(np.nan, np.nan, np.inf, np.inf, 0.0, None)
"""What too few windows say."""


def fit_scale(
    windows: Sequence[Correlation], places: Double, size_px: tuple[float, float], *, is_related: bool = False
) -> Scale:
    """Fit the scale between two sensors.

    `places` (window, 2) are the windows' centres, down and right, in pixels from the city's centre; `size_px` is the
    city's (height, width). `is_related`: the windows are known to show the same, since they share a shift.
    """
    usable = usable_windows(windows)
    chosen = [w for w, u in zip(windows, usable, strict=True) if u]
    if len(chosen) < _MIN_WINDOWS or np.any(np.ptp(places[usable], axis=0) == 0):
        return UNKNOWN
    reach = np.abs(places[usable]).max(axis=0)
    at = places[usable] / reach  # -1..1
    unknowns, contrast = _best_hypothesis(np.stack([explained([window]) for window in chosen]), at)
    for _ in range(2):  # the second time with weights from windows that lie on each other
        surfaces = weigh(chosen, unknowns[:2] + unknowns[2:] * at)
        unknowns, gradients, curvatures = _climb(surfaces, at, unknowns)
    growth, sigma = unknowns[2:] / reach, _jackknife(gradients, curvatures)[2:] / reach
    factor = 1 - growth  # what lies too far out by its growth has to come back
    consistent = None
    if (is_related or contrast >= _MIN_CONTRAST) and np.isfinite(sigma).all():
        harmful = (np.abs(growth) > SIGNIFICANT_SIGMA * sigma) & (np.abs(growth) * np.array(size_px) > HARMFUL_PX)
        consistent = not harmful.any()
    return Scale(float(factor[1]), float(factor[0]), float(sigma[1]), float(sigma[0]), contrast, consistent)


def _best_hypothesis(surfaces: Double, at: Double) -> tuple[Double, float]:
    """Return shift and growth (down, right, down, right) that a coarse search finds, and the peak's contrast."""
    best = np.full(surfaces.shape[1:], -np.inf)
    growth = np.zeros(2)
    for hypothesis in np.stack(np.meshgrid(_EDGE_PX, _EDGE_PX), axis=-1).reshape(-1, 2):
        moved = [ndimage.shift(s, -hypothesis * a, order=1, mode="nearest") for s, a in zip(surfaces, at, strict=True)]
        joint = np.sum(moved, axis=0)
        if joint.max() > best.max():
            best, growth = joint, hypothesis
    peak = find_peak(best)
    return np.concatenate([peak, growth]), stand_out(best, peak)


def _climb(surfaces: Double, at: Double, start: Double) -> tuple[Double, Double, Double]:
    """Return the four unknowns where the sum of surfaces is highest, and each window's gradient and curvature there."""
    axis = np.arange(-SEARCH_PX, SEARCH_PX + 1.0)
    splines = [interpolate.RectBivariateSpline(axis, axis, surface, kx=5, ky=5) for surface in surfaces]
    unknowns = start.copy()
    for _ in range(_STEPS):
        gradients, curvatures = _derivatives(splines, at, unknowns)
        total = curvatures.sum(axis=0)
        if np.linalg.eigvalsh(total).max() >= 0:  # no maximum in reach: the start is as good as it gets
            break
        unknowns = unknowns - np.clip(np.linalg.solve(total, gradients.sum(axis=0)), -1, 1)
    return unknowns, *_derivatives(splines, at, unknowns)


def _derivatives(
    splines: Sequence[interpolate.RectBivariateSpline], at: Double, unknowns: Double
) -> tuple[Double, Double]:
    # by the four unknowns: (window, 4) and (window, 4, 4)
    gradients, curvatures = [], []
    for spline, place in zip(splines, at, strict=True):
        y, x = np.clip(unknowns[:2] + unknowns[2:] * place, -SEARCH_PX, SEARCH_PX)
        slope = np.array([spline.ev(y, x, dx=1), spline.ev(y, x, dy=1)])
        mixed = spline.ev(y, x, dx=1, dy=1)
        bend = np.array([[spline.ev(y, x, dx=2), mixed], [mixed, spline.ev(y, x, dy=2)]])
        to_own = np.hstack([np.eye(2), np.diag(place)])  # (2, 4): this window's shift from the unknowns
        gradients.append(to_own.T @ slope)
        curvatures.append(to_own.T @ bend @ to_own)
    return np.array(gradients), np.array(curvatures)


def _jackknife(gradients: Double, curvatures: Double) -> Double:
    """Return the standard deviations of the four unknowns; infinity where the windows leave them open."""
    total, n = curvatures.sum(axis=0), len(gradients)
    if np.linalg.eigvalsh(total).max() >= 0:
        return np.full(4, np.inf)
    steps = [np.linalg.solve(total - bend, slope) for slope, bend in zip(gradients, curvatures, strict=True)]
    return np.asarray(np.sqrt((n - 1) * np.var(steps, axis=0)))
