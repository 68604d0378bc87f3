"""One run of a table's row: deal, train, test, and write down everything that a report needs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lczmap.evaluation.records import write_report
from lczmap.files import replacing
from lczmap.models.checkpoint import load_checkpoint, save_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.reproduce.data import Source, cities_of, describe_data, open_source, patches_of, table_of
from lczmap.reproduce.predict import joined_features, mean_probabilities, on_accelerator, sample_per_class
from lczmap.reproduce.request import recipe_of
from lczmap.reproduce.results import REHEARSAL
from lczmap.reproduce.scores import confusion, scores, scores_by_city
from lczmap.reproduce.tables import Row, load_table
from lczmap.so2sat.deals import Parts
from lczmap.so2sat.patches import derived_state
from lczmap.so2sat.protocols import SEED
from lczmap.training.hardware import ONE_DEVICE, Hardware, is_first_process
from lczmap.training.preset import ANY_NETWORK, DEFAULT_PRESETS, NetworkPreset

SAMPLES_PER_CLASS = 70
"""Test patches of each class whose features are kept for a t-SNE, as in Lan et al."""


@dataclass(frozen=True)
class Trained:
    """The networks of a row, their recipe (None: ready weights), figures of each training, and its seconds."""

    classifiers: tuple[TorchClassifier, ...]
    recipe: NetworkPreset | None = None
    figures: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """What one run is: a row, its data and split, and the seed of its training; why it is a rehearsal, if it is."""

    row: Row
    sources: Mapping[str, Source]
    parts: Parts
    seed: int
    folder: Path
    rehearsal: str


def run_reproduction(
    table: str,
    row: str,
    sources: Mapping[str, Path],
    out_json: Path,
    out_features: Path,
    *,
    seed: int,
    split_seed: int = SEED,
    options: Mapping[str, Any] | None = None,
    shrink: bool = False,
    checkpoint: Path | None = None,
    hardware: Hardware = ONE_DEVICE,
) -> dict[str, Any] | None:
    """Run one row of a table with one seed; write result.json and features.npz, and return the result.

    `sources` are So2Sat's files by name: .h5 files or folders of their compact copies. `options` replace keys of the
    row's recipe. A row whose weights come ready needs their `checkpoint`; the others write theirs beside the result. A
    run that was killed goes on in its training. Where lightning runs the command once per device (`ddp`), all but the
    first only train, and return None. ValueError for what does not fit: table, row, file, city or recipe.
    """
    chosen = load_table(table).row(row)
    opened = {name: open_source(path) for name, path in sources.items()}
    used = chosen.rules
    tables = {name: table_of(source) for name, source in opened.items()}
    parts = used.split(tables, seed=split_seed, shrink=shrink, city=chosen.city)
    data = describe_data(opened, used, parts)
    leads = chosen.ready or is_first_process()
    if leads:
        print(f"{table} {row}, seed {seed}: {used.description}; patches {data['patches']}", flush=True)
        if data["rehearsal"]:
            print(f"{REHEARSAL}, no result on So2Sat: {data['rehearsal']}", flush=True)
    job = Job(chosen, opened, parts, seed, out_json.parent, data["rehearsal"])
    trained = _load(chosen, checkpoint) if chosen.ready else _train(job, options or {}, hardware)
    if not leads:
        return None
    tested = _test(job, trained, out_features, split_seed)
    result = {
        "table": table,
        **_describe_row(chosen),
        "seed": seed,
        "split_seed": split_seed,
        "data": data,
        "changed_options": dict(options or {}),
        **_describe_training(trained),
        **tested,
    }
    write_report(out_json, result)
    shutil.rmtree(_training_folder(job), ignore_errors=True)
    return result


def _describe_row(row: Row) -> dict[str, Any]:
    used = row.rules
    return {
        "row": row.id,
        "label": row.label,
        "network": row.network,
        "preset": None if row.ready else row.preset or DEFAULT_PRESETS.get(row.network, ANY_NETWORK),
        "channels": row.inputs,
        "protocol": {"name": used.name, "leaky": used.leaky, "why": used.why, "city": row.city},
    }


def _training_folder(job: Job) -> Path:
    return job.folder / ".training"


def _train(job: Job, options: Mapping[str, Any], hardware: Hardware) -> Trained:
    from lczmap.training.network import fit_network  # lightning: seconds that ready weights do not need

    row = job.row
    recipe = recipe_of(row, options)
    classifiers, figures, started = [], [], time.monotonic()
    for number, channels in enumerate(row.inputs, start=1):
        fitted = fit_network(
            row.network,
            recipe,
            patches_of(job.parts["train"], job.sources, channels),
            patches_of(job.parts["validation"], job.sources, channels) if job.parts["validation"] else None,
            channels=channels,
            state=derived_state(channels),
            folder=_training_folder(job) / str(number),
            seed=job.seed,
            hardware=hardware,
        )
        classifier = fitted.classifier()
        name = f"checkpoint_{number}" if len(row.inputs) > 1 else "checkpoint"
        if is_first_process():
            save_checkpoint(job.folder / f"{name}.safetensors", classifier, extra=_record(job, recipe))
        classifiers.append(classifier)
        figures.append(dict(fitted.figures))
    return Trained(tuple(classifiers), recipe, tuple(figures), time.monotonic() - started)


def _record(job: Job, recipe: NetworkPreset) -> dict[str, Any]:
    """Return what a checkpoint says of its training."""
    used = job.row.rules
    return {
        "reproduced": job.row.id,
        "protocol": used.name,
        "leaky": used.leaky,
        "rehearsal": job.rehearsal,
        "seed": job.seed,
        "recipe": recipe.model_dump(),
    }


def _load(row: Row, checkpoint: Path | None) -> Trained:
    if checkpoint is None:
        raise ValueError(f"the row {row.id!r} tests ready weights; name their checkpoint (`import-weights` makes it)")
    classifier = load_checkpoint(checkpoint)
    if not isinstance(classifier, TorchClassifier) or classifier.name != row.network:
        raise ValueError(f"{checkpoint}: expected the network {row.network!r}, got {classifier.name!r}")
    if classifier.channels != row.inputs[0]:
        raise ValueError(f"{checkpoint}: expected the channels {row.inputs[0]}, got {classifier.channels}")
    return Trained((classifier,))


def _test(job: Job, trained: Trained, out_features: Path, seed: int) -> dict[str, Any]:
    """Return the figures of the test patches; the features of some of them go to `out_features`."""
    classifiers = [on_accelerator(classifier) for classifier in trained.classifiers]
    patches = [patches_of(job.parts["test"], job.sources, channels) for channels in job.row.inputs]
    reference, started = patches[0].targets.numpy(), time.monotonic()
    predicted = mean_probabilities(classifiers, patches).argmax(axis=1)
    seconds = time.monotonic() - started
    sample = sample_per_class(reference, SAMPLES_PER_CLASS, seed=seed)
    features = joined_features(classifiers, patches, sample)
    with replacing(out_features) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, features=features, labels=reference[sample])
    matrix = confusion(reference, predicted)
    cities = cities_of(job.parts["test"], job.sources)
    return {
        "scores": scores(matrix),
        "confusion_matrix": matrix,
        "by_city": scores_by_city(reference, predicted, np.array(cities)) if cities else {},
        "test_seconds": seconds,
        "test_patches_per_second": len(reference) / seconds,
    }


def _describe_training(trained: Trained) -> dict[str, Any]:
    parameters = sum(p.numel() for c in trained.classifiers for p in c.network.parameters())
    histories = [figures.pop("history", []) for figures in trained.figures]
    return {
        "recipe": trained.recipe.model_dump() if trained.recipe else None,
        "parameters": parameters,
        "train_seconds": trained.seconds,
        "training": list(trained.figures),
        "histories": histories,
    }
