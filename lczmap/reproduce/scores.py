"""The figures of one test, from its confusion matrix, and what several seeds say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, index_to_code
from lczmap.evaluation import metrics

Counts = npt.NDArray[Any]
Index = npt.NDArray[np.int64]

HEADLINES = ("oa", "aa", "kappa", "oaw", "oa_bu", "oa_nat")
"""Figures of every table: overall, average, kappa, weighted, overall among built (1..10) and natural (A..G) patches."""

_BUILT = np.array([c.is_built for c in CLASSES])


def confusion(reference: Index, predicted: Index) -> npt.NDArray[np.int64]:
    """Count (17, 17) pairs of reference and predicted class indices 0..16."""
    return metrics.confusion_matrix(index_to_code(reference), index_to_code(predicted))


def scores(matrix: Counts) -> dict[str, Any]:
    """Return all figures of a confusion matrix (17, 17), rows the reference; NaN where a class was not tested.

    `oa_bu` and `oa_nat` are the share of right answers among patches whose reference is built or natural; `oaw_chance`
    is the OAw of answers that know nothing but the shares.
    """
    return {
        "oa": metrics.overall_accuracy(matrix),
        "aa": metrics.average_accuracy(matrix),
        "kappa": metrics.kappa(matrix),
        "oaw": metrics.weighted_accuracy(matrix),
        "oaw_chance": metrics.weighted_chance(matrix),
        "oa_bu": _share_right(matrix, _BUILT),
        "oa_nat": _share_right(matrix, ~_BUILT),
        "recall": metrics.producers_accuracy(matrix).tolist(),
        "f1": metrics.f1_score(matrix).tolist(),
    }


def scores_by_city(reference: Index, predicted: Index, cities: npt.NDArray[np.str_]) -> dict[str, dict[str, Any]]:
    """Return OA, AA, kappa and the number of patches of each city's patches (N,)."""
    result = {}
    for city in np.unique(cities).tolist():
        matrix = confusion(reference[cities == city], predicted[cities == city])
        figures = scores(matrix)
        result[city] = {"patches": int(matrix.sum()), **{key: figures[key] for key in ("oa", "aa", "kappa")}}
    return result


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) over seeds; NaN where there are none, or only one."""
    known = np.array([np.nan if value is None else value for value in values], np.float64)
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if known.size else float("nan")
    return mean, float(known.std(ddof=1)) if known.size > 1 else float("nan")


def deviation_text(values: Sequence[float | None], *, scale: float = 100, digits: int = 2) -> str:
    """Return `mean ± deviation`, in percent by default; an en dash where there is no value."""
    mean, deviation = mean_and_deviation(values)
    if not np.isfinite(mean):
        return "–"
    spread = f" ± {deviation * scale:.{digits}f}" if np.isfinite(deviation) else ""
    return f"{mean * scale:.{digits}f}{spread}"


def total_confusion(results: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """Return the sum of several results' confusion matrices."""
    matrices = np.array([r["confusion_matrix"] for r in results], np.int64)  # (seeds, 17, 17)
    return np.asarray(matrices.sum(axis=0))


def _share_right(matrix: Counts, rows: npt.NDArray[np.bool_]) -> float:
    tested = matrix[rows].sum()
    return float(np.diag(matrix)[rows].sum() / tested) if tested else float("nan")
