import importlib.util
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from lczmap.scenes.composite import (
    DEFAULT_METHOD,
    CompositeMethod,
    best_pixel,
    clear_median,
    clear_medoid,
    composite,
    pixel_quality,
    rank_by_usable,
)

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "composites.py"
METHODS = get_args(CompositeMethod)


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


def _dates_of_two_bands(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float32).reshape(-1, 2, 1, 1)


def _values(array: np.ndarray) -> list[float]:
    return [round(value, 4) for value in array.ravel().tolist()]


def _quality(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_of_two_clear_dates_the_hazier_loses_where_qualities_are_given():
    stack, clear = _dates(0.9, 0.1), _clear(True, True)
    assert clear_median(stack, clear, (0, 1), quality=_quality(-0.9, -0.1))[0].item() == np.float32(0.1)
    # equal or unknown qualities leave it to the rank
    assert clear_median(stack, clear, (0, 1), quality=_quality(0.5, 0.5))[0].item() == np.float32(0.9)
    assert clear_median(stack, clear, (0, 1), quality=_quality(np.nan, np.nan))[0].item() == np.float32(0.9)


def test_the_worst_of_the_clear_dates_is_left_out_not_the_worst_of_all():
    stack, clear = _dates(0.3, 0.2, 0.1), _clear(True, False, True)
    assert clear_median(stack, clear, (0, 1, 2), quality=_quality(2, 1, 3))[0].item() == np.float32(0.1)


def test_an_odd_number_of_dates_is_used_whatever_their_quality():
    stack, clear = _dates(0.3, 0.1, 0.2), _clear(True, True, True)
    assert clear_median(stack, clear, (0, 1, 2), quality=_quality(9, 0, 1))[0].item() == np.float32(0.2)


def test_medoid_takes_all_bands_from_the_date_most_like_the_others():
    # band by band the median would be (0.2, 0.3), which was never observed
    stack = _dates_of_two_bands((0.1, 0.3), (0.2, 0.2), (0.3, 0.5))
    made, count = clear_medoid(stack, _clear(True, True, True), (2, 1, 0))
    # sums of distances: 0.141 + 0.283 = 0.424; 0.141 + 0.316 = 0.458; 0.283 + 0.316 = 0.599
    assert _values(made) == [0.1, 0.3]
    assert count.item() == 3


def test_medoid_of_two_dates_is_the_one_of_the_better_rank_however_bright():
    stack, clear = _dates_of_two_bands((0.9, 0.9), (0.1, 0.2)), _clear(True, True)
    assert _values(clear_medoid(stack, clear, (1, 0))[0]) == [0.1, 0.2]
    assert _values(clear_medoid(stack, clear, (0, 1))[0]) == [0.9, 0.9]


def test_equal_medoids_go_to_the_better_rank():
    # three corners of a triangle of equal sides, as far from each other
    stack = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    assert _values(clear_medoid(stack, _clear(True, True, True), (2, 0, 1))[0]) == [0, 1, 0]


def test_a_masked_cloud_does_not_pull_the_medoid():
    stack = _dates_of_two_bands((0.1, 0.1), (0.2, 0.2), (0.24, 0.24), (0.9, 0.9), (np.nan, 0.9))
    made, count = clear_medoid(stack, _clear(True, True, True, False, True), (0, 1, 2, 3, 4))
    assert _values(made) == [0.2, 0.2]
    assert count.item() == 3


def test_best_pixel_takes_the_clear_date_of_highest_quality_and_of_equal_ones_the_better_rank():
    stack = _dates_of_two_bands((0.1, 0.2), (0.3, 0.4), (0.5, 0.6))
    assert _values(best_pixel(stack, _clear(True, True, True), (0, 1, 2), _quality(1, 3, 2))[0]) == [0.3, 0.4]
    assert _values(best_pixel(stack, _clear(True, False, True), (0, 1, 2), _quality(1, 3, 2))[0]) == [0.5, 0.6]
    assert _values(best_pixel(stack, _clear(True, True, True), (1, 2, 0), _quality(1, 1, 1))[0]) == [0.5, 0.6]
    assert _values(best_pixel(stack, _clear(True, True, True), (0, 1, 2), _quality(np.nan, 1, 1))[0]) == [0.3, 0.4]


def test_quality_falls_with_haze_and_with_the_rank_of_the_scene():
    blue_green_red = np.array([[0.10, 0.1, 0.10], [0.16, 0.1, 0.12], [0.10, 0.1, 0.10]], np.float32)
    quality = pixel_quality(blue_green_red[:, :, None, None], (0, 1, 2)).ravel()
    # minus blue, plus half of red, minus 0.075 · rank / 3
    np.testing.assert_allclose(quality, [-0.05, -0.125, -0.10], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_returns_an_observation_of_a_clear_date_or_nothing(method):
    rng = np.random.default_rng(2)
    stack, clear = rng.random((5, 3, 16, 9), np.float32), rng.random((5, 16, 9)) < 0.4
    stack[0, 1, :4] = np.nan
    rank = (3, 1, 4, 0, 2)
    made, count = composite(stack, clear, rank, method=method, quality=pixel_quality(stack, rank))
    usable = clear & np.isfinite(stack).all(axis=1)
    np.testing.assert_array_equal(count, usable.sum(axis=0))
    np.testing.assert_array_equal(np.isnan(made), np.broadcast_to(count == 0, made.shape))
    observed = ((stack == made) & usable[:, None]).any(axis=0)
    assert observed[:, count > 0].all()
    assert made.dtype == np.float32
    assert count.dtype == np.uint8


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_dates_does_not_matter_to_any_method(method):
    rng = np.random.default_rng(3)
    stack, clear = rng.random((6, 3, 8, 9), np.float32), rng.random((6, 8, 9)) < 0.6
    rank, shuffled = np.array([2, 0, 4, 1, 3, 5]), rng.permutation(6)
    made = [
        composite(stack[i], clear[i], rank[i].tolist(), method=method, quality=pixel_quality(stack[i], rank[i]))[0]
        for i in (np.arange(6), shuffled)
    ]
    np.testing.assert_array_equal(*made)


def test_a_missing_or_misshapen_quality_is_refused():
    stack, clear = _dates(0.3, 0.1), _clear(True, True)
    with pytest.raises(ValueError, match="pixel_quality"):
        composite(stack, clear, (0, 1), method="best_pixel")
    with pytest.raises(ValueError, match=r"expected the quality .* got \(3, 1, 1\)"):
        composite(stack, clear, (0, 1), method="median", quality=_quality(1, 2, 3))


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("composites_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("dates", [3, 8])
def test_the_default_errs_no_more_than_the_other_methods_on_simulated_clouds(benchmark, dates):
    skies = [benchmark.simulate(dates, seed, size=96) for seed in range(4)]
    rmse = {method: np.mean([benchmark.errors(benchmark.make(method, s), s)[0] for s in skies]) for method in METHODS}
    assert rmse[DEFAULT_METHOD] <= min(rmse.values()) * 1.001
    by_rank = np.mean([benchmark.errors(benchmark.median_by_rank(s), s)[0] for s in skies])
    assert rmse[DEFAULT_METHOD] < by_rank
