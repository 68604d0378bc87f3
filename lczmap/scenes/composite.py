"""Clear-sky composites: several dates of one place become one picture. Pure arrays.

Stacks are (time, band, y, x) reflectance; `rank` orders the dates for the whole city, 0 = the clearest scene. Every
method returns observations, never means, and of two dates the worse one loses, also where its mask has overlooked
a cloud. Which method errs least is measured by benchmarks/composites.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

CompositeMethod = Literal["median", "medoid", "best_pixel"]
Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Count = npt.NDArray[np.uint8]

DEFAULT_METHOD: CompositeMethod = "median"
"""With `pixel_quality` the least error for every number of dates in the table of benchmarks/composites.py."""
HOT_RED = (
    0.5  # haze-optimised transform of reflectances: blue - 0.5 red (Zhu and Woodcock 2012, from Zhang et al. 2002)
)
RANK_HOT = (
    0.075  # reflectance of haze that the worst scene of a city is worse by than the clearest: ours, by that table
)


def composite(
    stack: Float,
    valid: Bool,
    rank: Sequence[int],
    *,
    method: CompositeMethod = DEFAULT_METHOD,
    quality: Float | None = None,
) -> tuple[Float, Count]:
    """Return the composite of `stack` (time, band, y, x), and how many dates were clear.

    `valid` (time, y, x) is True where a date is clear; a date with any band missing counts as not clear. `median`
    takes each band's median (`clear_median`), `medoid` and `best_pixel` one date for all bands: the one most like
    the others (`clear_medoid`), or the one of highest `quality` (time, y, x), such as from `pixel_quality`. The
    median uses `quality`, where given, to leave out the worst of an even number; the medoid does not use it.
    Returns ((band, y, x), NaN where no date is clear, and (y, x) counts).
    """
    if method == "median":
        return clear_median(stack, valid, rank, quality=quality)
    if method == "medoid":
        return clear_medoid(stack, valid, rank)
    if quality is None:
        raise ValueError("a best-pixel composite needs the quality of each pixel and date; give `pixel_quality(…)`")
    return best_pixel(stack, valid, rank, quality)


def clear_median(
    stack: Float, valid: Bool, rank: Sequence[int], *, quality: Float | None = None
) -> tuple[Float, Count]:
    """Return the clear-sky median of each pixel and band, and how many dates were clear.

    Where the number of clear dates is even, one is left out: that of the least `quality` (time, y, x), or without
    it that of the worst rank. So the median is always an observation, and of two dates the better one counts.
    Shapes as in `composite`; the count is taken before anything is left out.
    """
    from lczmap.scenes.middle import middle_of_used  # brings numba, half a second that a median alone needs

    stack, clear = _by_rank(stack, valid, rank)
    count = clear.sum(axis=0)  # (y, x)
    used = _without_worst_of_even(clear, count, _score(quality, clear, rank))
    return middle_of_used(stack.astype(np.float32, copy=False), used), _as_count(count)


def clear_medoid(stack: Float, valid: Bool, rank: Sequence[int]) -> tuple[Float, Count]:
    """Return the clear-sky medoid of each pixel: the date with the least sum of distances to the other clear dates.

    Distances are Euclidean over the bands (Flood 2013, Remote Sensing 5, 6481). Equal sums go to the better rank:
    so of two dates the better-ranked wins, a single one is taken. Shapes as in `composite`.
    """
    stack, clear = _by_rank(stack, valid, rank)
    total = np.where(clear, np.float32(0), np.float32(np.inf))  # (time, y, x)
    for first, second in combinations(range(len(stack)), 2):
        difference = stack[first] - stack[second]  # (band, y, x), NaN counts nowhere: such a date is not clear
        distance = np.sqrt(np.einsum("byx,byx->yx", difference, difference))
        distance[~(clear[first] & clear[second])] = 0
        total[first] += distance
        total[second] += distance
    return _take(stack, clear, np.argmin(total, axis=0))


def best_pixel(stack: Float, valid: Bool, rank: Sequence[int], quality: Float) -> tuple[Float, Count]:
    """Return the clear observation of highest `quality` (time, y, x); equal ones go to the better rank.

    Shapes as in `composite`.
    """
    stack, clear = _by_rank(stack, valid, rank)
    score = np.where(clear, _score(quality, clear, rank), -np.inf)
    return _take(stack, clear, np.argmax(score, axis=0))


def pixel_quality(stack: Float, rank: Sequence[int], *, blue: int = 0, red: int = 2) -> Float:
    """Return the quality (time, y, x) of observations, in reflectance, the higher the better: little haze, clear scene.

    Less the haze-optimised transform, blue - 0.5 red, which haze and thin cloud raise (on the clear ground of a real
    place it changed by 0.009 ± 0.006 from June to August); less 0.075 times the rank's share of the dates. Made
    pixel by pixel, so it depends on no tile. Scores of observations are the idea of Griffiths et al. 2013 (IEEE
    JSTARS 6, 2088); their distance to the next cloud changed nothing in the table of benchmarks/composites.py.
    `blue` and `red` are positions in `stack`: those of channels.S2_10.
    """
    hot = stack[:, blue] - np.float32(HOT_RED) * stack[:, red]  # (time, y, x)
    scene = np.asarray(rank, np.float32) / len(stack)
    return np.asarray(-hot - np.float32(RANK_HOT) * scene[:, None, None], dtype=np.float32)


def rank_by_usable(usable: Sequence[float], dates: Sequence[str]) -> tuple[int, ...]:
    """Rank scenes by the share of the city that each shows clearly; 0 = the largest, equal shares by date."""
    order = sorted(range(len(usable)), key=lambda i: (-usable[i], dates[i]))
    return tuple(order.index(i) for i in range(len(usable)))


def _by_rank(stack: Float, valid: Bool, rank: Sequence[int]) -> tuple[Float, Bool]:
    # the dates in the order of their rank, and where each is clear in all bands
    if stack.ndim != 4 or valid.shape != (stack.shape[0], *stack.shape[2:]) or sorted(rank) != list(range(len(stack))):
        raise ValueError(
            f"expected (time, band, y, x), (time, y, x) and a rank 0..time-1, got {stack.shape}, {valid.shape}, {rank}"
        )
    order = np.argsort(rank)
    ordered = stack[order]
    return ordered, valid[order] & np.isfinite(ordered).all(axis=1)


def _take(stack: Float, clear: Bool, chosen: npt.NDArray[np.intp]) -> tuple[Float, Count]:
    count = clear.sum(axis=0)  # (y, x)
    values = np.take_along_axis(stack, chosen[None, None], axis=0)[0]  # (band, y, x)
    values[:, count == 0] = np.nan
    return values.astype(np.float32, copy=False), _as_count(count)


def _as_count(count: npt.NDArray[np.int_]) -> Count:
    return np.minimum(count, 255).astype(np.uint8)


def _score(quality: Float | None, clear: Bool, rank: Sequence[int]) -> Float:
    # (time, y or 1, x or 1) in the order of the ranks, the higher the better; an unknown quality is the worst
    if quality is None:
        return -np.arange(len(clear), dtype=np.float32)[:, None, None]
    if quality.shape != clear.shape:
        raise ValueError(f"expected the quality (time, y, x) of {clear.shape}, got {quality.shape}")
    ordered = quality[np.argsort(rank)]
    return np.where(np.isnan(ordered), np.finfo(np.float32).min, ordered)


def _without_worst_of_even(clear: Bool, count: npt.NDArray[np.int_], score: Float) -> Bool:
    among_clear = np.where(clear, score, np.float32(np.inf))
    worst = len(clear) - 1 - np.argmin(among_clear[::-1], axis=0)  # (y, x), of equal ones that of the worst rank
    is_left_out = (np.arange(len(clear))[:, None, None] == worst) & (count % 2 == 0)
    return np.asarray(clear & ~is_left_out, dtype=np.bool_)
