"""The map as polygons: GeoPackage with its colours, or GeoParquet.

A polygon is a set of cells of one class that share edges (4-connected). Polygons follow the cells' edges, so they
touch without gap or overlap and their areas sum to the mapped area.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import shapely

from lczmap.classes import CLASSES
from lczmap.exports.confidence import read_confidence
from lczmap.exports.vector_style import LAYER, default_style, named_colors
from lczmap.files import replacing
from lczmap.raster import area_polygons, read_class_map, read_colors, square_pixel_m

BATCH = 20_000
"""Polygons that are written at a time."""
_LABELS, _NAMES = (
    np.array(["", *column], dtype=object) for column in zip(*((c.label, c.name) for c in CLASSES), strict=True)
)


@dataclass(frozen=True)
class ClassAreas:
    """The connected areas of a class map.

    `numbers` (y, x) is 0 or the area of a cell, 1..N; `codes` (N,) are 1..17, `cells` (N,) their sizes,
    `mean_confidence` (N,) the mean of their cells' maximum probability, 0..1, NaN where unknown.
    """

    numbers: npt.NDArray[np.int32]
    codes: npt.NDArray[np.uint8]
    cells: npt.NDArray[np.int64]
    mean_confidence: npt.NDArray[np.float64]


def connected_areas(codes: npt.NDArray[np.uint8], confidence: npt.NDArray[np.float32] | None = None) -> ClassAreas:
    """Number the areas of a class map (y, x), codes 0..17; `confidence` (y, x) is 0..1, NaN where unknown."""
    from skimage import measure

    labelled = measure.label(codes, connectivity=1, background=0)  # type: ignore[no-untyped-call]  # scikit-image
    numbers: npt.NDArray[np.int32] = labelled.astype(np.int32)
    flat = numbers.ravel()
    cells = np.bincount(flat)
    of_area = np.zeros(len(cells), np.uint8)
    of_area[flat] = codes.ravel()
    means = np.full(len(cells), np.nan)
    if confidence is not None:
        known = ~np.isnan(confidence.ravel())
        count = np.bincount(flat[known], minlength=len(cells))
        total = np.bincount(flat[known], weights=confidence.ravel()[known], minlength=len(cells))
        np.divide(total, count, out=means, where=count > 0)
    return ClassAreas(numbers, of_area[1:], cells[1:], means[1:])


def export_vector(lcz_path: Path, out: Path, *, confidence_path: Path | None = None) -> int:
    """Write a class map as polygons: `.gpkg` with a style of the map's colours, or `.parquet`. Returns their number.

    Attributes: `code` 1..17, `label` 1..10 or A..G, `name`, `color` #rrggbb, `cells`, `area_m2` (in the plane of the
    map's CRS), `mean_confidence` (of `confidence_path`'s band `confidence`; null where there is none). CRS and layer
    order are the map's. ValueError for another file ending, a map without a class or without metric square cells, a
    confidence on another grid, or a `.parquet` without pyarrow.
    """
    _check_target(out)
    codes, geobox = read_class_map(lcz_path)
    cell_m = square_pixel_m(geobox, lcz_path)
    if not codes.any():
        raise ValueError(
            f"{lcz_path}: the map is empty, none of its {codes.size} cells has a class; nothing to outline"
        )
    confidence = None if confidence_path is None else read_confidence(confidence_path, geobox)
    areas = connected_areas(codes, confidence)
    del codes, confidence
    colors = named_colors(read_colors(lcz_path))
    tables = (
        (polygons, _attributes(areas, numbers, cell_m, colors))
        for numbers, polygons in area_polygons(areas.numbers, geobox, batch=BATCH)
    )
    if out.suffix == ".gpkg":
        _write_geopackage(out, tables, str(geobox.crs), colors)
    else:
        _write_parquet(out, tables, str(geobox.crs))
    return len(areas.codes)


def _check_target(out: Path) -> None:
    if out.suffix not in (".gpkg", ".parquet"):
        raise ValueError(f"{out}: expected a name ending in .gpkg or .parquet, got {out.suffix!r}")
    if out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ValueError(
            f"{out}: GeoParquet needs pyarrow, which is not installed: pip install 'lczmap[geoparquet]', or write .gpkg"
        )


def _attributes(
    areas: ClassAreas, numbers: npt.NDArray[np.int64], cell_m: float, colors: dict[int, str]
) -> dict[str, npt.NDArray[Any]]:
    codes, cells = areas.codes[numbers - 1], areas.cells[numbers - 1]
    table = np.array(["", *(colors[c.code] for c in CLASSES)], dtype=object)
    return {
        "code": codes.astype(np.int32),
        "label": _LABELS[codes],
        "name": _NAMES[codes],
        "color": table[codes],
        "cells": cells,
        "area_m2": cells * cell_m**2,
        "mean_confidence": areas.mean_confidence[numbers - 1].round(4),
    }


Table = tuple[npt.NDArray[np.object_], dict[str, npt.NDArray[Any]]]


def _write_geopackage(out: Path, tables: Iterator[Table], crs: str, colors: dict[int, str]) -> None:
    # GDAL wants the file's ending, SQLite a file: made under its own name in a folder beside, then moved
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        made = Path(folder) / out.name
        for polygons, attributes in tables:
            pyogrio.raw.write(
                made,
                shapely.to_wkb(polygons),
                list(attributes.values()),
                np.array(list(attributes), dtype=object),
                geometry_type="Polygon",
                crs=crs,
                driver="GPKG",
                layer=LAYER,
                append=made.exists(),
                dataset_options={"VERSION": "1.2"},  # which QGIS has read without a warning since 3.0
                nan_as_null=True,
            )
        with sqlite3.connect(made) as database:
            default_style(database, colors)
        database.close()
        made.replace(out)


def _write_parquet(out: Path, tables: Iterator[Table], crs: str) -> None:
    import geopandas
    import pandas

    frames = [geopandas.GeoDataFrame(attributes, geometry=polygons, crs=crs) for polygons, attributes in tables]
    with replacing(out) as temporary:
        pandas.concat(frames, ignore_index=True).to_parquet(temporary, index=False, compression="zstd")
