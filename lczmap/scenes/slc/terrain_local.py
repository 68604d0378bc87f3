"""Terrain heights from a GeoTIFF of the user: its own pixels around the city, made ellipsoidal."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster import Float, lattice, read_onto, scale_offset
from lczmap.scenes.slc.geoid import geoid_heights

Double = npt.NDArray[np.float64]

MOST_PX = 400_000_000
"""More heights than these are not held in memory (1.6 GB)."""
LAND_M = (-500.0, 9000.0)
"""Heights that occur on land, above sea level or the ellipsoid: -430 m at the Dead Sea, 8850 m."""
_MARGIN_PX = 2  # for interpolation
_EDGE_POINTS = 101  # on each edge of the city, which is curved in other coordinates


def local_heights(dem: Path, city: GeoBox, geoid_m: float | None) -> tuple[Float, GeoBox, dict[str, str]]:
    """Return heights above the WGS84 ellipsoid over the pixels of `city`, (rows, cols), their lattice, and tags.

    The file's own pixels with its scale and offset, NaN where it has no value. `geoid_m` is added to its heights; None
    lets PROJ convert them when the CRS names a vertical datum, else they count from the ellipsoid. ValueError unless
    the file covers `city`, or for a height that does not occur on land.
    """
    own = lattice(dem)
    crs = pyproj.CRS(str(own.crs))
    _check_unit(dem, crs)
    flat = crs if len(crs.axis_info) == 2 else crs.to_2d()
    part = own[_window(dem, GeoBox(own.shape, own.transform, flat.to_wkt()), city)]
    heights = _heights(dem, part)
    part = GeoBox(part.shape, part.transform, flat.to_wkt())
    origin, geoid = "WGS84 ellipsoid", "none"
    if geoid_m is not None:
        heights += np.float32(geoid_m)
        origin, geoid = "as given", f"{geoid_m:+g} m everywhere"
    elif crs.is_compound:
        heights += geoid_heights(part, crs.to_wkt())
        origin, geoid = crs.sub_crs_list[1].name, "by PROJ"
    else:
        print(
            f"{dem.name}: heights count as metres above the WGS84 ellipsoid; from sea level, set `geoid_m`", flush=True
        )
    tags = {"source": dem.name, "version": "local file", "vertical_datum_of_origin": origin, "geoid": geoid}
    return heights, part, tags


def _heights(dem: Path, part: GeoBox) -> Float:
    """Return the file's own heights, before any change of their zero."""
    scale, offset = scale_offset(dem)
    heights = read_onto(dem, part)
    heights *= np.float32(scale)
    heights += np.float32(offset)
    low, high = LAND_M
    lowest, highest = np.fmin.reduce(heights, axis=None), np.fmax.reduce(heights, axis=None)  # NaN where all is void
    if lowest < low or highest > high:
        raise ValueError(
            f"{dem}: expected heights of {low:g} to {high:g} m, got {lowest:g} to {highest:g}: probably a "
            "nodata value that the file does not declare (gdal_edit.py -a_nodata VALUE declares it), depths of the sea "
            "(set them to sea level), or a scale that it does not declare (gdal_edit.py -scale)"
        )
    return heights


def _check_unit(dem: Path, crs: pyproj.CRS) -> None:
    vertical = crs.sub_crs_list[1] if crs.is_compound else None
    if vertical is not None and vertical.axis_info[0].unit_conversion_factor != 1:
        raise ValueError(f"{dem}: expected heights in metres, got {vertical.name}; convert them")


def _window(dem: Path, own: GeoBox, city: GeoBox) -> tuple[slice, slice]:
    """Return the rows and columns of a file that cover `city`; ValueError when it does not."""
    along = np.linspace(0, 1, _EDGE_POINTS)
    zero, one = np.zeros_like(along), np.ones_like(along)
    fractions = np.concatenate([along, one, along, zero]), np.concatenate([zero, along, one, along])
    x, y = _apply(city.transform, fractions[0] * city.width, fractions[1] * city.height)
    to_own = pyproj.Transformer.from_crs(str(city.crs), str(own.crs), always_xy=True)
    col, row = _apply(~own.transform, *to_own.transform(x, y))
    height, width = own.shape
    if not (
        np.isfinite(col).all() and col.min() >= 0 and row.min() >= 0 and col.max() <= width and row.max() <= height
    ):
        box = city.boundingbox
        raise ValueError(
            f"{dem}: expected heights for the city and around it, {round(box.left)}..{round(box.right)} east and "
            f"{round(box.bottom)}..{round(box.top)} north in {city.crs}; got {tuple(own.boundingbox)} in its own CRS"
        )
    first = [max(math.floor(at.min()) - _MARGIN_PX, 0) for at in (row, col)]
    stop = [min(math.ceil(at.max()) + _MARGIN_PX, size) for at, size in ((row, height), (col, width))]
    if math.prod(b - a for a, b in zip(first, stop, strict=True)) > MOST_PX:
        raise ValueError(f"{dem}: expected at most {MOST_PX} heights around the city; average the file to 10 m pixels")
    return slice(first[0], stop[0]), slice(first[1], stop[1])


def _apply(affine: Affine, x: Double, y: Double) -> tuple[Double, Double]:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f
