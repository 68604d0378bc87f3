"""Write what was found about training areas: a table, polygons to look at in QGIS, a summary with warnings."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, LczClass
from lczmap.files import write_json, write_text
from lczmap.grid import Grid
from lczmap.training.area_outliers import EVIDENCE, FAR, MIN_AREAS
from lczmap.training.area_quality import (
    FLAGS,
    MAX_AREA_M2,
    MIN_OVERLAP_M2,
    MIN_WIDTH_M,
    AreaQuality,
    examine_areas,
)
from lczmap.training.areas import read_areas
from lczmap.vector_file import write_layer

FEW_AREAS = 3
"""Least areas of a class for the LCZ Generator."""
ENOUGH_AREAS = 5
"""RSNNet asks for more than these (Zhou et al. 2022)."""
_NAMED = 12  # areas that a warning names; the table has them all
_METHOD = (
    "Mean and spread of every channel over the pixels of each area; linear discriminant analysis without the area "
    f"itself, one shrunk covariance for all classes. An area looks like another class where that is {EVIDENCE:g} or "
    f"more nearer in squared distance, {round(np.exp(EVIDENCE / 2), -2):.0f} times as likely; it is unusual where its "
    f"distance to its own class is {FAR:g} robust standard deviations above that of the others. Classes of fewer than "
    f"{MIN_AREAS} areas are not judged. A flag is a reason to look, not a proof."
)


def check_areas(
    grid: Grid,
    areas_path: Path,
    out_csv: Path,
    out_gpkg: Path,
    out_json: Path,
    *,
    stacks: Sequence[Path] = (),
    field: str | None = None,
) -> dict[str, Any]:
    """Examine training areas and write one row per area (CSV), the areas (GeoPackage), a summary (JSON); returns it.

    Without `stacks` (tiles/<tile>/<name>.tif) shapes and places are checked, not the pixels. ValueError for
    unreadable areas, or all of them outside the area of interest.
    """
    quality = examine_areas(read_areas(areas_path, field=field), grid, stacks)
    columns = area_columns(quality)
    summary = {"areas": areas_path.name, **summarise(quality)}
    write_text(out_csv, _csv(columns))
    polygons = np.array(quality.areas.polygons, dtype=object)
    write_layer(out_gpkg, "area_quality", polygons, columns, kind="Polygon", crs=quality.areas.crs)
    write_json(out_json, summary)
    for kind in ("warning", "note"):
        for text in summary[f"{kind}s"]:
            print(f"{kind}: {text}", flush=True)
    return summary


def area_columns(quality: AreaQuality) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the table, each (A,): numbers from 1 as in patches.gpkg, measures, findings, flags."""
    areas, shapes, overlaps = quality.areas, quality.shapes, quality.overlaps
    columns: dict[str, npt.NDArray[Any]] = {
        "area": np.arange(1, len(areas.codes) + 1),
        "code": areas.codes.astype(np.int64),
        "lcz": _labels(areas.codes),
        "area_m2": shapes.area_m2.round(1),
        "perimeter_m": shapes.perimeter_m.round(1),
        "shape_index": shapes.shape_index.round(3),
        "vertices": shapes.vertices,
        "width_m": shapes.width_m.round(1),
        "cells": quality.cells,
        "share_inside": quality.inside.round(4),
        "overlap_m2": overlaps.other_class_m2.round(1),
        "overlaps": np.array([" ".join(str(p + 1) for p in part) for part in overlaps.partners], dtype=object),
        "duplicate_of": overlaps.duplicate_of + 1,
    }
    if quality.features is not None and quality.outliers is not None:
        found = quality.outliers
        columns |= {
            "valid_px": quality.features.valid_px,
            "looks_like": _labels(np.where(found.looks_like_other, found.likely, 0)),
            "evidence": found.evidence.round(2),
            "distance": found.distance.round(2),
        }
    flags = quality.flags
    words = [" ".join(name for name in flags if flags[name][i]) for i in range(len(areas.codes))]
    columns |= {"flags": np.array(words, dtype=object)}
    return columns | {name: flag.astype(np.int64) for name, flag in flags.items()}


def summarise(quality: AreaQuality) -> dict[str, Any]:
    """Return the summary: counts, a table of classes, what each flag means, warnings and notes in words."""
    flags = quality.flags
    tested = quality.outliers is not None and bool(quality.outliers.judged.any())
    return {
        "what": "quality of training areas, checked before training",
        "polygons": len(quality.areas.codes),
        "usable": int((quality.cells > 0).sum()),
        "flagged": {name: int(flag.sum()) for name, flag in flags.items()},
        "flags": {name: FLAGS[name] for name in flags},
        "limits": {"width_m": MIN_WIDTH_M, "area_m2": MAX_AREA_M2, "overlap_m2": MIN_OVERLAP_M2},
        "pixels": {
            "judged": int(quality.outliers.judged.sum()) if quality.outliers is not None else 0,
            "features": [] if quality.features is None else list(quality.features.names),
            "method": _METHOD if tested else "not judged: no scenes, or no two classes of enough areas",
        },
        "classes": [_class_row(c, quality) for c in CLASSES],
        "warnings": list(_warnings(quality)),
        "notes": [*quality.areas.notes, *_notes(quality)],
    }


def _class_row(lcz: LczClass, quality: AreaQuality) -> dict[str, Any]:
    """Return the statistics that the LCZ Generator gives of a class's areas, and its flags; None without areas."""
    own = quality.areas.codes == lcz.code
    shapes = quality.shapes

    def mean(values: npt.NDArray[Any], digits: int) -> float | None:
        known = values[own & np.isfinite(values)]
        return round(float(known.mean()), digits) if known.size else None

    return {
        "code": lcz.code,
        "label": lcz.label,
        "name": lcz.name,
        "polygons": int(own.sum()),
        "usable": int((own & (quality.cells > 0)).sum()),
        "cells": int(quality.cells[own].sum()),
        "mean_area_km2": mean(shapes.area_m2 / 1e6, 4),
        "total_area_km2": round(float(np.nansum(shapes.area_m2[own])) / 1e6, 4),
        "mean_perimeter_km": mean(shapes.perimeter_m / 1e3, 3),
        "mean_shape_index": mean(shapes.shape_index, 3),
        "mean_vertices": mean(shapes.vertices.astype(np.float64), 1),
        "mean_width_m": mean(shapes.width_m, 1),
        "flagged": {name: int(flag[own].sum()) for name, flag in quality.flags.items()},
    }


def _warnings(quality: AreaQuality) -> Iterator[str]:
    usable = np.bincount(quality.areas.codes[quality.cells > 0], minlength=len(CLASSES) + 1)
    absent = [c.label for c in CLASSES if usable[c.code] == 0]
    if absent:
        yield f"no usable training area: LCZ {', '.join(absent)}"
    few = [f"{c.label} ({usable[c.code]})" for c in CLASSES if 0 < usable[c.code] < FEW_AREAS]
    if few:
        yield f"fewer than {FEW_AREAS} usable training areas (the LCZ Generator's least): LCZ {', '.join(few)}"
    flags = quality.flags
    for name in ("outside", "no_cell", "narrow", "overlapping", "duplicate", "no_pixels"):
        if name in flags and flags[name].any():
            yield _found(quality, name, [""] * len(flags[name]))
    if quality.outliers is not None:
        likely = [f", like LCZ {label}" for label in _labels(quality.outliers.likely)]
        for name, words in (("looks_like_other", likely), ("unusual", [""] * len(likely))):
            if flags[name].any():
                yield _found(quality, name, words)


def _notes(quality: AreaQuality) -> Iterator[str]:
    usable = np.bincount(quality.areas.codes[quality.cells > 0], minlength=len(CLASSES) + 1)
    some = [f"{c.label} ({usable[c.code]})" for c in CLASSES if FEW_AREAS <= usable[c.code] <= ENOUGH_AREAS]
    if some:
        yield f"{ENOUGH_AREAS} usable training areas or fewer (Zhou et al. 2022 ask for more): LCZ {', '.join(some)}"
    for name in ("cut", "large"):
        if quality.flags[name].any():
            yield _found(quality, name, [""] * len(quality.cells))


def _found(quality: AreaQuality, name: str, words: Sequence[str]) -> str:
    """Return a sentence about the areas with this flag: what it means, how many, which."""
    which = np.flatnonzero(quality.flags[name])
    labels = _labels(quality.areas.codes)
    named = [f"{i + 1} (LCZ {labels[i]}{words[i]})" for i in which[:_NAMED]]
    more = f" and {which.size - _NAMED} more" if which.size > _NAMED else ""
    return f"the training area {FLAGS[name]} ({which.size} of {len(labels)}): {', '.join(named)}{more}"


def _labels(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.object_]:
    """Return the labels 1..10, A..G of codes (A,), empty for 0."""
    return np.asarray([("", *(c.label for c in CLASSES))[code] for code in codes], dtype=object)


def _csv(columns: dict[str, npt.NDArray[Any]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        writer.writerow("" if isinstance(value, float) and np.isnan(value) else value for value in row)
    return text.getvalue()
