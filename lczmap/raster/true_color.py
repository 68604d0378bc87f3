"""Pictures: red, green and blue as bytes, written part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from lczmap.files import replacing
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
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            profile = profile_of(geobox, 3, "uint8", 0) | {"bigtiff": "IF_SAFER"}
            with rasterio.open(plain, "w", **profile, photometric="RGB") as target:
                target.descriptions = ["red", "green", "blue"]
                target.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
                target.update_tags(**tags)
                for (rows, cols), pixels in parts:
                    target.write(pixels, window=Window.from_slices(rows, cols))
            copy_raster(
                plain,
                temporary,
                driver="COG",
                compress="deflate",
                predictor="yes",
                overview_resampling="average",
                bigtiff="IF_SAFER",
            )
        finally:
            plain.unlink(missing_ok=True)
