"""Find training areas whose pixels speak for another class than the one they are drawn as, or for none.

Every area is judged without itself, by linear discriminant analysis on its features: each class has a mean, all
classes share one covariance, shrunk after Ledoit & Wolf 2004 (doi:10.1016/S0047-259X(03)00096-4) because there are
about as many features as areas. It works from three areas a class on, where a covariance of each class would not.
How often it finds swapped labels, and how often it blames right ones, is measured by benchmarks/area_outliers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

EVIDENCE = 12.0
"""Least difference of squared distances to the own and the nearest other class for `looks_like`: that class is then
exp(6), 400 times, as likely. Our choice, from the benchmark."""
FAR = 3.5
"""Least robust z-score of the distance to the own class for `is_far` (the cut of Iglewicz & Hoaglin 1993)."""
MIN_AREAS = 3
"""Classes with fewer areas are not judged, and speak against none."""
_CLIP = 5.0  # robust standard deviations at which a feature is cut, so that one cloud does not stretch the covariance


@dataclass(frozen=True)
class Outliers:
    """What the features say of each area, each (A,).

    `judged` is False where nothing can be said: no valid pixel, or a class of fewer than MIN_AREAS areas.
    `likely` is the code of the nearest class, `evidence` how much nearer it is than the own class (difference of
    squared distances, at most 0 where the own class is the nearest), `distance` the distance to the own class as
    a robust z-score among all areas. NaN and 0 where not judged.
    """

    judged: npt.NDArray[np.bool_]
    likely: npt.NDArray[np.int64]
    evidence: Float
    distance: Float

    @property
    def looks_like_other(self) -> npt.NDArray[np.bool_]:
        """True where another class is far likelier than the own one."""
        return self.evidence >= EVIDENCE

    @property
    def is_far(self) -> npt.NDArray[np.bool_]:
        """True where an area lies unusually far from its class and no other class explains it."""
        return (self.distance >= FAR) & ~self.looks_like_other


def find_outliers(features: Float, codes: Codes) -> Outliers:
    """Judge areas by their features (A, F), NaN where not measured, and codes 1..17 (A,).

    Nothing is judged with fewer than two classes of MIN_AREAS areas.
    """
    count = len(codes)
    measured = np.isfinite(features).all(axis=1) if features.shape[1] else np.zeros(count, np.bool_)
    per_class = np.bincount(codes[measured], minlength=18)
    judged = measured & (per_class[codes] >= MIN_AREAS)
    likely, evidence, distance = np.zeros(count, np.int64), np.full(count, np.nan), np.full(count, np.nan)
    if np.unique(codes[judged]).size < 2:
        return Outliers(np.zeros(count, np.bool_), likely, evidence, distance)
    known, own_codes = _robust_scale(features[judged]), codes[judged]
    classes = np.unique(own_codes)
    squared = _squared_distances(known, own_codes, classes)  # (N, K)
    is_own = own_codes[:, None] == classes
    own, others = squared[is_own], np.where(is_own, np.inf, squared)
    likely[judged] = classes[squared.argmin(axis=1)]
    evidence[judged] = own - others.min(axis=1)
    distance[judged] = _robust_scores(np.sqrt(own))
    return Outliers(judged, likely, evidence, distance)


def shrunk_covariance(residuals: Float) -> Float:
    """Return the covariance (F, F) of residuals (N, F) of known mean 0, shrunk after Ledoit & Wolf 2004.

    Where all residuals are 0 it is the identity: distances are then those of the scaled features.
    """
    if not residuals.any():
        return np.eye(residuals.shape[1])
    count, size = residuals.shape
    sample = residuals.T @ residuals / count
    mean = np.trace(sample) / size
    target = mean * np.eye(size)
    spread = ((sample - target) ** 2).sum()
    noise = ((residuals**2).sum(axis=1) ** 2).sum() / count**2 - (sample**2).sum() / count
    share = min(noise / spread, 1.0) if spread > 0 else 1.0
    result: Float = share * target + (1 - share) * sample
    return result


def _squared_distances(features: Float, codes: Codes, classes: Codes) -> Float:
    """Return the squared Mahalanobis distance (N, K) of each area to each class, the area itself left out.

    The distance to a mean of n areas is divided by 1 + 1/n, the variance that the mean adds: else small classes
    would always seem far.
    """
    squared = np.empty((len(codes), len(classes)))
    index = np.searchsorted(classes, codes)
    counts = np.bincount(index).astype(np.float64)
    totals = np.zeros((len(classes), features.shape[1]))
    np.add.at(totals, index, features)
    for i, (own, vector) in enumerate(zip(index, features, strict=True)):
        left, sums = counts.copy(), totals.copy()
        left[own] -= 1
        sums[own] -= vector
        means = sums / left[:, None]
        others = np.arange(len(codes)) != i
        precision = np.linalg.inv(shrunk_covariance(features[others] - means[index[others]]))
        away = vector - means  # (K, F)
        squared[i] = np.einsum("kf,fg,kg->k", away, precision, away) * left / (left + 1)
    return squared


def _robust_scale(features: Float) -> Float:
    """Return features in robust standard deviations from their medians, cut at ±_CLIP."""
    scaled: Float = np.clip(np.apply_along_axis(_robust_scores, 0, features), -_CLIP, _CLIP)
    return scaled


def _robust_scores(values: Float) -> Float:
    """Return (values - median) / (1.4826 MAD), 0 where most values are equal."""
    away = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(away))  # the standard deviation of a normal distribution
    return away / spread if spread > 0 else np.zeros_like(values)
