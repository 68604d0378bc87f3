"""Small whole numbers as a PNG with a colour table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile


def encode_png(values: npt.NDArray[np.uint8], colors: Mapping[int, tuple[int, int, int, int]]) -> bytes:
    """Return (y, x) values as the bytes of a PNG file with a colour table {value: (r, g, b, alpha)}."""
    height, width = values.shape
    profile = {"driver": "PNG", "height": height, "width": width, "count": 1, "dtype": "uint8"}
    with MemoryFile() as memory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place on earth
            with rasterio.open(memory.name, "w", **profile, zlevel=9) as target:
                target.write(values, 1)
                target.write_colormap(1, dict(colors))
        return bytes(memory.read())
