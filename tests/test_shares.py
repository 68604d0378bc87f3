import numpy as np

from lczmap.shares import apportion


def test_parts_follow_the_weights_and_the_largest_remainders_get_one_more() -> None:
    # 10 · 47/100 = 4.7, 1.6, 1.58, 1.2, 0.61, 0.31 (the usual example of the Hare quota)
    weights = np.array([47000, 16000, 15800, 12000, 6100, 3100])
    assert apportion(weights, 10).tolist() == [5, 2, 1, 1, 1, 0]


def test_ties_go_to_the_lower_index_and_whole_parts_stay() -> None:
    assert apportion([1, 1, 1], 5).tolist() == [2, 2, 1]
    assert apportion([10, 0, 5], 15).tolist() == [10, 0, 5]


def test_nothing_is_divided_where_no_part_weighs_anything() -> None:
    assert apportion([0, 0], 0).tolist() == [0, 0]
