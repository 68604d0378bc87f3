"""The polarimetric refined Lee filter, in windows of 7×7 pixels.

After J.-S. Lee, M. R. Grunes, G. de Grandi, "Polarimetric SAR speckle filtering and its implication for
classification", IEEE TGRS 37(5), 1999, in the variant of ESA SNAP, which made the Lee channels of So2Sat LCZ42: nine
3×3 means of the span C11 + C22 choose one of eight half windows, on the darker side of the strongest edge; mean and
variance of the span in it weigh the pixel against the half window's mean.

A half window is a run of pixels in each of its rows. Sums of one to seven neighbours of a row are made once and serve
every pixel and direction, so a pixel needs at most seven of them. Nothing is ever subtracted from a running sum: a
bright target leaves no rounding error behind it. All sums are float64.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from lczmap.sar.window import WINDOW_PX

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]

ELEMENTS = 4
_HALF = WINDOW_PX // 2
_TERMS = 6  # of every sum: the four elements, the squared span, the number of valid pixels
_TILE_ROWS, _TILE_COLS = 256, 96  # the sums of a tile's seven rows stay in a core's cache (270 kB)
_REACH = _TILE_COLS + 2 * _HALF


def refined_lee(c2: Float, *, looks: float = 1.0, window: int = WINDOW_PX) -> Float:
    """Filter speckle of a covariance (4, rows, cols) in linear power; same order and shape out.

    `looks` is the equivalent number of looks of the input (1 for single-look complex data); only the 7×7 window
    exists. A pixel with any element not finite counts as outside every window and is NaN in the result. At borders the
    same filter runs over the valid pixels of the window; a 3×3 sub-window without any takes the mean of the others
    when the direction is chosen. Where the span does not vary (and SNAP gives 0) the result is the local mean.
    """
    _check(c2, looks, window)
    out = np.empty(c2.shape, np.float32)
    _filter(np.ascontiguousarray(c2, dtype=np.float32), 1.0 / looks, _run_offsets(), out)
    return out


def refined_lee_double(c2: Float, *, looks: float = 1.0) -> Double:
    """Filter as `refined_lee` does, without the last rounding to float32: for comparison with other software."""
    _check(c2, looks, WINDOW_PX)
    out = np.empty(c2.shape, np.float64)
    _filter(np.ascontiguousarray(c2, dtype=np.float32), 1.0 / looks, _run_offsets(), out)
    return out


def check_covariance(c2: Float) -> None:
    """Raise ValueError unless an array is a covariance (4, rows, cols)."""
    if c2.ndim != 3 or c2.shape[0] != ELEMENTS:
        raise ValueError(f"expected a covariance (4, rows, cols) in order C11, C12_re, C12_im, C22, got {c2.shape}")


def _check(c2: Float, looks: float, window: int) -> None:
    check_covariance(c2)
    if window != WINDOW_PX:
        raise ValueError(f"expected a window of {WINDOW_PX} pixels (the only one with known masks), got {window}")
    if not looks > 0:
        raise ValueError(f"expected a positive number of looks, got {looks}")


def half_windows() -> npt.NDArray[np.bool_]:
    """Return the eight half windows (direction, row, col), True inside: 28 pixels each, the centre included."""
    rows, cols = np.mgrid[0:WINDOW_PX, 0:WINDOW_PX]
    last = WINDOW_PX - 1
    return np.stack(
        [
            cols >= _HALF,
            cols >= rows,
            rows <= _HALF,
            cols <= last - rows,
            cols <= _HALF,
            cols <= rows,
            rows >= _HALF,
            cols >= last - rows,
        ]
    )


def _run_offsets() -> npt.NDArray[np.uint64]:
    # (direction, row): where a row of sums (length, first pixel, term) keeps the run of this half window
    halves = half_windows()
    length, first = halves.sum(axis=2), halves.argmax(axis=2)
    return np.asarray((length * _REACH + first) * _TERMS, dtype=np.uint64)


@numba.njit(parallel=True, cache=True)
def _filter(c2, speckle_variance, runs, out):  # type: ignore[no-untyped-def]  # numba arrays
    _, rows, cols = c2.shape
    across = (cols + _TILE_COLS - 1) // _TILE_COLS
    down = (rows + _TILE_ROWS - 1) // _TILE_ROWS
    for tile in numba.prange(across * down):
        _filter_tile(c2, speckle_variance, runs, out, tile // across * _TILE_ROWS, tile % across * _TILE_COLS)


@numba.njit(cache=True)
def _filter_tile(c2, speckle_variance, runs, out, top, left):  # type: ignore[no-untyped-def]  # numba arrays
    # `sums` and `means` hold the last seven rows; row y is in place y % 7. Runs of no pixels stay 0.
    sums = np.zeros((WINDOW_PX, (WINDOW_PX + 1) * _REACH * _TERMS))
    means = np.full((WINDOW_PX, _REACH), np.nan)
    direction = np.empty(_TILE_COLS, np.int64)
    local = np.empty((_TERMS, _TILE_COLS))
    for y in range(top - _HALF, min(top + _TILE_ROWS, c2.shape[1]) + _HALF):
        _sum_row(c2, y, left, sums[y % WINDOW_PX])
        _mean_row(sums, y, means[(y - 1) % WINDOW_PX])
        if y - _HALF >= top:
            _choose(means, y - _HALF, direction)
            _add_runs(sums, y - _HALF, runs, direction, local)
            _weigh(c2, sums[(y - _HALF) % WINDOW_PX], local, speckle_variance, y - _HALF, left, out)


@numba.njit(cache=True)
def _sum_row(c2, y, left, sums):  # type: ignore[no-untyped-def]  # numba arrays
    # sums of 1 … 7 neighbours from each pixel of row y on; what is missing or outside counts as nothing
    plane = _REACH * _TERMS
    single = sums[plane : 2 * plane]
    single[:] = 0.0
    if 0 <= y < c2.shape[1]:
        for x in range(max(left - _HALF, 0), min(left + _TILE_COLS + _HALF, c2.shape[2])):
            c11, re = np.float64(c2[0, y, x]), np.float64(c2[1, y, x])
            im, c22 = np.float64(c2[2, y, x]), np.float64(c2[3, y, x])
            if np.isfinite(c11 + abs(re) + abs(im) + c22):
                at = (x - left + _HALF) * _TERMS
                single[at] = c11
                single[at + 1] = re
                single[at + 2] = im
                single[at + 3] = c22
                single[at + 4] = (c11 + c22) * (c11 + c22)
                single[at + 5] = 1.0
    for length in range(2, WINDOW_PX + 1):
        shorter, longer = sums[(length - 1) * plane : length * plane], sums[length * plane : (length + 1) * plane]
        last = single[(length - 1) * _TERMS :]
        for i in range(plane - (length - 1) * _TERMS):
            longer[i] = shorter[i] + last[i]


@numba.njit(cache=True, error_model="numpy")
def _mean_row(sums, y, means):  # type: ignore[no-untyped-def]  # numba arrays
    # nine times the mean span of the valid pixels in the 3×3 pixels that start at row y - 2, NaN where there is none:
    # of nine valid pixels it is their sum, which is exact for most float32 values, so that ties are seen as ties
    a, b, c = sums[(y - 2) % WINDOW_PX], sums[(y - 1) % WINDOW_PX], sums[y % WINDOW_PX]
    for x in range(_REACH - 2):
        at = (3 * _REACH + x) * _TERMS
        total = (a[at] + a[at + 3]) + (b[at] + b[at + 3]) + (c[at] + c[at + 3])
        means[x] = total * 9.0 / (a[at + 5] + b[at + 5] + c[at + 5])


@numba.njit(cache=True)
def _choose(means, y, direction):  # type: ignore[no-untyped-def]  # numba arrays
    # which half window each pixel of row y takes: across the strongest of four gradients, on its darker side
    a, b, c = means[(y - 2) % WINDOW_PX], means[y % WINDOW_PX], means[(y + 2) % WINDOW_PX]
    for x in range(_TILE_COLS):
        direction[x] = _direction(a[x], a[x + 2], a[x + 4], b[x], b[x + 2], b[x + 4], c[x], c[x + 2], c[x + 4])
    for x in range(_TILE_COLS):
        if direction[x] < 0:
            m = np.array([a[x], a[x + 2], a[x + 4], b[x], b[x + 2], b[x + 4], c[x], c[x + 2], c[x + 4]])
            m[np.isnan(m)] = np.nanmean(m)
            direction[x] = max(_direction(m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]), 0)


@numba.njit(cache=True)
def _direction(m00, m01, m02, m10, m11, m12, m20, m21, m22):  # type: ignore[no-untyped-def]  # numba scalars
    # -1 where a mean is missing
    g0 = (m02 + m12 + m22) - (m00 + m10 + m20)
    g1 = (m01 + m02 + m12) - (m10 + m20 + m21)
    g2 = (m00 + m01 + m02) - (m20 + m21 + m22)
    g3 = (m00 + m01 + m10) - (m12 + m21 + m22)
    best, gradient = 0, g0
    if abs(g1) > abs(gradient):
        best, gradient = 1, g1
    if abs(g2) > abs(gradient):
        best, gradient = 2, g2
    if abs(g3) > abs(gradient):
        best, gradient = 3, g3
    best = best + 4 if gradient > 0 else best
    return -1 if np.isnan(g0 + g1 + g2 + g3 + m11) else best


@numba.njit(cache=True)
def _add_runs(sums, y, runs, direction, local):  # type: ignore[no-untyped-def]  # numba arrays
    # the sums over each pixel's half window, (term, pixel)
    flat = sums.ravel()
    stride = sums.shape[1]
    begin = np.empty(WINDOW_PX, np.uint64)
    for row in range(WINDOW_PX):
        begin[row] = (y - _HALF + row) % WINDOW_PX * stride
    for x in range(_TILE_COLS):
        s0, s1, s2, s3, s4, s5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        half = runs[direction[x]]
        for row in range(WINDOW_PX):
            at = begin[row] + half[row] + np.uint64(x * _TERMS)  # unsigned: numba would look for negative indices
            s0 += flat[at]
            s1 += flat[at + np.uint64(1)]
            s2 += flat[at + np.uint64(2)]
            s3 += flat[at + np.uint64(3)]
            s4 += flat[at + np.uint64(4)]
            s5 += flat[at + np.uint64(5)]
        local[0, x] = s0
        local[1, x] = s1
        local[2, x] = s2
        local[3, x] = s3
        local[4, x] = s4
        local[5, x] = s5


@numba.njit(cache=True, error_model="numpy")
def _weigh(c2, row_sums, local, speckle_variance, y, left, out):  # type: ignore[no-untyped-def]  # numba arrays
    # mean of the half window plus a weight times the pixel's difference from it
    width = min(_TILE_COLS, c2.shape[2] - left)
    inverse, weight = np.empty(width), np.empty(width)
    for x in range(width):
        valid = row_sums[(_REACH + x + _HALF) * _TERMS + 5] > 0
        inverse[x] = 1.0 / local[5, x] if valid else np.nan  # and so is the result
        mean = (local[0, x] + local[3, x]) * inverse[x]
        excess = local[4, x] - local[5, x] * mean * mean  # (n - 1) times the variance; below 0 by rounding only
        signal = max(excess - (local[5, x] - 1.0) * mean * mean * speckle_variance, 0.0)
        weight[x] = signal / ((1.0 + speckle_variance) * excess) if excess > 0 else 0.0
    for e in range(ELEMENTS):
        pixels, filtered, total = c2[e, y, left : left + width], out[e, y, left : left + width], local[e]
        for x in range(width):
            average = total[x] * inverse[x]
            filtered[x] = average + weight[x] * (pixels[x] - average)
