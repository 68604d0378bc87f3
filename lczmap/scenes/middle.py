"""The middle of the clear values of each pixel, compiled. Pure arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def middle_of_used(stack: Float, used: Bool) -> Float:
    """Return the middle (band, y, x) of the used values of each pixel, the lower of two, NaN where none is used.

    `stack` is (date, band, y, x), `used` (date, y, x).
    """
    dates, bands, height, width = stack.shape
    out = np.empty((bands, height, width), np.float32)
    values = np.empty(dates, np.float32)
    for band in range(bands):
        for y in range(height):
            for x in range(width):
                n = 0
                for date in range(dates):  # insertion sort: dates are few
                    if used[date, y, x]:
                        value = stack[date, band, y, x]
                        k = n
                        while k > 0 and values[k - 1] > value:
                            values[k] = values[k - 1]
                            k -= 1
                        values[k] = value
                        n += 1
                out[band, y, x] = values[(n - 1) // 2] if n else np.float32(np.nan)
    return out
