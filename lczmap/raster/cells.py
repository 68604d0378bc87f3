"""The cells of a large raster at given places: it is read in strips, so memory never holds all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from lczmap.raster.files import check_lattice, checked_read, opened

STRIP_ROWS = 256
"""Rows read at once: the height of a block of the maps."""

Index = npt.NDArray[np.integer]


def check_grid(path: Path, expected: GeoBox) -> None:
    """Refuse a raster on another grid than the expected one, by its header; ValueError with both."""
    with opened(path) as source:
        check_lattice(path, GeoBox(source.shape, source.transform, source.crs), expected)


def read_at(path: Path, row: Index, col: Index) -> npt.NDArray[Any]:
    """Return all bands (band, N) of the cells at `row` and `col` (N,), in the file's own dtype.

    Memory holds them and a strip. ValueError as from `strips_at`.
    """
    with opened(path) as source:
        values = np.empty((source.count, len(row)), source.dtypes[0])
    for which, numbers in strips_at(path, row, col):
        values[:, which] = numbers
    return values


def strips_at(path: Path, row: Index, col: Index) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[Any]]]:
    """Yield the cells at `row` and `col` (N,) strip by strip: which of them (n,), and all bands (band, n) as stored.

    Cells may come in any order, and more than once; each is yielded. Strips without a cell are not read. ValueError
    for cells outside the raster.
    """
    with opened(path) as source:
        if row.size and (min(row.min(), col.min()) < 0 or row.max() >= source.height or col.max() >= source.width):
            raise ValueError(
                f"{path}: expected cells on its {source.height} × {source.width}, got rows {row.min()}..{row.max()} "
                f"and columns {col.min()}..{col.max()}; take the cells of this grid"
            )
        for top in range(0, source.height, STRIP_ROWS):
            which = np.flatnonzero((row >= top) & (row < top + STRIP_ROWS))
            if which.size:
                strip = Window(0, top, source.width, min(STRIP_ROWS, source.height - top))
                yield which, checked_read(path, source, strip)[:, row[which] - top, col[which]]
