"""What the ablation of the recipe trains and measures: two cities, the switches, one training, its figures."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lczmap.channels import S2_10, SO2SAT8, channel_sensor
from lczmap.classes import code_to_index, index_to_code
from lczmap.configfiles import merge
from lczmap.evaluation import metrics
from lczmap.files import write_json
from lczmap.grid import Grid
from lczmap.models.checkpoint import Classifier, StorableClassifier, load_checkpoint, save_checkpoint
from lczmap.training.city_data import CityPatches, LabelledPatches, TrainingData, read_training_data
from lczmap.training.data import PatchDataset
from lczmap.training.gather import gather_patches, usable
from lczmap.training.patches import read_patch_table
from lczmap.training.preset import NetworkPreset
from lczmap.training.train import fit_model
from lczmap.views import combine

NETWORK = "lcznet"
STACKS = ("s1.tif", "s2.tif")
CHANNELS = (*SO2SAT8.channels, *S2_10.channels)
MOST_TESTED = 1500  # patches of a city, drawn at random

BASE: dict[str, Any] = {
    "network": {"widths": [16, 32, 64], "blocks": [1, 1, 1], "se_ratio": 4},
    "optimiser": {"name": "adamw", "lr": 0.003, "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.05},
    "augmentation": {"dihedral": True},
    "batch_size": 64,
    "keep": "last",
}
"""The recipe that each switch changes alone: a small LCZNet on both sensors, turned patches, log radar."""
SWITCHES: dict[str, dict[str, Any]] = {
    "base": {},
    "without dihedral": {"augmentation": {"dihedral": False}},
    "without log SAR": {"normalisation": "paper"},
    "shift 4 px": {"augmentation": {"shift": 4}},
    "jitter 0.1": {"augmentation": {"jitter": 0.1}},
    "mixup 0.2": {"augmentation": {"mixup": 0.2}},
    "cutmix 1": {"augmentation": {"cutmix": 1.0}},
    "speckle 0.2": {"augmentation": {"speckle": 0.2}},
    "group dropout 0.1": {"augmentation": {"group_dropout": 0.1}},
    "modality dropout 0.2": {"augmentation": {"modality_dropout": 0.2}},
    "label smoothing 0.05": {"label_smoothing": 0.05},
    "EMA 0.98": {"ema": 0.98},
    "half the epochs, 4 validations each": {"validations_per_epoch": 4, "keep": "best", "patience": 12},
    "sampling sqrt": {"sampling": "sqrt"},
    "sampling balanced": {"sampling": "balanced"},
    "class weights balanced": {"class_weights": "balanced"},
    "all of these together": {
        "augmentation": {
            "shift": 4,
            "jitter": 0.1,
            "speckle": 0.1,
            "group_dropout": 0.1,
            "modality_dropout": 0.05,
            "mixup": 0.2,
        },
        "label_smoothing": 0.05,
        "ema": 0.98,
        "sampling": "sqrt",
    },
}
"""Changes of the base; the last is the preset `recipe` with a faster moving average. Only validation polygons decide
what is kept where validations are asked for."""
HALF = "half the epochs, 4 validations each"


@dataclass(frozen=True)
class TestedCity:
    """Patches (N, 18, 32, 32) that no network learned from, their classes 0..16 and their polygons; and the city."""

    place: CityPatches
    patches: npt.NDArray[np.float32]
    index: npt.NDArray[np.int64]
    area: npt.NDArray[np.int64]

    def without(self, sensor: str) -> npt.NDArray[np.float32]:
        """Return the patches with all channels of a sensor missing."""
        blind = self.patches.copy()
        blind[:, [i for i, channel in enumerate(CHANNELS) if channel_sensor(channel) == sensor]] = np.nan
        return blind


@dataclass(frozen=True)
class Scores:
    """Figures of one classifier on one city: `right` (N,) says where it is right; `seconds` is the time it took."""

    oa: float
    aa: float
    ece: float
    nll: float
    seconds: float
    right: npt.NDArray[np.bool_]


def open_city(run: Path) -> CityPatches:
    """Return the city whose run lies in `run`, results/<city>/<period>."""
    grid = run.parent / "grid.json"
    if not grid.is_file():
        raise ValueError(f"{run}: expected results/<city>/<period> with stacks and patches.gpkg; make them first")
    return CityPatches(Grid.from_json(grid.read_text()), run / "patches.gpkg", run / "tiles")


def read_training(city: CityPatches, *, seed: int = 47) -> TrainingData:
    return read_training_data([city], combine(STACKS), max_patches=16_000, seed=seed, channels=CHANNELS)


def read_tested(city: CityPatches, splits: tuple[str, ...], *, seed: int = 47) -> TestedCity:
    """Gather the patches of some splits of a city, at most MOST_TESTED."""
    table = read_patch_table(city.patches_gpkg, shape=city.grid.cells_shape)
    table = table.of(np.isin(table.split, splits))
    if len(table) > MOST_TESTED:
        table = table.of(np.sort(np.random.default_rng(seed).choice(len(table), MOST_TESTED, replace=False)))
    patches = gather_patches(city.grid, table, city.tiles_dir, CHANNELS)
    kept = usable(patches, cell_px=city.grid.cell_px)
    return TestedCity(city, patches[kept], code_to_index(table.code[kept]), table.area[kept])


def score(classifier: Classifier, city: TestedCity, patches: npt.NDArray[np.float32] | None = None) -> Scores:
    """Return the figures of a classifier; `patches` replace the city's, such as those without a sensor."""
    started = time.monotonic()
    probabilities = classifier.probabilities(city.patches if patches is None else patches).astype(np.float64)
    seconds = time.monotonic() - started
    said = probabilities.argmax(axis=1)
    right = said == city.index
    confusion = metrics.confusion_matrix(index_to_code(city.index), index_to_code(said))
    own = probabilities[np.arange(len(said)), city.index]
    return Scores(
        oa=metrics.overall_accuracy(confusion),
        aa=metrics.average_accuracy(confusion),
        ece=metrics.calibration_error(metrics.calibration_table(probabilities.max(axis=1), right)),
        nll=float(-np.log(np.maximum(own, 1e-12)).mean()),
        seconds=seconds,
        right=right,
    )


def recipe_of(switch: str, epochs: int) -> NetworkPreset:
    length = max(epochs // 2, 1) if switch == HALF else epochs
    return NetworkPreset.model_validate(merge(merge(BASE, {"epochs": length}), SWITCHES[switch]))


def trained(
    switch: str, data: TrainingData, seed: int, *, epochs: int, runs: Path, channels: tuple[str, ...] = CHANNELS
) -> tuple[StorableClassifier, Mapping[str, Any]]:
    """Return the network of a switch and seed with figures of its training, from `runs` if it is there already."""
    name = switch.replace(" ", "_").replace(",", "") + ("" if channels == CHANNELS else "_optical")
    path, record = runs / f"{name}_{seed}.safetensors", runs / f"{name}_{seed}.run.json"
    recipe = recipe_of(switch, epochs)
    settings = {"recipe": recipe.model_dump(mode="json"), "seed": seed, "channels": list(channels)}
    settings["patches"] = fingerprint(data)
    stored = json.loads(record.read_text()) if record.is_file() and path.is_file() else {}
    if stored.get("settings") != settings:
        started = time.monotonic()
        with redirect_stdout(io.StringIO()):
            classifier, figures = fit_model(
                NETWORK, recipe, of_channels(data, channels), seed=seed, folder=runs / f".{name}_{seed}"
            )
        stored = {"settings": settings, "seconds": round(time.monotonic() - started, 1), "figures": figures}
        save_checkpoint(path, classifier)
        write_json(record, stored)
    return load_checkpoint(path), stored  # type: ignore[return-value]  # what was saved can be saved


def fingerprint(data: TrainingData) -> list[str]:
    """Return a hash of the pixels and labels that train, and of those that validate."""
    parts = (data.train, data.validation)
    return [PatchDataset(*map(torch.from_numpy, (p.patches, p.targets))).fingerprint() for p in parts]


def of_channels(data: TrainingData, channels: tuple[str, ...]) -> TrainingData:
    """Return the data with some of the channels only, in this order."""
    positions = [data.channels.index(channel) for channel in channels]
    train, validation = (LabelledPatches(p.patches[:, positions], p.targets) for p in (data.train, data.validation))
    sensors = {channel_sensor(channel) for channel in channels}
    state = {sensor: values for sensor, values in data.state.items() if sensor in sensors}
    return TrainingData(train, validation, channels, state, data.patch_px)
