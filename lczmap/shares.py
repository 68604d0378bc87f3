"""Whole numbers in proportion to weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def apportion(weights: Sequence[int] | npt.NDArray[np.integer], total: int) -> npt.NDArray[np.int64]:
    """Divide `total` in proportion to `weights` (N,): whole parts, then one more for the largest remainders (Hare).

    The parts add up to `total`, which is 0 where all weights are; ties go to the lower index.
    """
    exact = np.asarray(weights, np.int64) * total / max(np.sum(weights), 1)
    shares: npt.NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares
