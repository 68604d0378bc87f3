"""A class map in the format of the LCZ Generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.files import replacing
from lczmap.raster.files import created, profile_of


def write_generator_bands(
    path: Path, array: npt.NDArray[np.int16], geobox: GeoBox, *, names: Sequence[str], tags: Mapping[str, str]
) -> None:
    """Write (band, y, x) int16 as the LCZ Generator delivers it: LZW, blocks of 256 px, no nodata value."""
    if array.dtype != np.int16 or array.shape != (len(names), *geobox.shape):
        raise ValueError(f"expected int16 {(len(names), *geobox.shape)}, got {array.dtype} {array.shape}")
    profile = profile_of(geobox, len(names), "int16", None) | {"compress": "lzw"}
    with replacing(path) as temporary, created(temporary, profile, name=path) as target:
        target.write(array)
        target.descriptions = list(names)
        target.update_tags(**tags)
