"""Classify the map cells of one tile: 32×32 pixels around each cell go through a network.

Patches are views of the tile's stack, copied one batch at a time. The result does not depend, bit for bit, on how
the city is cut into tiles: see `_batches`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from odc.geo.geobox import GeoBox

from lczmap.channels import CHANNEL_SETS, channel_kind
from lczmap.classes import NUM_CLASSES
from lczmap.grid import HALO_PX, PIXEL_M, Grid, Tile, aoi_cells, patch_start, tile_geobox
from lczmap.mapping.mosaic import describe, tile_cell_geobox
from lczmap.models.checkpoint import Classifier, load_checkpoint, require_state
from lczmap.raster import Float, Stack, read_stack, write_probabilities
from lczmap.views import ABSENT, PIXEL_STATE, combine, sensor_of_stack

BATCH_SIZE = 64  # patches; on a CPU larger batches are slower
MAX_MISSING_IN_PATCH = 0.25
"""Share of a patch's pixels that may be missing: the network then sees the channel's mean in their place."""

Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
Report = Callable[[int, int], None]

_SENSOR_OF = {channel: s.sensor for s in CHANNEL_SETS.values() for channel in s.channels}


def classify_tile(
    stacks: Sequence[Path],
    checkpoint: Path,
    grid: Grid,
    tile: Tile,
    out_path: Path,
    *,
    batch_size: int = BATCH_SIZE,
    allow_level_mismatch: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write the 17 class probabilities of a tile's map cells as GeoTIFF, float32, NaN nodata.

    `stacks` are the tile's stacks with halo, named as in views.py; only those that the checkpoint's channels need
    are opened. Of several views (seasons, radar dates) the mean probability of those that show a cell is written.
    Nodata are the cells whose centre is outside the AOI and those that `usable_cells` refuses. ValueError when a
    channel is missing, a stack lies on another grid, or its pixels were made in another way than the network's
    training pixels (`allow_level_mismatch` admits that).
    """
    classifier = load_checkpoint(checkpoint)
    needed = {_sensor_of(channel) for channel in classifier.channels}
    files = {path.name: path for path in stacks if sensor_of_stack(path.name) in needed}
    core = replace(
        grid,
        west=grid.west + tile.col * PIXEL_M,
        north=grid.north - tile.row * PIXEL_M,
        width=tile.width,
        height=tile.height,
    )
    answers = []
    for view in combine(list(files)):
        paths = {sensor: files[name] for sensor, name in view.items()}
        pixels = read_channels(classifier, paths, tile_geobox(grid, tile), any_state=allow_level_mismatch)
        answers.append(
            classify_cells(
                pixels,
                aoi_cells(core),
                classifier,
                cell_px=grid.cell_px,
                first_cell=(tile.row // grid.cell_px, tile.col // grid.cell_px),
                batch_size=batch_size,
                report=_progress_lines(" ".join([tile.name, *view.values()])),
            )
        )
    probabilities = mean_probability(answers)
    rows, cols = core.cells_shape
    whole = (slice(0, rows), slice(0, cols))
    write_probabilities(out_path, iter([(whole, probabilities)]), tile_cell_geobox(grid, tile), tags=tags or {})


def classify_cells(
    pixels: Float,
    wanted: Bool,
    classifier: Classifier,
    *,
    cell_px: int,
    first_cell: tuple[int, int] = (0, 0),
    batch_size: int = BATCH_SIZE,
    report: Report | None = None,
) -> Float:
    """Return the probabilities (17, rows, cols) of cells; NaN where not `wanted` (rows, cols) or not usable.

    `pixels` is (channel, y, x) in the classifier's channels and units, NaN where missing, the cells' pixels with
    a halo of 16 px. `first_cell` is the row and column of the first cell in the city. `report(done, total)` is
    called after each batch.
    """
    size = classifier.patch_px
    row_start, col_start = (_patch_starts(n, cell_px, size) for n in wanted.shape)
    usable = usable_cells(_any_missing(pixels), wanted.shape, cell_px=cell_px, patch_px=size)
    rows, cols = np.nonzero(np.logical_and(wanted, usable))
    patches = sliding_window_view(pixels, (size, size), axis=(1, 2))  # (C, y, x, size, size), no copy
    out = np.full((NUM_CLASSES, *wanted.shape), np.nan, np.float32)
    done = 0
    for slot, cell in _batches(rows + first_cell[0], cols + first_cell[1], batch_size):
        batch = np.zeros((batch_size, len(pixels), size, size), np.float32)  # empty slots are classified in vain
        batch[slot] = patches[:, row_start[rows[cell]], col_start[cols[cell]]].swapaxes(0, 1)  # (n, C, size, size)
        out[:, rows[cell], cols[cell]] = classifier.probabilities(batch)[slot].T  # (17, n)
        done += cell.size
        if report:
            report(done, rows.size)
    return out


def mean_probability(answers: Sequence[Float]) -> Float:
    """Return the mean of (17, rows, cols) probabilities over the views that show a cell, NaN where none does."""
    if len(answers) == 1:
        return answers[0]
    shown = np.stack([np.isfinite(answer[0]) for answer in answers])  # (view, rows, cols)
    total = np.sum([np.where(s, a, 0) for s, a in zip(shown, answers, strict=True)], axis=0, dtype=np.float32)
    count = shown.sum(axis=0)
    mean: Float = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean


def usable_cells(missing: Bool, shape: tuple[int, ...], *, cell_px: int, patch_px: int) -> Bool:
    """Return (rows, cols), True where a cell has enough pixels to be classified.

    `missing` is (y, x) with a halo of 16 px, True where any channel lacks a value. A cell is refused when a pixel
    of its own area is missing, or more than a quarter of its patch.
    """
    cell_starts = [HALO_PX + cell_px * np.arange(n) for n in shape]
    patch_starts = [_patch_starts(n, cell_px, patch_px) for n in shape]
    missing_in_cell = _count_in_squares(missing, cell_starts, cell_px)
    missing_in_patch = _count_in_squares(missing, patch_starts, patch_px)
    usable: Bool = (missing_in_cell == 0) & (missing_in_patch <= MAX_MISSING_IN_PATCH * patch_px**2)
    return usable


def read_channels(
    classifier: Classifier, paths: Mapping[str, Path], geobox: GeoBox, *, any_state: bool = False
) -> Float:
    """Read a classifier's channels by name from the stacks of its sensors; (channel, y, x), NaN where missing.

    `paths` maps `sentinel-1` and `sentinel-2` to a stack. ValueError when a stack or channel is missing, the stack
    does not lie on `geobox`, or (unless `any_state`) its state differs from the classifier's.
    """
    pixels = np.empty((len(classifier.channels), *geobox.shape), np.float32)
    sensors = [_sensor_of(channel) for channel in classifier.channels]
    for sensor in sorted(set(sensors)):
        wanted = {k: c for k, (c, s) in enumerate(zip(classifier.channels, sensors, strict=True)) if s == sensor}
        path = paths.get(sensor)
        if path is None:
            raise ValueError(
                f"the network {classifier.name!r} needs the {sensor} channels {list(wanted.values())}, but this run "
                f"has no {sensor} stack; switch {sensor} on or choose a network without it"
            )
        stack = read_stack(path)
        if ABSENT.items() <= stack.state.items():
            raise ValueError(
                f"the network {classifier.name!r} needs {sensor}, but the run found no such scene "
                "(`sentinel1.use: preferred`); extend the period, or choose a network that sees Sentinel-2 alone"
            )
        _check_stack(path, stack, geobox, tuple(wanted.values()), classifier.name)
        if not any_state:
            _check_state(path, stack, sensor, classifier)
        for k, channel in wanted.items():
            pixels[k] = stack.pixels[stack.channels.index(channel)]
    return pixels


def _check_stack(path: Path, stack: Stack, geobox: GeoBox, channels: tuple[str, ...], network: str) -> None:
    missing = [c for c in channels if c not in stack.channels]
    if missing:
        raise ValueError(
            f"{path}: the network {network!r} expects the channels {list(channels)}, the stack has "
            f"{list(stack.channels)} and lacks {missing}; make the stack with that channel set, or choose a network "
            "trained on these channels"
        )
    if stack.geobox != geobox:
        raise ValueError(
            f"{path}: expected the tile's pixels with halo, {describe(geobox)}, got {describe(stack.geobox)}; make the "
            "stack again with this grid"
        )


def _check_state(path: Path, stack: Stack, sensor: str, classifier: Classifier) -> None:
    trained = {k: v for k, v in classifier.state.get(sensor, {}).items() if k in PIXEL_STATE}
    try:
        require_state({sensor: trained}, {sensor: stack.state}, what=str(path))
    except ValueError as error:
        raise ValueError(f"{error}; `allow_level_mismatch: true` maps all the same, at a loss of quality") from error


def _sensor_of(channel: str) -> str:
    channel_kind(channel)  # an unknown channel is a ValueError
    return _SENSOR_OF[channel]


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


def _progress_lines(tile: str) -> Report:
    """Return a report that prints a line per 10 %."""
    started, shown = time.monotonic(), 0

    def report(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // total
        if tenth > shown:
            shown = tenth
            seconds = time.monotonic() - started
            print(f"classify {tile}: {10 * tenth} % of {total} cells, {seconds:.0f} s", flush=True)

    return report
