"""Estimates from a stratified sample: the worked example of the literature, scikit-learn, and repeated draws."""

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from lczmap.evaluation import metrics
from lczmap.evaluation.area_estimates import assessed_classes, estimate_accuracy, expected_half_width

# Olofsson et al. 2014, section 5, Tables 8 and 9: rows = map, columns = reference; deforestation, forest gain,
# stable forest, stable non-forest of 900,000 ha in pixels of 0.09 ha
WORKED = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def of_17(matrix: np.ndarray, population: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of the paper as counts (17, 17) with rows = reference, and the population (17,)."""
    size = len(matrix)
    counts, cells = np.zeros((17, 17), np.int64), np.zeros(17, np.int64)
    counts[:size, :size], cells[:size] = matrix.T, population
    return counts, cells


def test_the_published_accuracies_come_out() -> None:
    found = estimate_accuracy(*of_17(WORKED, PIXELS))
    assert found.overall.value == pytest.approx(0.947, abs=5e-4)
    assert 1.96 * found.overall.se == pytest.approx(0.018, abs=5e-4)
    users, producers = found.users[:4], found.producers[:4]
    assert [round(e.value, 2) for e in users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(1.96 * e.se, 2) for e in users] == [0.07, 0.10, 0.04, 0.02]
    assert [round(e.value, 2) for e in producers] == [0.75, 0.85, 0.93, 0.96]
    assert [round(1.96 * e.se, 2) for e in producers] == [0.21, 0.25, 0.03, 0.02]


def test_the_published_areas_come_out() -> None:
    shares = estimate_accuracy(*of_17(WORKED, PIXELS)).shares[:4]
    hectares = [(round(900_000 * e.value), 900_000 * 1.96 * e.se) for e in shares]
    published = [(21_158, 6_158), (11_686, 3_756), (285_770, 15_510), (581_386, 16_282)]
    for (area, half), (expected, expected_half) in zip(hectares, published, strict=True):
        assert area == expected
        # the published intervals have no finite population correction, which takes off a part in 5,000 here
        assert half == pytest.approx(expected_half, rel=2e-4)


def test_values_equal_those_of_scikit_learn_with_each_cell_weighted_by_what_it_stands_for() -> None:
    random = np.random.default_rng(3)
    matrix = random.integers(1, 30, (17, 17)) + 40 * np.eye(17, dtype=np.int64)
    population = random.integers(2_000, 9_000, 17)
    found = estimate_accuracy(matrix, population)
    reference, mapped = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices((17, 17)))
    weight = (population / matrix.sum(axis=0))[mapped]
    assert found.overall.value == pytest.approx(oracle.accuracy_score(reference, mapped, sample_weight=weight))
    recall = oracle.recall_score(reference, mapped, average=None, sample_weight=weight)
    precision = oracle.precision_score(reference, mapped, average=None, sample_weight=weight)
    assert [e.value for e in found.producers] == pytest.approx(recall)
    assert [e.value for e in found.users] == pytest.approx(precision)
    assert found.kappa == pytest.approx(oracle.cohen_kappa_score(reference, mapped, sample_weight=weight))
    assert found.weighted.value == pytest.approx(np.average(metrics.similarity()[reference, mapped], weights=weight))


def test_standard_errors_equal_those_of_the_textbook_formula_cell_by_cell() -> None:
    """Cochran 1977, eqs. 5.7 and 6.51: a stratified mean, and a ratio of two, from the values of single cells."""
    matrix, population = WORKED, np.array([100, 90, 400, 1000])
    found = estimate_accuracy(*of_17(matrix, population))

    def variance_of_total(value: list[np.ndarray]) -> float:
        return sum(
            cells**2 * (1 - len(v) / cells) * v.var(ddof=1) / len(v) for v, cells in zip(value, population, strict=True)
        )

    strata = [np.repeat(np.arange(4), row) for row in matrix]  # reference of each labelled cell, by map class
    right = [(s == i).astype(float) for i, s in enumerate(strata)]
    assert found.overall.se == pytest.approx(math.sqrt(variance_of_total(right)) / population.sum())
    for j in range(4):
        of_class = [(s == j).astype(float) for s in strata]
        hit = [c * (i == j) for i, c in enumerate(of_class)]
        total = sum(c.mean() * n for c, n in zip(of_class, population, strict=True))
        ratio = found.producers[j].value
        residual = [h - ratio * c for h, c in zip(hit, of_class, strict=True)]
        assert found.producers[j].se == pytest.approx(math.sqrt(variance_of_total(residual)) / total)
        assert found.shares[j].se == pytest.approx(math.sqrt(variance_of_total(of_class)) / population.sum())


def test_a_completely_labelled_map_has_no_uncertainty() -> None:
    found = estimate_accuracy(*of_17(np.array([[8, 2], [0, 1]]), np.array([10, 1])))
    assert (found.overall.value, found.overall.se) == (pytest.approx(9 / 11), 0.0)
    assert (found.users[0].low, found.users[0].high) == pytest.approx((0.8, 0.8))
    assert found.assessed[:2].all() and not found.assessed[2:].any()


def test_a_class_with_one_label_is_left_out_and_the_rest_is_estimated_without_it() -> None:
    counts, population = of_17(np.array([[9, 1, 0], [2, 8, 0], [0, 0, 1]]), np.array([300, 100, 50]))
    assert assessed_classes(counts, population)[:3].tolist() == [True, True, False]
    found = estimate_accuracy(counts, population)
    assert found.overall.value == pytest.approx(0.75 * 0.9 + 0.25 * 0.8)
    assert math.isnan(found.users[2].value) and math.isnan(found.producers[2].value)


def test_a_class_of_the_map_that_is_not_assessed_has_no_producers_accuracy_and_no_area() -> None:
    # a cell of the second class turns out to be the third, whose own 50 cells nobody labelled
    counts, population = of_17(np.array([[10, 0, 0], [0, 9, 1], [0, 0, 0]]), np.array([300, 100, 50]))
    found = estimate_accuracy(counts, population)
    assert math.isnan(found.producers[2].value) and math.isnan(found.shares[2].value)
    off_map = estimate_accuracy(counts, np.array([300, 100, *[0] * 15]))
    assert off_map.producers[2].value == 0 and off_map.shares[2].value == pytest.approx(0.025)  # the map has none


def test_wilsons_interval_keeps_its_width_where_every_label_agrees() -> None:
    found = estimate_accuracy(*of_17(np.diag([50, 50]), np.array([10**9, 10**9])))
    assert found.users[0].high == 1.0
    assert found.users[0].low == pytest.approx(1 - 1.96**2 / (49 + 1.96**2), abs=1e-4)


def test_more_labels_than_cells_and_no_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        estimate_accuracy(*of_17(np.array([[3]]), np.array([2])))
    with pytest.raises(ValueError, match="no class of the map has two labelled cells"):
        estimate_accuracy(*of_17(np.array([[1]]), np.array([20])))


def test_the_half_width_to_expect_is_that_of_equal_accuracies() -> None:
    counts, population = of_17(np.array([[70, 30], [30, 70]]), np.array([5_000, 5_000]))
    sampled = counts.sum(axis=0)
    se = estimate_accuracy(counts, population).overall.se
    assert expected_half_width(sampled, population) == pytest.approx(1.959964 * se)
