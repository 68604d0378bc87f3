import numpy as np
import pytest

from lczmap.scenes.composite import clear_median, rank_by_usable


def _dates(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1)  # (time, 1 band, 1, 1)


def _clear(*flags: bool) -> np.ndarray:
    return np.array(flags).reshape(-1, 1, 1)


def test_odd_number_of_clear_dates_gives_their_median():
    composite, count = clear_median(_dates(0.3, 0.1, 0.2), _clear(True, True, True), (0, 1, 2))
    assert composite.item() == np.float32(0.2)
    assert count.item() == 3


def test_of_two_clear_dates_the_cloudier_scene_loses():
    assert clear_median(_dates(0.9, 0.1), _clear(True, True), (1, 0))[0].item() == np.float32(0.1)
    assert clear_median(_dates(0.9, 0.1), _clear(True, True), (0, 1))[0].item() == np.float32(0.9)


def test_of_four_clear_dates_the_cloudiest_is_left_out_and_the_rest_gives_an_observation():
    composite, count = clear_median(_dates(0.1, 0.8, 0.2, 0.3), _clear(True, True, True, True), (0, 3, 1, 2))
    assert composite.item() == np.float32(0.2)
    assert count.item() == 4


def test_the_left_out_date_is_the_worst_of_the_clear_ones():
    # the worst scene (rank 2) is cloudy here, so of the other two the rank 1 is left out
    composite, _ = clear_median(_dates(0.1, 0.5, 0.9), _clear(True, True, False), (0, 1, 2))
    assert composite.item() == np.float32(0.1)


def test_a_single_clear_date_is_taken_however_cloudy_its_scene():
    composite, count = clear_median(_dates(0.1, 0.5), _clear(False, True), (0, 1))
    assert composite.item() == np.float32(0.5)
    assert count.item() == 1


def test_a_pixel_without_clear_date_stays_nan():
    composite, count = clear_median(_dates(0.1, 0.5), _clear(False, False), (0, 1))
    assert np.isnan(composite.item())
    assert count.item() == 0


def test_a_date_with_one_missing_band_does_not_count():
    stack = np.array([[0.1, np.nan], [0.4, 0.5]], np.float32).reshape(2, 2, 1, 1)
    composite, count = clear_median(stack, _clear(True, True), (0, 1))
    assert composite.ravel().tolist() == [np.float32(0.4), np.float32(0.5)]
    assert count.item() == 1


def test_each_band_has_its_own_median():
    stack = np.array([[0.1, 0.6], [0.2, 0.5], [0.3, 0.4]], np.float32).reshape(3, 2, 1, 1)
    composite, _ = clear_median(stack, _clear(True, True, True), (0, 1, 2))
    assert composite.ravel().tolist() == [np.float32(0.2), np.float32(0.5)]


def test_order_of_the_dates_does_not_matter():
    rng = np.random.default_rng(1)
    stack, clear = rng.random((5, 3, 8, 9), np.float32), rng.random((5, 8, 9)) < 0.6
    rank = np.array([2, 0, 4, 1, 3])
    shuffled = rng.permutation(5)
    first, count = clear_median(stack, clear, rank.tolist())
    again, count_again = clear_median(stack[shuffled], clear[shuffled], rank[shuffled].tolist())
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(count, count_again)


def test_inputs_are_not_changed():
    stack, clear = _dates(0.3, 0.1), _clear(True, True)
    clear_median(stack, clear, (0, 1))
    assert stack.ravel().tolist() == [np.float32(0.3), np.float32(0.1)]
    assert clear.all()


@pytest.mark.parametrize("rank", [(0,), (0, 0), (1, 2)])
def test_a_rank_that_does_not_order_the_dates_is_refused(rank):
    with pytest.raises(ValueError, match="rank"):
        clear_median(_dates(0.3, 0.1), _clear(True, True), rank)


def test_rank_puts_the_clearest_scene_first_and_equal_ones_by_date():
    dates = ["2024-07-01", "2024-06-01", "2024-05-01", "2024-08-01"]
    assert rank_by_usable([0.9, 0.9, 0.2, 1.0], dates) == (2, 1, 3, 0)
