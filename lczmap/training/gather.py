"""Cut the patches of a table out of the tiles' stacks; each tile is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.channels import CHANNEL_SETS, ChannelSet, channel_sensor
from lczmap.grid import HALO_PX, PATCH_PX, Grid, Tile, check_patch_px, patch_start, tile_cells, tile_geobox, tiles
from lczmap.raster import Float, read_stack
from lczmap.training.patches import PatchTable
from lczmap.views import ABSENT, PIXEL_STATE, SENSORS, View, combine, sensor_of_stack, stack_file

MAX_BYTES = 2 << 30
"""Most memory that gathered patches may take: 29,000 patches of 18 channels."""
_PLAIN = {sensor: stack_file(sensor) for sensor in SENSORS}

State = dict[str, dict[str, str]]


@dataclass(frozen=True)
class StackContent:
    """The channels that stacks offer, in a network's order, and per sensor how the pixels were made."""

    channels: tuple[str, ...]
    state: State


def present_views(grid: Grid, tiles_dir: Path, views: Sequence[View]) -> list[View]:
    """Return the views without the sensors that saw nothing (`sentinel1.use: preferred`), each once.

    ValueError when nothing is left.
    """
    first = tiles_dir / tiles(grid)[0].name
    names = sorted({name for view in views for name in view.values()})
    absent = {n for n in names if ABSENT.items() <= _state(first / n).items()}
    if absent:
        print(
            f"without {', '.join(sorted({sensor_of_stack(n) for n in absent}))}: the run has no such scene", flush=True
        )
    left = combine([name for name in names if name not in absent])
    if not left[0]:
        raise ValueError(f"expected stacks with pixels, all of {names} are empty; extend the period, or add a sensor")
    return left


def stack_content(grid: Grid, tiles_dir: Path, views: Sequence[View]) -> StackContent:
    """Say what the stacks of all tiles hold in these views.

    ValueError when a stack is missing, holds no known channel set, tiles differ in channels or state, or views in
    channels or in how their pixels were made.
    """
    contents = [_view_content(grid, tiles_dir, view) for view in views]
    first = contents[0]
    for view, content in zip(views, contents, strict=True):
        if content.channels != first.channels or _pixel_state(content.state) != _pixel_state(first.state):
            raise ValueError(
                f"{tiles_dir}: expected the channels and pixel state of {dict(views[0])} in {dict(view)}, got "
                f"{content}; make the stacks of all tiles again"
            )
    return first


def _view_content(grid: Grid, tiles_dir: Path, view: View) -> StackContent:
    channels: list[str] = []
    state: State = {}
    for sensor, file in view.items():
        names = [tile.name for tile in tiles(grid)]
        found = {name: _content(tiles_dir / name / file, sensor) for name in names}
        first = found[names[0]]
        for name, content in found.items():
            if content != first:
                raise ValueError(
                    f"{tiles_dir / name / file}: expected the channels and state of tile {names[0]} "
                    f"{first}, got {content}; make the stacks of all tiles again"
                )
        channels += first[0].channels
        state[sensor] = first[1]
    return StackContent(tuple(channels), state)


def _pixel_state(state: State) -> State:
    return {sensor: {k: v for k, v in keys.items() if k in PIXEL_STATE} for sensor, keys in state.items()}


def gather_patches(
    grid: Grid,
    table: PatchTable,
    tiles_dir: Path,
    channels: Sequence[str],
    *,
    view: View | None = None,
    patch_px: int = PATCH_PX,
    max_bytes: int = MAX_BYTES,
) -> Float:
    """Return the patches of a table, float32 (N, C, patch_px, patch_px) in physical units, NaN where missing.

    `channels` are looked up by name in the stacks of `view` (default s1.tif and s2.tif) in `tiles_dir`/<tile>, which
    hold core and halo. Memory is that of the result and one tile's window; ValueError when the result would exceed
    `max_bytes`, a patch the halo, or a stack lacks a channel or lies on another grid.
    """
    check_patch_px(patch_px)
    shape = (len(table), len(channels), patch_px, patch_px)
    size = 4 * int(np.prod(shape))
    if size > max_bytes:
        raise ValueError(
            f"{len(table)} patches of {len(channels)} channels need {size >> 20} MiB, more than {max_bytes >> 20}; "
            "draw fewer or smaller training areas, or lower the preset's `max_patches`"
        )
    patches = np.full(shape, np.nan, np.float32)
    for tile in tiles(grid):
        rows, cols = tile_cells(grid, tile)
        inside = (table.row >= rows.start) & (table.row < rows.stop)
        inside &= (table.col >= cols.start) & (table.col < cols.stop)
        if inside.any():
            members = np.flatnonzero(inside)
            folder = tiles_dir / tile.name
            _fill_from_tile(
                patches, members, table, grid=grid, tile=tile, folder=folder, channels=channels, view=view or _PLAIN
            )
    return patches


def usable(patches: Float, *, cell_px: int, max_missing: float = 0.25) -> npt.NDArray[np.bool_]:
    """Return (N,), True for those patches (N, C, size, size) that the classifier would accept too.

    Refused are patches with a pixel of the cell itself missing in any channel, or more than `max_missing` of all
    pixels.
    """
    size = patches.shape[-1]
    start = size // 2 - cell_px // 2
    cell = slice(max(start, 0), min(start + cell_px, size))
    accepted = np.empty(len(patches), np.bool_)
    for i, patch in enumerate(patches):
        missing = np.isnan(patch).any(axis=0)  # (size, size)
        accepted[i] = not missing[cell, cell].any() and missing.mean() <= max_missing
    return accepted


def _fill_from_tile(
    patches: Float,
    members: npt.NDArray[np.intp],
    table: PatchTable,
    *,
    grid: Grid,
    tile: Tile,
    folder: Path,
    channels: Sequence[str],
    view: View,
) -> None:
    """Fill the `members` of `patches` (N, C, size, size), which all lie in one tile."""
    size = patches.shape[-1]
    top = np.array([patch_start(int(r), grid.cell_px, size) for r in table.row[members]]) - tile.row + HALO_PX
    left = np.array([patch_start(int(c), grid.cell_px, size) for c in table.col[members]]) - tile.col + HALO_PX
    window = (slice(top.min(), top.max() + size), slice(left.min(), left.max() + size))
    for sensor, wanted in _by_sensor(channels).items():
        pixels = _read_window(folder / view[sensor], list(wanted), window, tile_geobox(grid, tile)[window])
        for member, r, c in zip(members, top - window[0].start, left - window[1].start, strict=True):
            patches[member, list(wanted.values())] = pixels[:, r : r + size, c : c + size]


def _read_window(path: Path, channels: list[str], window: tuple[slice, slice], expected: GeoBox) -> Float:
    """Return the channels (C, y, x) of a window of a stack; ValueError when it lacks one or lies on another grid."""
    stack = read_stack(path, window=window)
    lacking = [c for c in channels if c not in stack.channels]
    if lacking:
        raise ValueError(
            f"{path}: expected the channels {channels}, the stack has {list(stack.channels)} and lacks {lacking}; "
            "make the stacks again with that channel set"
        )
    if stack.geobox != expected:
        raise ValueError(
            f"{path}: expected {tuple(expected.shape)} pixels at {tuple(expected.transform)[2:6:3]} in {expected.crs}, "
            f"got {tuple(stack.geobox.shape)} at {tuple(stack.geobox.transform)[2:6:3]} in {stack.geobox.crs}; make "
            "the stack again with this grid and version: `snakemake --forcerun stack_sentinel1 stack_sentinel2`"
        )
    return stack.pixels[[stack.channels.index(c) for c in channels]]


def _by_sensor(channels: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return sensor -> channel -> its position in `channels`; ValueError for an unknown channel."""
    result: dict[str, dict[str, int]] = {}
    for position, channel in enumerate(channels):
        result.setdefault(channel_sensor(channel), {})[channel] = position
    return result


def _state(path: Path) -> Mapping[str, str]:
    return read_stack(path, window=(slice(0, 1), slice(0, 1))).state


def _content(path: Path, sensor: str) -> tuple[ChannelSet, dict[str, str]]:
    stack = read_stack(path, window=(slice(0, 1), slice(0, 1)))
    for candidate in CHANNEL_SETS.values():
        if candidate.sensor == sensor and set(candidate.channels) <= set(stack.channels):
            return candidate, dict(stack.state)
    known = [list(s.channels) for s in CHANNEL_SETS.values() if s.sensor == sensor]
    raise ValueError(f"{path}: expected the channels of one of {known}, got {list(stack.channels)}; make it again")
