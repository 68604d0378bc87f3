import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    precision_score,
    recall_score,
)

from lczmap.evaluation import metrics

# (reference code, map code): cells
PAIRS = {(6, 6): 5, (6, 5): 2, (6, 9): 1, (8, 17): 2, (14, 14): 6, (14, 6): 1, (17, 17): 3}

# Bechtel, Demuzere and Stewart 2020, doi:10.3390/rs12111769, figure 3b: rows and columns are the codes 1 to 17
PRINTED_SIMILARITY = """
    1.00 0.92 0.83 0.67 0.58 0.50 0.58 0.75 0.42 0.75 0.33 0.25 0.08 0.00 0.25 0.00 0.00
    0.92 1.00 0.92 0.58 0.67 0.58 0.67 0.83 0.42 0.83 0.42 0.33 0.25 0.08 0.33 0.08 0.08
    0.83 0.92 1.00 0.50 0.58 0.67 0.75 0.92 0.58 0.92 0.50 0.42 0.33 0.17 0.42 0.17 0.17
    0.67 0.58 0.50 1.00 0.92 0.83 0.75 0.50 0.75 0.58 0.50 0.58 0.50 0.33 0.08 0.33 0.33
    0.58 0.67 0.58 0.92 1.00 0.92 0.83 0.67 0.83 0.67 0.58 0.67 0.50 0.42 0.17 0.42 0.42
    0.50 0.58 0.67 0.83 0.92 1.00 0.92 0.75 0.92 0.75 0.67 0.75 0.67 0.58 0.25 0.50 0.50
    0.58 0.67 0.75 0.75 0.83 0.92 1.00 0.67 0.83 0.67 0.75 0.67 0.58 0.42 0.17 0.42 0.42
    0.75 0.83 0.92 0.50 0.67 0.75 0.67 1.00 0.75 0.92 0.42 0.50 0.42 0.25 0.50 0.33 0.33
    0.42 0.42 0.58 0.75 0.83 0.92 0.83 0.75 1.00 0.67 0.58 0.67 0.75 0.58 0.33 0.58 0.58
    0.75 0.83 0.92 0.58 0.67 0.75 0.67 0.92 0.67 1.00 0.42 0.50 0.42 0.25 0.50 0.33 0.33
    0.33 0.42 0.50 0.50 0.58 0.67 0.75 0.42 0.58 0.42 1.00 0.92 0.83 0.67 0.42 0.67 0.67
    0.25 0.33 0.42 0.58 0.67 0.75 0.67 0.50 0.67 0.50 0.92 1.00 0.92 0.75 0.50 0.75 0.75
    0.08 0.25 0.33 0.50 0.50 0.67 0.58 0.42 0.75 0.42 0.83 0.92 1.00 0.83 0.58 0.83 0.83
    0.00 0.08 0.17 0.33 0.42 0.58 0.42 0.25 0.58 0.25 0.67 0.75 0.83 1.00 0.75 0.92 0.92
    0.25 0.33 0.42 0.08 0.17 0.25 0.17 0.50 0.33 0.50 0.42 0.50 0.58 0.75 1.00 0.75 0.75
    0.00 0.08 0.17 0.33 0.42 0.50 0.42 0.33 0.58 0.33 0.67 0.75 0.83 0.92 0.75 1.00 0.92
    0.00 0.08 0.17 0.33 0.42 0.50 0.42 0.33 0.58 0.33 0.67 0.75 0.83 0.92 0.75 0.92 1.00
"""


@pytest.fixture
def confusion() -> np.ndarray:
    reference, mapped = (np.repeat([pair[i] for pair in PAIRS], list(PAIRS.values())) for i in (0, 1))
    return metrics.confusion_matrix(reference, mapped)


@pytest.fixture
def random_codes() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    reference = draw.integers(1, 18, 500)
    return reference, np.where(draw.random(500) < 0.6, reference, draw.integers(1, 18, 500))


def test_rows_of_the_confusion_matrix_are_the_reference(confusion):
    assert confusion.shape == (17, 17)
    assert confusion[5, 4] == 2 and confusion[4, 5] == 0
    assert confusion.sum() == 20


def test_figures_equal_those_worked_out_by_hand(confusion):
    assert metrics.overall_accuracy(confusion) == pytest.approx(14 / 20)
    assert metrics.average_accuracy(confusion) == pytest.approx((5 / 8 + 0 + 6 / 7 + 1) / 4)
    expected = (8 * 6 + 7 * 6 + 3 * 5) / 400  # marginals of classes 6, 14, 17
    assert metrics.kappa(confusion) == pytest.approx((0.7 - expected) / (1 - expected))
    assert metrics.urban_accuracy(confusion) == pytest.approx(5 / 8)
    assert metrics.built_natural_accuracy(confusion) == pytest.approx(17 / 20)
    # 14 right + 2·w(6,5) + w(6,9) + w(14,6) + 2·w(8,17) = 14 + (2·11 + 11 + 7 + 2·4) / 12
    assert metrics.weighted_accuracy(confusion) == pytest.approx(18 / 20)
    assert metrics.most_frequent_class(confusion) == 5
    assert metrics.reference_share(confusion, 5) == pytest.approx(8 / 20)


def test_figures_per_class_equal_those_worked_out_by_hand(confusion):
    assert metrics.producers_accuracy(confusion)[5] == pytest.approx(5 / 8)
    assert metrics.users_accuracy(confusion)[5] == pytest.approx(5 / 6)
    assert metrics.f1_score(confusion)[5] == pytest.approx(10 / 14)
    assert np.isnan(metrics.producers_accuracy(confusion)[4])  # no reference cell of class 5
    assert np.isnan(metrics.users_accuracy(confusion)[7])  # no map cell of class 8
    assert np.isnan(metrics.f1_score(confusion)[0])  # class 1 occurs nowhere


def test_figures_equal_those_of_scikit_learn(random_codes):
    reference, mapped = random_codes
    confusion = metrics.confusion_matrix(reference, mapped)
    assert metrics.overall_accuracy(confusion) == pytest.approx(accuracy_score(reference, mapped))
    assert metrics.average_accuracy(confusion) == pytest.approx(balanced_accuracy_score(reference, mapped))
    assert metrics.kappa(confusion) == pytest.approx(cohen_kappa_score(reference, mapped))
    options = {"labels": np.arange(1, 18), "average": None}
    np.testing.assert_allclose(metrics.producers_accuracy(confusion), recall_score(reference, mapped, **options))
    np.testing.assert_allclose(metrics.users_accuracy(confusion), precision_score(reference, mapped, **options))
    np.testing.assert_allclose(metrics.f1_score(confusion), f1_score(reference, mapped, **options))


def test_similarity_is_symmetric_with_unit_diagonal_and_equals_the_printed_matrix():
    weights = metrics.similarity()
    np.testing.assert_array_equal(weights, weights.T)
    np.testing.assert_array_equal(np.diag(weights), 1)
    np.testing.assert_array_equal(np.round(weights, 2), np.array(PRINTED_SIMILARITY.split(), float).reshape(17, 17))
    # twelfths, of which two digits are printed
    np.testing.assert_allclose(weights * 12, np.round(weights * 12), atol=1e-9)


def test_weighted_accuracy_is_high_by_chance_with_the_classes_of_so2sat():
    # validation cells of So2Sat LCZ42 per class; with the test set's shares the figures are 0.61 and 0.71
    cells = np.array(
        [256, 1254, 2353, 849, 757, 1906, 474, 3395, 1914, 860, 2287, 382, 1202, 2747, 202, 672, 2609], np.float64
    )
    independent = np.outer(cells, cells) / cells.sum()
    assert metrics.weighted_accuracy(independent) == pytest.approx(0.604, abs=5e-4)
    assert metrics.weighted_chance(independent) == pytest.approx(metrics.weighted_accuracy(independent))
    all_six = np.zeros((17, 17))
    all_six[:, 5] = cells
    assert metrics.weighted_accuracy(all_six) == pytest.approx(0.706, abs=5e-4)
    assert metrics.kappa(all_six) == pytest.approx(0)


def test_an_empty_matrix_has_no_figures():
    empty = np.zeros((17, 17))
    for figure in (metrics.overall_accuracy, metrics.average_accuracy, metrics.kappa, metrics.weighted_accuracy):
        assert np.isnan(figure(empty))


def test_kappa_is_undefined_where_both_sides_know_one_class_only():
    assert np.isnan(metrics.kappa(metrics.confusion_matrix(np.full(9, 14), np.full(9, 14))))


def test_codes_outside_1_to_17_are_refused():
    with pytest.raises(ValueError, match=r"1\.\.17, got \[0\]"):
        metrics.confusion_matrix(np.array([1, 2]), np.array([0, 2]))


def test_calibration_error_is_the_distance_of_confidence_from_accuracy():
    confidence, right = np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True])
    table = metrics.calibration_table(confidence, right, bins=10)
    np.testing.assert_allclose(table[8], [2, 1.8, 1])
    np.testing.assert_allclose(table[5], [2, 1.2, 2])
    assert metrics.calibration_error(table) == pytest.approx((abs(1.8 - 1) + abs(1.2 - 2)) / 4)


def test_full_confidence_lies_in_the_last_bin():
    assert metrics.calibration_table(np.array([1.0, 0.0]), np.array([True, False]), bins=4)[:, 0].tolist() == [
        1,
        0,
        0,
        1,
    ]


def test_correlation_of_added_moments_equals_that_of_all_cells():
    draw = np.random.default_rng(0)
    x = draw.random(300).astype(np.float32)
    y = (0.5 * x + draw.random(300)).astype(np.float32)
    sums = metrics.moments(x[:100], y[:100]) + metrics.moments(x[100:], y[100:])
    assert metrics.correlation(sums) == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-6)


def test_correlation_with_a_constant_is_undefined():
    y = np.random.default_rng(0).random(50)
    assert np.isnan(metrics.correlation(metrics.moments(np.full(50, 0.3), y)))
