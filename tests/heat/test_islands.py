import warnings

import numpy as np
import pytest
from scipy import stats

from lczmap.heat import islands
from lczmap.heat.islands import cell_figures, station_figures

C = {label: code - 1 for label, code in (("2", 2), ("6", 6), ("A", 11), ("D", 14))}


def test_island_is_the_difference_of_class_means() -> None:
    temperature, codes = np.array([31.0, 33.0, 27.0, 29.0, 20.0]), np.array([2, 2, 14, 14, 11])
    figures = cell_figures(temperature, codes, np.array([0, 1, 0, 1, 1]), reference=14, seed=0)
    assert figures.temperature[C["2"], 0] == 32.0
    assert figures.island[[C["2"], C["A"], C["D"]], 0].tolist() == [4.0, -8.0, 0.0]
    assert figures.count[[C["2"], C["A"], C["6"]]].tolist() == [2, 1, 0]
    assert np.isnan(figures.island[C["6"]]).all()


def test_class_in_one_block_gets_no_interval() -> None:
    temperature, codes = np.array([31.0, 34.0, 27.0, 29.0, 20.0]), np.array([2, 2, 14, 14, 11])
    figures = cell_figures(temperature, codes, np.array([0, 1, 0, 1, 1]), reference=14, seed=0)
    assert np.isnan(figures.island[C["A"], 1:]).all() and np.isfinite(figures.island[C["2"], 1:]).all()


def test_missing_reference_gives_no_island() -> None:
    figures = cell_figures(np.array([1.0, 2.0]), np.array([2, 6]), np.array([0, 1]), reference=14, seed=0)
    assert np.isnan(figures.island).all() and np.isfinite(figures.temperature[C["2"], 0])


def test_interval_of_equal_blocks_is_that_of_their_means() -> None:
    means = np.random.default_rng(1).normal(20, 1, 30)  # 30 blocks of 4 cells of one class
    figures = cell_figures(np.repeat(means, 4), np.full(120, 14), np.repeat(np.arange(30), 4), reference=14, seed=2)
    low, high = stats.t.interval(0.95, 29, means.mean(), stats.sem(means))
    np.testing.assert_allclose(figures.temperature[C["D"]], [means.mean(), low, high], atol=0.03)
    assert figures.groups[C["D"]] == 30


def test_few_large_blocks_count_less_than_their_number() -> None:
    blocks = np.repeat(np.arange(4), [97, 1, 1, 1])
    figures = cell_figures(np.arange(100.0), np.full(100, 14), blocks, reference=14, seed=0)
    assert figures.groups[C["D"]] == pytest.approx(100**2 / (97**2 + 3))
    assert np.isnan(figures.temperature[C["D"], 1:]).all()  # fewer than two in effect


def test_single_time_of_stations_is_welchs_interval() -> None:
    rng = np.random.default_rng(4)
    warm, cool = rng.normal(22, 1, 4), rng.normal(20, 0.3, 6)
    figures = station_figures(np.r_[warm, cool][:, None], np.repeat([2, 14], [4, 6]), reference=14)
    low, high = stats.ttest_ind(warm, cool, equal_var=False).confidence_interval()
    np.testing.assert_allclose(figures.island[C["2"]], [warm.mean() - cool.mean(), low, high])
    np.testing.assert_allclose(figures.temperature[C["D"], 1:], stats.t.interval(0.95, 5, cool.mean(), stats.sem(cool)))


def test_island_is_averaged_over_the_times_that_both_classes_have() -> None:
    nan = np.nan
    values = np.array([[10.0, 20.0, nan], [8.0, 16.0, 0.0]])  # differences 2 and 4; the third time has no LCZ 2
    figures = station_figures(values, np.array([2, 14]), reference=14)
    assert figures.island[C["2"], 0] == 3.0
    assert figures.temperature[C["D"], 0] == 8.0
    assert np.isnan(figures.island[C["2"], 1:]).all()  # one station each


def test_station_without_any_value_is_not_counted() -> None:
    figures = station_figures(np.array([[1.0], [np.nan], [2.0]]), np.array([2, 2, 14]), reference=14)
    assert figures.count[C["2"]] == 1


def test_values_that_agree_exactly_give_no_interval_of_no_width() -> None:
    codes = np.array([2, 2, 14, 14])
    figures = station_figures(np.array([[22.1], [22.1], [20.0], [20.0]]), codes, reference=14)
    assert figures.island[C["2"], 0] == pytest.approx(2.1)
    assert np.isnan(figures.island[C["2"], 1:]).all() and np.isnan(figures.temperature[C["D"], 1:]).all()
    cells = cell_figures(np.tile([22.1, 20.0], 8), np.tile([2, 14], 8), np.arange(16) // 2, reference=14, seed=0)
    assert np.isnan(cells.island[C["2"], 1:]).all() and cells.groups[C["2"]] == 8


def test_gaps_in_time_are_those_of_leaving_out_each_station() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(20, 1, (7, 6))
    values[rng.random(values.shape) < 0.35] = np.nan
    codes = np.repeat([2, 14], [3, 4])

    def island(kept: np.ndarray) -> float:
        warm, cool = (np.nanmean(values[kept & (codes == code)], axis=0) for code in (2, 14))
        return float(np.nanmean(warm - cool))

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = []
        for code, number in ((2, 3), (14, 4)):
            left_out = np.array([island(np.arange(7) != k) for k in np.flatnonzero(codes == code)])
            parts.append((number - 1) / number * ((left_out - left_out.mean()) ** 2).sum())
        expected = island(np.ones(7, bool))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 3)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    figures = station_figures(values, codes, reference=14)
    np.testing.assert_allclose(figures.island[C["2"]], [expected, expected - reach, expected + reach])


def covered(trials: int, stations: int) -> float:
    hits = 0
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(2 * stations, 1)) + rng.normal(0, 0.2, (2 * stations, 3))
        codes = np.repeat([2, 14], stations)
        _, low, high = station_figures(values + 3.0 * (codes == 2)[:, None], codes, reference=14).island[C["2"]]
        hits += low <= 3.0 <= high
    return hits / trials


def test_intervals_of_three_stations_hold_the_truth_nineteen_times_in_twenty() -> None:
    assert covered(120, 3) == pytest.approx(0.95, abs=0.04)


def test_block_intervals_hold_the_truth_on_a_correlated_field(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.ndimage import gaussian_filter

    monkeypatch.setattr(islands, "RESAMPLES", 200)
    row, col = np.indices((100, 100))
    codes = np.where((row // 7 + col // 9) % 2, 2, 14).ravel()
    by_block, by_cell, trials = 0, 0, 30
    for seed in range(trials):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(100, 100)), 3, mode="wrap")
        temperature = (noise / noise.std()).ravel() + 3.0 * (codes == 2)
        blocks = ((row // 20) * 5 + col // 20).ravel()
        _, low, high = cell_figures(temperature, codes, blocks, reference=14, seed=seed).island[C["2"]]
        by_block += low <= 3.0 <= high
        one, other = temperature[codes == 2], temperature[codes == 14]
        low, high = stats.ttest_ind(one, other).confidence_interval()
        by_cell += low <= 3.0 <= high
    assert by_block / trials >= 0.85
    assert by_cell / trials < 0.7  # cells as if they were independent
