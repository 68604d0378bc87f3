"""Cut the patches of a table out of the tiles' stacks; each tile is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.channels import CHANNEL_SETS, ChannelSet
from lczmap.grid import HALO_PX, PATCH_PX, Grid, Tile, patch_start, tile_cells, tile_geobox, tiles
from lczmap.raster import Float, read_stack
from lczmap.training.patches import PatchTable

MAX_BYTES = 2 << 30
"""Most memory that gathered patches may take: 29,000 patches of 18 channels."""
STACK_FILES = {"sentinel-1": "s1.tif", "sentinel-2": "s2.tif"}
"""A sensor's stack in a tile's folder; networks take Sentinel-1 channels first, as in So2Sat LCZ42."""

State = dict[str, dict[str, str]]


@dataclass(frozen=True)
class StackContent:
    """The channels that stacks offer, in a network's order, and per sensor how the pixels were made."""

    channels: tuple[str, ...]
    state: State


def stack_content(grid: Grid, tiles_dir: Path, sensors: Sequence[str]) -> StackContent:
    """Say what the stacks of all tiles hold for these sensors.

    ValueError when a stack is missing, holds no known channel set, or tiles differ in channels or state.
    """
    channels: list[str] = []
    state: State = {}
    for sensor in (s for s in STACK_FILES if s in sensors):
        names = [tile.name for tile in tiles(grid)]
        found = {name: _content(tiles_dir / name / STACK_FILES[sensor], sensor) for name in names}
        first = found[names[0]]
        for name, content in found.items():
            if content != first:
                raise ValueError(
                    f"{tiles_dir / name / STACK_FILES[sensor]}: expected the channels and state of tile {names[0]} "
                    f"{first}, got {content}; make the stacks of all tiles again"
                )
        channels += first[0].channels
        state[sensor] = first[1]
    if not channels:
        raise ValueError(f"expected sensors among {list(STACK_FILES)}, got {list(sensors)}")
    return StackContent(tuple(channels), state)


def gather_patches(
    grid: Grid, table: PatchTable, tiles_dir: Path, channels: Sequence[str], *, max_bytes: int = MAX_BYTES
) -> Float:
    """Return the patches of a table, float32 (N, C, 32, 32) in physical units, NaN where missing.

    `channels` are looked up by name in the stacks `tiles_dir`/<tile>/s1.tif and s2.tif (core and halo). Memory is
    that of the result and one tile's window; ValueError when the result would exceed `max_bytes`, or a stack lacks
    a channel or lies on another grid.
    """
    shape = (len(table), len(channels), PATCH_PX, PATCH_PX)
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
            _fill_from_tile(patches, members, table, grid=grid, tile=tile, folder=folder, channels=channels)
    return patches


def usable(patches: Float, *, cell_px: int, max_missing: float = 0.25) -> npt.NDArray[np.bool_]:
    """Return (N,), True for patches that the classifier would accept too.

    Refused are patches with a pixel of the cell itself missing in any channel, or more than `max_missing` of all
    pixels.
    """
    start = PATCH_PX // 2 - cell_px // 2
    cell = slice(max(start, 0), min(start + cell_px, PATCH_PX))
    accepted = np.empty(len(patches), np.bool_)
    for i, patch in enumerate(patches):
        missing = np.isnan(patch).any(axis=0)  # (32, 32)
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
) -> None:
    """Fill the `members` of `patches` (N, C, 32, 32), which all lie in one tile."""
    top = np.array([patch_start(int(r), grid.cell_px) for r in table.row[members]]) - tile.row + HALO_PX
    left = np.array([patch_start(int(c), grid.cell_px) for c in table.col[members]]) - tile.col + HALO_PX
    window = (slice(top.min(), top.max() + PATCH_PX), slice(left.min(), left.max() + PATCH_PX))
    for sensor, wanted in _by_sensor(channels).items():
        pixels = _read_window(folder / STACK_FILES[sensor], list(wanted), window, tile_geobox(grid, tile)[window])
        for member, r, c in zip(members, top - window[0].start, left - window[1].start, strict=True):
            patches[member, list(wanted.values())] = pixels[:, r : r + PATCH_PX, c : c + PATCH_PX]


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
            "the stack again with this grid"
        )
    return stack.pixels[[stack.channels.index(c) for c in channels]]


def _by_sensor(channels: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return sensor -> channel -> its position in `channels`."""
    sensor_of = {channel: s.sensor for s in CHANNEL_SETS.values() for channel in s.channels}
    unknown = [c for c in channels if c not in sensor_of]
    if unknown:
        raise ValueError(f"unknown channels {unknown}; known: {list(sensor_of)}")
    result: dict[str, dict[str, int]] = {}
    for position, channel in enumerate(channels):
        result.setdefault(sensor_of[channel], {})[channel] = position
    return result


def _content(path: Path, sensor: str) -> tuple[ChannelSet, dict[str, str]]:
    stack = read_stack(path, window=(slice(0, 1), slice(0, 1)))
    for candidate in CHANNEL_SETS.values():
        if candidate.sensor == sensor and set(candidate.channels) <= set(stack.channels):
            return candidate, dict(stack.state)
    known = [list(s.channels) for s in CHANNEL_SETS.values() if s.sensor == sensor]
    raise ValueError(f"{path}: expected the channels of one of {known}, got {list(stack.channels)}; make it again")
