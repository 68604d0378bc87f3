"""Polarimetry of Sentinel-1: covariance, speckle filters, decomposition, equivalent number of looks.

Channels everywhere in this order: C11 = |VH|², Re C12, Im C12, C22 = |VV|², with C12 = VH · conj(VV), linear power.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from lczmap.sar.refined_lee import ELEMENTS, check_covariance, refined_lee, refined_lee_double

__all__ = [
    "BOXCAR_PX",
    "boxcar",
    "covariance",
    "equivalent_looks",
    "h_a_alpha",
    "intensity_lee",
    "refined_lee",
    "refined_lee_double",
]

Float = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

BOXCAR_PX = 5  # the window that SNAP averages the covariance in before its decompositions, unless told otherwise
_MIN_HOMOGENEOUS_WINDOWS = 16
_SINGLE_LOOK_LIMIT = 1e4  # looks; a window with less speckle than this holds constant pixels, not an image


def covariance(vh: Complex, vv: Complex) -> Float:
    """Return the dual-polarimetric covariance (4, rows, cols) of complex amplitudes (rows, cols).

    Order C11 = |VH|², Re C12, Im C12, C22 = |VV|², C12 = VH · conj(VV); linear power, NaN where an input is NaN.
    """
    if vh.ndim != 2 or vh.shape != vv.shape:
        raise ValueError(f"expected VH and VV of one shape (rows, cols), got {vh.shape} and {vv.shape}")
    c2 = np.empty((ELEMENTS, *vh.shape), np.float32)
    _multiply(vh, vv, c2)
    return c2


def boxcar(c2: Float, window: int = BOXCAR_PX) -> Float:
    """Return the mean covariance (4, rows, cols) in windows of `window` × `window` pixels, an odd number.

    A pixel with any element not finite counts as outside every window and is NaN in the result; at borders the mean
    is that of the valid pixels. Sums are float64.
    """
    check_covariance(c2)
    if window < 1 or window % 2 == 0:
        raise ValueError(f"expected a window of an odd number of pixels, got {window}")
    out = np.empty(c2.shape, np.float32)
    _average(np.ascontiguousarray(c2, dtype=np.float32), window // 2, out)
    return out


def h_a_alpha(c2: Float) -> Float:
    """Decompose covariances (4, rows, cols); returns entropy 0..1, anisotropy 0..1, mean alpha angle 0..90 degrees.

    From the eigenvalues l1 >= l2 of the 2×2 matrix and their shares p: H = -Σ p log2 p, A = (l1 - l2) / (l1 + l2),
    alpha = Σ p · acos |first component of the eigenvector|, the first component being VH (S. R. Cloude, E. Pottier,
    IEEE TGRS 35(1), 1997, in its dual-polarimetric form). Equal eigenvalues give H = 1, A = 0, alpha = 45. NaN where an
    element is not finite or there is no power. Average first (`boxcar`): a single pixel's matrix has one eigenvalue
    only, H = 0 and A = 1.
    """
    check_covariance(c2)
    out = np.empty((3, *c2.shape[1:]), np.float32)
    _decompose(np.ascontiguousarray(c2, dtype=np.float32), out)
    return out


def intensity_lee(vh: Float, vv: Float, *, looks: float) -> tuple[Float, Float]:
    """Filter speckle of multilooked intensities (rows, cols) in linear power; returns (VH, VV).

    The refined Lee filter of `refined_lee` with C12 = 0: both intensities share direction and weight. `looks` is
    4.4 for ground-range products of IW (ESA Sentinel-1 product definition, GRDH).
    """
    if vh.ndim != 2 or vh.shape != vv.shape:
        raise ValueError(f"expected VH and VV of one shape (rows, cols), got {vh.shape} and {vv.shape}")
    zeros = np.zeros_like(vh)
    filtered = refined_lee(np.stack([vh, zeros, zeros, vv]), looks=looks)
    return filtered[0], filtered[3]


def equivalent_looks(intensity: Float, *, window: int = 15) -> float:
    """Estimate the equivalent number of looks of an intensity (rows, cols) in linear power.

    mean² / variance in windows that do not overlap, then the most frequent value (peak of a Gaussian kernel density
    of its logarithm): homogeneous windows agree with each other, textured ones scatter below. After Anfinsen,
    Doulgeris & Eltoft, IEEE TGRS 47(11), 2009. Windows with a missing or no positive mean value are left out;
    ValueError when fewer than 16 remain.
    """
    rows, cols = (size // window for size in intensity.shape)
    blocks = intensity[: rows * window, : cols * window].reshape(rows, window, cols, window)
    values = blocks.transpose(0, 2, 1, 3).reshape(rows * cols, window * window).astype(np.float64)
    mean, variance = values.mean(axis=1), values.var(axis=1, ddof=1)
    usable = (mean > 0) & (variance > mean**2 / _SINGLE_LOOK_LIMIT)  # False for NaN as well
    if usable.sum() < _MIN_HOMOGENEOUS_WINDOWS:
        raise ValueError(
            f"expected at least {_MIN_HOMOGENEOUS_WINDOWS} complete windows of {window} px with speckle, "
            f"got {usable.sum()} in an image of {intensity.shape}: give a larger image"
        )
    looks = np.log(mean[usable] ** 2 / variance[usable])
    width = max(1.06 * np.std(looks) * len(looks) ** -0.2, 0.02)  # Silverman's rule
    grid = np.linspace(looks.min(), looks.max(), 400)
    density = np.exp(-0.5 * ((grid[:, None] - looks) / width) ** 2).sum(axis=1)
    return float(np.exp(grid[np.argmax(density)]))


@numba.njit(parallel=True, cache=True)
def _multiply(vh, vv, out):  # type: ignore[no-untyped-def]  # numba arrays
    rows, cols = vh.shape
    for y in numba.prange(rows):
        for x in range(cols):
            a, b = vh[y, x], vv[y, x]
            missing = np.isnan(a.real + a.imag + b.real + b.imag)
            out[0, y, x] = np.nan if missing else a.real * a.real + a.imag * a.imag
            out[1, y, x] = np.nan if missing else a.real * b.real + a.imag * b.imag
            out[2, y, x] = np.nan if missing else a.imag * b.real - a.real * b.imag
            out[3, y, x] = np.nan if missing else b.real * b.real + b.imag * b.imag


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _average(c2, half, out):  # type: ignore[no-untyped-def]  # numba arrays
    # per row: sums down the window, then across; a pixel that is not valid counts as nothing
    _, rows, cols = c2.shape
    for y in numba.prange(rows):
        down = np.zeros((ELEMENTS + 1, cols + 2 * half))
        for v in range(max(y - half, 0), min(y + half + 1, rows)):
            for x in range(cols):
                c11, re, im, c22 = c2[0, v, x], c2[1, v, x], c2[2, v, x], c2[3, v, x]
                valid = np.isfinite(np.float64(abs(c11)) + abs(re) + abs(im) + abs(c22))
                down[0, half + x] += c11 if valid else 0.0
                down[1, half + x] += re if valid else 0.0
                down[2, half + x] += im if valid else 0.0
                down[3, half + x] += c22 if valid else 0.0
                down[4, half + x] += 1.0 if valid else 0.0
        total = np.zeros((ELEMENTS + 1, cols))
        for e in range(ELEMENTS + 1):
            for i in range(2 * half + 1):
                for x in range(cols):
                    total[e, x] += down[e, i + x]
        for e in range(ELEMENTS):
            for x in range(cols):
                valid = np.isfinite(
                    np.float64(abs(c2[0, y, x])) + abs(c2[1, y, x]) + abs(c2[2, y, x]) + abs(c2[3, y, x])
                )
                out[e, y, x] = total[e, x] / total[ELEMENTS, x] if valid else np.nan


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _decompose(c2, out):  # type: ignore[no-untyped-def]  # numba arrays
    _, rows, cols = c2.shape
    for y in numba.prange(rows):
        for x in range(cols):
            c11, c22 = np.float64(c2[0, y, x]), np.float64(c2[3, y, x])
            re, im = np.float64(c2[1, y, x]), np.float64(c2[2, y, x])
            cross = 2.0 * math.sqrt(re * re + im * im)
            total = c11 + c22
            if not (total > 0 and np.isfinite(total + cross)):
                out[0, y, x], out[1, y, x], out[2, y, x] = np.nan, np.nan, np.nan
                continue
            spread = min(math.sqrt((c11 - c22) ** 2 + cross * cross) / total, 1.0)  # above 1 by rounding only
            small = (1.0 - spread) / 2.0
            large = 1.0 - small
            entropy = -large * math.log2(large)
            if small > 0:
                entropy -= small * math.log2(small)
            # acos √½(1 + cos t) is t / 2 with tan t = 2|C12| / (C11 - C22), exact where cos t is near 1 as well
            alpha = math.degrees(math.atan2(cross, c11 - c22)) / 2.0
            out[0, y, x] = entropy
            out[1, y, x] = spread
            out[2, y, x] = large * alpha + small * (90.0 - alpha)
