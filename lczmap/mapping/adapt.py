"""Adapt a checkpoint to a city: read pixels and patches of its tiles, and write the adapted checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from lczmap.channels import channel_sensor
from lczmap.grid import HALO_PX, Grid, Tile, aoi_cells, patch_start, tile_cells, tile_geobox, tiles
from lczmap.mapping.pixels import read_views
from lczmap.mapping.slide import usable_cells
from lczmap.models.adapt import Adaptation, Prior, adapt, check_batch_norm, check_prior, networks_of
from lczmap.models.checkpoint import StorableClassifier, load_checkpoint, read_description, save_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.models.gul import GulRadar
from lczmap.models.radar_features import Moments
from lczmap.raster import Float
from lczmap.views import combine, sensor_of_stack

PATCHES = 2048  # random patches of the city, over all its views: 150 MB at 18 channels
STRIP_ROWS = 256  # rows of a tile whose radar features are made at once


def adapt_model(
    *,
    grid: Grid,
    checkpoint: Path,
    tiles_dir: Path,
    out_checkpoint: Path,
    stacks: Sequence[str],
    batch_norm: bool = False,
    prior: Prior = "trained",
    seed: int = 47,
    patches: int = PATCHES,
    allow_level_mismatch: bool = False,
) -> None:
    """Adapt a checkpoint to a city without labels and write it, X.safetensors and X.json; see models/adapt.py.

    `stacks` are the file names in each tile's folder. `gul_s1` always gets the mean and standard deviation of its
    features over all valid pixels of the tiles; `batch_norm` and `prior` use `patches` random cells of the area of
    interest. The result depends on the inputs and `seed` only. ValueError when there is nothing to adapt (`batch_norm`
    without any batch norm counts as that), no cell has enough pixels, or a stack does not fit the checkpoint
    (`allow_level_mismatch`: pixels in another state are taken).
    """
    classifier = cast("StorableClassifier", load_checkpoint(checkpoint))
    description = read_description(checkpoint)
    radars = [one for one in networks_of(classifier) if isinstance(one.network, GulRadar)]
    if not (radars or batch_norm or prior == "em"):
        raise ValueError(
            f"{checkpoint}: {classifier.name} has nothing to adapt to a city unless you ask for `--batch-norm` or "
            "`--prior em`"
        )
    _check_asked(classifier, description, batch_norm=batch_norm, prior=prior)
    needs_patches = batch_norm or prior == "em"
    views = _count_views(classifier, stacks)
    cells = _choose_cells(grid, -(-patches // views) if needs_patches else 0, seed)
    city = _City(classifier, radars, [Moments() for _ in radars])
    for tile in tiles(grid):
        paths = [tiles_dir / tile.name / name for name in stacks]
        for view, pixels in read_views(classifier, paths, tile_geobox(grid, tile), any_state=allow_level_mismatch):
            city.add_scene(pixels)
            city.add_patches("+".join(view.values()), pixels, cells, grid, tile)
    for one, moments in zip(radars, city.moments, strict=True):
        cast("GulRadar", one.network).set_scene(moments)
    sample = city.sample()
    if needs_patches and len(sample) < 2:
        raise ValueError(
            f"{tiles_dir}: expected at least 2 cells of the area of interest with enough pixels in {list(stacks)}, got "
            f"{len(sample)}; extend the period of the scenes"
        )
    record = _record(grid, stacks, batch_norm=batch_norm, prior=prior, patches=len(sample), seed=seed)
    adapted = adapt(classifier, sample, Adaptation(batch_norm, prior, seed, record), extra=description.get("extra"))
    save_checkpoint(out_checkpoint, adapted, extra=description.get("extra"))


def _check_asked(
    classifier: StorableClassifier, description: Mapping[str, Any], *, batch_norm: bool, prior: Prior
) -> None:
    """Refuse what the classifier cannot do, before minutes of reading."""
    if batch_norm:
        check_batch_norm(classifier)
    if prior == "em":
        check_prior(classifier, description.get("extra"))


@dataclass
class _City:
    """What is collected while the tiles are read, one at a time."""

    classifier: StorableClassifier
    radars: list[TorchClassifier]
    moments: list[Moments]
    patches: dict[tuple[int, str], Float] = field(default_factory=dict)  # by the cell's place in `cells`, and view

    def add_scene(self, pixels: Float) -> None:
        """Add the radar features of a tile's core to the moments of every network that needs them."""
        for i, one in enumerate(self.radars):
            channels = [self.classifier.channels.index(channel) for channel in one.channels]
            self.moments[i] = _add_features(self.moments[i], one, pixels[channels])

    def add_patches(self, view: str, pixels: Float, cells: npt.NDArray[np.intp], grid: Grid, tile: Tile) -> None:
        """Keep the patches of the chosen cells (row, column of the city) in a tile that `classify-tile` would take."""
        rows, cols = tile_cells(grid, tile)
        inside = (cells[:, 0] >= rows.start) & (cells[:, 0] < rows.stop)
        inside &= (cells[:, 1] >= cols.start) & (cells[:, 1] < cols.stop)
        if not inside.any():
            return
        size, cell_px = self.classifier.patch_px, grid.cell_px
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        missing = np.asarray(np.isnan(pixels).any(axis=0))  # (y, x)
        usable = usable_cells(missing, shape, cell_px=cell_px, patch_px=size)
        for place in np.flatnonzero(inside):
            row, col = cells[place, 0] - rows.start, cells[place, 1] - cols.start
            if usable[row, col]:
                top, left = (HALO_PX + patch_start(int(i), cell_px, size) for i in (row, col))
                self.patches[int(place), view] = pixels[:, top : top + size, left : left + size].copy()

    def sample(self) -> Float:
        """Return the patches (N, C, size, size) in an order that does not depend on how the city is cut into tiles."""
        size = self.classifier.patch_px
        if not self.patches:
            return np.empty((0, len(self.classifier.channels), size, size), np.float32)
        return np.stack([self.patches[key] for key in sorted(self.patches)])


def _count_views(classifier: StorableClassifier, stacks: Sequence[str]) -> int:
    needed = {channel_sensor(channel) for channel in classifier.channels}
    return len(combine([name for name in stacks if sensor_of_stack(name) in needed]))


def _choose_cells(grid: Grid, count: int, seed: int) -> npt.NDArray[np.intp]:
    """Return at most `count` random cells of the area of interest, (n, 2) row and column of the city."""
    cells = np.argwhere(aoi_cells(grid))
    kept = np.random.default_rng(seed).permutation(len(cells))[:count]
    return cells[kept]


def _add_features(moments: Moments, one: TorchClassifier, pixels: Float) -> Moments:
    """Add the features of a tile's core; `pixels` (8, y, x) with halo, NaN where missing."""
    network = cast("GulRadar", one.network)
    bottom = pixels.shape[1] - HALO_PX
    across = slice(HALO_PX - 1, pixels.shape[2] - HALO_PX + 1)  # one pixel more on each side for the 3 x 3 windows
    for top in range(HALO_PX, bottom, STRIP_ROWS):
        strip = pixels[:, top - 1 : min(top + STRIP_ROWS, bottom) + 1, across]
        raw = torch.from_numpy(np.ascontiguousarray(strip))[None]  # (1, 8, rows + 2, width + 2)
        with torch.no_grad():
            features, valid = network.features_of(one.normaliser(raw))
        valid = valid & ~raw.isnan().any(dim=1, keepdim=True)
        moments = moments.plus(features[:, :, 1:-1, 1:-1], valid[:, :, 1:-1, 1:-1])
    return moments


def _record(
    grid: Grid, stacks: Sequence[str], *, batch_norm: bool, prior: Prior, patches: int, seed: int
) -> Mapping[str, Any]:
    corner = f"{grid.west:.0f} E, {grid.north:.0f} N ({grid.crs})"
    return {
        "note": (
            f"Adapted to unlabelled pixels of the city with its north-western corner at {corner}: transductive, "
            "figures count for this city only."
        ),
        "city": {
            "crs": grid.crs,
            "west": grid.west,
            "north": grid.north,
            "width_px": grid.width,
            "height_px": grid.height,
        },
        "stacks": list(stacks),
        "batch_norm": batch_norm,
        "prior": prior,
        "patches": patches,
        "seed": seed,
    }
