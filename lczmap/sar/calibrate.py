"""Calibration of single-look complex images: digital numbers become sigma0 amplitudes, their phase is kept.

The product's table holds A with sigma0 = |DN|² / A² at some lines and pixels, bilinear between them (ESA, "Radiometric
Calibration of S-1 Level-1 Products"). Images are (lines, pixels). No noise is subtracted, as in So2Sat LCZ42.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from lczmap.sar.grd_radiometry import Vectors

Complex = npt.NDArray[np.complex64]


def sigma0_amplitude(digital: Complex, table: Vectors, rows: slice, cols: slice) -> Complex:
    """Return DN / A: complex amplitudes whose squared modulus is sigma0 (linear, ellipsoid).

    DN 0 stays 0: whether it is a value or a missing one only both polarisations together tell (single-look water in VH
    is 0 in some pixels of a thousand).
    `digital` (rows, cols) are image lines `rows` and pixels `cols`; `table` is the calibration's sigmaNought, of whose
    ends the value holds beyond them. ValueError when the slices are not those of `digital`.
    """
    if digital.shape != (rows.stop - rows.start, cols.stop - cols.start):
        raise ValueError(
            f"expected digital numbers of lines {rows.start}..{rows.stop} and pixels {cols.start}..{cols.stop}, got "
            f"shape {digital.shape}"
        )
    lines = np.arange(rows.start, rows.stop)
    last = table.line.size - 1
    above = np.clip(np.searchsorted(table.line, lines, side="right") - 1, 0, last)
    below = np.minimum(above + 1, last)
    gap = np.maximum(table.line[below] - table.line[above], 1.0)
    share = np.clip((lines - table.line[above]) / gap, 0, 1).astype(np.float32)
    pixels = np.arange(cols.start, cols.stop)
    used = range(int(above[0]), int(below[-1]) + 1)
    across = np.stack([np.interp(pixels, table.pixel[i], table.value[i]) for i in used]).astype(np.float32)
    out = np.empty(digital.shape, np.complex64)
    _divide(
        np.ascontiguousarray(digital, dtype=np.complex64), across, above - used.start, below - used.start, share, out
    )
    return out


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _divide(digital, across, above, below, share, out):  # type: ignore[no-untyped-def]  # numba arrays
    one = np.float32(1)
    for y in numba.prange(digital.shape[0]):
        upper, lower, weight = across[above[y]], across[below[y]], share[y]
        for x in range(digital.shape[1]):
            gain = one / (upper[x] * (one - weight) + lower[x] * weight)
            out[y, x] = digital[y, x] * gain
