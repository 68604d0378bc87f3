import math

import numpy as np
import pytest

from lczmap.reproduce.scores import confusion, deviation_text, mean_and_deviation, scores, scores_by_city

# two of LCZ 1 right, one called 2; one of LCZ A right, three called G
REFERENCE = np.array([0, 0, 0, 10, 10, 10, 10])
PREDICTED = np.array([0, 0, 1, 10, 16, 16, 16])


def test_figures_of_a_test_by_hand() -> None:
    figures = scores(confusion(REFERENCE, PREDICTED))
    assert figures["oa"] == pytest.approx(3 / 7)
    assert figures["aa"] == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert figures["oa_bu"] == pytest.approx(2 / 3)
    assert figures["oa_nat"] == pytest.approx(1 / 4)
    expected = (3 * 2 + 4 * 1) / 49  # of the shares: 3/7 · 2/7 + 4/7 · 1/7
    assert figures["kappa"] == pytest.approx((3 / 7 - expected) / (1 - expected))
    assert figures["oaw"] == pytest.approx((3 + 11 / 12 + 3 * 8 / 12) / 7)
    assert figures["recall"][10] == 0.25 and math.isnan(figures["recall"][5])


def test_figures_of_each_city() -> None:
    cities = np.array(["rome", "rome", "oslo", "oslo", "oslo", "oslo", "oslo"])
    figures = scores_by_city(REFERENCE, PREDICTED, cities)
    assert figures["rome"]["oa"] == 1 and figures["rome"]["patches"] == 2
    assert figures["oslo"]["oa"] == pytest.approx(1 / 5)


def test_a_class_that_was_not_tested_spoils_no_mean() -> None:
    assert math.isnan(scores(confusion(REFERENCE[:3], PREDICTED[:3]))["oa_nat"])


def test_seeds_become_mean_and_deviation() -> None:
    assert mean_and_deviation([0.5, 0.7]) == (pytest.approx(0.6), pytest.approx(0.02**0.5))
    assert deviation_text([0.5, 0.7, None]) == "60.00 ± 14.14"
    assert deviation_text([0.5]) == "50.00"
    assert deviation_text([None]) == "–" and deviation_text([]) == "–"
