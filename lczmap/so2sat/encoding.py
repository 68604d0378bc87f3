"""How a compact copy of So2Sat holds its values in half the bytes of float32.

float16 has 11 bits of a number between 6e-5 and 65504: a relative error of 4.9e-4 at most. Reflectance and complex
amplitudes are held as they are. Filtered intensities and covariances are held as their signed square root, √|x| with
the sign of x: their range then ends at 4.3e9 instead of 65504, which the brightest pixels of So2Sat may exceed (VV_lee
has the standard deviation 8.3 at a mean of 0.26), and values down to 4e-9 keep a relative error of 9.8e-4, or 0.004 dB.
An amplitude near zero keeps 3e-8 of its unit, far below the noise of Sentinel-1. What is derived moves by 0.03 degrees
of alpha, 0.0014 of anisotropy and 0.003 of entropy at most (benchmarks/so2sat_reading.py, generated patches).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from lczmap.channels import channel_kind

StoredType = Literal["float16", "float32"]
Stored = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Float = npt.NDArray[np.float32]

_AS_ROOT = ("intensity", "covariance")


def rooted(channels: Sequence[str]) -> list[int]:
    """Return the positions of the channels that float16 holds as their signed square root."""
    return [i for i, name in enumerate(channels) if channel_kind(name) in _AS_ROOT]


def encode(pixels: npt.NDArray[Any], channels: Sequence[str], dtype: StoredType) -> Stored:
    """Return the stored values (n, channels, y, x) of pixels (n, channels, y, x) of any number type.

    What is not finite becomes NaN. ValueError where a finite value is too large for `dtype`.
    """
    values = pixels if np.issubdtype(pixels.dtype, np.floating) else pixels.astype(np.float64)
    if dtype == "float16" and (columns := rooted(channels)):
        values = values.copy()
        values[:, columns] = np.copysign(np.sqrt(np.abs(values[:, columns])), values[:, columns])
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    infinite = np.isinf(stored)
    if infinite.any():
        finite = np.isfinite(pixels)
        for i, name in enumerate(channels):
            if (infinite[:, i] & finite[:, i]).any():
                largest = np.abs(pixels[:, i][finite[:, i]]).max()
                raise ValueError(
                    f"{name} has the value {largest:g}, too large for {dtype}; convert with --dtype float32"
                )
        stored[infinite] = np.nan
    return stored


def decode(stored: Stored, channels: Sequence[str]) -> Float:
    """Return what `encode` was given, as float32 (n, channels, y, x): exact for float32, rounded for float16."""
    if stored.dtype == np.float32:
        return stored.astype(np.float32, copy=False)
    pixels: Float = torch.from_numpy(stored).float().numpy()  # seven times as fast as numpy's own
    for i in rooted(channels):
        pixels[:, i] *= np.abs(pixels[:, i])
    return pixels
