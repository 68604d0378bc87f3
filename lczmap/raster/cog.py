"""Cloud-optimised GeoTIFFs, written part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
from rasterio._err import CPLE_BaseError  # what `copy` raises; rasterio.errors has no name for it
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from lczmap.files import replacing
from lczmap.raster.files import BIGTIFF, created
from lczmap.raster.whole import check_whole

Part = tuple[tuple[slice, slice], npt.NDArray[Any]]
Color = tuple[int, int, int, int]

_LAYOUT = {"driver": "COG", "compress": "deflate", "blocksize": 256, "bigtiff": BIGTIFF}


def write_cog(
    path: Path,
    parts: Iterable[Part],
    profile: Mapping[str, Any],
    *,
    names: Sequence[str],
    tags: Mapping[str, str],
    overviews: Literal["average", "mode", "nearest"],
    colors: Mapping[int, Color] | None = None,
) -> None:
    """Write named bands from parts ((rows, columns), (band, y, x)); a `predictor` of `profile` holds for the COG too.

    Memory holds one part. What no part covers is nodata. GDAL makes a COG by copying: a plain file is beside it
    until then. OSError where the disk takes no more.
    """
    options = {"predictor": profile["predictor"]} if "predictor" in profile else {}
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            with created(plain, profile, name=path) as target:
                target.descriptions = list(names)
                target.update_tags(**tags)
                if colors:
                    target.write_colormap(1, colors)
                for (rows, cols), pixels in parts:
                    target.write(pixels, window=Window.from_slices(rows, cols))
            try:
                copy_raster(plain, temporary, overview_resampling=overviews, **_LAYOUT, **options)
            except CPLE_BaseError as error:
                raise OSError(f"{path}: {error}") from error
            check_whole(temporary, path)
        finally:
            plain.unlink(missing_ok=True)
