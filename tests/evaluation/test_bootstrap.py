import tracemalloc

import numpy as np
import pytest
from scipy.stats import binom

from lczmap.evaluation.bootstrap import bootstrap_interval, spatial_blocks, totals_by_group


def share(totals: np.ndarray) -> float:
    """Hits over cells; `totals` is (hits, cells)."""
    return float(totals[0] / totals[1]) if totals[1] else float("nan")


def hits_and_cells(hit: np.ndarray) -> np.ndarray:
    return np.array([hit.sum(), hit.size])


def test_totals_are_taken_per_group_in_sorted_order():
    groups, hit = np.array([7, 3, 7, 3, 3]), np.array([1, 0, 1, 1, 0])
    np.testing.assert_array_equal(totals_by_group(groups, hits_and_cells, hit), [[1, 3], [2, 2]])


def test_totals_need_a_value_for_every_cell():
    with pytest.raises(ValueError, match=r"expected 3 values, one per cell, got \[2\]"):
        totals_by_group(np.arange(3), hits_and_cells, np.zeros(2))


def test_cells_of_one_square_share_a_block():
    row, col = np.array([0, 4, 4, 5, 9]), np.array([0, 4, 5, 0, 4])
    assert spatial_blocks(row, col, 5).tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(("rows", "cols", "cells"), [(60, 90, 3000), (20_000, 30_000, 50), (1, 7, 7), (5, 5, 0)])
def test_blocks_are_numbered_row_by_row_of_those_that_hold_a_cell(rows: int, cols: int, cells: int) -> None:
    draw = np.random.default_rng(rows)
    row, col = draw.integers(0, rows, cells), draw.integers(3, 3 + cols, cells)
    for block_cells in (1, 4, 7):
        blocks = np.column_stack([row // block_cells, col // block_cells])
        _, expected = np.unique(blocks, axis=0, return_inverse=True)
        np.testing.assert_array_equal(spatial_blocks(row, col, block_cells), expected.reshape(-1))


def test_numbering_the_blocks_of_a_large_map_takes_little_more_memory_than_its_numbers() -> None:
    row, col = (index.ravel() for index in np.indices((500, 600)))
    tracemalloc.start()
    spatial_blocks(row, col, 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * row.nbytes


def test_interval_of_single_cells_is_that_of_the_binomial_distribution():
    totals = np.column_stack([np.arange(400) % 4 == 0, np.ones(400)])  # 100 hits of 400
    interval = bootstrap_interval(totals, share, seed=1, resamples=4000)
    low, high = binom.ppf([0.025, 0.975], 400, 0.25) / 400
    assert interval.low == pytest.approx(low, abs=0.006)
    assert interval.high == pytest.approx(high, abs=0.006)
    assert interval.groups == 400 and interval.undefined == 0


def test_interval_of_groups_is_wider_than_that_of_their_cells():
    hit = np.repeat(np.arange(20) % 2, 50)  # 20 polygons of 50 equal cells
    by_polygon = totals_by_group(np.repeat(np.arange(20), 50), hits_and_cells, hit)
    by_cell = totals_by_group(np.arange(1000), hits_and_cells, hit)
    wide, narrow = (bootstrap_interval(t, share, seed=0) for t in (by_polygon, by_cell))
    # the standard deviation of 20 draws is sqrt(50) times that of 1000
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(np.sqrt(50), rel=0.15)


def test_equal_groups_give_an_interval_without_width():
    interval = bootstrap_interval(np.tile([3.0, 4.0], (10, 1)), share, seed=0)
    assert interval.low == interval.high == 0.75


def test_the_same_seed_gives_the_same_interval():
    totals = np.random.default_rng(0).random((30, 2))
    assert bootstrap_interval(totals, share, seed=5) == bootstrap_interval(totals, share, seed=5)
    assert bootstrap_interval(totals, share, seed=5) != bootstrap_interval(totals, share, seed=6)


def test_one_group_has_no_interval():
    interval = bootstrap_interval(np.array([[3.0, 4.0]]), share, seed=0)
    assert np.isnan(interval.low) and np.isnan(interval.high) and interval.groups == 1


def test_replicates_without_a_value_are_left_out_and_reported():
    totals = np.array([[1.0, 1.0], [0.0, 0.0]])  # a replicate of the second group only has no cells
    interval = bootstrap_interval(totals, share, seed=0)
    assert interval.low == interval.high == 1
    assert interval.undefined == pytest.approx(0.25, abs=0.03)
