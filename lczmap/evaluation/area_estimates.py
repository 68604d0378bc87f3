"""Map accuracy and class areas from a stratified random sample whose strata are the classes of the map.

Estimators of Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015); equation numbers below are theirs. One thing is
added, the finite population correction 1 - n/N of each stratum (Cochran 1977, eq. 5.7), because a small city's rare
classes are often labelled completely: a class without unlabelled cells adds no uncertainty. With n far below N it
is 1 and the equations are the published ones.

Everywhere `counts` is (17, 17), labelled cells with rows = reference and columns = map class, as in metrics.py; the
paper's matrix is its transpose. `population` (17,) is the number of map cells of each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES
from lczmap.evaluation import metrics

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LEVEL = 0.95
_Z = 1.959964  # normal quantile of (1 + LEVEL) / 2
_BUILT = np.array([c.is_built for c in CLASSES])


@dataclass(frozen=True)
class Estimate:
    """A figure, its standard error and its 95 % interval; NaN where it cannot be told."""

    value: float
    se: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return the four numbers by name."""
        return {"value": self.value, "se": self.se, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class MapAccuracy:
    """All estimates from one sample; sequences have 17 entries.

    They hold for the classes in `assessed` (17,) bool: classes of the map with fewer than two labelled cells and
    unlabelled ones have no variance and are left out: they have no figures, though other classes' cells may turn out
    to be theirs. `shares` is each reference class's share of the assessed area; `proportions` (17, 17) the estimated
    error matrix as shares of the assessed area, rows = reference.
    """

    assessed: npt.NDArray[np.bool_]
    overall: Estimate
    built_natural: Estimate
    weighted: Estimate
    users: tuple[Estimate, ...]
    producers: tuple[Estimate, ...]
    shares: tuple[Estimate, ...]
    proportions: Float

    @property
    def kappa(self) -> float:
        """Cohen's kappa of the estimated matrix."""
        return metrics.kappa(self.proportions)

    @property
    def weighted_chance(self) -> float:
        """OAw of an unrelated map with the same class shares."""
        return metrics.weighted_chance(self.proportions)


def assessed_classes(counts: Counts, population: Counts) -> npt.NDArray[np.bool_]:
    """Return (17,): True for a class of the map with at least two labelled cells, or all its cells labelled."""
    labelled = counts.sum(axis=0)
    enough: npt.NDArray[np.bool_] = (labelled >= 2) | ((labelled > 0) & (labelled == population))
    return enough


def estimate_accuracy(counts: Counts, population: Counts) -> MapAccuracy:
    """Estimate accuracies and areas; ValueError when more cells are labelled than exist or no class has labels."""
    labelled = counts.sum(axis=0)
    if (labelled > population).any():
        raise ValueError(f"expected at most {population.tolist()} labelled cells per class, got {labelled.tolist()}")
    assessed = assessed_classes(counts, population)
    if not assessed.any():
        raise ValueError("no class of the map has two labelled cells: label more before assessing the map")
    unseen = (population > 0) & ~assessed
    sample = _Sample.of(np.where(assessed, counts, 0), np.where(assessed, population, 0))
    every = range(len(CLASSES))
    return MapAccuracy(
        assessed=assessed,
        overall=sample.mean(np.eye(len(CLASSES))),
        built_natural=sample.mean(np.equal.outer(_BUILT, _BUILT).astype(np.float64)),
        weighted=sample.mean(metrics.similarity()),
        users=tuple(sample.users(i) for i in every),
        producers=tuple(_UNKNOWN if unseen[j] else sample.producers(j) for j in every),
        shares=tuple(_UNKNOWN if unseen[j] else sample.share(j) for j in every),
        proportions=sample.weights * sample.within,
    )


def expected_half_width(sampled: Counts, population: Counts, *, users: float = 0.7) -> float:
    """Return half the interval of the overall accuracy to expect when every user's accuracy is `users` (eq. 5)."""
    labelled = sampled.astype(np.float64)
    factor = np.where(sampled < population, (1 - labelled / np.maximum(population, 1)) / np.maximum(labelled - 1, 1), 0)
    weights = population / population.sum()
    return _Z * math.sqrt((weights**2 * users * (1 - users) * factor).sum())


@dataclass(frozen=True)
class _Sample:
    """Strata with labels: weights W (17,), shares n_ij / n_i within them (17, 17), variance factors (17,)."""

    labelled: Float
    weights: Float
    within: Float
    factor: Float

    @classmethod
    def of(cls, counts: Counts, population: Counts) -> _Sample:
        labelled, cells = counts.sum(axis=0).astype(np.float64), population.astype(np.float64)
        unlabelled = 1 - labelled / np.maximum(cells, 1)
        # a stratum with one labelled cell has it as its only cell: nothing is left to vary
        factor = np.where(labelled > 0, unlabelled / np.maximum(labelled - 1, 1), 0.0)
        return cls(labelled, cells / cells.sum(), counts / np.maximum(labelled, 1), factor)

    def mean(self, score: Float) -> Estimate:
        """Mean of a score of (reference, map) pairs over the map; with 0 and 1 eqs. 1 and 5."""
        means = (score * self.within).sum(axis=0)
        spread = np.maximum((score**2 * self.within).sum(axis=0) - means**2, 0)
        return _wald((self.weights * means).sum(), (self.weights**2 * spread * self.factor).sum())

    def users(self, i: int) -> Estimate:
        """Eqs. 2 and 6; Wilson's interval, since Wald's has no width where all labels agree."""
        if not self.labelled[i]:
            return _UNKNOWN
        right, factor = float(self.within[i, i]), float(self.factor[i])
        return _wilson(right, factor)

    def producers(self, j: int) -> Estimate:
        """Eqs. 3 and 7."""
        parts = self.weights * self.within[j]
        total = parts.sum()
        if not total:
            return _UNKNOWN
        accuracy = parts[j] / total
        spread = self.weights**2 * self.within[j] * (1 - self.within[j]) * self.factor
        others = spread.sum() - spread[j]
        return _wald(accuracy, ((1 - accuracy) ** 2 * spread[j] + accuracy**2 * others) / total**2)

    def share(self, j: int) -> Estimate:
        """Eqs. 9 and 10."""
        spread = self.within[j] * (1 - self.within[j])
        return _wald((self.weights * self.within[j]).sum(), (self.weights**2 * spread * self.factor).sum())


_UNKNOWN = Estimate(math.nan, math.nan, math.nan, math.nan)


def _wald(value: float, variance: float) -> Estimate:
    se = math.sqrt(max(float(variance), 0.0))
    return Estimate(float(value), se, max(float(value) - _Z * se, 0.0), min(float(value) + _Z * se, 1.0))


def _wilson(share: float, factor: float) -> Estimate:
    """Score interval (Wilson 1927) of a share whose variance is share · (1 - share) · factor."""
    t = _Z**2 * factor
    centre, half = (share + t / 2) / (1 + t), math.sqrt(t * share * (1 - share) + t**2 / 4) / (1 + t)
    return Estimate(share, math.sqrt(share * (1 - share) * factor), max(centre - half, 0.0), min(centre + half, 1.0))


def scaled(estimate: Estimate, factor: float) -> dict[str, Any]:
    """Return an estimate times a factor, such as an area, for a report."""
    return {key: value * factor for key, value in estimate.to_json().items()}
