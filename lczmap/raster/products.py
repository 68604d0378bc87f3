"""Rasters made of a map: cloud-optimised GeoTIFFs of named float bands or of categories, and any raster's header."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from lczmap.files import replacing
from lczmap.raster.files import Float, opened, profile_of

Part = tuple[tuple[slice, slice], npt.NDArray[Any]]


@dataclass(frozen=True)
class Category:
    """One value of a raster of categories: its number, name and colour #rrggbb."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class RasterHeader:
    """What a raster says of itself, without its pixels; `crs` is WKT or an authority's code, None where it has none."""

    crs: str | None
    shape: tuple[int, int]
    transform: Affine
    dtypes: tuple[str, ...]
    nodata: float | None
    names: tuple[str, ...]
    tags: Mapping[str, str]
    is_cog: bool
    overviews: tuple[int, ...]
    has_colors: bool


def read_header(path: Path) -> RasterHeader:
    """Read a raster's header; ValueError when it cannot be opened."""
    with opened(path) as source:
        return RasterHeader(
            crs=None if source.crs is None else source.crs.to_string(),
            shape=source.shape,
            transform=source.transform,
            dtypes=tuple(source.dtypes),
            nodata=source.nodata,
            names=tuple(d or "" for d in source.descriptions),
            tags=dict(source.tags()),
            is_cog=source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG",
            overviews=tuple(source.overviews(1)),
            has_colors="palette" in [c.name for c in source.colorinterp],
        )


def square_pixel_m(geobox: GeoBox, path: Path) -> float:
    """Return the pixel size in metres; ValueError, naming `path`, unless pixels are square, north-up and in metres."""
    a, b, _, d, e, _ = tuple(geobox.transform)[:6]
    in_metres = geobox.crs is not None and geobox.crs.projected and geobox.crs.units == ("metre", "metre")
    if not in_metres or b or d or e >= 0 or abs(a + e) > 1e-6 * abs(a):
        unit = "no CRS" if geobox.crs is None else f"CRS {geobox.crs}"
        raise ValueError(
            f"{path}: expected square, north-up pixels in metres, got {a:g} × {-e:g} with {unit}; bring the map to a "
            "UTM zone by nearest neighbour first (gdalwarp -t_srs EPSG:326xx -tr 100 100 -r near)"
        )
    return float(a)


def write_float_cog(
    path: Path,
    parts: Iterable[tuple[tuple[slice, slice], Float]],
    geobox: GeoBox,
    *,
    names: Sequence[str],
    tags: Mapping[str, str],
    overviews: Literal["average", "nearest"] = "average",
) -> None:
    """Write named float32 bands (NaN nodata) from parts ((rows, columns), (band, y, x)) as cloud-optimised GeoTIFF.

    Memory holds one part. What no part covers stays NaN.
    """
    profile = profile_of(geobox, len(names), "float32", math.nan) | {"predictor": 3}
    _write_cog(path, parts, profile, names=names, tags=tags, overviews=overviews, options={"predictor": 3})


def write_categories(
    path: Path,
    values: npt.NDArray[np.uint8],
    geobox: GeoBox,
    *,
    name: str,
    categories: Sequence[Category],
    tags: Mapping[str, str],
) -> None:
    """Write one band (y, x) of categories, 0 = nodata and transparent, as cloud-optimised GeoTIFF with their colours.

    Their names are GDAL category names, in the `.aux.xml` beside the file.
    """
    if values.shape != tuple(geobox.shape):
        raise ValueError(f"{path}: expected values of the shape {tuple(geobox.shape)}, got {values.shape}")
    colors = {0: (0, 0, 0, 0)}
    names = [""] * (max(c.value for c in categories) + 1)
    for c in categories:
        colors[c.value] = (int(c.color[1:3], 16), int(c.color[3:5], 16), int(c.color[5:7], 16), 255)
        names[c.value] = c.name
    rows, cols = values.shape
    whole = [((slice(0, rows), slice(0, cols)), values[np.newaxis])]
    profile = profile_of(geobox, 1, "uint8", 0)
    _write_cog(path, whole, profile, names=[name], tags=tags, overviews="mode", options={}, colors=colors)
    listed = "".join(f"<Category>{escape(text)}</Category>" for text in names)
    text = f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{listed}</CategoryNames></PAMRasterBand></PAMDataset>\n'
    with replacing(path.with_name(path.name + ".aux.xml")) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_cog(
    path: Path,
    parts: Iterable[Part],
    profile: Mapping[str, Any],
    *,
    names: Sequence[str],
    tags: Mapping[str, str],
    overviews: str,
    options: Mapping[str, Any],
    colors: Mapping[int, tuple[int, int, int, int]] | None = None,
) -> None:
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            with rasterio.open(plain, "w", **profile) as target:
                target.descriptions = list(names)
                target.update_tags(**tags)
                if colors:
                    target.write_colormap(1, colors)
                for (rows, cols), pixels in parts:
                    target.write(pixels, window=Window.from_slices(rows, cols))
            layout = {"compress": "deflate", "blocksize": 256, "overview_resampling": overviews}
            copy_raster(plain, temporary, driver="COG", **layout, **options)
        finally:
            plain.unlink(missing_ok=True)
