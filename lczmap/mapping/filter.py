"""The Gaussian class filter: of each class's presence around a cell, weighted by distance, the largest wins.

Score of class k at a cell = Σ w_k(d) over the cells of class k in a square window of 2·h_k + 1 cells,
h_k = floor(r_k / pixel size + 0.5), w_k(d) = exp(-d² / 2σ_k²), d the distance of the cell centres in metres, divided
by the sum of w_k over the whole window. Cells without a class, and those beyond the map's edge, count as 0 and their
weight is not given to others; a cell without a class stays without. The class with the largest score is written.

Radii and sigmas: Demuzere et al. 2020, doi:10.1038/s41597-020-00605-z, as in the LCZ Generator and the global LCZ map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from lczmap.classes import NODATA_CODE, NUM_CLASSES, palette_of
from lczmap.provenance import FILTER_TAG, own_tags
from lczmap.raster import read_class_map, read_tags, square_pixel_m, write_class_map

RADIUS_M = (200, 300, 300, 300, 300, 300, 300, 500, 300, 500, 200, 200, 200, 200, 300, 200, 50)
"""Half the width of the window of the classes 1..17, metres."""
SIGMA_M = (100, 150, 150, 150, 150, 150, 150, 250, 150, 250, 75, 75, 75, 75, 150, 75, 25)
"""Standard deviation of the Gaussian of the classes 1..17, metres."""
TIE = 1e-12
"""Scores (0..1) closer than this are equal and the lower code wins.

Rounding of sums in another order is below 1e-14, so a tie does not hang on it. Scores of one kernel that differ at
all differ by more in practice: weights of different distances are no whole multiples of each other.
"""

_TILE_ROWS, _TILE_COLS = 128, 256  # a class's blurred rows of a tile stay in a core's cache: 228 × 256 × 8 bytes

Codes = npt.NDArray[np.uint8]
Double = npt.NDArray[np.float64]


def filter_map(lcz_path: Path, out_path: Path) -> float:
    """Write the filtered map in the format of lcz.tif, with its tags, colours and FILTER_TAG.

    Returns the share of the cells with a class whose class has changed. ValueError for a map that is not in metres,
    has oblong pixels or other values than LCZ classes.
    """
    codes, geobox = read_class_map(lcz_path)
    pixel_m = square_pixel_m(geobox, lcz_path)
    filtered = filter_codes(codes, pixel_m)
    done = f"Gaussian class filter, radius and sigma by class in metres, at {pixel_m:g} m pixels"
    tags = read_tags(lcz_path)
    write_class_map(out_path, filtered, geobox, tags={**own_tags(tags), FILTER_TAG: done}, palette=palette_of(tags))
    return float((filtered != codes).sum() / max((codes != NODATA_CODE).sum(), 1))


def filter_codes(codes: Codes, pixel_m: float) -> Codes:
    """Return the filtered codes (y, x) of a map of codes 1..17, 0 nodata, with pixels of `pixel_m` metres.

    Works in parallel on numba's number of threads; memory is the two maps and about 1 MB a thread.
    """
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.max(initial=0) > NUM_CLASSES:
        raise ValueError(f"expected uint8 codes 0..17 (y, x), got {codes.dtype} {codes.shape} up to {codes.max()}")
    kernels = [class_weights(code, pixel_m) for code in range(1, NUM_CLASSES + 1)]
    source, out = np.ascontiguousarray(codes), np.zeros(codes.shape, np.uint8)

    def strip(top: int) -> None:
        for left in range(0, codes.shape[1], _TILE_COLS):
            _filter_tile(source, out, top, left, kernels)

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(strip, range(0, codes.shape[0], _TILE_ROWS)))
    return out


def class_weights(code: int, pixel_m: float) -> Double:
    """Return the weights (2·h + 1,) along one axis, sum 1, of a class; a window is their outer product."""
    if not pixel_m > 0:
        raise ValueError(f"expected a pixel size above 0 m, got {pixel_m}")
    half = math.floor(RADIUS_M[code - 1] / pixel_m + 0.5)
    distance_m = np.arange(-half, half + 1) * pixel_m
    weights = np.exp(-(distance_m**2) / (2 * SIGMA_M[code - 1] ** 2))
    normalised: Double = weights / weights.sum()
    return normalised


def _filter_tile(codes: Codes, out: Codes, top: int, left: int, kernels: Sequence[Double]) -> None:
    """Write the filtered codes of the tile whose first cell is at `top`, `left`."""
    rows, cols = slice(top, top + _TILE_ROWS), slice(left, left + _TILE_COLS)
    reach = max(kernel.size for kernel in kernels) // 2
    near = codes[max(top - reach, 0) : top + _TILE_ROWS + reach, max(left - reach, 0) : left + _TILE_COLS + reach]
    present = np.flatnonzero(np.bincount(near.ravel(), minlength=NUM_CLASSES + 1))
    if np.count_nonzero(present) <= 1:  # no class has a rival
        out[rows, cols] = codes[rows, cols]
        return
    best: Double = np.zeros(codes[rows, cols].shape)
    for code in present[present != NODATA_CODE]:
        kernel = kernels[code - 1]
        sums = np.concatenate([[0.0], np.cumsum(kernel)])  # of the first i weights
        blurred = np.zeros((best.shape[0] + kernel.size - 1, best.shape[1]))
        _add_class(codes, int(code), top, left, kernel, sums, blurred, best, out)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def _add_class(
    codes: Codes,
    code: int,
    top: int,
    left: int,
    kernel: Double,
    sums: Double,
    blurred: Double,
    best: Double,
    out: Codes,
) -> None:
    """Write `code` in the cells of a tile where its score beats those of the lower codes, `best`, by more than TIE.

    First along the rows, into `blurred` (0 at first; rows of the tile and half a window above and below): a run of
    the class from one column to another adds the sum of the weights between them, two look-ups a cell. Then along
    the columns, a row of the tile at a time.
    """
    half = kernel.size // 2
    height, width = best.shape
    filled = np.zeros(blurred.shape[0], np.bool_)
    for row in range(max(half - top, 0), min(blurred.shape[0], codes.shape[0] - top + half)):
        y = top - half + row
        x, end = max(left - half, 0), min(left + width + half, codes.shape[1])
        while x < end:
            start = x
            while x < end and codes[y, x] == code:
                x += 1
            if x > start:
                filled[row] = True
                for place in range(max(start - half, left), min(x + half, left + width)):
                    weight = sums[min(x - place, half + 1) + half] - sums[max(start - place, -half) + half]
                    blurred[row, place - left] += weight
            x += 1
    score = np.empty(width)
    for row in range(height):
        for x in range(width):
            score[x] = kernel[half] * blurred[row + half, x]
        for d in range(1, half + 1):
            if filled[row + half - d] or filled[row + half + d]:
                above, below, weight = blurred[row + half - d], blurred[row + half + d], kernel[half + d]
                for x in range(width):
                    score[x] += weight * (above[x] + below[x])
        for x in range(width):
            if codes[top + row, left + x] != NODATA_CODE and score[x] > best[row, x] + TIE:
                best[row, x] = score[x]
                out[top + row, left + x] = code
