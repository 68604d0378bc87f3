"""Train BP-LCZ and other networks on EuroSAT's 100 example patches and compare them with plain EB-CNN.

    python benchmarks/eurosat.py --data DIR --out table.md [--seeds 5] [--runs FOLDER] [--networks NAME …]

DIR is the folder of real data with `eurosat`. It is land cover, ten classes of ten patches: no Local Climate Zones,
and tiny. Each patch of 64 px gives four quadrants of 32 px, which always stay together: a fifth of the patches of
every class is tested, the others train. Seed k tests the k-th fifth, so with five seeds every patch is tested once by
every network. No validation patches: the last epoch is kept. Ten Sentinel-2 bands, the four optical band groups; all
networks with the same recipe, small enough for two processor cores (SIZES says how small). A finished training is kept
in FOLDER and not repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from eurosat_patches import LAND_COVERS, SourcePatches, quadrants, read_source_patches
from torch import nn

from lczmap.channels import S2_10
from lczmap.evaluation.paired import over_seeds, paired_difference
from lczmap.files import write_json, write_text
from lczmap.training.data import PatchDataset
from lczmap.training.network import fit_network
from lczmap.training.preset import Augmentation, NetworkPreset, Optimiser

BASELINE = "eb_cnn"
FOLDS = 5
PHRASES = (
    "field of annual crops in straight parcels, some green and some freshly ploughed",
    "closed canopy of tall trees, dark and evenly rough",
    "open land of herbs and wild grass with scattered shrubs",
    "wide motorway, a bright band through fields or suburbs",
    "group of large flat-roofed halls and paved yards",
    "meadow of short grass for grazing, smooth and bright green",
    "orchard or vineyard planted in regular rows",
    "neighbourhood of houses with gardens along streets",
    "river that winds between banks and fields",
    "open water of a sea or lake, dark and without texture",
)
"""Our own words for the classes, in the order of LAND_COVERS."""

_BRANCHES: dict[str, Any] = {"widths": [8, 16, 32, 64], "blocks": [1, 1, 1, 1]}
_TEXT = {"encoder": "mini", "mode": "joint", "layers": 2, "width": 64, "heads": 4, "class_phrases": list(PHRASES)}
SIZES: dict[str, dict[str, Any]] = {
    "eb_cnn": _BRANCHES,
    "bp_lcz_eb_cnn": {**_BRANCHES, "width": 64, "text": _TEXT},
    "exvit": {"token_pool": 4, "self_depth": 2, "cross_depth": 1},
    "bp_lcz_exvit": {"token_pool": 4, "self_depth": 2, "cross_depth": 1, "width": 64, "text": _TEXT},
    "fusion": {"split": "groups", "stage": 1},
    "sen2lcz": {},
    "gul_s2": {},
    "cnn_yoo": {},
    "mscnn": {"widths": [32, 64, 128]},
    "lcznet": {"widths": [16, 32, 64], "blocks": [1, 1, 1], "se_ratio": 4},
    "rsnnet": {"widths": [16, 32, 64], "stages": [1, 1, 1], "cardinality": 8, "nl_subsample": True},
    "resnet50": {"width": 16, "group_width": 16, "stem": "imagenet"},
    "resnext50": {"width": 16, "group_width": 1, "stem": "imagenet"},
    "convnext_tiny": {"widths": [24, 48, 96, 192], "stem": "small"},
    "densenet121": {"width": 32, "growth": 12, "stem": "imagenet"},
}
"""Options of each network beside its defaults."""

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """One training: which quadrants were tested, what was said of them, and what it cost."""

    tested: Int  # (N,) numbers of quadrants
    said: Int  # (N,) positions in LAND_COVERS
    parameters: int
    seconds: float

    def right(self, land_cover: Int) -> npt.NDArray[np.bool_]:
        """Return (N,), True where the answer is right; `land_cover` is that of all quadrants."""
        right: npt.NDArray[np.bool_] = self.said == land_cover[self.tested]
        return right


def recipe(network: Mapping[str, Any], epochs: int) -> NetworkPreset:
    return NetworkPreset(
        network=dict(network),
        label_smoothing=0.05,
        optimiser=Optimiser(name="adamw", lr=0.002, weight_decay=0.05, schedule="cosine", warmup=0.05),
        augmentation=Augmentation(dihedral=True, shift=4, jitter=0.1),
        epochs=epochs,
        batch_size=32,
        keep="last",
    )


def tested_patches(land_cover: Int, seed: int) -> npt.NDArray[np.bool_]:
    """Return (N,), True for the patches that `seed` (from 1) tests: the same share of every class.

    Five seeds after one another test every patch once.
    """
    partition, fold = divmod(seed - 1, FOLDS)
    tested = np.zeros(len(land_cover), np.bool_)
    for number in np.unique(land_cover):
        members = np.random.default_rng([partition, int(number)]).permutation(np.flatnonzero(land_cover == number))
        tested[np.array_split(members, FOLDS)[fold]] = True
    return tested


def train(name: str, patches: SourcePatches, seed: int, *, epochs: int, folder: Path) -> Run:
    """Train on four fifths of the patches and classify the quadrants of the others."""
    pixels = torch.from_numpy(quadrants(patches.bands()))  # (400, 10, 32, 32)
    target = torch.from_numpy(np.repeat(patches.land_cover, 4))
    tested = np.repeat(tested_patches(patches.land_cover, seed), 4)
    started = time.monotonic()
    with redirect_stdout(io.StringIO()):
        fitted = fit_network(
            name,
            recipe(SIZES[name], epochs),
            PatchDataset(pixels[~tested], target[~tested]),
            None,
            channels=S2_10.channels,
            state={"sentinel-2": {"level": "L1C"}},
            folder=folder,
            seed=seed,
            num_classes=len(LAND_COVERS),
        )
    seconds = time.monotonic() - started
    renew_batch_norm(fitted.network, fitted.normaliser(pixels[~tested]))
    with torch.inference_mode():
        said = fitted.network(fitted.normaliser(pixels[tested])).argmax(dim=1).numpy()
    parameters = sum(p.numel() for p in fitted.network.parameters())
    return Run(np.flatnonzero(tested), said, parameters, seconds)


def renew_batch_norm(network: nn.Module, x: torch.Tensor) -> None:
    """Replace the running statistics of batch norms by those of the training quadrants (N, C, 32, 32).

    Two hundred steps are too few for networks that keep 0.99 of the old statistics, as Keras does.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    with torch.no_grad():
        for start in range(0, len(x), 40):
            network(x[start : start + 40])
    network.eval()


def trained(name: str, patches: SourcePatches, seed: int, *, epochs: int, runs: Path) -> Run:
    """Return a finished training of these settings from `runs`, or train now and keep it there."""
    path = runs / f"{name}_{seed}.json"
    settings = {"recipe": recipe(SIZES[name], epochs).model_dump(mode="json"), "seed": seed, "name": name}
    pixels = hashlib.sha256(patches.pixels.tobytes()).hexdigest()
    stored = json.loads(path.read_text()) if path.is_file() else {}
    if stored.get("settings") != settings or stored.get("pixels", pixels) != pixels:
        run = train(name, patches, seed, epochs=epochs, folder=runs / f".{name}_{seed}")
        figures = {"parameters": run.parameters, "seconds": round(run.seconds, 1)}
        stored = {"settings": settings, "tested": run.tested.tolist(), "said": run.said.tolist(), **figures}
        stored["pixels"] = pixels
        write_json(path, stored)
    return Run(np.array(stored["tested"]), np.array(stored["said"]), stored["parameters"], stored["seconds"])


def table(runs: Mapping[str, Sequence[Run]], land_cover: Int) -> list[str]:
    """Return the Markdown table; `land_cover` (400,) is that of all quadrants."""
    lines = [
        "| network | options | parameters | overall accuracy | minus that of eb_cnn | | seconds a training |",
        "|---|---|---|---|---|---|---|",
    ]
    right = {name: np.concatenate([run.right(land_cover) for run in listed]) for name, listed in runs.items()}
    source = np.concatenate([run.tested for run in runs[BASELINE]]) // 4
    for name, listed in runs.items():
        accuracy = over_seeds([float(run.right(land_cover).mean()) for run in listed])
        options = ", ".join(f"{key} {value}" for key, value in SIZES[name].items() if key != "text") or "–"
        seconds = float(np.mean([run.seconds for run in listed]))
        compared = "| | "
        if name != BASELINE:
            d = paired_difference(source, right[name], right[BASELINE], seed=0)
            compared = f"| {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f}) | {d.verdict} "
        lines.append(f"| {name} | {options} | {listed[0].parameters:,} | {accuracy} {compared}| {seconds:.0f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--runs", type=Path, default=Path("results/eurosat"), help="folder of the trainings")
    parser.add_argument("--seeds", type=int, default=FOLDS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--networks", nargs="+", default=list(SIZES), choices=list(SIZES))
    options = parser.parse_args()
    patches = read_source_patches(options.data / "eurosat")
    runs: dict[str, list[Run]] = {}
    for name in dict.fromkeys([BASELINE, *options.networks]):
        runs[name] = [
            trained(name, patches, seed, epochs=options.epochs, runs=options.runs)
            for seed in range(1, options.seeds + 1)
        ]
        print(f"{name}: {sum(run.seconds for run in runs[name]):.0f} s", flush=True)
    note = (
        f"{options.seeds} seeds, {options.epochs} epochs, mean ± standard deviation over seeds; differences with their "
        "95 % interval from drawing the 100 patches with their quadrants. `not told apart`: the interval includes 0."
    )
    write_text(options.out, "\n".join([*table(runs, np.repeat(patches.land_cover, 4)), "", note, ""]))


if __name__ == "__main__":
    main()
