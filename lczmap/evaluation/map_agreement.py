"""Compare an LCZ map with another LCZ map of the same ground: another product, another network, another year.

Neither map is the truth: this is agreement. The other map is laid onto our grid by nearest neighbour, so a cell has the
class of the other map's cell that holds its centre, whatever the pixel size and CRS of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import CLASSES, NODATA_CODE, NUM_CLASSES, palette_of
from lczmap.evaluation import metrics
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES
from lczmap.evaluation.records import Report, estimate, write_report
from lczmap.mapping.mosaic import describe
from lczmap.provenance import FILTER_TAG
from lczmap.raster import (
    Category,
    footprint,
    lattice,
    read_class_map,
    read_classes_onto,
    read_header,
    read_tags,
    square_pixel_m,
    write_categories,
    write_class_map,
)

BLOCK_M = 1000.0
"""Least width of the blocks that are drawn for intervals: classes of neighbouring cells go together."""
MAX_BLOCKS = 1000
"""On large maps blocks are wider, so that there are no more than about this many."""
FEW_BLOCKS = 20
"""Below this many blocks an interval is too narrow (Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414)."""

DIFFERENCES = (
    Category(1, "same class", "#d9d9d9"),
    Category(2, "both built, another type", "#e08214"),
    Category(3, "both natural, another type", "#5aae61"),
    Category(4, "built here, natural in the other map", "#b2182b"),
    Category(5, "natural here, built in the other map", "#2166ac"),
)
"""Values of difference.tif; 0 where one of the maps has no class."""

_WHAT = (
    "agreement of two LCZ maps, cell by cell of the first; the second was read at the centre of each cell (nearest "
    "neighbour). Neither map is the truth, and both may be wrong where they agree: this is no accuracy."
)
_FIGURES = {
    "agreement": metrics.overall_accuracy,
    "kappa": metrics.kappa,
    "weighted": metrics.weighted_accuracy,
    "weighted_chance": metrics.weighted_chance,
    "built_or_natural": metrics.built_natural_accuracy,
    "within_built": metrics.urban_accuracy,
}

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class OtherMap:
    """Another map on our grid: codes 0..17 (y, x), the numbering that it came in, and its own grid."""

    codes: Codes
    numbering: str
    lattice: GeoBox


def compare_maps(
    ours_path: Path,
    other_path: Path,
    out_json: Path,
    out_tif: Path,
    out_other: Path,
    *,
    band: int = 1,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Report:
    """Write the agreement of two maps, where they differ (DIFFERENCES), and the other map on our grid.

    `out_other` has the format of lcz.tif and the colours of the first map. Intervals come from `resamples` draws of
    blocks with `seed`. Returns what was written as JSON; `map_filter` there is what the first map's tags say of its
    filter, null where they say of none. ValueError for maps without a CRS, without common ground, or
    with anything but LCZ codes (1..17, or 1..10 and 101..107; 0 or less is nodata).
    """
    ours, geobox = read_class_map(ours_path)
    pixel_m = square_pixel_m(geobox, ours_path)
    other = read_other_map(other_path, geobox, band=band)
    if not np.logical_and(ours, other.codes).any():
        raise ValueError(
            f"{other_path}: has no class on any of the {int((ours > 0).sum())} mapped cells of {ours_path}; it covers "
            f"{_degrees(other.lattice)}, the map {_degrees(geobox)}: do the two show the same city?"
        )
    ours_tags = read_tags(ours_path)
    report = {
        "what": _WHAT,
        "map": ours_path.name,
        "map_filter": ours_tags.get(FILTER_TAG),
        "other": {
            "file": other_path.name,
            "band": band,
            "numbering": other.numbering,
            "grid": _grid_text(other.lattice),
        },
        **agreement_report(ours, other.codes, pixel_m=pixel_m, seed=seed, resamples=resamples),
    }
    tags = {"LCZMAP_COMPARED": f"{ours_path.name} with {other_path.name} band {band}"}
    write_categories(
        out_tif, difference(ours, other.codes), geobox, name="difference", categories=DIFFERENCES, tags=tags
    )
    tags = {"LCZMAP_RESAMPLED_FROM": f"{other_path.name} band {band}"}
    write_class_map(out_other, other.codes, geobox, tags=tags, palette=palette_of(ours_tags))
    write_report(out_json, report)
    return report


def read_other_map(path: Path, geobox: GeoBox, *, band: int = 1) -> OtherMap:
    """Read another LCZ map onto the cells of `geobox`, by nearest neighbour; its nodata and values <= 0 become 0."""
    if read_header(path).crs is None:
        raise ValueError(
            f"{path}: expected a map with a CRS, it has none; set it in the file (gdal_edit.py -a_srs EPSG:… {path})"
        )
    codes, numbering = read_classes_onto(path, geobox, band=band)
    return OtherMap(codes, numbering, lattice(path))


def difference(ours: Codes, other: Codes) -> Codes:
    """Return the value of DIFFERENCES (y, x) of two maps of codes; 0 where one has no class."""
    built = [(codes >= 1) & (codes <= 10) for codes in (ours, other)]
    kind = np.where(built[0], np.uint8(4), np.uint8(5))
    kind[built[0] & built[1]] = 2
    kind[~(built[0] | built[1])] = 3
    kind[ours == other] = 1
    kind[(ours == NODATA_CODE) | (other == NODATA_CODE)] = 0
    return kind


def agreement_report(
    ours: Codes, other: Codes, *, pixel_m: float, seed: int, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the figures of two maps of codes (y, x) on one grid; the confusion's rows are the other map."""
    by_block, block_m = confusions_by_block(other, ours, pixel_m=pixel_m)
    confusion = by_block.sum(axis=0)
    cells, km2 = int(confusion.sum()), pixel_m**2 / 1e6
    theirs, here = np.indices(confusion.shape, np.uint8) + np.uint8(1)
    kinds = np.bincount(difference(here, theirs).ravel(), weights=confusion.ravel(), minlength=len(DIFFERENCES) + 1)
    few = [f"{len(by_block)} blocks: the intervals are too narrow"] if len(by_block) < FEW_BLOCKS else []
    return {
        "cells": cells,
        "km2": cells * km2,
        "cells_only_here": int(np.count_nonzero(ours)) - cells,
        "cells_only_other": int(np.count_nonzero(other)) - cells,
        "blocks": len(by_block),
        "block_m": block_m,
        "interval": {"level": LEVEL, "unit": "block", "resamples": resamples, "seed": seed},
        **{name: estimate(by_block, figure, seed=seed, resamples=resamples) for name, figure in _FIGURES.items()},
        "differences": {c.name: int(kinds[c.value]) for c in DIFFERENCES},
        "classes": _class_table(confusion, km2),
        "confusion_matrix": {"rows": "other map 1..17", "columns": "this map 1..17", "cells": confusion},
        "warnings": few,
    }


def confusions_by_block(rows_map: Codes, cols_map: Codes, *, pixel_m: float) -> tuple[npt.NDArray[np.int64], float]:
    """Return the confusion matrices (G, 17, 17) of the square blocks with cells of both maps, and their width in m.

    Blocks are BLOCK_M wide, more where there would be above MAX_BLOCKS of them. One row of blocks is counted at a time.
    """
    height, width = rows_map.shape
    least = np.sqrt(height * width / MAX_BLOCKS)
    cells = max(round(BLOCK_M / pixel_m), int(np.ceil(least)), 1)
    strips = (slice(top, top + cells) for top in range(0, height, cells))
    matrices = np.concatenate([_confusions_of_strip(rows_map[strip], cols_map[strip], cells) for strip in strips])
    return matrices, cells * pixel_m


def _confusions_of_strip(rows_map: Codes, cols_map: Codes, cells: int) -> npt.NDArray[np.int64]:
    """Return the confusion matrices (G, 17, 17) of one row of blocks, those without cells of both maps left out."""
    _, col = both = np.nonzero((rows_map != NODATA_CODE) & (cols_map != NODATA_CODE))
    pair = (rows_map[both].astype(np.int64) - 1) * NUM_CLASSES + cols_map[both] - 1
    count = -(-rows_map.shape[1] // cells)
    counts = np.bincount(col // cells * NUM_CLASSES**2 + pair, minlength=count * NUM_CLASSES**2)
    matrices: npt.NDArray[np.int64] = counts.reshape(count, NUM_CLASSES, NUM_CLASSES)
    return matrices[matrices.any(axis=(1, 2))]


def _class_table(confusion: npt.NDArray[np.int64], km2: float) -> list[dict[str, Any]]:
    """Return the areas of the classes in both maps, and how far they agree: F1 is symmetric in the two maps."""
    shared, other, ours = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = metrics.f1_score(confusion)
    return [
        {
            "code": c.code,
            "label": c.label,
            "km2": float(ours[c.index] * km2),
            "other_km2": float(other[c.index] * km2),
            "both_km2": float(shared[c.index] * km2),
            "f1": f1[c.index],
        }
        for c in CLASSES
        if ours[c.index] or other[c.index]
    ]


def _grid_text(geobox: GeoBox) -> str:
    if geobox.crs is not None and geobox.crs.projected:
        return describe(geobox)
    rows, cols = geobox.shape
    return f"{rows} × {cols} of {geobox.transform.a:.6g}° in {geobox.crs}"


def _degrees(geobox: GeoBox) -> str:
    west, south, east, north = footprint(geobox, "EPSG:4326")
    return f"longitude {west:.3f} to {east:.3f} and latitude {south:.3f} to {north:.3f}"
