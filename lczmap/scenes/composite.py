"""Clear-sky composites: several dates of one place become one picture. Pure arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


def clear_median(
    stack: Float, valid: npt.NDArray[np.bool_], rank: Sequence[int]
) -> tuple[Float, npt.NDArray[np.uint8]]:
    """Return the clear-sky median of each pixel and band, and how many dates were clear.

    `stack` is (time, band, y, x), `valid` (time, y, x) is True where a date is clear; a date with any band missing
    counts as not clear. `rank` orders the dates for the whole city, 0 = the clearest scene: where the number of
    clear dates is even, the one of the worst rank is left out. So the median is always an observation, never
    a mean of two, and of two dates the cloudier scene loses, also where its mask has overlooked a cloud.
    Returns ((band, y, x), NaN where no date is clear, and (y, x) counts before anything is left out).
    """
    if stack.ndim != 4 or valid.shape != (stack.shape[0], *stack.shape[2:]) or sorted(rank) != list(range(len(stack))):
        raise ValueError(
            f"expected (time, band, y, x), (time, y, x) and a rank 0..time-1, got {stack.shape}, {valid.shape}, {rank}"
        )
    order = np.argsort(rank)
    stack = stack[order]  # (time, band, y, x), clearest scene first
    clear = valid[order] & np.isfinite(stack).all(axis=1)  # (time, y, x)
    count = clear.sum(axis=0)  # (y, x)
    used = _without_worst_of_even(clear, count)
    values = np.where(used[:, None], stack, np.inf)
    values.sort(axis=0)
    middle = np.maximum(used.sum(axis=0) - 1, 0) // 2  # (y, x)
    median = np.take_along_axis(values, middle[None, None], axis=0)[0]  # (band, y, x)
    median[:, count == 0] = np.nan
    return median.astype(np.float32, copy=False), np.minimum(count, 255).astype(np.uint8)


def rank_by_usable(usable: Sequence[float], dates: Sequence[str]) -> tuple[int, ...]:
    """Rank scenes by the share of the city that each shows clearly; 0 = the largest, equal shares by date."""
    order = sorted(range(len(usable)), key=lambda i: (-usable[i], dates[i]))
    return tuple(order.index(i) for i in range(len(usable)))


def _without_worst_of_even(clear: npt.NDArray[np.bool_], count: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
    last = len(clear) - 1 - np.argmax(clear[::-1], axis=0)  # (y, x), the clear date of the worst rank
    is_left_out = (np.arange(len(clear))[:, None, None] == last) & (count % 2 == 0)
    return np.asarray(clear & ~is_left_out, dtype=np.bool_)
