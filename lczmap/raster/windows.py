"""Many small windows of one raster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
from rasterio.windows import Window

from lczmap.raster.files import checked_read, opened


def read_windows(path: Path, windows: Iterable[tuple[slice, slice]], *, band: int = 1) -> Iterator[npt.NDArray[Any]]:
    """Yield the numbers (y, x) of windows (rows, columns) inside a raster, as they are stored; it is opened once.

    ValueError for a raster that cannot be read.
    """
    with opened(path) as source:
        for rows, cols in windows:
            yield checked_read(path, source, Window.from_slices(rows, cols), bands=[band])[0]
