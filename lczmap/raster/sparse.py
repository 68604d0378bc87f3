"""Complex images of which only some lines are there: the rest takes no place on disk and reads as 0, no data."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from lczmap.files import replacing

Complex = npt.NDArray[np.complex64]


def write_sparse(path: Path, shape: tuple[int, int], parts: Iterable[tuple[int, Complex]]) -> None:
    """Write an image of `shape` (lines, samples) as CInt16 BigTIFF from parts (first line, (lines, samples)).

    Values are whole numbers within int16, as digital numbers of SLC products are. Lines that no part brings are not
    stored, nor are a part's first and last lines when they are 0 all over. ValueError for a part that lies outside.
    """
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        replacing(path) as temporary,
        rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            dtype="complex_int16",
            count=1,
            height=shape[0],
            width=shape[1],
            blockysize=1,  # a line is a strip, as in the products themselves
            bigtiff="YES",
            sparse_ok=True,
        ) as target,
    ):
        for first_line, pixels in parts:
            if first_line < 0 or first_line + pixels.shape[0] > shape[0] or pixels.shape[1] != shape[1]:
                raise ValueError(
                    f"{path}: expected lines within 0..{shape[0]} of {shape[1]} samples, got {pixels.shape[0]} lines "
                    f"of {pixels.shape[1]} from line {first_line}"
                )
            shown = np.flatnonzero(pixels.any(axis=1))
            if shown.size:
                rows = slice(int(shown[0]), int(shown[-1]) + 1)
                lines = slice(first_line + rows.start, first_line + rows.stop)
                target.write(pixels[rows], 1, window=Window.from_slices(lines, slice(0, shape[1])))
