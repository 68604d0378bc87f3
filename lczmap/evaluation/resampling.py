"""Draw the accuracy figures anew, as the LCZ Generator does: how far they depend on which polygons happened to test.

Two ways, and the report says in words which: a random forest is trained anew on 70 % of the polygons and tested on
the others (retraining.py); of other networks the test polygons are drawn with replacement, the map stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, code_to_index
from lczmap.evaluation import metrics
from lczmap.evaluation.accuracy import FIGURES, normalised
from lczmap.evaluation.bootstrap import totals_by_group
from lczmap.evaluation.records import ALL, Report, mapped_patches, write_report
from lczmap.evaluation.wording import polygon_warnings
from lczmap.raster import read_class_map

Counts = npt.NDArray[Any]
_QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def resample_map(
    lcz_path: Path, patches_gpkg: Path, out_json: Path, *, split: str = "test", bootstraps: int = 25, seed: int = 0
) -> Report:
    """Write bootstraps.json of a fixed map: reference polygons of one split drawn with replacement, class by class.

    `split` may be `all`, where no network of the run learned from the areas. ValueError where the patches do not fit
    the map, or no reference cell is mapped.
    """
    codes, _ = read_class_map(lcz_path)
    patches, mapped, _ = mapped_patches(lcz_path, codes, patches_gpkg, split)
    by_polygon = totals_by_group(patches.area, metrics.confusion_matrix, patches.code, mapped)  # (G, 17, 17)
    classes = by_polygon.sum(axis=2).argmax(axis=1)  # (G,) index of each polygon's class
    confusions = draw_polygons(by_polygon, classes, bootstraps=bootstraps, seed=seed)
    polygons = np.bincount(classes, minlength=len(CLASSES))
    which = "all polygons" if split == ALL else f"the {len(by_polygon)} polygons of the {split} split"
    report = {
        "what": f"accuracy on reference polygons, drawn anew {bootstraps} times",
        "method": "resampling",
        "protocol": f"The network and its map stay as they are. Of {which}, whole polygons were drawn with "
        f"replacement, class by class, as many as there are, {bootstraps} times. The spread shows what another choice "
        "of test polygons would change, not what another training would.",
        "seed": seed,
        "polygons": {c.label: int(polygons[c.index]) for c in CLASSES},
        **bootstrap_figures(confusions),
        "warnings": polygon_warnings(polygons, single="drawn from itself, without spread"),
    }
    write_report(out_json, report)
    return report


def draw_polygons(
    by_polygon: Counts, classes: npt.NDArray[np.integer], *, bootstraps: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return the confusion matrices (n, 17, 17) of polygons drawn with replacement within their class.

    `by_polygon` (G, 17, 17) counts each polygon's cells, `classes` (G,) are their classes.
    """
    draws = np.random.default_rng(seed)
    drawn = np.zeros((bootstraps, *by_polygon.shape[1:]), np.int64)
    for index in np.unique(classes):
        own = by_polygon[classes == index]
        times = draws.multinomial(len(own), np.full(len(own), 1 / len(own)), size=bootstraps)  # (n, G of the class)
        drawn += np.tensordot(times, own, axes=1).astype(np.int64)
    return drawn


def bootstrap_figures(confusions: Counts, unknown: npt.NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Return the figures of each of n confusion matrices (n, 17, 17), their quartiles, and the mean matrix.

    `figures` holds lists of n values, F1 one list per class label (only of classes that were tested); NaN where a
    draw has no value. Of classes that are `unknown` (n, 17) to a draw's network F1 is NaN too: it could not say them.
    `quartiles` are minimum, lower quartile, median, upper quartile and maximum of what is defined.
    """
    figures: dict[str, Any] = {name: [figure(c) for c in confusions] for name, figure in FIGURES.items()}
    f1 = np.array([metrics.f1_score(c) for c in confusions]).reshape(len(confusions), len(CLASSES))
    f1[confusions.sum(axis=2) == 0] = np.nan
    if unknown is not None:
        f1[unknown] = np.nan
    tested = confusions.sum(axis=(0, 2)) > 0
    figures["f1"] = {c.label: f1[:, c.index].tolist() for c in CLASSES if tested[c.index]}
    mean = confusions.mean(axis=0) if len(confusions) else np.zeros(confusions.shape[1:])
    return {
        "n": len(confusions),
        "figures": figures,
        "quartiles": {
            **{name: _quartiles(figures[name]) for name in FIGURES},
            "f1": {label: _quartiles(values) for label, values in figures["f1"].items()},
        },
        "mean_confusion": mean,
        "mean_confusion_normalised": normalised(mean),
    }


def count_classes(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return how many of the codes 1..17 (N,) are of each class (17,)."""
    return np.bincount(code_to_index(codes), minlength=len(CLASSES)).astype(np.int64)


def _quartiles(values: Sequence[float]) -> Mapping[str, float] | None:
    defined = np.array([value for value in values if np.isfinite(value)])
    if not defined.size:
        return None
    names = ("minimum", "lower", "median", "upper", "maximum")
    return dict(zip(names, np.quantile(defined, _QUARTILES).tolist(), strict=True))
