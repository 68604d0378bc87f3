"""Polarimetry of Sentinel-1: covariance, refined Lee filter, equivalent number of looks.

Channels everywhere in this order: C11 = |VH|², Re C12, Im C12, C22 = |VV|², with C12 = VH · conj(VV), linear power.
The filter is the polarimetric refined Lee filter (J.-S. Lee, M. R. Grunes, G. de Grandi, "Polarimetric SAR speckle
filtering and its implication for classification", IEEE TGRS 37(5), 1999) in the variant of ESA SNAP, which made the
Lee channels of So2Sat LCZ42: nine 3×3 means of the span in a 7×7 window choose one of eight half windows.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

WINDOW_PX = 7
ELEMENTS = 4
_HALF = WINDOW_PX // 2
_MIN_HOMOGENEOUS_WINDOWS = 16
_SINGLE_LOOK_LIMIT = 1e4  # looks; a window with less speckle than this holds constant pixels, not an image


def covariance(vh: npt.NDArray[np.complex64], vv: npt.NDArray[np.complex64]) -> Float:
    """Return the dual-polarimetric covariance (4, rows, cols) of complex amplitudes (rows, cols).

    Order C11 = |VH|², Re C12, Im C12, C22 = |VV|², C12 = VH · conj(VV); linear power, NaN where an input is NaN.
    """
    if vh.ndim != 2 or vh.shape != vv.shape:
        raise ValueError(f"expected VH and VV of one shape (rows, cols), got {vh.shape} and {vv.shape}")
    cross = vh * np.conj(vv)
    c2 = np.stack([vh.real**2 + vh.imag**2, cross.real, cross.imag, vv.real**2 + vv.imag**2]).astype(np.float32)
    c2[:, np.isnan(c2).any(axis=0)] = np.nan
    return c2


def refined_lee(c2: Float, *, looks: float = 1.0, window: int = WINDOW_PX) -> Float:
    """Filter speckle of a covariance (4, rows, cols) in linear power; same order and shape out.

    `looks` is the equivalent number of looks of the input (1 for single-look complex data); only the 7×7 window
    exists. A pixel with any element not finite counts as outside every window and stays NaN. At borders the same
    filter runs over the valid pixels of the window; a 3×3 sub-window without any takes the mean of the others when
    the direction is chosen. Where the span does not vary (and SNAP gives 0) the result is the local mean.
    """
    if c2.ndim != 3 or c2.shape[0] != ELEMENTS:
        raise ValueError(f"expected a covariance (4, rows, cols) in order C11, C12_re, C12_im, C22, got {c2.shape}")
    if window != WINDOW_PX:
        raise ValueError(f"expected a window of {WINDOW_PX} pixels (the only one with known masks), got {window}")
    if not looks > 0:
        raise ValueError(f"expected a positive number of looks, got {looks}")
    around = ((0, 0), (_HALF, _HALF), (_HALF, _HALF))
    padded = np.pad(c2.astype(np.float32, copy=False), around, constant_values=np.nan)
    span = padded[0].astype(np.float64) + padded[3]
    span[~np.isfinite(padded).all(axis=0)] = np.nan
    return _filter(padded, span, _means_3x3(span), _half_windows(), 1.0 / looks)


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


def _half_windows() -> npt.NDArray[np.int64]:
    # (direction, pixel, (row, col)) of the eight half windows of 28 pixels, centre included
    rows, cols = np.mgrid[0:WINDOW_PX, 0:WINDOW_PX]
    last = WINDOW_PX - 1
    inside = (
        cols >= _HALF,
        cols >= rows,
        rows <= _HALF,
        cols <= last - rows,
        cols <= _HALF,
        cols <= rows,
        rows >= _HALF,
        cols >= last - rows,
    )
    return np.stack([np.argwhere(half) for half in inside])


@numba.njit(parallel=True, cache=True)
def _means_3x3(span: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # mean of the valid pixels of each 3×3 neighbourhood, NaN where there is none
    rows, cols = span.shape
    means = np.full((rows, cols), np.nan)
    for y in numba.prange(1, rows - 1):
        for x in range(1, cols - 1):
            total, count = 0.0, 0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    value = span[y + dy, x + dx]
                    if not np.isnan(value):
                        total += value
                        count += 1
            if count > 0:
                means[y, x] = total / count
    return means


@numba.njit(cache=True)
def _direction(means: npt.NDArray[np.float64], y: int, x: int) -> int:
    # which half window to take at padded pixel (y, x): across the strongest of four gradients, on its darker side
    m = np.empty((3, 3))
    total, count = 0.0, 0
    for row in range(3):
        for col in range(3):
            m[row, col] = means[y + 2 * row - 2, x + 2 * col - 2]
            if not np.isnan(m[row, col]):
                total += m[row, col]
                count += 1
    if count < 9:
        for row in range(3):
            for col in range(3):
                if np.isnan(m[row, col]):
                    m[row, col] = total / count
    gradients = (
        (m[0, 2] + m[1, 2] + m[2, 2]) - (m[0, 0] + m[1, 0] + m[2, 0]),
        (m[0, 1] + m[0, 2] + m[1, 2]) - (m[1, 0] + m[2, 0] + m[2, 1]),
        (m[0, 0] + m[0, 1] + m[0, 2]) - (m[2, 0] + m[2, 1] + m[2, 2]),
        (m[0, 0] + m[0, 1] + m[1, 0]) - (m[1, 2] + m[2, 1] + m[2, 2]),
    )
    best = 0
    for d in range(1, 4):
        if abs(gradients[d]) > abs(gradients[best]):
            best = d
    return best + 4 if gradients[best] > 0 else best


@numba.njit(parallel=True, cache=True)
def _filter(
    padded: Float,
    span: npt.NDArray[np.float64],
    means: npt.NDArray[np.float64],
    halves: npt.NDArray[np.int64],
    speckle_variance: float,
) -> Float:
    rows, cols = span.shape[0] - 2 * _HALF, span.shape[1] - 2 * _HALF
    out = np.full((ELEMENTS, rows, cols), np.nan, np.float32)
    for y in numba.prange(rows):
        for x in range(cols):
            if np.isnan(span[y + _HALF, x + _HALF]):
                continue
            half = halves[_direction(means, y + _HALF, x + _HALF)]
            count = 0
            total, e0, e1, e2, e3 = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(half.shape[0]):
                v, u = y + half[i, 0], x + half[i, 1]
                if not np.isnan(span[v, u]):
                    count += 1
                    total += span[v, u]
                    e0 += padded[0, v, u]
                    e1 += padded[1, v, u]
                    e2 += padded[2, v, u]
                    e3 += padded[3, v, u]
            mean, squares = total / count, 0.0
            for i in range(half.shape[0]):
                value = span[y + half[i, 0], x + half[i, 1]]
                if not np.isnan(value):
                    squares += (value - mean) ** 2
            weight = 0.0
            if squares > 0:
                variance = squares / (count - 1)
                signal = (variance - mean**2 * speckle_variance) / (1.0 + speckle_variance)
                weight = max(0.0, signal) / variance
            sums = (e0, e1, e2, e3)
            for e in range(ELEMENTS):
                local = sums[e] / count
                out[e, y, x] = local + weight * (padded[e, y + _HALF, x + _HALF] - local)
    return out
