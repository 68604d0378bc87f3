"""The products: probabilities and the class map with its colours and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import (
    CLASSES,
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
from lczmap.raster.pixels import read_onto
from lczmap.raster.stacks import write_parts

_STRIP_ROWS = 512

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


def read_classes_onto(path: Path, geobox: GeoBox, *, band: int = 1) -> tuple[Codes, Numbering]:
    """Read a band of an LCZ map onto the cells of `geobox` (nearest neighbour) as codes 0..17 (y, x).

    Returns them with the map's own numbering. ValueError as from `read_class_map` and `read_onto`.
    """
    with opened(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        where = _where(path, band, source.descriptions)
    values = np.empty(geobox.shape, np.uint8)
    for top in range(0, len(values), _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, len(values)))
        cells = read_onto(path, geobox[rows, :], band=band, resampling="nearest")  # NaN where the file has no data
        values[rows] = class_values(cells, None, where)
    numbering = _numbering(values, where)
    return to_codes(values, numbering), numbering


def _numbering(values: npt.NDArray[np.uint8], where: str) -> Numbering:
    return find_numbering(np.flatnonzero(count_values(values)).tolist(), where)


def _where(path: Path, band: int, names: tuple[str | None, ...]) -> str:
    return f"{path}, band {band} ({names[band - 1] or 'unnamed'})"
