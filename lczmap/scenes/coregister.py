"""Sub-pixel shift between two sensors, from the structure that both see. Pure arrays.

The shift is the one at which the structure images (structure.py) of the fixed sensor together explain those of the
moving one best: the surface R²(shift) of a linear regression, summed over windows before its peak is sought.
Windows that contradict it are left out, and the spread of the result when windows are left out in turn (jackknife)
is its uncertainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from lczmap.scenes.peak import find_peak, stand_out
from lczmap.scenes.shift_surface import near_shifts
from lczmap.scenes.structure import fixed_structure, moving_structure

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

SEARCH_PX = 16
"""Largest shift that is looked for, in pixels; a window's outer `SEARCH_PX` pixels of the fixed image are unused."""
PLAUSIBLE_PX = 10.0
"""Orthorectified products lie closer together than this; a larger shift means a wrong georeference."""

_VALID_SHARE = 0.25  # of a window's core; windows with fewer pixels that both images show are not used
_RIDGE = 0.3  # of the mean variance: bands and their ratios are alike, and a date may show one window only
_CONTRADICTION = 4.0  # robust standard deviations of a window's surface by which its own peak beats the joint one
_NEAR_PX = 2.0  # a window agrees when its own peak lies this close to the joint peak
_MIN_WINDOWS = 3
_MIN_AGREEING_SHARE = 0.3  # a peak at random agrees in 1 % of the cases
_MIN_CONTRAST = 8.0  # robust standard deviations of the joint surface; unrelated images seldom reach 6
_MAX_SIGMA_PX = 0.5


@dataclass(frozen=True)
class Correlation:
    """What one window says: correlations of structure images at every shift of ±`SEARCH_PX` pixels.

    `cross` is (fixed image, moving image, shift down, shift right), sums over the pixels that both images show;
    `count` (shift down, shift right) is their number, `gram` (fixed image, fixed image) and `power` (moving image)
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


@dataclass(frozen=True)
class FixedWindow:
    """One window of the fixed sensor, ready to be correlated with several moving ones.

    `spectra` (image, rows, columns of a real FFT) of the structure images within the core, `valid_spectrum` of their
    validity, `gram` (image, image) their mean products, `core_pixels` the size of the core, `shape` (rows, cols).
    """

    spectra: npt.NDArray[np.complex64]
    valid_spectrum: npt.NDArray[np.complex64]
    gram: Double
    core_pixels: int
    shape: tuple[int, int]


def estimate_shift(fixed: Iterable[Float], moving: Iterable[Float]) -> Shift:
    """Estimate the one shift of `moving` against `fixed` from pairs of windows.

    Each window is (band, rows, cols) of the same pixels, more than 2 · SEARCH_PX each way: any positive quantity
    such as reflectance or linear power, NaN where missing. The number of bands may differ between the sensors, not
    between windows. ValueError for windows that do not fit each other.
    """
    return combine([correlate(prepare_fixed(f), m) for f, m in zip(fixed, moving, strict=True)])


def prepare_fixed(bands: Float) -> FixedWindow:
    """Return what `correlate` needs of one window (band, rows, cols) of the sensor that stays."""
    if bands.ndim != 3 or min(bands.shape[1:]) <= 2 * SEARCH_PX:
        raise ValueError(f"expected a window (band, rows, cols) of more than {2 * SEARCH_PX} px, got {bands.shape}")
    structure = fixed_structure(bands)
    core = np.zeros(bands.shape[1:], np.float32)
    core[SEARCH_PX:-SEARCH_PX, SEARCH_PX:-SEARCH_PX] = 1
    images, valid = structure.images * core, structure.valid * core  # every shift then sees the same fixed pixels
    flat = images.reshape(len(images), -1)
    gram = (flat @ flat.T).astype(np.float64) / max(float(valid.sum()), 1.0)
    _, rows, cols = bands.shape
    return FixedWindow(fft.rfft2(images), fft.rfft2(valid), gram, int(core.sum()), (rows, cols))


def correlate(fixed: FixedWindow, moving: Float, *, optical: bool = False) -> Correlation:
    """Correlate a window with the same pixels (band, rows, cols) of the sensor that is moved; see `estimate_shift`.

    `optical`: the moving sensor is of the fixed one's kind (another date), so ratios of its bands are compared too.
    """
    if moving.ndim != 3 or moving.shape[1:] != fixed.shape:
        raise ValueError(f"expected a window (band, {fixed.shape[0]}, {fixed.shape[1]}), got {moving.shape}")
    structure = fixed_structure(moving) if optical else moving_structure(moving)
    spectra = fft.rfft2(structure.images)
    near = [near_shifts(np.conj(image) * spectra, fixed.shape, SEARCH_PX) for image in fixed.spectra]
    cross = np.stack(near).astype(np.float64)
    common = np.conj(fixed.valid_spectrum) * fft.rfft2(structure.valid)
    count = np.maximum(near_shifts(common, fixed.shape, SEARCH_PX).astype(np.float64), 0)
    power = np.square(structure.images, dtype=np.float64).sum(axis=(1, 2)) / max(float(structure.valid.sum()), 1.0)
    return Correlation(cross, count, fixed.gram, power, float(count[SEARCH_PX, SEARCH_PX]) / fixed.core_pixels)


def combine(windows: Sequence[Correlation]) -> Shift:
    """Estimate the shift that all windows share, from the correlations of each."""
    usable = usable_windows(windows)
    if usable.sum() < _MIN_WINDOWS:
        reason = f"only {usable.sum()} of {len(windows)} windows show enough common pixels, {_MIN_WINDOWS} are needed"
        return Shift(0.0, 0.0, np.inf, 0.0, (False,) * len(windows), ((np.nan, np.nan),) * len(windows), False, reason)
    used, found = usable, np.full((len(windows), 2), np.nan)
    for _ in range(5):  # settles in two or three rounds
        peak = find_peak(explained([w for w, u in zip(windows, used, strict=True) if u]))
        contradicts = np.zeros(len(windows), np.bool_)
        for i in map(int, np.flatnonzero(usable)):
            # the others say how the sensors are related, so that no window agrees with itself
            others = [w for k, (w, u) in enumerate(zip(windows, used, strict=True)) if u and k != i]
            found[i], contradicts[i] = _own_peak(windows[i], _weights(others, peak), peak)
        kept = usable & ~contradicts
        if kept.sum() < _MIN_WINDOWS or np.array_equal(kept, used):
            break
        used = kept
    near = used & (np.hypot(*(found - peak).T) <= _NEAR_PX)
    sigma = _jackknife([w for w, u in zip(windows, used, strict=True) if u])
    contrast = stand_out(explained([w for w, a in zip(windows, usable, strict=True) if a]), peak)
    reason = _doubt(peak, sigma, contrast, int(near.sum()), int(usable.sum()))
    # the moving image lies at +peak, so it has to go back by as much
    own = tuple((float(-right), float(-down)) for down, right in found)
    return Shift(float(-peak[1]), float(-peak[0]), sigma, contrast, tuple(near.tolist()), own, not reason, reason)


def usable_windows(windows: Sequence[Correlation]) -> Bool:
    """Return (window,), True where both images show enough common pixels."""
    return np.array([w.valid_share >= _VALID_SHARE and w.power.min() > 0 for w in windows], np.bool_)


def _variances(windows: Sequence[Correlation]) -> tuple[Double, Double]:
    gram = np.mean([w.gram for w in windows], axis=0)
    power = np.mean([w.power for w in windows], axis=0)
    return gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), power


def explained(windows: Sequence[Correlation]) -> Double:
    """Return R² (shift down, shift right), summed over the moving images."""
    gram, power = _variances(windows)
    cross = sum(w.cross for w in windows) / np.maximum(sum(w.count for w in windows), 1.0)
    solved = np.tensordot(np.linalg.inv(gram), cross, axes=1)  # (fixed, moving, down, right)
    return np.asarray((cross * solved / power[None, :, None, None]).sum(axis=(0, 1)))


def weigh(windows: Sequence[Correlation], shifts: Double) -> Double:
    """Return each window's surface (window, shift down, shift right) under one regression for all of them.

    The regression is that of the windows at `shifts` (window, 2), down and right, each at the nearest whole pixel.
    """
    weights = _weights(windows, shifts)
    return np.stack([np.tensordot(weights, w.cross, axes=2) / np.maximum(w.count, 1.0) for w in windows])


def _weights(windows: Sequence[Correlation], shifts: Double) -> Double:
    """Return the regression weights (fixed image, moving image) at the shifts (window, 2) or one for all (2,)."""
    gram, power = _variances(windows)
    nearest = np.clip(np.rint(np.broadcast_to(shifts, (len(windows), 2))).astype(int), -SEARCH_PX, SEARCH_PX)
    at = [(w, down, right) for w, (down, right) in zip(windows, nearest + SEARCH_PX, strict=True)]
    cross = sum(w.cross[:, :, down, right] for w, down, right in at) / max(sum(w.count[d, r] for w, d, r in at), 1.0)
    return np.asarray(np.linalg.solve(gram, cross) / power)


def _own_peak(window: Correlation, weights: Double, joint: Double) -> tuple[Double, bool]:
    """Return where a window has its peak on its own, and whether that contradicts the joint peak."""
    surface = np.tensordot(weights, window.cross, axes=2) / np.maximum(window.count, 1.0)
    down, right = np.rint(joint).astype(int) + SEARCH_PX
    spread = 1.4826 * np.median(np.abs(surface - np.median(surface)))
    return find_peak(surface), bool(surface.max() - surface[down, right] > _CONTRADICTION * spread)


def _jackknife(windows: Sequence[Correlation]) -> float:
    """Return the standard deviation of one coordinate of the joint peak, from leaving out one window at a time."""
    n = len(windows)
    if n < _MIN_WINDOWS:
        return float("inf")
    peaks = np.array([find_peak(explained([*windows[:i], *windows[i + 1 :]])) for i in range(n)])
    return float(np.sqrt((n - 1) * peaks.var(axis=0).mean()))


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
