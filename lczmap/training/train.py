"""Train one model from tables of patches and the tiles' stacks to a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.grid import PATCH_PX
from lczmap.models.checkpoint import save_checkpoint
from lczmap.models.rf import FOREST, ForestClassifier, fit_forest
from lczmap.training.city_data import CityPatches, LabelledPatches, TrainingData, read_training_data
from lczmap.training.hardware import ONE_DEVICE, Hardware, is_first_process
from lczmap.training.preset import ForestPreset, NetworkPreset, Preset, load_preset
from lczmap.views import View

if TYPE_CHECKING:
    from lczmap.models.classifier import TorchClassifier

__all__ = ["CityPatches", "Hardware", "LabelledPatches", "TrainingData", "fit_model", "train_model", "training_folder"]


def train_model(
    *,
    name: str,
    cities: Sequence[CityPatches],
    out_checkpoint: Path,
    views: Sequence[View],
    seed: int,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    channels: Sequence[str] | None = None,
    patch_px: int = PATCH_PX,
    teacher_probabilities: Path | None = None,
    hardware: Hardware = ONE_DEVICE,
) -> None:
    """Train the network (or forest) `name` and write its checkpoint, X.safetensors and X.json.

    `preset` is a file name of training/presets (default: the network's own), `options` replace its keys. `channels`
    selects the inputs (None: all channels of the stacks), `patch_px` is the width of a patch. With
    `teacher_probabilities` (17 bands on the grid's cells) the targets are the teacher's probabilities. A training
    that was killed goes on from its own folder beside the checkpoint. The same seed and inputs give the same
    weights, byte for byte, on one machine with one number of threads. The test split is never read. `views` name the
    stacks of each tile that are seen together (views.py).
    """
    recipe = load_preset(preset, model=name, options=options)
    if isinstance(recipe, ForestPreset) != (name == FOREST):
        raise ValueError(f"the preset {preset!r} is a recipe for a {recipe.kind}, not for {name!r}")
    data = read_training_data(
        cities,
        views,
        max_patches=recipe.max_patches,
        seed=seed,
        channels=channels,
        patch_px=patch_px,
        teacher_probabilities=teacher_probabilities,
    )
    leads = isinstance(recipe, ForestPreset) or is_first_process()
    if leads:
        print(_describe(data), flush=True)
    record: dict[str, Any] = {"preset": preset, "recipe": recipe.model_dump(), "seed": seed}
    record |= {"train_patches": len(data.train), "soft_labels": teacher_probabilities is not None}
    record["cities"] = _taught_by(cities)
    started = time.monotonic()
    folder = training_folder(out_checkpoint)
    classifier, figures = fit_model(name, recipe, data, seed=seed, folder=folder, hardware=hardware)
    figures["seconds"] = round(time.monotonic() - started, 1)
    if leads:
        save_checkpoint(out_checkpoint, classifier, extra=record | figures)
        shutil.rmtree(folder, ignore_errors=True)


def _taught_by(cities: Sequence[CityPatches]) -> list[dict[str, str]]:
    """Return the folder (<city>/<period>) of each table of patches, and its SHA-256."""
    tables = [city.patches_gpkg.resolve() for city in cities]
    return [{"folder": "/".join(t.parts[-3:-1]), "patches_sha256": sha256(t.read_bytes()).hexdigest()} for t in tables]


def training_folder(out_checkpoint: Path) -> Path:
    """Return the folder beside a checkpoint where an unfinished training keeps its state."""
    return out_checkpoint.with_name(f".{out_checkpoint.stem}.training")


def fit_model(
    name: str, recipe: Preset, data: TrainingData, *, seed: int, folder: Path, hardware: Hardware = ONE_DEVICE
) -> tuple[TorchClassifier | ForestClassifier, dict[str, Any]]:
    """Train a network or forest; return it as a classifier, and what is worth knowing of the training."""
    if isinstance(recipe, ForestPreset):
        return _fit_forest(recipe, data, seed)
    return _fit_network(name, recipe, data, seed, folder, hardware)


def _fit_network(
    name: str, recipe: NetworkPreset, data: TrainingData, seed: int, folder: Path, hardware: Hardware
) -> tuple[TorchClassifier, dict[str, Any]]:
    import torch  # and lightning: seconds that a forest does not need

    from lczmap.models.registry import missing_value
    from lczmap.training.data import PatchDataset
    from lczmap.training.network import fit_network, fit_normaliser

    def dataset(labelled: LabelledPatches) -> PatchDataset:
        return PatchDataset(torch.from_numpy(labelled.patches), torch.from_numpy(labelled.targets))

    missing = missing_value(name)
    result = fit_network(
        name,
        recipe,
        dataset(data.train),
        dataset(data.validation),
        channels=data.channels,
        state=data.state,
        folder=folder,
        seed=seed,
        normaliser=fit_normaliser(data.channels, data.train.patches, recipe.normalisation, missing_value=missing),
        patch_px=data.patch_px,
        hardware=hardware,
    )
    return result.classifier(), result.figures


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


def _describe(data: TrainingData) -> str:
    counts = np.bincount(data.train.index, minlength=NUM_CLASSES)
    by_class = " ".join(f"{c.label}:{n}" for c, n in zip(CLASSES, counts, strict=True) if n)
    megabytes = (data.train.patches.nbytes + data.validation.patches.nbytes) >> 20
    return (
        f"training on {len(data.train)} patches ({by_class}), validating on {len(data.validation)}; "
        f"{len(data.channels)} channels, {megabytes} MiB"
    )
