"""The accuracy report in words: its headline, how the reference was split, what each figure means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES
from lczmap.evaluation.records import ALL

FEW_POLYGONS = 3
"""Below this many polygons a class's figures say little (the LCZ Generator asks for three per class)."""

DEFINITIONS = {
    "oa": "overall accuracy: share of the reference cells whose class the map has",
    "aa": "average accuracy: mean over the reference classes of the share of cells that the map finds",
    "kappa": "Cohen's kappa: agreement beyond that of unrelated maps with the same class shares",
    "oau": "overall accuracy among cells that reference and map both call built (1 to 10)",
    "oabu": "share of cells on which reference and map agree whether they are built (1 to 10) or natural (A to G)",
    "oaw": "overall accuracy with partial credit for similar classes (Bechtel et al. 2020); read it beside oaw_chance",
    "oaw_chance": "the weighted accuracy of an unrelated map with the same class shares",
    "majority_baseline": "overall accuracy of a map that says the most frequent reference class everywhere",
    "ece": "expected calibration error: mean distance of confidence and accuracy over bins of confidence",
    "pa": "producer's accuracy (recall): share of the reference cells of a class that the map finds",
    "ua": "user's accuracy (precision): share of the cells mapped as a class that are right",
    "f1": "harmonic mean of producer's and user's accuracy",
}
"""What the figures of accuracy.json mean; after the LCZ Generator (Demuzere et al. 2021)."""


def protocol(split: str, dropped: int) -> str:
    """Say how the reference cells of `split` relate to training; `dropped` patches were left out between splits."""
    if split == ALL:
        return (
            "All reference polygons of the city test the map: no network of this run learned from any of them. Where "
            "a public network learned before is on its reliability card; it may have seen this city."
        )
    return (
        f"Whole polygons were dealt to training, validation and test, class by class; the figures are of the {split} "
        f"polygons, from which this run taught no network. {dropped} patches of the other polygons were left out of "
        "training or validation because they share pixels with a patch of a split that ranks above theirs (test, then "
        "validation)."
    )


def headline(report: Mapping[str, Any], *, of: str = "") -> str:
    """Return the sentence that stands above the report: OA and AA on the reference polygons, with their intervals.

    `of` names the map, where it is another than lcz.tif.
    """
    figures = ", ".join(f"{name.upper()} {_figure(report[name])}" for name in ("oa", "aa"))
    cells, polygons = report["cells"], report["polygons"]
    what = f"accuracy of {of}" if of else "accuracy"
    return (
        f"{what} on reference polygons: {figures}; {cells} cell{'s' * (cells != 1)} of {polygons} "
        f"polygon{'s' * (polygons != 1)}"
    )


def polygon_warnings(polygons: npt.NDArray[np.integer], *, kind: str = "polygon", single: str = "") -> list[str]:
    """Return warnings on classes by their polygons (17,): one (`single` says what becomes of it), few, none."""
    chosen = (
        (f"one {kind} only, {single}", polygons == 1 if single else np.zeros_like(polygons, np.bool_)),
        (f"fewer than {FEW_POLYGONS} {kind}s, their figures say little", (polygons > 0) & (polygons < FEW_POLYGONS)),
        (f"no {kind}, not assessed", polygons == 0),
    )
    return [
        f"{words}: {', '.join(c.title + (f' ({polygons[c.index]})' if polygons[c.index] else '') for c in named)}"
        for words, chosen_classes in chosen
        if (named := [c for c in CLASSES if chosen_classes[c.index]])
    ]


def _figure(estimate: Mapping[str, float]) -> str:
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:.2f}" + ("" if math.isnan(low) else f" ({low:.2f} to {high:.2f})")
