"""Pictures: red, green and blue as bytes, written part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.raster.cog import write_cog
from lczmap.raster.files import profile_of


def write_picture(
    path: Path,
    parts: Iterable[tuple[tuple[slice, slice], npt.NDArray[np.uint8]]],
    geobox: GeoBox,
    *,
    tags: Mapping[str, str],
) -> None:
    """Write a picture from parts ((rows, columns), (3, y, x)) as cloud-optimised GeoTIFF: bands red, green, blue.

    0 is nodata in every band, so that what no part covers is transparent. Memory holds one part at a time.
    """
    profile = profile_of(geobox, 3, "uint8", 0) | {"photometric": "RGB", "predictor": 2}
    write_cog(path, parts, profile, names=["red", "green", "blue"], tags=tags, overviews="average")
