"""Accuracy figures of an LCZ map, most of them from one confusion matrix.

Everywhere `confusion` is (17, 17): rows are the reference, columns the map, entry (i, j) counts the cells of
reference class i + 1 that the map calls class j + 1. A figure that is not defined (no cells, or none of a class)
is NaN. Names and definitions follow the LCZ Generator (Demuzere et al. 2021, doi:10.3389/fenvs.2021.637455); some
papers use OAbu for the accuracy *within* the built types, which is OAu here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NUM_CLASSES, code_to_index

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]  # whole numbers, or sums of them

CALIBRATION_BINS = 15

_BUILT = np.array([c.is_built for c in CLASSES])

_TWELFTHS = (
    (12, 11, 10, 8, 7, 6, 7, 9, 5, 9, 4, 3, 1, 0, 3, 0, 0),
    (11, 12, 11, 7, 8, 7, 8, 10, 5, 10, 5, 4, 3, 1, 4, 1, 1),
    (10, 11, 12, 6, 7, 8, 9, 11, 7, 11, 6, 5, 4, 2, 5, 2, 2),
    (8, 7, 6, 12, 11, 10, 9, 6, 9, 7, 6, 7, 6, 4, 1, 4, 4),
    (7, 8, 7, 11, 12, 11, 10, 8, 10, 8, 7, 8, 6, 5, 2, 5, 5),
    (6, 7, 8, 10, 11, 12, 11, 9, 11, 9, 8, 9, 8, 7, 3, 6, 6),
    (7, 8, 9, 9, 10, 11, 12, 8, 10, 8, 9, 8, 7, 5, 2, 5, 5),
    (9, 10, 11, 6, 8, 9, 8, 12, 9, 11, 5, 6, 5, 3, 6, 4, 4),
    (5, 5, 7, 9, 10, 11, 10, 9, 12, 8, 7, 8, 9, 7, 4, 7, 7),
    (9, 10, 11, 7, 8, 9, 8, 11, 8, 12, 5, 6, 5, 3, 6, 4, 4),
    (4, 5, 6, 6, 7, 8, 9, 5, 7, 5, 12, 11, 10, 8, 5, 8, 8),
    (3, 4, 5, 7, 8, 9, 8, 6, 8, 6, 11, 12, 11, 9, 6, 9, 9),
    (1, 3, 4, 6, 6, 8, 7, 5, 9, 5, 10, 11, 12, 10, 7, 10, 10),
    (0, 1, 2, 4, 5, 7, 5, 3, 7, 3, 8, 9, 10, 12, 9, 11, 11),
    (3, 4, 5, 1, 2, 3, 2, 6, 4, 6, 5, 6, 7, 9, 12, 9, 9),
    (0, 1, 2, 4, 5, 6, 5, 4, 7, 4, 8, 9, 10, 11, 9, 12, 11),
    (0, 1, 2, 4, 5, 6, 5, 4, 7, 4, 8, 9, 10, 11, 9, 11, 12),
)


def similarity() -> Float:
    """Return the (17, 17) similarity of LCZ classes, 0..1, that weights OAw.

    Bechtel, Demuzere & Stewart 2020, Remote Sensing 12(11) 1769, Fig. 3b: printed there with two decimals, every
    value is a whole number of twelfths and is kept as such, odd cells included.
    """
    return np.array(_TWELFTHS, np.float64) / 12


def confusion_matrix(reference: npt.NDArray[np.integer], mapped: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Count (17, 17) pairs of reference and map codes; ValueError for codes outside 1..17 or unequal lengths."""
    if reference.shape != mapped.shape:
        raise ValueError(f"expected as many map codes as reference codes, got {mapped.shape} and {reference.shape}")
    pair = code_to_index(reference) * NUM_CLASSES + code_to_index(mapped)
    counts: npt.NDArray[np.int64] = np.bincount(pair.ravel(), minlength=NUM_CLASSES**2)
    return counts.reshape(NUM_CLASSES, NUM_CLASSES)


def overall_accuracy(confusion: Counts) -> float:
    """OA: share of all cells whose classes agree (Congalton 1991)."""
    return _ratio(np.trace(confusion), confusion.sum())


def producers_accuracy(confusion: Counts) -> Float:
    """PA (17,), recall: share of a reference class's cells that the map finds (Congalton 1991)."""
    return _ratios(np.diag(confusion), confusion.sum(axis=1))


def users_accuracy(confusion: Counts) -> Float:
    """UA (17,), precision: share of a map class's cells that are right (Congalton 1991)."""
    return _ratios(np.diag(confusion), confusion.sum(axis=0))


def f1_score(confusion: Counts) -> Float:
    """F1 (17,): harmonic mean of PA and UA, 2·TP / (reference + map cells of the class) (van Rijsbergen 1979)."""
    return _ratios(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def average_accuracy(confusion: Counts) -> float:
    """AA: mean PA of the classes that occur in the reference."""
    present = confusion.sum(axis=1) > 0
    return float(producers_accuracy(confusion)[present].mean()) if present.any() else float("nan")


def kappa(confusion: Counts) -> float:
    """Return Cohen's kappa: agreement beyond that of the two marginals drawn independently (Cohen 1960)."""
    expected = float(_independent(confusion).trace())
    return _ratio(overall_accuracy(confusion) - expected, 1 - expected)


def urban_accuracy(confusion: Counts) -> float:
    """OAu: overall accuracy among cells that both sides call built, LCZ 1..10.

    It leaves out every confusion between built and natural classes, so it is never the headline.
    """
    return overall_accuracy(confusion[np.ix_(_BUILT, _BUILT)])


def built_natural_accuracy(confusion: Counts) -> float:
    """OAbu: share of cells on which both sides agree whether they are built (1..10) or natural (A..G)."""
    both = np.equal.outer(_BUILT, _BUILT)
    return _ratio(confusion[both].sum(), confusion.sum())


def weighted_accuracy(confusion: Counts) -> float:
    """OAw: overall accuracy with partial credit for similar classes (Bechtel et al. 2020).

    It is high by chance: print it beside `weighted_chance`, never alone.
    """
    return _ratio((similarity() * confusion).sum(), confusion.sum())


def weighted_chance(confusion: Counts) -> float:
    """Return the OAw of a map with the same share of each class and no relation to the reference."""
    return float((similarity() * _independent(confusion)).sum())


def most_frequent_class(confusion: Counts) -> int:
    """Return the index 0..16 of the class with most reference cells; ties go to the lower."""
    return int(confusion.sum(axis=1).argmax())


def reference_share(confusion: Counts, index: int) -> float:
    """Return the share of a class, by index, in the reference: the accuracy of a map that says it everywhere."""
    return _ratio(confusion[index].sum(), confusion.sum())


def calibration_table(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> Float:
    """Return (bins, 3): per bin of confidence the number of cells, the sum of confidence, the number of right cells.

    `confidence` (N,) is the probability of the class on the map, 0..1; bins are equally wide and hold their upper
    edge. Tables of several groups of cells add up.
    """
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    sums = [np.bincount(index, weights, minlength=bins) for weights in (np.ones(index.size), confidence, right)]
    return np.column_stack(sums)  # (bins, 3)


def calibration_error(table: Counts) -> float:
    """ECE: mean distance between confidence and accuracy over the bins of a (bins, 3) table, weighted by cells.

    Guo et al. 2017, doi:10.48550/arXiv.1706.04599. On hand-picked polygons it is optimistic.
    """
    return _ratio(np.abs(table[:, 1] - table[:, 2]).sum(), table[:, 0].sum())


def moments(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Float:
    """Return n, Σx, Σy, Σx², Σy², Σxy of two series (N,): sums that add up over groups, for `correlation`."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.array([x.size, x.sum(), y.sum(), x @ x, y @ y, x @ y])


def correlation(sums: Counts) -> float:
    """Pearson's correlation from `moments`; NaN where one of the series is constant."""
    n, x, y, xx, yy, xy = sums
    spread = (n * xx - x * x) * (n * yy - y * y)
    # a constant series leaves rounding noise of about 1e-16 · n²·xx·yy
    return float((n * xy - x * y) / np.sqrt(spread)) if spread > 1e-12 * n * n * xx * yy else float("nan")


def _independent(confusion: Counts) -> Float:
    """Return the shares (17, 17) of cells that independent draws from the two marginals would give."""
    total = confusion.sum()
    if total == 0:
        return np.full(confusion.shape, np.nan)
    shares: Float = np.outer(confusion.sum(axis=1) / total, confusion.sum(axis=0) / total)
    return shares


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _ratios(part: Counts, whole: Counts) -> Float:
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
