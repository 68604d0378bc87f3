"""Compare two networks on the same samples, and one network over several seeds.

Samples of one group (the quadrants of one picture, the cells of one polygon) resemble each other, so whole groups are
drawn, and both networks are read on the same drawn groups: what is hard for both cancels out of their difference.
Paired percentile bootstrap over clusters: Efron & Tibshirani 1993, ch. 13 and 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.evaluation.bootstrap import RESAMPLES, bootstrap_interval, totals_by_group

Shares = npt.NDArray[Any]  # (N,) right or wrong, or the share 0..1 of several seeds that were right


@dataclass(frozen=True)
class PairedDifference:
    """Accuracy of a network minus that of its baseline, with its 95 % interval over `groups` groups.

    The interval is NaN with fewer than two groups.
    """

    value: float
    low: float
    high: float
    groups: int

    @property
    def is_decided(self) -> bool:
        """True where the interval leaves out 0: only then may one of the two be called better."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not told apart`."""
        if not self.is_decided:
            return "not told apart"
        return "better" if self.value > 0 else "worse"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1; NaN for one value) of a figure over seeds."""

    mean: float
    std: float
    count: int

    def __str__(self) -> str:
        """Return `0.912 ± 0.013`; the mean alone for one value."""
        return f"{self.mean:.3f}" + (f" ± {self.std:.3f}" if self.count > 1 else "")


def paired_difference(
    groups: npt.NDArray[Any], right: Shares, baseline: Shares, *, seed: int, resamples: int = RESAMPLES
) -> PairedDifference:
    """Return how much more often a network is right than its baseline, on the same samples (N,).

    `groups` (N,) says which samples belong together. ValueError when the three differ in length, are empty, or
    `right` and `baseline` hold other values than 0..1.
    """
    shares = [np.asarray(values, np.float64) for values in (right, baseline)]
    if not len(groups) or any(values.shape != groups.shape for values in shares):
        raise ValueError(
            f"expected one value per sample of both networks, got groups {groups.shape}, {[v.shape for v in shares]}"
        )
    if not all(((values >= 0) & (values <= 1)).all() for values in shares):
        raise ValueError("expected shares of right answers in 0..1, got other values")
    totals = totals_by_group(groups, _totals, *shares)  # (G, 3)
    interval = bootstrap_interval(totals, _difference, seed=seed, resamples=resamples)
    return PairedDifference(_difference(totals.sum(axis=0)), interval.low, interval.high, len(totals))


def over_seeds(values: Sequence[float]) -> Spread:
    """Return the mean and standard deviation of one figure per seed; ValueError for none."""
    if not values:
        raise ValueError("expected a figure of one seed or more, got none")
    return Spread(
        float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"), len(values)
    )


def _totals(right: Shares, baseline: Shares) -> Shares:
    return np.array([right.size, right.sum(), baseline.sum()])


def _difference(totals: Shares) -> float:
    return float((totals[1] - totals[2]) / totals[0])
