"""Slide a patch over the map cells of a tile, and answer each cell by what a function says of its patch.

Patches are views of the tile's pixels, copied one batch at a time. The answers do not depend, bit for bit, on how the
city is cut into tiles: see `_batches`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lczmap.grid import HALO_PX, patch_start
from lczmap.raster import Float

BATCH_SIZE = 64  # patches; on a CPU larger batches are slower
MAX_MISSING_IN_PATCH = 0.25
"""Share of a patch's pixels that may be missing: the network then sees the channel's mean in their place."""

Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Layout:
    """How patches lie: `size` pixels a side around cells of `cell_px`; row and column of the first cell in the city."""

    size: int
    cell_px: int
    first_cell: tuple[int, int] = (0, 0)
    batch_size: int = BATCH_SIZE


def answer_cells(
    pixels: Float,
    wanted: Bool,
    answer: Callable[[Float], Float],
    bands: int,
    layout: Layout,
    *,
    report: Report | None = None,
) -> Float:
    """Return what `answer` says of each cell, (bands, rows, cols); NaN where not `wanted` (rows, cols) or not usable.

    `pixels` is (channel, y, x), NaN where missing, the cells' pixels with a halo of HALO_PX. `answer` takes patches
    (batch_size, C, size, size) and returns (batch_size, bands). `report(done, total)` is called after each batch.
    """
    out = np.full((bands, *wanted.shape), np.nan, np.float32)
    for rows, cols, values in answer_batches(pixels, wanted, answer, layout, report=report):
        out[:, rows, cols] = values.T
    return out


def answer_batches(
    pixels: Float, wanted: Bool, answer: Callable[[Float], Float], layout: Layout, *, report: Report | None = None
) -> Iterator[tuple[Index, Index, Float]]:
    """Yield rows, columns (n,) and answers (n, bands) of the wanted, usable cells, by batches; see `answer_cells`."""
    size, batch_size = layout.size, layout.batch_size
    row_start, col_start = (_patch_starts(n, layout.cell_px, size) for n in wanted.shape)
    usable = usable_cells(_any_missing(pixels), wanted.shape, cell_px=layout.cell_px, patch_px=size)
    rows, cols = np.nonzero(np.logical_and(wanted, usable))
    patches = sliding_window_view(pixels, (size, size), axis=(1, 2))  # (C, y, x, size, size), no copy
    done = 0
    for slot, cell in _batches(rows + layout.first_cell[0], cols + layout.first_cell[1], batch_size):
        batch = np.zeros((batch_size, len(pixels), size, size), np.float32)  # empty slots are answered in vain
        batch[slot] = patches[:, row_start[rows[cell]], col_start[cols[cell]]].swapaxes(0, 1)  # (n, C, size, size)
        yield rows[cell], cols[cell], answer(batch)[slot]
        done += cell.size
        if report:
            report(done, rows.size)


def mean_answer(answers: Iterable[Float]) -> Float:
    """Return the mean of (bands, rows, cols) answers over the views that show a cell, NaN where none does.

    They are added as they come, one in memory at a time.
    """
    total: Float = np.zeros((), np.float32)
    count: Index = np.zeros((), np.intp)
    for answer in answers:
        shown = np.isfinite(answer[0])  # (rows, cols)
        total = total + np.where(shown, answer, np.float32(0))
        count = count + shown
    mean: Float = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean


def usable_cells(missing: Bool, shape: tuple[int, ...], *, cell_px: int, patch_px: int) -> Bool:
    """Return (rows, cols), True where a cell has enough pixels to be classified.

    `missing` is (y, x) with a halo of HALO_PX, True where any channel lacks a value. A cell is refused when a pixel
    of its own area is missing, or more than a quarter of its patch.
    """
    cell_starts = [HALO_PX + cell_px * np.arange(n) for n in shape]
    patch_starts = [_patch_starts(n, cell_px, patch_px) for n in shape]
    missing_in_cell = _count_in_squares(missing, cell_starts, cell_px)
    missing_in_patch = _count_in_squares(missing, patch_starts, patch_px)
    usable: Bool = (missing_in_cell == 0) & (missing_in_patch <= MAX_MISSING_IN_PATCH * patch_px**2)
    return usable


def _any_missing(pixels: Float) -> Bool:
    missing = np.zeros(pixels.shape[1:], np.bool_)
    for channel in pixels:
        missing |= np.isnan(channel)
    return missing


def _patch_starts(cells: int, cell_px: int, patch_px: int) -> Index:
    """Return the first pixel of each cell's patch along one axis of a tile with halo."""
    starts = np.array([HALO_PX + patch_start(i, cell_px, patch_px) for i in range(cells)], np.intp)
    if starts[0] < 0 or starts[-1] + patch_px > cells * cell_px + 2 * HALO_PX:
        raise ValueError(f"expected patches of at most {2 * HALO_PX} px, the halo of a tile, got {patch_px} px")
    return starts


def _count_in_squares(flag: Bool, starts: Sequence[Index], size: int) -> Index:
    """Count True (rows, cols) in squares of `size` px that start at these rows and columns."""
    sums = np.pad(flag.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))  # (y + 1, x + 1), summed-area table
    top, left = starts
    bottom, right = top + size, left + size
    lower = sums[np.ix_(bottom, right)] - sums[np.ix_(bottom, left)]
    upper = sums[np.ix_(top, right)] - sums[np.ix_(top, left)]
    counts: Index = lower - upper
    return counts


def _batches(row: Index, col: Index, batch_size: int) -> Iterator[tuple[Index, Index]]:
    """Deal cells (N,) into batches; yields the slots of a batch that are filled and the cells in them.

    Matrix kernels may round differently for other batch sizes and other places in a batch. So every batch has the
    same size, and a cell's slot follows from its row and column in the city: however the city is tiled, the
    network computes the same bits. 27 spreads any rectangle of cells over the slots almost evenly.
    """
    slot = (27 * row + col) % batch_size
    order = np.argsort(slot, kind="stable")
    number = np.arange(slot.size) - np.searchsorted(slot[order], slot[order])  # rank among the cells of a slot
    for batch in range(int(number.max(initial=-1)) + 1):
        cell = order[number == batch]
        yield slot[cell], cell
