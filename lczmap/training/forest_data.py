"""The features that a random forest learns from, of every patch of a table, whatever its split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lczmap.grid import PATCH_PX, Grid
from lczmap.models.rf import patch_features
from lczmap.raster import Float
from lczmap.training.city_data import chosen_views
from lczmap.training.gather import gather_patches, usable
from lczmap.training.patches import PatchTable
from lczmap.training.preset import ForestPreset
from lczmap.views import View

_AT_ONCE = 1000  # patches in memory: 74 MB of 18 channels and 32 px


def forest_features(
    grid: Grid,
    table: PatchTable,
    tiles_dir: Path,
    views: Sequence[View],
    recipe: ForestPreset,
    *,
    channels: Sequence[str] | None = None,
    patch_px: int = PATCH_PX,
    seed: int,
) -> tuple[PatchTable, Float]:
    """Return the patches that can be used and their features (V, N, F) in each view, NaN where missing in one.

    More patches than the recipe's `max_patches` are thinned at random, as for a training. `channels` selects inputs
    (None: all that the stacks offer). ValueError when no patch has its pixels.
    """
    views, content = chosen_views(grid, tiles_dir, views, channels)
    most = max(recipe.max_patches // len(views), 1)
    if len(table) > most:
        print(f"{len(table)} patches thinned to {most} (max_patches of the preset)", flush=True)
        table = table.of(np.sort(np.random.default_rng(seed).choice(len(table), most, replace=False)))
    features = np.stack(
        [_of_view(grid, table, tiles_dir, view, content.channels, recipe, patch_px) for view in views]
    )  # (V, N, F)
    kept = np.asarray(np.isfinite(features).any(axis=(0, 2)), dtype=np.bool_)  # (N,)
    if not kept.any():
        raise ValueError(
            f"{tiles_dir}: none of the {len(table)} patches has its pixels in the stacks; do the training areas lie "
            "inside the scenes?"
        )
    if not kept.all():
        print(f"{int((~kept).sum())} patches with missing pixels left out", flush=True)
    return table.of(kept), features[:, kept]


def _of_view(
    grid: Grid,
    table: PatchTable,
    tiles_dir: Path,
    view: View,
    channels: Sequence[str],
    recipe: ForestPreset,
    patch_px: int,
) -> Float:
    """Return the features (N, F) of one view, all NaN for patches that the classifier would refuse."""
    side = grid.tile_px // grid.cell_px  # cells along a tile's side
    by_tile = np.lexsort((table.col // side, table.row // side))  # each tile is read once or twice
    parts = []
    for start in range(0, len(table), _AT_ONCE):
        part = table.of(by_tile[start : start + _AT_ONCE])
        patches = gather_patches(grid, part, tiles_dir, channels, view=view, patch_px=patch_px)
        values = patch_features(patches, recipe.features)
        values[~usable(patches, cell_px=grid.cell_px)] = np.nan
        parts.append(values)
    features = np.empty((len(table), parts[0].shape[1]), np.float32)
    features[by_tile] = np.concatenate(parts)
    return features
