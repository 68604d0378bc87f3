"""What has changed between two maps of one city: from which class to which, and how sure that is.

Two maps of one place differ where the ground has changed, and where either is wrong. The least probability of change
tells them apart as far as probabilities can: for two classes drawn with probabilities p and q, however they depend on
each other, P(different) >= 1 - Σ min(p_k, q_k), the total variation distance (coupling inequality: Levin, Peres &
Wilmer 2009, Markov Chains and Mixing Times, prop. 4.7). Independence, 1 - Σ p_k q_k, would find change wherever the
networks are unsure, even between two equal answers. The bound holds for calibrated probabilities; a difference of
season, sensor or network between the two dates counts as change here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import CLASSES, NODATA_CODE, NUM_CLASSES
from lczmap.evaluation import metrics
from lczmap.evaluation.records import Report, write_report
from lczmap.raster import (
    Float,
    band_names,
    lattice,
    read_class_map,
    read_strips,
    read_tags,
    square_pixel_m,
    write_float_cog,
)

SURE = (0.5, 0.9)
"""Least probabilities of change from which the report counts cells."""
CHANGE_BANDS = ("transition", "probability")

_WHAT = (
    "cells whose class differs between two maps of one city. Both maps have errors, so most differences within a few "
    "years are errors: `surely` counts the cells whose class differs and whose least probability of change, which is "
    "1 - sum of min(p, q) over the classes, reaches the threshold. No ground truth is involved."
)
_ALIKE = {"LCZMAP_WEIGHTS_SHA256": "networks", "LCZMAP_SENSORS": "sensors"}
_STRIP_ROWS = 256

Codes = npt.NDArray[np.uint8]


def map_change(earlier: tuple[Path, Path], later: tuple[Path, Path], out_tif: Path, out_json: Path) -> Report:
    """Write where and how surely a map has changed; `earlier` and `later` are (lcz.tif, probabilities.tif).

    `out_tif` has the float32 bands CHANGE_BANDS, NaN where one of the maps has no class: 100 · code before + code
    after (606 is open lowrise that stays), and the least probability of change 0..1. Returns what was written as JSON.
    ValueError when the four files do not share a grid, or the maps no cell with a class.
    """
    before, geobox = read_class_map(earlier[0])
    after, other = read_class_map(later[0])
    if other != geobox:
        raise ValueError(
            f"{later[0]}: expected the grid of {earlier[0]}, {geobox.shape} at {tuple(geobox.transform)[:6]} in "
            f"{geobox.crs}, got {other.shape} at {tuple(other.transform)[:6]} in {other.crs}; map both with one area"
        )
    if not np.logical_and(before, after).any():
        raise ValueError(
            f"{earlier[0]} and {later[0]}: no cell with a class in common; map the same area in both periods"
        )
    for path in (earlier[1], later[1]):
        _check_probabilities(path, geobox)
    pixel_m = square_pixel_m(geobox, earlier[0])
    surely = np.zeros(len(SURE), np.int64)

    def parts() -> Iterator[tuple[tuple[slice, slice], Float]]:
        for rows, p, q in _strips(earlier[1], later[1]):
            change = change_bands(before[rows], after[rows], p, q)
            differs = before[rows] != after[rows]
            for i, least in enumerate(SURE):
                surely[i] += int((differs & (change[1] >= least)).sum())
            yield (rows, slice(0, before.shape[1])), change

    tags = {"LCZMAP_CHANGE": "transition = 100 * class before + class after; probability = least of change"}
    write_float_cog(out_tif, parts(), geobox, names=CHANGE_BANDS, tags=tags, overviews="nearest")
    report = change_report(before, after, surely, pixel_m=pixel_m, warnings=_unlike(earlier[0], later[0]))
    write_report(out_json, report)
    return report


def change_bands(before: Codes, after: Codes, p: Float, q: Float) -> Float:
    """Return (2, y, x): 100 · before + after, and the least probability of change, NaN where a map has no class.

    `p` and `q` are the probabilities (17, y, x) before and after.
    """
    mapped = (before != NODATA_CODE) & (after != NODATA_CODE)
    transition = 100.0 * before + after
    probability = least_change(p, q)
    bands = np.where(mapped, np.stack([transition, probability]), np.nan)
    return np.asarray(bands, np.float32)


def least_change(p: Float, q: Float) -> npt.NDArray[np.float64]:
    """Return 1 - Σ min(p_k, q_k) (y, x) of two sets of probabilities (17, y, x), 0..1; NaN where one is NaN."""
    shared = np.zeros(p.shape[1:])
    for one, two in zip(p, q, strict=True):
        shared += np.minimum(one, two)
    least: npt.NDArray[np.float64] = np.clip(1 - shared, 0, 1)
    return least


def change_report(
    before: Codes,
    after: Codes,
    surely: npt.NDArray[np.int64],
    *,
    pixel_m: float,
    warnings: list[str],
) -> dict[str, Any]:
    """Return the transition matrix in km² and the shares of cells that differ; `surely` counts by SURE."""
    mapped = (before != NODATA_CODE) & (after != NODATA_CODE)
    transitions = metrics.confusion_matrix(before[mapped], after[mapped])
    km2, total = pixel_m**2 / 1e6, int(mapped.sum())
    changed = total - int(np.trace(transitions))
    by_class = zip(CLASSES, transitions.sum(axis=1), transitions.sum(axis=0), np.diag(transitions), strict=True)
    return {
        "what": _WHAT,
        "cells": total,
        "km2": total * km2,
        "changed": {"share": changed / total, "km2": changed * km2},
        "surely": {
            f"{least:g}": {"share": int(n) / total, "km2": int(n) * km2} for least, n in zip(SURE, surely, strict=True)
        },
        "built_or_natural_changed": 1 - metrics.built_natural_accuracy(transitions),
        "classes": [
            {
                "code": c.code,
                "label": c.label,
                "before_km2": int(was) * km2,
                "after_km2": int(is_now) * km2,
                "kept_km2": int(kept) * km2,
            }
            for c, was, is_now, kept in by_class
            if was or is_now
        ],
        "largest": largest_transitions(transitions, km2),
        "transitions_km2": {"rows": "class before 1..17", "columns": "class after 1..17", "km2": transitions * km2},
        "warnings": warnings,
    }


def largest_transitions(transitions: npt.NDArray[np.int64], km2: float, *, most: int = 10) -> list[dict[str, Any]]:
    """Return the transitions from one class to another with the largest areas, largest first."""
    moved = transitions * ~np.eye(NUM_CLASSES, dtype=np.bool_)
    order = np.argsort(-moved, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), NUM_CLASSES) for place in order]
    return [
        {"before": CLASSES[i].title, "after": CLASSES[j].title, "km2": int(moved[i, j]) * km2}
        for i, j in pairs
        if moved[i, j]
    ]


def _check_probabilities(path: Path, geobox: GeoBox) -> None:
    if len(names := band_names(path)) != NUM_CLASSES:
        raise ValueError(f"{path}: expected 17 bands, got {len(names)}; give the probabilities.tif of the map")
    if (own := lattice(path)) != geobox:
        raise ValueError(
            f"{path}: expected the grid of the maps, {geobox.shape} at {tuple(geobox.transform)[:6]} in {geobox.crs}, "
            f"got {own.shape} at {tuple(own.transform)[:6]} in {own.crs}; give the probabilities.tif of the map"
        )


def _strips(one: Path, two: Path) -> Iterator[tuple[slice, Float, Float]]:
    """Yield the rows and the probabilities of two files of one grid, strip by strip."""
    top = 0
    for p, q in zip(read_strips(one, _STRIP_ROWS), read_strips(two, _STRIP_ROWS), strict=True):
        yield slice(top, top + p.shape[1]), p, q
        top += p.shape[1]


def _unlike(earlier: Path, later: Path) -> list[str]:
    tags: list[Mapping[str, str]] = [read_tags(path) for path in (earlier, later)]
    return [
        f"the two maps come from different {name}: a part of the change is theirs"
        for key, name in _ALIKE.items()
        if tags[0].get(key) != tags[1].get(key)
    ]
