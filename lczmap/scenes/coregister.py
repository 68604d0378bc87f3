"""Sub-pixel shift between two sensors, from the structure that both see. Pure arrays.

Radar and optics agree on where things change, seldom on which side is brighter. So each band becomes a structure
image (the gradient's magnitude of its logarithm), and the shift is the one at which the structure of all fixed
bands together explains that of the moving bands best: the surface R²(shift) of a linear regression, summed over
windows before its peak is sought. Windows whose own peak lies elsewhere are left out, and the spread of the result
when windows are left out in turn (jackknife) is its uncertainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, interpolate, ndimage, optimize

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

SEARCH_PX = 16
"""Largest shift that is looked for, in pixels; a window's outer `SEARCH_PX` pixels of the fixed image are unused."""
PLAUSIBLE_PX = 10.0
"""Orthorectified products lie closer together than this; a larger shift means a wrong georeference."""

_SMOOTHING_PX = 3.0
"""Gaussian sigma before the gradient, of the power, so that single-look speckle is tamed. Finer structure is sharper
but biased: sun shadows in the one sensor and wall echoes in the other lie beside the houses, not on them."""
_HIGH_PASS_PX = 12.0  # Gaussian sigma of the local mean that is taken off a structure image
_CLIP = 3.0  # robust standard deviations; a few bright targets must not decide
_VALID_SHARE = 0.25  # of a window's core; windows with fewer pixels that both images show are not used
_RIDGE = 1e-3  # of the mean variance, keeps the regression on nearly equal bands stable
_CONTRADICTION = 4.0  # robust standard deviations of a window's surface by which its own peak beats the joint one
_NEAR_PX = 2.0  # a window agrees when its own peak lies this close to the joint peak
_MIN_WINDOWS = 3
_MIN_AGREEING_SHARE = 0.3  # a peak at random agrees in 1 % of the cases
_MIN_CONTRAST = 10.0  # robust standard deviations of the joint surface; unrelated images reach about 5
_MAX_SIGMA_PX = 0.5
_PEAK_PX = 4  # half size of the neighbourhood in which the peak is interpolated


@dataclass(frozen=True)
class Correlation:
    """What one window says: correlations of structure images at every shift of ±`SEARCH_PX` pixels.

    `cross` is (fixed band, moving band, shift down, shift right), sums over the pixels that both images show;
    `count` (shift down, shift right) is their number, `gram` (fixed band, fixed band) and `power` (moving band)
    are means of products of one image with itself.
    """

    cross: Double
    count: Double
    gram: Double
    power: Double
    valid_share: float


@dataclass(frozen=True)
class Shift:
    """By how much the moving image must be moved to lie on the fixed one.

    `right` and `down` in pixels along columns and rows are to be ADDED to the moving image's coordinates; `sigma` is
    the standard deviation of each of them (jackknife over windows). `agrees[i]` says whether window i was used and
    `window_shifts[i]` what it found on its own, NaN where it shows too little. `contrast` is the height of the
    joint peak above other shifts in robust standard deviations. Where not `is_reliable`, `reason` says why and the
    shift must not be applied.
    """

    right: float
    down: float
    sigma: float
    contrast: float
    agrees: tuple[bool, ...]
    window_shifts: tuple[tuple[float, float], ...]
    is_reliable: bool
    reason: str


def estimate_shift(fixed: Iterable[Float], moving: Iterable[Float]) -> Shift:
    """Estimate the one shift of `moving` against `fixed` from pairs of windows.

    Each window is (band, n, n) of the same pixels, n > 2 · SEARCH_PX: any positive quantity such as reflectance or
    linear power, NaN where missing. Bands may differ between the sensors, not between windows.
    """
    return combine([correlate(f, m) for f, m in zip(fixed, moving, strict=True)])


def correlate(fixed: Float, moving: Float) -> Correlation:
    """Correlate the structure of one window pair, (band, n, n) each; see `estimate_shift`."""
    if fixed.ndim != 3 or moving.ndim != 3 or fixed.shape[1:] != moving.shape[1:]:
        raise ValueError(f"expected two images (band, n, n) of the same pixels, got {fixed.shape} and {moving.shape}")
    if min(fixed.shape[1:]) <= 2 * SEARCH_PX:
        raise ValueError(f"expected a window of more than {2 * SEARCH_PX} px, got {fixed.shape[1:]}")
    f, f_valid = _structures(fixed)
    m, m_valid = _structures(moving)
    core = np.zeros(fixed.shape[1:], np.float32)
    core[SEARCH_PX:-SEARCH_PX, SEARCH_PX:-SEARCH_PX] = 1
    f, f_valid = f * core, f_valid * core  # every shift then sees the same fixed pixels
    spectra_f, spectra_m = fft.rfft2(f), fft.rfft2(m)
    cross = _shifts(np.conj(spectra_f)[:, None] * spectra_m[None], fixed.shape[1:])
    any_f, any_m = f_valid.max(axis=0), m_valid.max(axis=0)
    count = _shifts(np.conj(fft.rfft2(any_f)) * fft.rfft2(any_m), fixed.shape[1:])
    pixels = max(float(any_f.sum()), 1.0)
    flat = f.reshape(len(f), -1).astype(np.float64)
    power = (m.astype(np.float64) ** 2).sum(axis=(1, 2)) / max(float(any_m.sum()), 1.0)
    share = float(count[SEARCH_PX, SEARCH_PX] / core.sum())
    return Correlation(cross, np.maximum(count, 0), flat @ flat.T / pixels, power, share)


def combine(windows: Sequence[Correlation]) -> Shift:
    """Estimate the shift that all windows share, from the correlations of each."""
    usable = np.array([w.valid_share >= _VALID_SHARE and w.power.min() > 0 for w in windows], np.bool_)
    if usable.sum() < _MIN_WINDOWS:
        reason = f"only {usable.sum()} of {len(windows)} windows show enough common pixels, {_MIN_WINDOWS} are needed"
        return Shift(0.0, 0.0, np.inf, 0.0, (False,) * len(windows), ((np.nan, np.nan),) * len(windows), False, reason)
    used, found = usable, np.full((len(windows), 2), np.nan)
    for _ in range(5):  # settles in two or three rounds
        chosen = [w for w, u in zip(windows, used, strict=True) if u]
        peak = _peak(_explained(chosen))
        weights = _weights(chosen, peak)
        contradicts = np.zeros(len(windows), np.bool_)
        for i in np.flatnonzero(usable):
            found[i], contradicts[i] = _own_peak(windows[i], weights, peak)
        kept = usable & ~contradicts
        if kept.sum() < _MIN_WINDOWS or np.array_equal(kept, used):
            break
        used = kept
    near = used & (np.hypot(*(found - peak).T) <= _NEAR_PX)
    sigma = _jackknife([w for w, u in zip(windows, used, strict=True) if u])
    contrast = _contrast(_explained([w for w, a in zip(windows, usable, strict=True) if a]), peak)
    reason = _doubt(peak, sigma, contrast, int(near.sum()), int(usable.sum()))
    # the moving image lies at +peak, so it has to go back by as much
    own = tuple((float(-right), float(-down)) for down, right in found)
    return Shift(float(-peak[1]), float(-peak[0]), sigma, contrast, tuple(near.tolist()), own, not reason, reason)


def _structures(bands: Float) -> tuple[Float, Float]:
    """Return structure images (band, y, x), zero mean, unit variance, 0 where missing, and their validity 0/1."""
    made = [_structure(band) for band in bands]
    return np.stack([structure for structure, _ in made]), np.stack([valid for _, valid in made])


def _structure(band: Float) -> tuple[Float, Float]:
    positive = np.isfinite(band) & (band > 0)
    smooth = _local_mean(np.where(positive, band, 0), positive, _SMOOTHING_PX)
    rows, cols = np.gradient(np.log(np.where(positive, smooth, 1)))
    # the smoothing and the gradient reach this far into missing pixels
    valid = ndimage.binary_erosion(positive, iterations=2, border_value=1)
    if not valid.any():
        return np.zeros_like(band), np.zeros_like(band)
    edges = np.sqrt(np.hypot(rows, cols))  # the root keeps weak edges in play
    detail = np.where(valid, edges - _local_mean(np.where(valid, edges, 0), valid, _HIGH_PASS_PX), 0)
    spread = 1.4826 * np.median(np.abs(detail[valid]))
    detail = np.where(valid, np.clip(detail, -_CLIP * spread, _CLIP * spread), 0)
    detail[valid] -= detail[valid].mean()
    return (detail / max(float(detail[valid].std()), 1e-12)).astype(np.float32), valid.astype(np.float32)


def _local_mean(values: npt.NDArray[np.floating], valid: Bool, sigma: float) -> npt.NDArray[np.floating]:
    weight = ndimage.gaussian_filter(valid.astype(np.float32), sigma)
    mean: npt.NDArray[np.floating] = ndimage.gaussian_filter(values, sigma) / np.maximum(weight, 1e-6)
    return mean


def _shifts(spectrum: npt.NDArray[np.complexfloating], shape: tuple[int, ...]) -> Double:
    # correlation at the shifts -SEARCH_PX..SEARCH_PX, zero shift in the middle
    full = np.roll(fft.irfft2(spectrum, s=shape), (SEARCH_PX, SEARCH_PX), axis=(-2, -1))
    size = 2 * SEARCH_PX + 1
    return np.asarray(full[..., :size, :size], dtype=np.float64)


def _totals(windows: Sequence[Correlation]) -> tuple[Double, Double, Double]:
    count = np.maximum(sum(w.count for w in windows), 1.0)
    cross = sum(w.cross for w in windows) / count
    gram = np.mean([w.gram for w in windows], axis=0)
    power = np.mean([w.power for w in windows], axis=0)
    return cross, gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), power


def _explained(windows: Sequence[Correlation]) -> Double:
    """Return R² (shift down, shift right), summed over the moving bands."""
    cross, gram, power = _totals(windows)
    solved = np.tensordot(np.linalg.inv(gram), cross, axes=1)  # (fixed, moving, down, right)
    return np.asarray((cross * solved / power[None, :, None, None]).sum(axis=(0, 1)))


def _weights(windows: Sequence[Correlation], peak: Double) -> Double:
    """Return the regression weights (fixed band, moving band) at the shift nearest to `peak`."""
    cross, gram, power = _totals(windows)
    down, right = np.rint(peak).astype(int) + SEARCH_PX
    return np.asarray(np.linalg.solve(gram, cross[:, :, down, right]) / power)


def _own_peak(window: Correlation, weights: Double, joint: Double) -> tuple[Double, bool]:
    """Return where a window has its peak on its own, and whether that contradicts the joint peak."""
    surface = np.tensordot(weights, window.cross, axes=2) / np.maximum(window.count, 1.0)
    down, right = np.rint(joint).astype(int) + SEARCH_PX
    spread = 1.4826 * np.median(np.abs(surface - np.median(surface)))
    return _peak(surface), bool(surface.max() - surface[down, right] > _CONTRADICTION * spread)


def _peak(surface: Double) -> Double:
    """Return the (down, right) shift of the maximum, to a fraction of a pixel."""
    size = len(surface) - 1
    row, col = np.unravel_index(np.argmax(surface), surface.shape)
    top, left = (int(np.clip(i - _PEAK_PX, 0, size - 2 * _PEAK_PX)) for i in (row, col))
    around = surface[top : top + 2 * _PEAK_PX + 1, left : left + 2 * _PEAK_PX + 1]
    axis = np.arange(2 * _PEAK_PX + 1.0)
    scale = max(float(np.abs(around).max()), 1e-300)
    spline = interpolate.RectBivariateSpline(axis, axis, around / scale, kx=5, ky=5)
    start = np.array([row - top, col - left], dtype=np.float64)
    best = optimize.minimize(
        lambda at: -spline.ev(*at),
        start,
        jac=lambda at: -np.array([spline.ev(*at, dx=1), spline.ev(*at, dy=1)]),
        bounds=[(max(s - 1, 0), min(s + 1, axis[-1])) for s in start],
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return np.asarray(best.x + np.array([top - SEARCH_PX, left - SEARCH_PX]))


def _jackknife(windows: Sequence[Correlation]) -> float:
    """Return the standard deviation of one coordinate of the joint peak, from leaving out one window at a time."""
    n = len(windows)
    if n < _MIN_WINDOWS:
        return float("inf")
    peaks = np.array([_peak(_explained([*windows[:i], *windows[i + 1 :]])) for i in range(n)])
    return float(np.sqrt((n - 1) * peaks.var(axis=0).mean()))


def _contrast(surface: Double, peak: Double) -> float:
    down, right = np.mgrid[-SEARCH_PX : SEARCH_PX + 1, -SEARCH_PX : SEARCH_PX + 1]
    elsewhere = surface[np.hypot(down - peak[0], right - peak[1]) > _PEAK_PX]
    row, col = np.rint(peak).astype(int) + SEARCH_PX
    spread = 1.4826 * np.median(np.abs(elsewhere - np.median(elsewhere)))
    return float((surface[row, col] - np.median(elsewhere)) / max(spread, 1e-300))


def _doubt(peak: Double, sigma: float, contrast: float, agreeing: int, usable: int) -> str:
    """Return why a shift cannot be relied on; empty when it can."""
    if agreeing < max(_MIN_WINDOWS, _MIN_AGREEING_SHARE * usable):
        return f"only {agreeing} of {usable} windows agree on a shift: the images share too little structure"
    if contrast < _MIN_CONTRAST:
        return f"the best shift stands out by {contrast:.1f} standard deviations only, {_MIN_CONTRAST:g} are needed"
    if sigma > _MAX_SIGMA_PX:
        return f"the windows leave the shift uncertain by {sigma:.2f} px, at most {_MAX_SIGMA_PX:g} is accepted"
    if np.hypot(*peak) > PLAUSIBLE_PX:
        return f"a shift of {np.hypot(*peak):.1f} px is implausible (over {PLAUSIBLE_PX:g}): check the georeference"
    return ""
