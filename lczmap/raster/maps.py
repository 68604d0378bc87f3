"""The products: probabilities and the class map with its colours and names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from lczmap.classes import CLASSES, NODATA_CODE, PaletteName
from lczmap.classes import palette as color_table
from lczmap.files import replacing
from lczmap.raster.files import Float, profile_of
from lczmap.raster.sidecar import write_class_names
from lczmap.raster.stacks import read_cells


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
    names = [c.title for c in CLASSES]
    with replacing(path) as temporary:
        profile = profile_of(geobox, len(names), "float32", math.nan)
        with rasterio.open(temporary, "w", **profile, predictor=3) as target:
            target.descriptions = names
            target.update_tags(**tags)
            for (rows, cols), probabilities in parts:
                target.write(probabilities, window=Window.from_slices(rows, cols))


def write_class_map(
    path: Path,
    codes: npt.NDArray[np.uint8],
    geobox: GeoBox,
    *,
    tags: Mapping[str, str],
    palette: PaletteName = "official",
) -> None:
    """Write the class map as cloud-optimised GeoTIFF: codes 1..17 (y, x), 0 = nodata and transparent.

    The file carries the colours of `palette`, named in the tag LCZMAP_PALETTE, and overviews by mode, so that no
    overview shows a class that is not there. The 17 class names are in the `.aux.xml` beside it (sidecar.py).
    """
    if codes.dtype != np.uint8 or codes.max(initial=0) > len(CLASSES):
        raise ValueError(f"expected uint8 codes 0..{len(CLASSES)}, got {codes.dtype} up to {codes.max(initial=0)}")
    colors = color_table(palette)
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            with rasterio.open(plain, "w", **profile_of(geobox, 1, "uint8", NODATA_CODE)) as target:
                target.write(codes, 1)
                target.write_colormap(1, colors)
                target.descriptions = ["LCZ"]
                target.update_tags(**{**tags, "LCZMAP_PALETTE": palette})
            copy_raster(plain, temporary, driver="COG", compress="deflate", overview_resampling="mode", blocksize=256)
        finally:
            plain.unlink(missing_ok=True)
    write_class_names(path, codes, colors)


def read_class_map(path: Path) -> tuple[npt.NDArray[np.uint8], GeoBox]:
    """Read an LCZ map as uint8 codes 0..17 (y, x); ValueError for any other value."""
    bands, geobox = read_cells(path)
    codes = bands[0]
    if codes.min(initial=0) < 0 or codes.max(initial=0) > len(CLASSES):
        raise ValueError(f"{path}: expected LCZ codes 0..17, got {codes.min()}..{codes.max()}")
    return codes.astype(np.uint8), geobox
