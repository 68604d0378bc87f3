"""Map accuracy from the labels of a probability sample: the report."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, LczClass
from lczmap.evaluation import metrics
from lczmap.evaluation.area_estimates import LEVEL, MapAccuracy, assessed_classes, estimate_accuracy, scaled
from lczmap.evaluation.labels import (
    CANNOT_TELL,
    UNLABELLED,
    Labels,
    RaterAgreement,
    Reference,
    agree,
    mean_kappa,
    read_all_labels,
    read_labels,
    settle,
    skipped,
)
from lczmap.evaluation.map_accuracy_files import ASSESSED
from lczmap.evaluation.records import write_report
from lczmap.evaluation.sampling import Design, fingerprint, read_design
from lczmap.raster import read_class_map

WHAT = "map accuracy, estimated from a probability sample"
LOW_RESPONSE = 0.95

_NOTE = (
    "Estimators and intervals of Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015) for a stratified random sample "
    "with the classes of the map as strata, with finite population correction. Intervals cover the chance of the draw, "
    "not errors of the labels; those of the producer's accuracy and area of rare classes are too narrow. User's "
    "accuracies have Wilson intervals. OAw gives partial credit and is to be read beside its chance line, the OAw of "
    "an unrelated map with the same class shares."
)


@dataclass(frozen=True)
class Assessment:
    """What `assess` knows: the sample, the map's class of its cells (n,), the labels and the estimates."""

    design: Design
    mapped: npt.NDArray[np.int64]
    everyone: Sequence[Labels]
    reference: Reference
    counts: npt.NDArray[np.int64]
    accuracy: MapAccuracy


def assess(
    folder: Path, label_paths: Sequence[Path], out_json: Path, *, map_path: Path | None = None,
    adjudicated: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the accuracy of a map and the area of its classes as JSON; returns what was written.

    `folder` is what `sample` wrote, or its design.json. `map_path` is the map where it is no longer at the place that
    the design names. ValueError when a file does not belong to the sample or the map is not the one it was drawn from,
    or `out_json` is there and holds anything but an earlier result.
    """
    if out_json.suffix.lower() != ".json":
        raise ValueError(f"{out_json}: expected the name of a JSON file to write the result to, such as {ASSESSED}")
    _check_overwrites(out_json)
    design_path = folder / "design.json" if folder.is_dir() else folder
    design = read_design(design_path)
    everyone = read_all_labels(label_paths, design)
    decisions = read_labels(adjudicated, design) if adjudicated else None
    mapped = _mapped_classes(map_path or (design_path.parent / design.map_name), design)
    found = _assess(design, mapped, everyone, settle(everyone, decisions))
    report = report_of(found)
    write_report(out_json, report)
    return report


def _check_overwrites(out_json: Path) -> None:
    """Refuse a file that is there and was not written here, such as a run's accuracy.json or the design; ValueError."""
    if not out_json.exists():
        return
    try:
        what = json.loads(out_json.read_text(encoding="utf-8"))["what"]
    except (LookupError, OSError, TypeError, ValueError):
        what = None
    if what != WHAT:
        found = "something else" if what is None else repr(what)
        raise ValueError(f"{out_json}: there is a file already, and it holds {found}; write to {ASSESSED}")


def report_of(found: Assessment) -> dict[str, Any]:
    """Return the content of the report; areas in km², shares 0..1, NaN where a figure is not defined."""
    accuracy, design = found.accuracy, found.design
    pairs = agree(found.everyone)
    return {
        "what": WHAT,
        "note": _NOTE,
        "map": design.map_name,
        "codes_sha256": design.codes_sha256,
        "sample": design.sample_id,
        "seed": design.seed,
        "labels": _label_counts(found),
        "labellers": [_labeller(labels) for labels in found.everyone],
        "labeller_agreement": [vars(pair) for pair in pairs],
        "mean_labeller_kappa": mean_kappa(pairs),
        "interval": {"level": LEVEL, "method": "normal approximation; user's accuracy: Wilson"},
        "assessed_share": float(design.population[accuracy.assessed].sum() / design.population.sum()),
        "oa": accuracy.overall.to_json(),
        "oabu": accuracy.built_natural.to_json(),
        "oaw": accuracy.weighted.to_json(),
        "oaw_chance": accuracy.weighted_chance,
        "kappa": accuracy.kappa,
        "classes": [_class_entry(c, found) for c in CLASSES if _has_entry(c, found)],
        "counts": {"rows": "reference code 1..17", "columns": "map code 1..17", "cells": found.counts},
        "area_proportions": {
            "rows": "reference code 1..17", "columns": "map code 1..17", "shares": accuracy.proportions,
        },
        "warnings": _warnings(found, pairs),
    }  # fmt: skip


def _mapped_classes(path: Path, design: Design) -> npt.NDArray[np.int64]:
    """Return the map's class (n,) of the sample's cells; ValueError unless it is the map that was sampled."""
    if not path.is_file():
        raise ValueError(f"{path}: the map that the sample was drawn from is not there; name it with --map")
    codes, geobox = read_class_map(path)
    if fingerprint(codes, geobox) != design.codes_sha256:
        raise ValueError(
            f"{path}: not the map that the sample was drawn from ({design.map_name}): its classes or its grid differ. "
            "The strata are the classes of that map, so the labels say nothing reliable of a map that was made anew or "
            "filtered (Stehman 2014 has estimators for that case; they are not built in). Give the old map with --map, "
            "or draw a new sample"
        )
    return codes[design.row, design.col].astype(np.int64)


def _assess(
    design: Design, mapped: npt.NDArray[np.int64], everyone: Sequence[Labels], reference: Reference
) -> Assessment:
    used = reference.code > CANNOT_TELL
    counts = metrics.confusion_matrix(reference.code[used], mapped[used])
    accuracy = estimate_accuracy(counts, design.population)
    return Assessment(design, mapped, everyone, reference, counts, accuracy)


def _label_counts(found: Assessment) -> dict[str, Any]:
    code, disputed = found.reference.code, found.reference.disputed
    seen = code != UNLABELLED
    left_out = skipped(found.reference)
    used = int((code > CANNOT_TELL).sum())
    asked = int(seen.sum()) + int(left_out.sum())
    return {
        "drawn": len(code),
        "used": used,
        "cannot_tell": int((code == CANNOT_TELL).sum()) - int(disputed.sum()),
        "disputed": int(disputed.sum()),
        "disputed_cells": (np.flatnonzero(disputed) + 1).tolist(),
        "adjudicated": found.reference.adjudicated,
        "skipped": int(left_out.sum()),
        "not_reached": len(code) - asked,
        "response_rate": used / asked if asked else math.nan,
    }


def _labeller(labels: Labels) -> dict[str, Any]:
    told = labels.code > CANNOT_TELL
    return {
        "name": labels.labeller,
        "classes_given": int(told.sum()),
        "cannot_tell": int((labels.code == CANNOT_TELL).sum()),
        "unsure": int((told & ~labels.sure).sum()),
    }


def _has_entry(c: LczClass, found: Assessment) -> bool:
    return bool(found.design.population[c.index] or found.counts[c.index].any())


def _class_entry(c: LczClass, found: Assessment) -> dict[str, Any]:
    design, accuracy = found.design, found.accuracy
    assessed_km2 = float(design.population[accuracy.assessed].sum()) * design.cell_km2
    return {
        "code": c.code,
        "label": c.label,
        "name": c.name,
        "map_cells": int(design.population[c.index]),
        "drawn": int(design.sampled[c.index]),
        "used": int(found.counts[:, c.index].sum()),
        "reference_cells": int(found.counts[c.index].sum()),
        "assessed": bool(accuracy.assessed[c.index]),
        "ua": accuracy.users[c.index].to_json(),
        "pa": accuracy.producers[c.index].to_json(),
        "mapped_km2": float(design.population[c.index]) * design.cell_km2,
        "area_km2": scaled(accuracy.shares[c.index], assessed_km2),
    }


def _warnings(found: Assessment, pairs: Sequence[RaterAgreement]) -> list[str]:
    design, numbers = found.design, _label_counts(found)
    warnings = []
    left_out = (design.population > 0) & ~assessed_classes(found.counts, design.population)
    if left_out.any():
        names = ", ".join(f"{c.title} ({found.counts[:, c.index].sum()})" for c in CLASSES if left_out[c.index])
        share = design.population[left_out].sum() / design.population.sum()
        warnings.append(
            f"fewer than two labelled cells, no variance: {names}. All figures hold for the rest of the map, without "
            f"these {share:.1%} of its area"
        )
    if unmissed := _without_omission(found):
        warnings.append(
            f"no labelled cell shows an omission of {unmissed}: their producer's accuracies of 1 and areas without "
            "upper error mean only that too few cells are labelled to meet one"
        )
    if numbers["disputed"]:
        warnings.append(
            f"{numbers['disputed']} cells on which labellers differ are left out, which flatters the map: open "
            f"labelling.html#{','.join(map(str, numbers['disputed_cells']))} together, label them, and give the "
            "exported file with --adjudicated"
        )
    if numbers["skipped"]:
        warnings.append(f"{numbers['skipped']} cells were passed over; they are treated like `cannot tell`")
    if numbers["response_rate"] < LOW_RESPONSE:
        warnings.append(
            f"only {numbers['response_rate']:.0%} of the cells that people came to have a class; if those without are "
            "harder than the others, the accuracies are too high"
        )
    if not found.accuracy.overall.se and (found.counts.sum(axis=0) < design.population).any():
        warnings.append("every label agrees with the map: the interval without width means too few labels")
    if not pairs:
        warnings.append("one labeller only: nothing is known of how reliable the labels are")
    return warnings


def _without_omission(found: Assessment) -> str:
    """Return the labels of classes found only where the map has them, while other cells are unlabelled."""
    counts, population = found.counts, found.design.population
    complete = counts.sum(axis=0) == population
    names = [
        c.label
        for c in CLASSES
        if counts[c.index, c.index]
        and counts[c.index].sum() == counts[c.index, c.index]
        and not np.delete(complete, c.index).all()
    ]
    return ", ".join(names)
