"""Compare a map with the reference polygons that were kept out of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NODATA_CODE
from lczmap.evaluation import metrics
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES, totals_by_group
from lczmap.evaluation.records import ALL, Report, estimate, majority_baseline, mapped_patches, read_split, write_report
from lczmap.evaluation.wording import DEFINITIONS, headline, polygon_warnings, protocol
from lczmap.raster import check_grid, read_at, read_class_map
from lczmap.training.patches import PatchTable
from lczmap.training.splits import DROPPED

_NOTE = (
    "Training areas are chosen, not sampled: these figures hold for the reference polygons and are no estimate for "
    "the whole map (Olofsson et al. 2014). Intervals come from drawing whole polygons. OAu leaves out every "
    "confusion of built and natural classes; OAw gives partial credit and is to be read beside its chance line, the "
    "OAw of an unrelated map with the same class shares. The calibration error is optimistic on chosen polygons."
)
_FILTERED_TEXT = (
    "the same figures of the filtered map, on the same reference cells and draws of polygons; cells that the filter "
    "left without a class are counted and left out. No calibration: confidence is that of the class before the filter."
)
_SPLIT_TEXT = {ALL: "all polygons; this run taught the network none of them"}
FIGURES = {
    "oa": metrics.overall_accuracy,
    "aa": metrics.average_accuracy,
    "kappa": metrics.kappa,
    "oau": metrics.urban_accuracy,
    "oabu": metrics.built_natural_accuracy,
    "oaw": metrics.weighted_accuracy,
    "oaw_chance": metrics.weighted_chance,
}
"""Figures of a confusion matrix, by their names in the reports."""


def assess_map(
    lcz_path: Path,
    probabilities_path: Path,
    patches_gpkg: Path,
    out_json: Path,
    *,
    filtered_path: Path | None = None,
    split: str = "test",
    seed: int = 0,
) -> Report:
    """Write accuracy.json: the map against the reference patches of one split; returns what was written.

    With `filtered_path` the section `filtered` has the figures of the filtered map on the same cells. `split` may be
    `all`, where no network of the run learned from the areas. Every figure has its 95 % interval from resampling
    polygons with `seed`. Reference cells where the map has nodata are counted and left out. ValueError when the rasters
    or the patches do not fit together, or no reference cell is mapped.
    """
    codes, geobox = read_class_map(lcz_path)
    check_grid(probabilities_path, geobox)
    patches, mapped, unmapped = mapped_patches(lcz_path, codes, patches_gpkg, split)
    dropped = 0 if split == ALL else len(read_split(patches_gpkg, ALL, shape=codes.shape).of(DROPPED))
    probabilities = read_at(probabilities_path, patches.row, patches.col)  # (17, N)
    confidence = probabilities[mapped - 1, np.arange(len(mapped))]
    figures = accuracy_report(patches, mapped, confidence, seed=seed)
    filtered = None
    if filtered_path is not None:
        smoothed, _ = read_class_map(filtered_path, expected=geobox)
        filtered = _filtered_report(filtered_path, smoothed, patches, seed=seed)
    report = {
        "what": f"accuracy on reference polygons ({_SPLIT_TEXT.get(split, f'{split} split by polygon')})",
        "headline": headline(figures),
        "protocol": protocol(split, dropped),
        "note": _NOTE,
        "map": lcz_path.name,
        "split": split,
        "dropped_patches": dropped,
        "unmapped_cells": unmapped,
        **figures,
        **({} if filtered is None else {"filtered": filtered}),
        "definitions": DEFINITIONS,
    }
    for found in (report, filtered):
        if found is not None:
            print(found["headline"], flush=True)
    for warning in report["warnings"]:
        print(f"warning: {warning}", flush=True)
    write_report(out_json, report)
    return report


def accuracy_report(
    reference: PatchTable, mapped: npt.NDArray[np.uint8], confidence: npt.NDArray[np.floating], *, seed: int
) -> dict[str, Any]:
    """Return all accuracy figures of cells (N,) with map codes 1..17 and the map's confidence 0..1 in them."""
    right = mapped == reference.code
    calibration = totals_by_group(reference.area, metrics.calibration_table, confidence, right)  # (G, bins, 3)
    figures = class_report(reference, mapped, seed=seed)
    polygons = np.array([row["polygons"] for row in figures["classes"]])  # (17,)
    return {
        **figures,
        "ece": estimate(calibration, metrics.calibration_error, seed=seed),
        "mean_confidence": float(confidence.mean()),
        "calibration": _calibration_bins(calibration.sum(axis=0)),
        "warnings": [
            *polygon_warnings(polygons, kind="test polygon"),
            *(["one test polygon only: no intervals"] if len(calibration) < 2 else []),
        ],
    }


def class_report(reference: PatchTable, mapped: npt.NDArray[np.uint8], *, seed: int) -> dict[str, Any]:
    """Return the accuracy figures of the classes alone, of cells (N,) with map codes 1..17."""
    by_area = totals_by_group(reference.area, metrics.confusion_matrix, reference.code, mapped)  # (G, 17, 17)
    confusion = by_area.sum(axis=0)
    polygons = (by_area.sum(axis=2) > 0).sum(axis=0)  # (17,) polygons of each class
    return {
        "cells": reference.code.size,
        "polygons": len(by_area),
        "interval": {"level": LEVEL, "unit": "polygon", "resamples": RESAMPLES, "seed": seed},
        **{name: estimate(by_area, figure, seed=seed) for name, figure in FIGURES.items()},
        "majority_baseline": majority_baseline(by_area, seed=seed),
        "classes": _class_table(confusion, polygons),
        "confusion_matrix": {
            "rows": "reference code 1..17",
            "columns": "map code 1..17",
            "cells": confusion,
            "shares_of_reference": normalised(confusion),
        },
    }


def _filtered_report(path: Path, codes: npt.NDArray[np.uint8], patches: PatchTable, *, seed: int) -> dict[str, Any]:
    """Return the figures of the filtered map, codes (y, x), on the patches that the map before the filter shows."""
    mapped = codes[patches.row, patches.col]
    shown = mapped != NODATA_CODE
    if not shown.any():
        raise ValueError(
            f"{path}: none of the {shown.size} cells that the map before the filter shows is mapped; make it from that "
            "map with `filter-map`"
        )
    figures = class_report(patches.of(shown), mapped[shown], seed=seed)
    return {
        "what": _FILTERED_TEXT,
        "headline": headline(figures, of="the filtered map"),
        "map": path.name,
        "unmapped_cells": int((~shown).sum()),
        **figures,
    }


def normalised(confusion: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the share (17, 17) of each reference class's cells that the map gives each class; NaN without cells."""
    cells = confusion.sum(axis=1, keepdims=True)
    shares = np.full(confusion.shape, np.nan)
    np.divide(confusion, cells, out=shares, where=cells > 0)
    return shares


def _calibration_bins(table: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Return the calibration curve: per bin of confidence its cells, their mean confidence and their accuracy."""
    edges = np.linspace(0, 1, len(table) + 1)
    filled = np.maximum(table[:, :1], 1)
    means = np.where(table[:, :1] > 0, table / filled, np.nan)  # (bins, 3)
    return [
        {"low": low, "high": high, "cells": int(cells), "confidence": confidence, "accuracy": accuracy}
        for low, high, (cells, _, _), (_, confidence, accuracy) in zip(edges, edges[1:], table, means, strict=False)
    ]


def _class_table(confusion: npt.NDArray[Any], polygons: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Return a row for each class; its figures are NaN without polygons, as then no mapped cell can be right."""
    producers, users, f1 = (
        np.where(polygons > 0, figure(confusion), np.nan)
        for figure in (metrics.producers_accuracy, metrics.users_accuracy, metrics.f1_score)
    )
    return [
        {
            "code": c.code,
            "label": c.label,
            "name": c.name,
            "reference_cells": confusion[c.index].sum(),
            "map_cells": confusion[:, c.index].sum(),
            "polygons": polygons[c.index],
            "pa": producers[c.index],
            "ua": users[c.index],
            "f1": f1[c.index],
        }
        for c in CLASSES
    ]
