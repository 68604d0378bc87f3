"""Rasters as pictures: strips of large maps, their colours, and small copies to look at."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.windows import Window

from lczmap.raster.files import checked_read, lattice_of, opened


def read_strips(path: Path, rows: int, *, band: int | None = None) -> Iterator[npt.NDArray[Any]]:
    """Yield a raster from north to south in strips of `rows` rows (the last may be lower), as they are stored.

    A strip is (band, y, x) of all bands, or of `band` alone (counted from 1); memory holds one at a time.
    """
    with opened(path) as source:
        if band is not None and band > source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}; make it again")
        for top in range(0, source.height, rows):
            window = Window(0, top, source.width, min(rows, source.height - top))
            yield checked_read(path, source, window, bands=None if band is None else [band])


def read_colors(path: Path) -> dict[int, tuple[int, int, int, int]]:
    """Return the colour table {value: (r, g, b, alpha)} of a raster's first band; empty where it has none."""
    with opened(path) as source:
        try:
            return dict(source.colormap(1))
        except ValueError:  # rasterio's way to say that there is none
            return {}


def read_small(path: Path, *, longest_px: int) -> tuple[npt.NDArray[np.uint8], GeoBox]:
    """Return the first three bands (3, y, x) of an 8-bit picture, averaged down to at most `longest_px` on a side.

    The pixels returned cover the picture exactly; they are square only where its sides divide evenly.
    """
    with opened(path) as source:
        if source.count < 3 or source.dtypes[0] != "uint8":
            raise ValueError(f"{path}: expected 3 bands of uint8, got {source.count} of {source.dtypes[0]}")
        own = lattice_of(path, source, None, None)
        shrink = max(1.0, max(source.shape) / longest_px)
        height, width = (math.ceil(side / shrink) for side in source.shape)
        pixels = source.read([1, 2, 3], out_shape=(3, height, width), resampling=Resampling.average)
        scale = Affine.scale(source.width / width, source.height / height)
    return np.asarray(pixels, np.uint8), GeoBox((height, width), own.transform @ scale, own.crs)


def encode_jpeg(picture: npt.NDArray[np.uint8], *, quality: int) -> bytes:
    """Return (3, y, x) colours as the bytes of a JPEG file; `quality` 1..100."""
    _, height, width = picture.shape
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture lies nowhere
        profile = {"driver": "JPEG", "height": height, "width": width, "count": 3, "dtype": "uint8"}
        with rasterio.open(memory.name, "w", **profile, quality=quality) as target:
            target.write(picture)
        return bytes(memory.read())
