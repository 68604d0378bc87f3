"""Confidence intervals that respect clustering: whole polygons or blocks are drawn, never single cells.

Cells of one polygon, or of neighbouring ground, resemble each other: drawing cells would pretend to more
information than there is. Every statistic here is a function of *totals* (a confusion matrix, sums of products)
that add up over groups, so a replicate is one weighted sum. Percentile intervals of the cluster bootstrap: Efron &
Tibshirani 1993, ch. 13; Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A percentile interval `low`..`high` at `level`, from `groups` groups.

    NaN with fewer than two groups. `undefined` is the share of replicates in which the statistic had no value;
    the interval is that of the others.
    """

    low: float
    high: float
    level: float
    groups: int
    undefined: float


def totals_by_group(
    groups: npt.NDArray[Any], total: Callable[..., npt.NDArray[Any]], *values: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Apply `total` to the values (N,) of each group of cells; returns (G, …), groups in sorted order."""
    if any(len(v) != len(groups) for v in values):
        raise ValueError(f"expected {len(groups)} values, one per cell, got {[len(v) for v in values]}")
    order = np.argsort(groups, kind="stable")
    starts = np.unique(groups[order], return_index=True)[1]
    parts = [np.split(v[order], starts[1:]) for v in values]
    return np.stack([total(*members) for members in zip(*parts, strict=True)])


def spatial_blocks(
    row: npt.NDArray[np.integer], col: npt.NDArray[np.integer], block_cells: int
) -> npt.NDArray[np.int64]:
    """Return the number of the square block of `block_cells` × `block_cells` cells that holds each cell, (N,).

    `row` and `col` count from 0. Blocks that hold a cell are numbered from 0, row by row of blocks.
    """
    if block_cells < 1:
        raise ValueError(f"expected blocks of at least 1 cell, got {block_cells}")
    across = int(col.max(initial=0)) // block_cells + 1
    place = row.astype(np.int64) // block_cells  # in place from here on: a map may have 10^8 cells
    place *= across
    place += col // block_cells
    places = int(place.max(initial=0)) + 1
    if places > place.size:  # few cells far apart
        return np.unique(place, return_inverse=True)[1].astype(np.int64)
    is_used = np.zeros(places, np.bool_)
    is_used[place] = True
    return np.asarray((np.cumsum(is_used) - 1)[place], np.int64)


def bootstrap_interval(
    totals: npt.NDArray[np.floating],
    statistic: Callable[[npt.NDArray[Any]], float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Draw G of the G groups with replacement, `resamples` times, and return the interval of `statistic`.

    `totals` is (G, …), the totals of each group; `statistic` maps a sum of them to a number or NaN. The same
    seed gives the same interval.
    """
    groups = len(totals)
    if groups < 2:
        return Interval(float("nan"), float("nan"), level, groups, 1.0)
    flat = totals.reshape(groups, -1).astype(np.float64)  # counts stay exact, and matrix products of floats are fast
    draws = np.random.default_rng(seed)
    shares = np.full(groups, 1 / groups)
    replicates = np.array(
        [statistic((draws.multinomial(groups, shares) @ flat).reshape(totals.shape[1:])) for _ in range(resamples)]
    )
    defined = replicates[np.isfinite(replicates)]
    undefined = 1 - defined.size / resamples
    if defined.size == 0:
        return Interval(float("nan"), float("nan"), level, groups, undefined)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, groups, undefined)
