"""Rasters made of a map: cloud-optimised GeoTIFFs of named float bands, and any raster's header."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster.cog import write_cog
from lczmap.raster.files import Float, opened, profile_of

MAX_LENGTH_ERROR = 0.05
"""0.001 within a UTM zone; 0.035 at most in EPSG:3035, the equal-area grid of Europe (Canary Islands)."""
MAX_AREA_ERROR = 0.02
"""0.01 a zone's width beyond a UTM zone; 1.64 in Web Mercator at 52° N."""

_TO_UTM = (
    "bring the map to a UTM zone by nearest neighbour first (gdalwarp -t_srs EPSG:326xx -tr 100 100 -r near); "
    "a run's own lcz.tif is in one"
)


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


def square_pixel_m(geobox: GeoBox, path: Path | str) -> float:
    """Return the pixel size in metres; ValueError, naming `path`, unless pixels are north-up squares of true metres."""
    a, b, _, d, e, _ = tuple(geobox.transform)[:6]
    in_metres = geobox.crs is not None and geobox.crs.projected and geobox.crs.units == ("metre", "metre")
    if not in_metres or b or d or e >= 0 or abs(a + e) > 1e-6 * abs(a):
        unit = "no CRS" if geobox.crs is None else f"the CRS {pyproj.CRS(str(geobox.crs)).name}"
        raise ValueError(
            f"{path}: expected square, north-up pixels in metres, got {a:g} × {-e:g} with {unit}; {_TO_UTM}"
        )
    check_true_metres(str(geobox.crs), geobox.transform @ (geobox.shape.x / 2, geobox.shape.y / 2), path)
    return float(a)


def check_true_metres(crs: str, centre: tuple[float, float], path: Path | str) -> None:
    """Refuse a projected CRS in metres whose metres are none at `centre` (x, y), such as Web Mercator's; ValueError.

    Lengths may be off by `MAX_LENGTH_ERROR` in any direction, areas by `MAX_AREA_ERROR` (Tissot's indicatrix).
    """
    projection = pyproj.Proj(crs)
    at = projection.get_factors(*projection(*centre, inverse=True))
    lengths = max(abs(at.tissot_semimajor - 1), abs(at.tissot_semiminor - 1))
    if not (lengths <= MAX_LENGTH_ERROR and abs(at.areal_scale - 1) <= MAX_AREA_ERROR):
        raise ValueError(
            f"{path}: expected metres that are true on the ground, but at the map's centre {pyproj.CRS(crs).name} "
            f"stretches lengths by {at.tissot_semiminor:.2f} to {at.tissot_semimajor:.2f} and areas by "
            f"{at.areal_scale:.2f}; {_TO_UTM}"
        )


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
    write_cog(path, parts, profile, names=names, tags=tags, overviews=overviews)
