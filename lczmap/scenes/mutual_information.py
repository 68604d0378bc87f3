"""Sub-pixel shift between an optical and a radar picture by mutual information. Pure arrays.

The second opinion beside structure correlation (coregister.py), of another kind: it supposes no linear relation, and
it compares grey values beside edges. Values are sorted into a few classes of equal size, and the joint histogram of
both pictures is most orderly where they lie on each other. Joint histograms at every whole shift are correlations of
the classes' indicator pictures; they are summed over windows before the peak is sought. Normalised mutual
information: Studholme, Hill and Hawkes, "An overlap invariant entropy measure of 3D medical image alignment", 1999.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from lczmap.scenes.peak import find_peak, stand_out
from lczmap.scenes.shift_surface import near_shifts
from lczmap.scenes.structure import FIXED_SMOOTHING_PX, MOVING_SMOOTHING_PX, details

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Spectra = npt.NDArray[np.complex64]

REACH_PX = 12
"""Largest shift that is looked for, in pixels; a window's outer `REACH_PX` pixels of the fixed image are unused."""
BINS = 6
"""Classes of values in each picture."""
MISSING = 255
"""Class of a pixel without a value."""
AGREEMENT_PX = 0.5
"""Two estimators agree when they lie closer together than this, or than `AGREEMENT_SIGMA` joint deviations."""
AGREEMENT_SIGMA = 2.0
CLEAR_SIGMA_PX = 1.0
"""An information peak less certain than this is no second opinion."""

_MIN_WINDOWS = 3
_VALID_SHARE = 0.25  # of a window's core; windows with fewer pixels that both show are not used


@dataclass(frozen=True)
class InformationShift:
    """By how much the moving picture must be moved to lie on the fixed one, as `coregister.Shift`.

    `right`, `down` and `sigma` (jackknife over windows, of each of them) in pixels; `contrast` is the height of the
    peak above other shifts in robust standard deviations. NaN and infinity where fewer than three windows show enough.
    """

    right: float
    down: float
    sigma: float
    contrast: float

    @property
    def is_clear(self) -> bool:
        """Whether the windows settle on one shift, so that it can confirm or contradict another estimate."""
        return self.sigma <= CLEAR_SIGMA_PX

    def agrees(self, right: float, down: float, sigma: float) -> bool:
        """Tell whether another estimate, uncertain by `sigma` pixels, says the same."""
        joint = math.hypot(self.sigma, sigma)
        return math.hypot(self.right - right, self.down - down) <= max(AGREEMENT_PX, AGREEMENT_SIGMA * joint)


def classify_optical(bands: Float) -> Bytes:
    """Return classes (kind, ratio, rows, cols) of ratios of neighbouring bands, in which sun shadows cancel.

    `bands` (band, rows, cols) is reflectance, NaN or <= 0 missing, at least two bands. The kinds are grey values and
    edges; classes are 0..`BINS`-1, or `MISSING`.
    """
    present = np.where(bands > 0, bands, np.float32(np.nan))
    return _classify(np.asarray(present[:-1] / present[1:], dtype=np.float32), FIXED_SMOOTHING_PX)


def classify_radar(power: Float) -> Bytes:
    """Return classes (kind, channel, rows, cols) of linear power (channel, rows, cols), its speckle smoothed."""
    return _classify(power, MOVING_SMOOTHING_PX)


def joint_histograms(fixed: Bytes, moving: Bytes) -> Float:
    """Return counts (kind, fixed image, moving image, class, class, shift down, shift right) of two windows.

    `fixed` and `moving` are classes (kind, image, rows, cols) of the same pixels. ValueError for windows that do not
    fit.
    """
    shape = fixed.shape[2:]
    if shape != moving.shape[2:] or min(shape) <= 2 * REACH_PX:
        raise ValueError(
            f"expected two windows of the same pixels, more than {2 * REACH_PX} each way, got {fixed.shape} and "
            f"{moving.shape}"
        )
    core = np.full_like(fixed, MISSING)  # every shift then sees the same fixed pixels
    inner = slice(REACH_PX, -REACH_PX)
    core[..., inner, inner] = fixed[..., inner, inner]
    # no shift sees what is added at the ends, and lengths without large prime factors are quicker
    size = (fft.next_fast_len(shape[0]), fft.next_fast_len(shape[1], real=True))
    out = []
    for own, others in zip(core, moving, strict=True):
        moved = [_indicators(image, size) for image in others]
        out.append([[_counts(_indicators(image, size), other, size) for other in moved] for image in own])
    return np.asarray(out, np.float32)


def estimate_by_information(windows: Sequence[Float], core_pixels: int) -> InformationShift:
    """Estimate the shift that windows share from their `joint_histograms`.

    `core_pixels` is the number of pixels that a window without gaps compares.
    """
    usable = [w for w in windows if w[..., REACH_PX, REACH_PX].sum(axis=(3, 4)).max() >= _VALID_SHARE * core_pixels]
    n = len(usable)
    if n < _MIN_WINDOWS:
        return InformationShift(math.nan, math.nan, math.inf, 0.0)
    total: Double = np.asarray(np.sum(usable, axis=0, dtype=np.float64))
    surface = _information(total)
    peak = find_peak(surface)
    peaks = np.array([find_peak(_information(total - window)) for window in usable])
    sigma = float(np.sqrt((n - 1) * peaks.var(axis=0).mean()))
    # the moving picture lies at +peak, so it has to go back by as much
    return InformationShift(float(-peak[1]), float(-peak[0]), sigma, stand_out(surface, peak))


def _classify(bands: Float, smoothing_px: float) -> Bytes:
    found = details(bands, smoothing_px, with_logarithm=True)
    valid = found.valid > 0
    images = np.full(found.images.shape, MISSING, np.uint8)
    if valid.any():
        for image, out in zip(found.images, images, strict=True):
            out[valid] = np.searchsorted(np.quantile(image[valid], np.arange(1, BINS) / BINS), image[valid])
    return np.stack([images[0::2], images[1::2]])  # logarithms, edges


def _indicators(classes: Bytes, size: tuple[int, int]) -> Spectra:
    return np.stack([fft.rfft2((classes == k).astype(np.float32), s=size) for k in range(BINS)])


def _counts(fixed: Spectra, moving: Spectra, size: tuple[int, int]) -> Float:
    out = np.stack([near_shifts(np.conj(spectrum) * moving, size, REACH_PX) for spectrum in fixed])
    return np.maximum(np.rint(out), 0)


def _information(counts: Double) -> Double:
    """Return normalised mutual information (shift down, shift right), summed over pairs of images."""
    share = counts / np.maximum(counts.sum(axis=(3, 4), keepdims=True), 1)
    each = _entropy(share.sum(axis=4), (3,)) + _entropy(share.sum(axis=3), (3,))
    return np.asarray((each / np.maximum(_entropy(share, (3, 4)), 1e-9)).sum(axis=(0, 1, 2)))


def _entropy(share: Double, axis: tuple[int, ...]) -> Double:
    return np.asarray(-(share * np.log(np.maximum(share, 1e-12))).sum(axis=axis))
