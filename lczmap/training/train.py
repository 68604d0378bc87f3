"""Train one model from a table of patches and the tiles' stacks to a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lczmap.classes import CLASSES, NUM_CLASSES, code_to_index
from lczmap.grid import Grid
from lczmap.models.classifier import TorchClassifier, save_checkpoint
from lczmap.models.losses import balanced_weights, build_loss
from lczmap.models.normalise import ChannelNormaliser
from lczmap.models.registry import create_model
from lczmap.models.rf import FOREST, ForestClassifier, fit_forest
from lczmap.raster import Float, read_cells
from lczmap.training.data import Augmenter, PatchDataset
from lczmap.training.fit import fit
from lczmap.training.gather import State, gather_patches, present_views, stack_content, usable
from lczmap.training.module import TrainingModule
from lczmap.training.patches import PatchTable, read_patch_table
from lczmap.training.preset import ForestPreset, NetworkPreset, Preset, load_preset
from lczmap.training.splits import TRAIN, VALIDATION
from lczmap.views import View


@dataclass(frozen=True)
class LabelledPatches:
    """Patches (N, C, 32, 32) in physical units, NaN where missing; class indices 0..16 (N,) or soft labels (N, 17)."""

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


def train_model(
    *,
    name: str,
    grid: Grid,
    patches_gpkg: Path,
    tiles_dir: Path,
    out_checkpoint: Path,
    views: Sequence[View],
    seed: int,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    teacher_probabilities: Path | None = None,
    threads: int | None = None,
) -> None:
    """Train the network (or forest) `name` and write its checkpoint, X.safetensors and X.json.

    `preset` is a file name of training/presets (default: the network's own), `options` replace its keys. With
    `teacher_probabilities` (17 bands on the grid's cells) the targets are the teacher's probabilities. A training
    that was killed goes on from its own folder beside the checkpoint. The same seed and inputs give the same
    weights, byte for byte, on one machine with one number of `threads` (default: torch's). The test split is never
    read. `views` name the stacks of each tile that are seen together (views.py).
    """
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_preset(preset, model=name, options=options)
    if isinstance(recipe, ForestPreset) != (name == FOREST):
        raise ValueError(f"the preset {preset!r} is a recipe for a {recipe.kind}, not for {name!r}")
    data = read_training_data(
        grid,
        patches_gpkg,
        tiles_dir,
        views,
        teacher_probabilities=teacher_probabilities,
        max_patches=recipe.max_patches,
        seed=seed,
    )
    print(_describe(data), flush=True)
    record = {"preset": preset, "recipe": recipe.model_dump(), "seed": seed, "train_patches": len(data.train)}
    record["soft_labels"] = teacher_probabilities is not None
    started = time.monotonic()
    classifier, figures = fit_model(name, recipe, data, seed=seed, folder=training_folder(out_checkpoint))
    figures["seconds"] = round(time.monotonic() - started, 1)
    save_checkpoint(out_checkpoint, classifier, extra=record | figures)
    shutil.rmtree(training_folder(out_checkpoint), ignore_errors=True)


def training_folder(out_checkpoint: Path) -> Path:
    """Return the folder beside a checkpoint where an unfinished training keeps its state."""
    return out_checkpoint.with_name(f".{out_checkpoint.stem}.training")


def fit_model(
    name: str, recipe: Preset, data: TrainingData, *, seed: int, folder: Path
) -> tuple[TorchClassifier | ForestClassifier, dict[str, Any]]:
    """Train a network or forest; return it as a classifier, and what is worth knowing of the training.

    A network normalises the patches of `data` in place: `data` is used up.
    """
    if isinstance(recipe, ForestPreset):
        return _fit_forest(recipe, data, seed)
    return _fit_network(name, recipe, data, seed, folder)


def read_training_data(
    grid: Grid,
    patches_gpkg: Path,
    tiles_dir: Path,
    views: Sequence[View],
    *,
    max_patches: int,
    seed: int,
    teacher_probabilities: Path | None = None,
) -> TrainingData:
    """Gather the training and validation patches of a table; unusable ones (gather.usable) are left out.

    Each patch is gathered from every one of the `views`. More than `max_patches` training patches (a quarter of it
    for validation) are thinned at random. ValueError when no training patch is left, or they are all of one class.
    """
    views = present_views(grid, tiles_dir, views)
    content = stack_content(grid, tiles_dir, views)
    table = read_patch_table(patches_gpkg, shape=grid.cells_shape)
    teacher = None if teacher_probabilities is None else read_cells(teacher_probabilities, expected=grid.cell_geobox)[0]
    parts = {}
    for split, most in ((TRAIN, max_patches), (VALIDATION, max_patches // 4)):
        chosen = _thin(table.of(split), max(most // len(views), 1), seed)
        seen = [gather_patches(grid, chosen, tiles_dir, content.channels, view=view) for view in views]
        patches = np.concatenate(seen) if len(seen) > 1 else seen[0]
        chosen = chosen.of(np.tile(np.arange(len(chosen)), len(views)))
        kept = usable(patches, cell_px=grid.cell_px)
        if not kept.all():
            print(f"{split}: {int((~kept).sum())} patches with missing pixels left out", flush=True)
            patches, chosen = patches[kept], chosen.of(kept)
        parts[split] = LabelledPatches(patches, _targets(chosen, teacher))
    if np.unique(parts[TRAIN].index).size < 2:
        raise ValueError(
            f"{patches_gpkg}: expected training patches of two classes or more, got {len(parts[TRAIN])} patches of "
            f"{np.unique(parts[TRAIN].index).size}; draw more training areas, or raise the share of training"
        )
    return TrainingData(parts[TRAIN], parts[VALIDATION], content.channels, content.state)


def _fit_forest(recipe: ForestPreset, data: TrainingData, seed: int) -> tuple[ForestClassifier, dict[str, Any]]:
    forest = fit_forest(
        data.train.patches,
        data.train.index,
        channels=data.channels,
        state=data.state,
        features=recipe.features,
        trees=recipe.trees,
        balanced=recipe.class_weights == "balanced",
        seed=seed,
    )
    if not len(data.validation):
        return forest, {}
    right = forest.probabilities(data.validation.patches).argmax(axis=1) == data.validation.index
    return forest, {"best_validation_oa": float(right.mean())}


def _fit_network(
    name: str, recipe: NetworkPreset, data: TrainingData, seed: int, folder: Path
) -> tuple[TorchClassifier, dict[str, Any]]:
    torch.manual_seed(seed)
    network = create_model(name, data.channels, preset=recipe.base, **recipe.network)
    weights = None
    if recipe.class_weights == "balanced":
        weights = balanced_weights(np.bincount(data.train.index, minlength=NUM_CLASSES))
    smoothing = recipe.label_smoothing
    loss = build_loss(network, preset=recipe.base, class_weights=weights, label_smoothing=smoothing, **recipe.loss)
    normaliser = ChannelNormaliser.fit(data.channels, data.train.patches, recipe.normalisation)
    module = TrainingModule(network, loss, Augmenter(recipe.augmentation, data.channels), recipe.optimiser, seed=seed)
    result = fit(module, _dataset(data.train, normaliser), _dataset(data.validation, normaliser), recipe, folder=folder)
    network.strip_text()
    classifier = TorchClassifier(network.eval(), normaliser, state=data.state)
    return classifier, result


def _dataset(labelled: LabelledPatches, normaliser: ChannelNormaliser) -> PatchDataset:
    """Normalise once, not once per epoch, and in place: a second copy of the patches may not fit."""
    patches = torch.from_numpy(labelled.patches)
    with torch.no_grad():
        for start in range(0, len(patches), 256):
            patches[start : start + 256] = normaliser(patches[start : start + 256])
    return PatchDataset(patches, torch.from_numpy(labelled.targets))


def _targets(table: PatchTable, teacher: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    if teacher is None:
        return code_to_index(table.code)
    return np.ascontiguousarray(teacher[:, table.row, table.col].T, dtype=np.float32)  # (N, 17)


def _thin(table: PatchTable, most: int, seed: int) -> PatchTable:
    if len(table) <= most:
        return table
    print(f"{len(table)} patches thinned to {most} (max_patches of the preset)", flush=True)
    return table.of(np.sort(np.random.default_rng(seed).choice(len(table), most, replace=False)))


def _describe(data: TrainingData) -> str:
    counts = np.bincount(data.train.index, minlength=NUM_CLASSES)
    by_class = " ".join(f"{c.label}:{n}" for c, n in zip(CLASSES, counts, strict=True) if n)
    megabytes = (data.train.patches.nbytes + data.validation.patches.nbytes) >> 20
    return (
        f"training on {len(data.train)} patches ({by_class}), validating on {len(data.validation)}; "
        f"{len(data.channels)} channels, {megabytes} MiB"
    )
