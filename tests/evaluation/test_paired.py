import math

import numpy as np
import pytest

from lczmap.evaluation.paired import over_seeds, paired_difference


def test_the_difference_is_that_of_the_two_accuracies():
    groups = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    right = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)  # 6 of 8
    baseline = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)  # 3 of 8
    difference = paired_difference(groups, right, baseline, seed=0)
    assert difference.value == pytest.approx(3 / 8)
    assert difference.groups == 4


def test_the_interval_of_two_groups_is_that_of_their_four_draws():
    # group 1 gains 1, group 2 gains 0: draws give 1 (1/4), 1/2 (1/2), 0 (1/4), so both ends are reached
    difference = paired_difference(np.array([1, 2]), np.array([1, 1]), np.array([0, 1]), seed=0)
    assert (difference.low, difference.value, difference.high) == (0.0, 0.5, 1.0)
    assert difference.verdict == "not told apart"


def test_what_is_hard_for_both_cancels_out():
    # accuracies of 0.5 and 0.4 with 20 groups: unpaired intervals overlap, yet the gain is in every second group
    groups = np.repeat(np.arange(20), 10)
    baseline = np.tile([0] * 10 + [1] * 8 + [0] * 2, 10)
    right = np.tile([0] * 10 + [1] * 10, 10)
    difference = paired_difference(groups, right, baseline, seed=1)
    assert difference.value == pytest.approx(0.1)
    assert difference.is_decided
    assert difference.verdict == "better"
    assert paired_difference(groups, baseline, right, seed=1).verdict == "worse"


def test_whole_groups_are_drawn_and_not_samples():
    # 4 groups of 100 equal samples: drawing samples would give an interval of ± 0.05, groups give ± 0.5
    groups = np.repeat(np.arange(4), 100)
    gains = np.repeat([1, 1, 0, 0], 100)
    difference = paired_difference(groups, gains, np.zeros(400), seed=2)
    assert (difference.low, difference.high) == (0.0, 1.0)


def test_a_network_is_not_told_apart_from_itself():
    right = np.array([0, 1, 1, 0, 1])
    difference = paired_difference(np.arange(5), right, right, seed=0)
    assert (difference.low, difference.value, difference.high) == (0.0, 0.0, 0.0)
    assert not difference.is_decided


def test_one_group_has_no_interval_and_decides_nothing():
    difference = paired_difference(np.zeros(4, int), np.ones(4), np.zeros(4), seed=0)
    assert difference.value == 1.0
    assert math.isnan(difference.low)
    assert not difference.is_decided


def test_values_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="one value per sample"):
        paired_difference(np.arange(3), np.ones(3), np.ones(2), seed=0)
    with pytest.raises(ValueError, match="in 0"):
        paired_difference(np.arange(2), np.array([3, 4]), np.ones(2), seed=0)


def test_mean_and_deviation_over_seeds_by_hand():
    spread = over_seeds([0.8, 0.9, 1.0])
    assert (spread.mean, spread.std) == (pytest.approx(0.9), pytest.approx(0.1))
    assert str(spread) == "0.900 ± 0.100"
    assert str(over_seeds([0.5])) == "0.500"
    with pytest.raises(ValueError, match="one seed or more"):
        over_seeds([])
