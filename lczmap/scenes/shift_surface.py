"""Correlations of two pictures at small shifts, from their spectra. Pure arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

Float = npt.NDArray[np.float32]


def near_shifts(spectrum: npt.NDArray[np.complex64], shape: tuple[int, ...], reach: int) -> Float:
    """Return the inverse of a real FFT at the shifts -`reach`..`reach` (…, shift down, shift right), 0 in the middle.

    `spectrum` is (…, rows, columns of a real FFT) of pictures of `shape` (rows, cols), more than 2 · `reach` each way.
    Equal to `fft.irfft2`, bit by bit, but rows out of reach are left before the second half of the work.
    """
    rows, cols = shape
    down = fft.ifft(spectrum, axis=-2, norm="forward")  # (…, rows, columns of a real FFT), times the number of rows
    near = np.concatenate([down[..., -reach:, :], down[..., : reach + 1, :]], axis=-2)
    right = fft.irfft(near, n=cols, axis=-1, norm="forward")  # (…, shift down, cols), times the number of pixels
    found = np.concatenate([right[..., -reach:], right[..., : reach + 1]], axis=-1)
    return np.asarray(found * np.float32(1 / (rows * cols)), dtype=np.float32)
