import numpy as np
import pytest

from lczmap.training.splits import drop_overlapping, needed_polygons, overlap_cells, split_halves, split_polygons


def counts(splits: np.ndarray) -> dict[str, int]:
    return dict(zip(*(a.tolist() for a in np.unique(splits, return_counts=True)), strict=True))


def test_every_class_gets_its_shares_by_polygon() -> None:
    codes = np.array([1] * 8 + [2] * 20)
    splits = split_polygons(codes, validation=0.15, test=0.25, seed=47)
    assert counts(splits[codes == 1]) == {"test": 2, "validation": 1, "train": 5}
    assert counts(splits[codes == 2]) == {"test": 5, "validation": 3, "train": 12}


def test_three_polygons_are_one_each_and_two_only_train() -> None:
    codes = np.array([4] * 3 + [5] * 2)
    splits = split_polygons(codes, validation=0.15, test=0.25, seed=1)
    assert sorted(splits[:3]) == ["test", "train", "validation"]
    assert splits[3:].tolist() == ["train", "train"]


def test_shares_of_zero_need_fewer_polygons() -> None:
    assert needed_polygons(validation=0.1, test=0.2) == 3
    assert needed_polygons(validation=0, test=0.2) == 2
    splits = split_polygons(np.array([1, 1]), validation=0, test=0.4, seed=0)
    assert sorted(splits) == ["test", "train"]


def test_large_shares_leave_one_for_training() -> None:
    splits = split_polygons(np.full(3, 9), validation=0.3, test=0.6, seed=0)
    assert counts(splits) == {"test": 1, "train": 1, "validation": 1}


def test_split_depends_on_the_seed_and_the_own_class_only() -> None:
    few, many = np.array([3] * 9), np.array([3] * 9 + [7] * 5)
    options = {"validation": 0.15, "test": 0.25}
    first = split_polygons(few, **options, seed=47)
    assert np.array_equal(first, split_polygons(many, **options, seed=47)[:9])
    assert any(not np.array_equal(first, split_polygons(few, **options, seed=s)) for s in (1, 2, 3))


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leave some for training"):
        split_polygons(np.array([1]), validation=0.5, test=0.5, seed=0)


def test_patches_of_32_px_meet_up_to_three_cells_away_at_100_m() -> None:
    assert overlap_cells(10) == 3  # starts 30 px apart share 2 px, 40 px apart none
    assert overlap_cells(5) == 6
    assert overlap_cells(16) == 1
    assert overlap_cells(32) == 0


def test_training_patch_next_to_a_test_patch_is_dropped() -> None:
    row = np.array([0, 0, 0, 4])
    col = np.array([0, 3, 4, 0])
    splits = np.array(["test", "train", "train", "train"], dtype="<U10")
    assert drop_overlapping(row, col, splits, cell_px=10).tolist() == ["test", "dropped", "train", "train"]


def test_validation_gives_way_to_test_and_then_spares_training() -> None:
    # test at 0, validation at 3 (meets it, dropped), training at 6 (meets only the dropped one, stays)
    row, col = np.zeros(3, int), np.array([0, 3, 6])
    splits = np.array(["test", "validation", "train"], dtype="<U10")
    assert drop_overlapping(row, col, splits, cell_px=10).tolist() == ["test", "dropped", "train"]


@pytest.mark.parametrize("cell_px", [5, 10])
def test_no_two_splits_share_a_pixel(cell_px: int) -> None:
    rng = np.random.default_rng(3)
    cells = rng.choice(60 * 60, 250, replace=False)
    row, col = np.divmod(cells, 60)
    splits = rng.choice(np.array(["train", "validation", "test"], dtype="<U10"), 250)
    result = drop_overlapping(row, col, splits, cell_px=cell_px)
    painted = np.full((60 * cell_px + 64, 60 * cell_px + 64), "", dtype="<U10")
    for split in ("train", "validation", "test"):  # brute force: paint every patch, never over another split
        for r, c in zip(row[result == split] * cell_px, col[result == split] * cell_px, strict=True):
            patch = painted[r : r + 32, c : c + 32]
            assert set(np.unique(patch)) <= {"", split}
            patch[:] = split
    assert set(result[splits == "test"]) == {"test"}
    # nothing was dropped in vain: each dropped patch meets one that outranks it
    for i in np.flatnonzero(result == "dropped"):
        near = (abs(row - row[i]) * cell_px < 32) & (abs(col - col[i]) * cell_px < 32)
        assert set(result[near]) & ({"test"} if splits[i] == "validation" else {"test", "validation"})


def test_halves_keep_the_gap_between_centres() -> None:
    col = np.arange(20)
    row = np.zeros(20, int)
    splits = split_halves(row, col, shape=(1, 20), half="west", gap_cells=3.2)
    # tested from column 10; column 6 is 4 cells away, column 7 only 3
    assert splits.tolist() == ["train"] * 7 + ["dropped"] * 3 + ["test"] * 10


def test_each_side_can_teach_and_the_middle_row_tests() -> None:
    position = np.arange(5)
    zero = np.zeros(5, int)
    south = split_halves(position, zero, shape=(5, 1), half="south", gap_cells=1)
    north = split_halves(position, zero, shape=(5, 1), half="north", gap_cells=1)
    east = split_halves(zero, position, shape=(1, 5), half="east", gap_cells=2)
    assert south.tolist() == ["test", "test", "test", "train", "train"]
    assert north.tolist() == ["train", "train", "test", "test", "test"]
    assert east.tolist() == ["test", "test", "test", "dropped", "train"]
