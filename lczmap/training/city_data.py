"""The patches that a training on cities reads: gathered from the tiles' stacks, one array per split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.channels import channel_sensor
from lczmap.classes import code_to_index
from lczmap.grid import PATCH_PX, Grid
from lczmap.raster import Float, check_grid, read_at
from lczmap.training.gather import StackContent, State, gather_patches, present_views, stack_content, usable
from lczmap.training.patches import PatchTable, read_patch_table
from lczmap.training.splits import TRAIN, VALIDATION
from lczmap.views import PIXEL_STATE, View


@dataclass(frozen=True)
class CityPatches:
    """A city to learn from: its grid, its table of patches, and the folder of its tiles' stacks."""

    grid: Grid
    patches_gpkg: Path
    tiles_dir: Path


@dataclass(frozen=True)
class LabelledPatches:
    """Patches (N, C, H, W) in physical units, NaN where missing; class indices 0..16 (N,) or soft labels (N, 17)."""

    patches: Float
    targets: npt.NDArray[Any]

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.patches)

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Class indices (N,), the most probable ones of soft labels."""
        return self.targets.argmax(axis=1) if self.targets.ndim == 2 else self.targets


@dataclass(frozen=True)
class TrainingData:
    """What a model learns from (`train`) and is watched on (`validation`, may be empty)."""

    train: LabelledPatches
    validation: LabelledPatches
    channels: tuple[str, ...]
    state: State
    patch_px: int = PATCH_PX


@dataclass(frozen=True)
class _Source:
    """One city's stacks as they are read: which views, which channels, in which state; its table of patches."""

    city: CityPatches
    views: Sequence[View]
    channels: tuple[str, ...]
    state: State
    table: PatchTable


def read_training_data(
    cities: Sequence[CityPatches],
    views: Sequence[View],
    *,
    max_patches: int,
    seed: int,
    channels: Sequence[str] | None = None,
    patch_px: int = PATCH_PX,
    teacher_probabilities: Path | None = None,
) -> TrainingData:
    """Gather the training and validation patches of the cities; unusable ones (gather.usable) are left out.

    Each patch is gathered from every one of the `views`. `channels` selects inputs, in this order (None: all that the
    stacks offer). More than `max_patches` training patches (a quarter of it for validation) are thinned at random,
    over all cities. A teacher's probabilities are for a single city. ValueError when no training patch is left, they
    are all of one class, or the cities' stacks differ in channels or in how their pixels were made.
    """
    sources = [_source(city, views, channels) for city in cities]
    _require_alike(sources)
    if teacher_probabilities is not None and len(cities) != 1:
        raise ValueError(
            f"a teacher's probabilities {teacher_probabilities} are for one city, got {len(cities)} cities"
        )
    parts = {}
    for split, most in ((TRAIN, max_patches), (VALIDATION, max_patches // 4)):
        tables = _thin([source.table.of(split) for source in sources], max(most // len(sources[0].views), 1), seed)
        parts[split] = _gather(sources, tables, teacher_probabilities, patch_px=patch_px, what=split)
    if np.unique(parts[TRAIN].index).size < 2:
        named = ", ".join(str(city.patches_gpkg) for city in cities)
        raise ValueError(
            f"{named}: expected training patches of two classes or more, got {len(parts[TRAIN])} patches of "
            f"{np.unique(parts[TRAIN].index).size}; draw more training areas, or raise the share of training"
        )
    return TrainingData(parts[TRAIN], parts[VALIDATION], sources[0].channels, sources[0].state, patch_px)


def _source(city: CityPatches, views: Sequence[View], channels: Sequence[str] | None) -> _Source:
    views, content = chosen_views(city.grid, city.tiles_dir, views, channels)
    table = read_patch_table(city.patches_gpkg, shape=city.grid.cells_shape)
    return _Source(city, views, content.channels, content.state, table)


def chosen_views(
    grid: Grid, tiles_dir: Path, views: Sequence[View], channels: Sequence[str] | None
) -> tuple[Sequence[View], StackContent]:
    """Return the views that have pixels, of the sensors of the chosen `channels` (None: all), and what they hold.

    ValueError when a chosen sensor is not seen, or nothing is left.
    """
    if channels is None:
        views = present_views(grid, tiles_dir, views)
        return views, stack_content(grid, tiles_dir, views)
    wanted = {channel_sensor(channel) for channel in channels}
    views = present_views(grid, tiles_dir, _of_sensors(views, wanted, tiles_dir))
    views = _of_sensors(views, wanted, tiles_dir)
    return views, replace(stack_content(grid, tiles_dir, views), channels=tuple(channels))


def _of_sensors(views: Sequence[View], sensors: set[str], tiles_dir: Path) -> list[View]:
    """Return the views without other sensors, each once; ValueError where a sensor is not seen at all."""
    kept: list[View] = []
    for view in views:
        part = {sensor: file for sensor, file in view.items() if sensor in sensors}
        if missing := sorted(sensors - set(part)):
            raise ValueError(
                f"{tiles_dir}: the chosen channels need {', '.join(missing)}, but only {sorted(view)} is seen; choose "
                "other channels, or scenes of that sensor"
            )
        if part not in kept:
            kept.append(part)
    return kept


def _require_alike(sources: Sequence[_Source]) -> None:
    if not sources:
        raise ValueError("expected the patches of one city or more, got none")
    first = sources[0]
    for source in sources[1:]:
        if source.channels != first.channels or _pixels(source.state) != _pixels(first.state):
            raise ValueError(
                f"{source.city.tiles_dir}: expected the channels {list(first.channels)} in the state "
                f"{_pixels(first.state)} of {first.city.tiles_dir}, got {list(source.channels)} in "
                f"{_pixels(source.state)}; make the stacks of all cities alike"
            )


def _pixels(state: State) -> State:
    return {sensor: {k: v for k, v in keys.items() if k in PIXEL_STATE} for sensor, keys in state.items()}


def _thin(tables: Sequence[PatchTable], most: int, seed: int) -> list[PatchTable]:
    """Return at most `most` rows of all tables together, drawn at random."""
    count = sum(len(table) for table in tables)
    if count <= most:
        return list(tables)
    print(f"{count} patches thinned to {most} (max_patches of the preset)", flush=True)
    chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    ends = np.cumsum([len(table) for table in tables])
    by_table = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return [table.of(rows - (end - len(table))) for table, rows, end in zip(tables, by_table, ends, strict=True)]


def _gather(
    sources: Sequence[_Source],
    tables: Sequence[PatchTable],
    teacher: Path | None,
    *,
    patch_px: int,
    what: str,
) -> LabelledPatches:
    """Gather into one array; besides it, memory holds the patches of one city and view."""
    pieces = [(s, t, view) for s, t in zip(sources, tables, strict=True) for view in s.views]
    by_city = [_targets(table, source.city.grid, teacher) for source, table in zip(sources, tables, strict=True)]
    labels = np.concatenate([t for source, t in zip(sources, by_city, strict=True) for _ in source.views])
    patches, kept, done = None, np.empty(len(labels), np.bool_), 0
    for source, table, view in pieces:
        grid, rows = source.city.grid, slice(done, done + len(table))
        piece = gather_patches(grid, table, source.city.tiles_dir, source.channels, view=view, patch_px=patch_px)
        kept[rows] = usable(piece, cell_px=grid.cell_px)
        if len(pieces) == 1:
            patches = piece
        else:
            patches = np.empty((len(labels), *piece.shape[1:]), np.float32) if patches is None else patches
            patches[rows] = piece
        done += len(table)
    assert patches is not None  # every city has a view
    if kept.all():
        return LabelledPatches(patches, labels)
    print(f"{what}: {int((~kept).sum())} patches with missing pixels left out", flush=True)
    return LabelledPatches(_move_up(patches, kept), labels[kept])


def _move_up(patches: Float, kept: npt.NDArray[np.bool_]) -> Float:
    """Return the kept rows as a view of the same memory, moved together in place."""
    rows = np.flatnonzero(kept)
    for to, row in enumerate(rows):
        patches[to] = patches[row]
    return patches[: len(rows)]


def _targets(table: PatchTable, grid: Grid, teacher: Path | None) -> npt.NDArray[Any]:
    if teacher is None:
        return code_to_index(table.code)
    check_grid(teacher, grid.cell_geobox)
    return np.ascontiguousarray(read_at(teacher, table.row, table.col).T, dtype=np.float32)  # (N, 17)
