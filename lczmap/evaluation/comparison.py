"""Compare an LCZ map with reference cells or points of another source: So2Sat label cells, polygons, field notes.

The map is read at the centre of every reference cell, whatever the grid, pixel size and CRS of the two. Label cells
often overlap (So2Sat's lie 100 m apart and are 320 m wide), so their number says little about how much is known:
intervals come from drawing square blocks, and `effective_cells` says how many independent cells would be as certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import shapely

from lczmap.classes import CLASSES, NODATA_CODE, parse_class
from lczmap.evaluation import metrics
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES, totals_by_group
from lczmap.evaluation.records import Report, estimate, majority_baseline, write_report
from lczmap.raster import read_class_map
from lczmap.training.areas import CLASS_FIELDS

BLOCK_M = 500.0
"""Width of the blocks that are drawn: wider than a label cell (320 m), because overlapping cells share ground."""
FEW_BLOCKS = 20
"""Below this many blocks an interval is too narrow (Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414)."""

_WHAT = (
    "agreement of a map with reference cells, read at their centres. Reference cells are chosen, not sampled, and may "
    "be as wrong as the map: this is agreement, and it holds for these cells."
)
_FIGURES = {
    "agreement": metrics.overall_accuracy,
    "average_recall": metrics.average_accuracy,
    "kappa": metrics.kappa,
    "built_or_natural": metrics.built_natural_accuracy,
    "weighted": metrics.weighted_accuracy,
    "weighted_chance": metrics.weighted_chance,
}


@dataclass(frozen=True)
class ReferenceCells:
    """Reference cells (N,): centre in degrees (EPSG:4326), centre in metres of a common UTM zone, code 1..17.

    `overlap` is the sum of the cells' areas over the area they cover together: 1 without overlap, NaN for points.
    """

    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    east_m: npt.NDArray[np.float64]
    north_m: npt.NDArray[np.float64]
    code: npt.NDArray[np.int64]
    overlap: float

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.code)


def compare_map(
    map_path: Path,
    reference_path: Path,
    out_json: Path,
    *,
    field: str | None = None,
    block_m: float = BLOCK_M,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Report:
    """Write the agreement of an LCZ map (codes 1..17, 0 nodata) with reference cells; return what was written.

    Cells outside the map and on its nodata are counted and left out. Intervals (95 %) come from drawing blocks of
    `block_m` metres `resamples` times with `seed`. ValueError for a file that cannot be read, or no cell on the map.
    """
    cells = read_reference_cells(reference_path, field=field)
    codes = codes_at(map_path, cells)
    outside, nodata = int((codes < 0).sum()), int((codes == NODATA_CODE).sum())
    kept = codes > 0
    if not kept.any():
        raise ValueError(
            f"{reference_path}: none of the {len(cells)} reference cells lies on a mapped pixel of {map_path} "
            f"({outside} outside, {nodata} on nodata); they extend over {_extent(cells)}: do the two belong together?"
        )
    east, north = (np.floor(metres[kept] / block_m).astype(np.int64) for metres in (cells.east_m, cells.north_m))
    _, blocks = np.unique(np.column_stack([east, north]), axis=0, return_inverse=True)
    report = {
        "what": _WHAT,
        "map": map_path.name,
        "reference": reference_path.name,
        "reference_cells": len(cells),
        "outside_map": outside,
        "nodata": nodata,
        "overlap": cells.overlap,
        "block_m": block_m,
        **comparison_report(cells.code[kept], codes[kept], blocks.reshape(-1), seed=seed, resamples=resamples),
    }
    write_report(out_json, report)
    return report


def comparison_report(
    reference: npt.NDArray[np.integer],
    mapped: npt.NDArray[np.integer],
    blocks: npt.NDArray[np.integer],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the figures of cells (N,) with reference and map codes 1..17 in numbered `blocks`."""
    by_block = totals_by_group(blocks, metrics.confusion_matrix, reference, mapped)  # (G, 17, 17)
    confusion = by_block.sum(axis=0)
    warnings = []
    if len(by_block) < FEW_BLOCKS:
        warnings.append(f"{len(by_block)} blocks: the intervals are too narrow")
    return {
        "cells": len(reference),
        "blocks": len(by_block),
        "effective_cells": effective_cells(by_block, seed=seed, resamples=resamples),
        "interval": {"level": LEVEL, "unit": "block", "resamples": resamples, "seed": seed},
        **{name: estimate(by_block, figure, seed=seed, resamples=resamples) for name, figure in _FIGURES.items()},
        "majority_baseline": majority_baseline(by_block, seed=seed),
        "classes": _class_table(confusion),
        "confusion_matrix": {"rows": "reference code 1..17", "columns": "map code 1..17", "cells": confusion},
        "warnings": warnings,
    }


def effective_cells(confusions: npt.NDArray[Any], *, seed: int, resamples: int = RESAMPLES) -> float:
    """Return how many independent cells would give the same standard error of the agreement as these blocks.

    `confusions` is (G, 17, 17). p(1 - p) / variance of the agreement over drawn blocks, after Kish 1965 (design
    effect); never more than the cells. NaN with fewer than two blocks, or where all or no cells agree.
    """
    cells = confusions.sum(axis=(1, 2))
    agree = np.trace(confusions, axis1=1, axis2=2)
    share = agree.sum() / cells.sum()
    if len(cells) < 2 or share in (0, 1):
        return float("nan")
    draws = np.random.default_rng(seed).multinomial(len(cells), np.full(len(cells), 1 / len(cells)), size=resamples)
    variance = float(np.var((draws @ agree) / (draws @ cells)))  # (resamples,)
    return min(float(share * (1 - share) / variance), float(cells.sum())) if variance > 0 else float(cells.sum())


def codes_at(map_path: Path, cells: ReferenceCells) -> npt.NDArray[np.int64]:
    """Return the map's codes (N,) at the centres: 1..17, 0 on nodata, -1 outside the map."""
    codes, geobox = read_class_map(map_path)
    if geobox.crs is None:
        raise ValueError(f"{map_path}: expected a map with a CRS, it has none; set it in the file")
    transformer = pyproj.Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    x, y = transformer.transform(cells.lon, cells.lat)
    position = ~geobox.transform @ (np.asarray(x), np.asarray(y))
    col, row = (np.floor(np.where(np.isfinite(p), p, -1)).astype(np.int64) for p in position)
    inside = (row >= 0) & (row < codes.shape[0]) & (col >= 0) & (col < codes.shape[1])
    found = np.full(len(cells), -1, np.int64)
    found[inside] = codes[row[inside], col[inside]]
    return found


def read_reference_cells(path: Path, *, field: str | None = None) -> ReferenceCells:
    """Read polygons or points of known class from any vector file GDAL reads, or from GeoParquet (needs pyarrow).

    The class is in the attribute `field`, by default the first of the training areas' CLASS_FIELDS. ValueError for a
    file that cannot be read, has no CRS or no such attribute, or a class outside 1..17.
    """
    frame = _read_frame(path)
    column = field or next((c for name in CLASS_FIELDS for c in frame.columns if c.lower() == name), None)
    if column not in frame.columns or frame.crs is None or not len(frame):
        raise ValueError(
            f"{path}: expected cells with a CRS and an LCZ class in an attribute, got {len(frame)} cells, CRS "
            f"{frame.crs and frame.crs.name}, attributes {list(frame.columns)}; name the attribute with --field"
        )
    try:
        code = np.array([parse_class(str(value)).code for value in frame[column]], np.int64)
    except ValueError as error:
        raise ValueError(f"{path}, attribute {column!r}: {error}") from error
    metric = frame.to_crs(frame.estimate_utm_crs()).geometry
    centre = metric.centroid
    degrees = centre.to_crs("EPSG:4326")
    lon, lat, east, north = (np.asarray(v, np.float64) for v in (degrees.x, degrees.y, centre.x, centre.y))
    return ReferenceCells(lon, lat, east, north, code, _overlap(metric.to_numpy()))


def _overlap(shapes: npt.NDArray[Any]) -> float:
    valid = shapely.make_valid(shapes)
    covered = float(shapely.area(shapely.union_all(valid)))
    return float(shapely.area(valid).sum() / covered) if covered > 0 else float("nan")


def _read_frame(path: Path) -> Any:
    import geopandas

    if not path.is_file():
        raise ValueError(f"reference cells {path}: no such file")
    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return geopandas.read_parquet(path)
        return geopandas.read_file(path)
    except ImportError as error:
        raise ValueError(
            f"{path}: GeoParquet needs pyarrow; install lczmap[geoparquet], or convert the file to GeoPackage"
        ) from error
    except (pyogrio.errors.DataSourceError, ValueError, OSError) as error:
        raise ValueError(f"reference cells {path}: not a readable vector file ({error})") from error


def _class_table(confusion: npt.NDArray[Any]) -> list[dict[str, Any]]:
    recall, precision, f1 = (
        figure(confusion) for figure in (metrics.producers_accuracy, metrics.users_accuracy, metrics.f1_score)
    )
    counts = zip(confusion.sum(axis=1), confusion.sum(axis=0), strict=True)
    return [
        {
            "code": c.code,
            "label": c.label,
            "reference_cells": in_reference,
            "map_cells": in_map,
            "recall": recall[c.index],
            "precision": precision[c.index],
            "f1": f1[c.index],
        }
        for c, (in_reference, in_map) in zip(CLASSES, counts, strict=True)
        if in_reference or in_map
    ]


def _extent(cells: ReferenceCells) -> str:
    bounds = (cells.lon.min(), cells.lat.min(), cells.lon.max(), cells.lat.max())
    return ", ".join(f"{value:.3f}" for value in bounds) + " (west, south, east, north in degrees)"
