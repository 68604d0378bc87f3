"""Who learns and who tests: splits by polygon, and no shared pixel between splits. Pure arithmetic.

Cells of one polygon resemble each other and their patches (320 m wide, or more) overlap, so a split by patch would
test on what was taught. Polygons are split, and a patch whose footprint meets one of another split is dropped.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from lczmap.grid import PATCH_PX

TRAIN, VALIDATION, TEST, DROPPED = "train", "validation", "test", "dropped"
SPLITS = (TRAIN, VALIDATION, TEST, DROPPED)
Half = Literal["west", "east", "north", "south"]
Splits = npt.NDArray[np.str_]
Index = npt.NDArray[np.integer]


def split_polygons(codes: Index, *, validation: float, test: float, seed: int) -> Splits:
    """Deal polygons to train, validation and test, class by class.

    `codes` (A,) is each polygon's class. Of n polygons, round(n · share) go to test and to validation, at least one
    where the share is above 0, and at least one stays for training. A class with too few polygons for one in each
    split goes to training only (see `needed_polygons`). A class's deal depends on `seed` and its own polygons only.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(f"expected shares >= 0 that leave some for training, got {validation=} and {test=}")
    splits = np.full(len(codes), TRAIN, dtype="<U10")
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        if members.size < needed_polygons(validation=validation, test=test):
            continue
        order = np.random.default_rng([seed, int(code)]).permutation(members)
        tested, validated = (max(round(members.size * share), int(share > 0)) for share in (test, validation))
        while tested + validated >= members.size:  # rounding took the last one: give back the larger share
            tested, validated = (tested - 1, validated) if tested > validated else (tested, validated - 1)
        splits[order[:tested]] = TEST
        splits[order[tested : tested + validated]] = VALIDATION
    return splits


def needed_polygons(*, validation: float, test: float) -> int:
    """Return how many polygons a class needs to be in every split that is asked for: 3, or fewer."""
    return 1 + int(validation > 0) + int(test > 0)


def drop_overlapping(row: Index, col: Index, splits: Splits, *, cell_px: int, patch_px: int = PATCH_PX) -> Splits:
    """Return the splits with `dropped` for patches that share a pixel with a patch that outranks them.

    `row` and `col` (N,) are cells of the map; a patch of `patch_px` is centred on each. Test outranks validation,
    both outrank training: a validation patch that meets a test patch is dropped, then a training patch that meets a
    test patch or one of the remaining validation patches.
    """
    result = splits.copy()
    shape = (int(row.max(initial=-1)) + 1, int(col.max(initial=-1)) + 1)
    for split, others in ((VALIDATION, (TEST,)), (TRAIN, (TEST, VALIDATION))):
        taken = np.zeros(shape, np.bool_)
        outranking = np.isin(result, others)
        taken[row[outranking], col[outranking]] = True
        near = _within(taken, overlap_cells(cell_px, patch_px))
        result[(result == split) & near[row, col]] = DROPPED
    return result


def overlap_cells(cell_px: int, patch_px: int = PATCH_PX) -> int:
    """Return the largest distance in cells, along one axis, at which two patches still share a pixel."""
    return (patch_px - 1) // cell_px


def split_halves(row: Index, col: Index, *, shape: tuple[int, int], half: Half, gap_cells: float) -> Splits:
    """Teach one half of the map and test on the other.

    `half` is the taught one; of an odd number of rows or columns the middle one is tested. Cells (N,) of the taught
    half closer than `gap_cells` cells to the tested half, centre to centre, are dropped.
    """
    position, length = (col, shape[1]) if half in ("west", "east") else (row, shape[0])
    if half in ("east", "south"):
        position = length - 1 - position
    first_tested = length // 2
    near = position > first_tested - gap_cells
    return np.where(position >= first_tested, TEST, np.where(near, DROPPED, TRAIN)).astype("<U10")


def _within(flag: npt.NDArray[np.bool_], distance: int) -> npt.NDArray[np.bool_]:
    """Return True where a True cell lies within `distance` cells along both axes."""
    from scipy import ndimage  # a third of a second that reading splits is not worth

    grown: npt.NDArray[np.bool_] = ndimage.maximum_filter(flag, size=2 * distance + 1, mode="constant", cval=False)
    return grown
