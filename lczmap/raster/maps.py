"""The products: probabilities and the class map with its colours and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import (
    CLASSES,
    NODATA_CODE,
    PALETTE_TAG,
    Numbering,
    PaletteName,
    class_colors,
    class_values,
    find_numbering,
    to_codes,
)
from lczmap.raster.categories import Category, count_values, write_categories
from lczmap.raster.files import Float, check_lattice, opened
from lczmap.raster.pictures import read_strips
from lczmap.raster.pixels import lattice, read_onto
from lczmap.raster.stacks import write_parts
from lczmap.raster.warping import source_scales

_STRIP_ROWS = 512
MOST_PX = 16_000_000
"""Pixels of another map that are read at once; five bytes each."""

Codes = npt.NDArray[np.uint8]


def write_probabilities(
    path: Path,
    parts: Iterator[tuple[tuple[slice, slice], Float]],
    geobox: GeoBox,
    *,
    tags: Mapping[str, str],
) -> None:
    """Write the 17-band probability map from parts ((rows, columns), (17, y, x)); NaN where a cell has none.

    Parts are written as they come, so memory holds one at a time. A cell that no part covers stays NaN.
    """
    write_parts(path, parts, geobox, names=[c.title for c in CLASSES], tags=tags)


def write_class_map(
    path: Path,
    codes: Codes,
    geobox: GeoBox,
    *,
    tags: Mapping[str, str],
    palette: PaletteName = "official",
) -> None:
    """Write the class map as cloud-optimised GeoTIFF: codes 1..17 (y, x), 0 = nodata and transparent.

    The file carries the colours of `palette`, named in the tag LCZMAP_PALETTE; the 17 class names are in the
    `.aux.xml` beside it (categories.py).
    """
    if codes.dtype != np.uint8 or codes.max(initial=0) > len(CLASSES):
        raise ValueError(f"expected uint8 codes 0..{len(CLASSES)}, got {codes.dtype} up to {codes.max(initial=0)}")
    categories = [Category(c.code, c.title, color) for c, color in zip(CLASSES, class_colors(palette), strict=True)]
    write_categories(path, codes, geobox, name="LCZ", categories=categories, tags={**tags, PALETTE_TAG: palette})


def read_class_map(path: Path, *, expected: GeoBox | None = None) -> tuple[Codes, GeoBox]:
    """Read the first band of an LCZ map as codes 0..17 (y, x), from either numbering (1..17, or 1..10 and 101..107).

    0 is what `class_values` calls no class. ValueError for anything but LCZ classes, and for another grid than
    `expected`, when that is given. Memory holds the map and a strip.
    """
    with opened(path) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
        nodata, where = source.nodata, _where(path, 1, source.descriptions)
    check_lattice(path, geobox, expected)
    values = np.empty(geobox.shape, np.uint8)
    top = 0
    for (strip,) in read_strips(path, _STRIP_ROWS, band=1):
        values[top : top + len(strip)] = class_values(strip, nodata, where)
        top += len(strip)
    return to_codes(values, _numbering(values, where)), geobox


def read_classes_onto(
    path: Path, geobox: GeoBox, *, band: int = 1, resampling: Literal["nearest", "mode"] = "nearest"
) -> tuple[Codes, Numbering]:
    """Read a band of an LCZ map onto the cells of `geobox` as codes 0..17 (y, x).

    A cell gets the class at its centre, or with `mode` the most frequent one of the map's cells in it, nodata left
    out (any of several that are equally frequent). Returns the codes with the map's own numbering. Memory holds the
    cells, and of the map MOST_PX at once. ValueError as from `read_class_map` and `read_onto`.
    """
    with opened(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        where = _where(path, band, source.descriptions)
        nodata = NODATA_CODE if source.nodatavals[band - 1] is None else None  # None: the file's own
    values = np.empty(geobox.shape, np.uint8)
    rows_at_once = _rows_at_once(lattice(path), geobox)
    for top in range(0, len(values), rows_at_once):
        rows = slice(top, min(top + rows_at_once, len(values)))
        cells = read_onto(path, geobox[rows, :], band=band, resampling=resampling, nodata=nodata)
        values[rows] = class_values(cells, None, where)  # NaN where the file has no data
    numbering = _numbering(values, where)
    return to_codes(values, numbering), numbering


def _rows_at_once(own: GeoBox, geobox: GeoBox) -> int:
    """Return how many rows of `geobox` have about MOST_PX pixels of a raster below them, `_STRIP_ROWS` at most."""
    scales = source_scales(own, geobox)
    below = geobox.shape[1] / (scales["XSCALE"] * scales["YSCALE"])  # pixels below a row
    return int(np.clip(MOST_PX / below, 1, _STRIP_ROWS))


def _numbering(values: npt.NDArray[np.uint8], where: str) -> Numbering:
    return find_numbering(np.flatnonzero(count_values(values)).tolist(), where)


def _where(path: Path, band: int, names: tuple[str | None, ...]) -> str:
    return f"{path}, band {band} ({names[band - 1] or 'unnamed'})"
