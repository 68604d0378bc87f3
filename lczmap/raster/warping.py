"""Laying pixels onto another grid, and which pixels that takes."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from lczmap.raster.files import Float

ResamplingName = Literal["nearest", "bilinear", "cubic", "average", "mode"]

_STRIP_PX = 256  # GDAL interpolates coordinates along a row: 0.001 pixels off over so many, between two UTM zones
_SAME_PIXEL = 1e-6  # pixels; less than the rounding of coordinates in metres
_TURN = 360.0  # degrees


def warp(
    pixels: Float,
    source: GeoBox,
    geobox: GeoBox,
    *,
    resampling: ResamplingName = "bilinear",
    shift_m: tuple[float, float] = (0.0, 0.0),
) -> Float:
    """Resample (y, x) from the pixels of `source` onto `geobox`; NaN is missing on both sides.

    `shift_m` (east, north), in metres of the target CRS, is added to the source's coordinates. Between two CRSs
    coordinates are within 0.02 of the source's pixels (measured from 31° to 78° of latitude).
    """
    out = np.full(geobox.shape, np.nan, np.float32)
    offset = _whole_pixels(source, geobox, shift_m)
    if offset is not None:  # nothing to interpolate: copy
        _copy(pixels, out, *offset)
        return out
    width, scales = geobox.shape[1], {}
    if source.crs != geobox.crs:
        width, scales = _STRIP_PX, source_scales(source, geobox)
    for left in range(0, geobox.shape[1], width):
        strip = geobox[:, left : min(left + width, geobox.shape[1])]
        part = np.full(strip.shape, np.nan, np.float32)
        reproject(
            pixels,
            part,
            src_transform=source.transform,
            src_crs=str(source.crs),
            src_nodata=np.nan,
            dst_transform=_moved_back(strip, shift_m),
            dst_crs=str(geobox.crs),
            dst_nodata=np.nan,
            resampling=Resampling[resampling],
            **scales,
        )
        out[:, left : left + strip.shape[1]] = part
    return out


def covering(lattice: GeoBox, geobox: GeoBox, *, margin: int, shift_m: tuple[float, float] = (0.0, 0.0)) -> GeoBox:
    """Return the pixels of `lattice` (which goes on beyond its edges) around `geobox`, with `margin` pixels more.

    `shift_m` as in `warp`.
    """
    rows, cols = reach(lattice, geobox, shift_m=shift_m, margin=margin)
    corner = lattice.transform @ Affine.translation(cols.start, rows.start)
    return GeoBox((rows.stop - rows.start, cols.stop - cols.start), corner, lattice.crs)


def reach(
    lattice: GeoBox, geobox: GeoBox, *, margin: int, shift_m: tuple[float, float] = (0.0, 0.0)
) -> tuple[slice, slice]:
    """Return the rows and columns of `lattice` that `geobox` needs, with `margin` pixels more, also beyond its edges.

    `shift_m` as in `warp`. Across the antimeridian columns run on to the east.
    """
    height, width = geobox.shape
    target = _moved_back(geobox, shift_m)
    west, north = target @ (0, 0)
    east, south = target @ (width, height)
    left, bottom, right, top = transform_bounds(
        str(geobox.crs), str(lattice.crs), west, south, east, north, densify_pts=21
    )
    if left > right:  # PROJ's way to say that they cross the antimeridian
        right += _TURN
    to_pixel = ~lattice.transform
    corners = [to_pixel @ corner for corner in ((left, top), (right, top), (left, bottom), (right, bottom))]
    cols, rows = [c for c, _ in corners], [r for _, r in corners]
    return (
        slice(math.floor(min(rows)) - margin, math.ceil(max(rows)) + margin),
        slice(math.floor(min(cols)) - margin, math.ceil(max(cols)) + margin),
    )


def turned(lattice: GeoBox) -> tuple[GeoBox, ...]:
    """Return the places where a raster lies: in longitude and latitude also a turn of the globe to both sides."""
    if not _in_degrees(lattice):
        return (lattice,)
    turns = (Affine.translation(turn, 0) @ lattice.transform for turn in (0, -_TURN, _TURN))
    return tuple(GeoBox(lattice.shape, transform, lattice.crs) for transform in turns)


def footprint(lattice: GeoBox, target_crs: str) -> tuple[float, float, float, float]:
    """Return the bounds (west, south, east, north) of a raster's pixels in `target_crs`.

    In longitude and latitude, `west` is above `east` where they cross the antimeridian.
    """
    box = lattice.boundingbox
    bounds: tuple[float, float, float, float] = transform_bounds(
        str(lattice.crs), target_crs, box.left, box.bottom, box.right, box.top
    )
    return bounds


def source_scales(source: GeoBox, geobox: GeoBox) -> dict[str, float]:
    """Return source pixels per target pixel as GDAL's options; it would compare the turned outlines, and smooth."""
    to_source = pyproj.Transformer.from_crs(str(geobox.crs), str(source.crs), always_xy=True)
    row, col = (size / 2 for size in geobox.shape)
    places = [geobox.transform @ place for place in ((col, row), (col + 1, row), (col, row + 1))]
    here, right, below = (np.array(to_source.transform(*place)) for place in places)
    steps = np.array([right - here, below - here])  # (2, xy)
    if _in_degrees(source):  # the antimeridian may lie between two pixels
        steps[:, 0] = (steps[:, 0] + _TURN / 2) % _TURN - _TURN / 2
    to_pixel = ~source.transform
    pixels = steps @ np.array([[to_pixel.a, to_pixel.d], [to_pixel.b, to_pixel.e]])  # (2, column and row)
    x, y = (float(size) for size in np.hypot(*pixels))
    return {"XSCALE": min(1 / x, 1.0), "YSCALE": min(1 / y, 1.0)}


def _in_degrees(lattice: GeoBox) -> bool:
    return lattice.crs is not None and lattice.crs.geographic


def _whole_pixels(source: GeoBox, geobox: GeoBox, shift_m: tuple[float, float]) -> tuple[int, int] | None:
    """Return the row and column of `source` where `geobox` begins, None unless their pixels coincide."""
    if source.crs != geobox.crs:
        return None
    between = ~source.transform @ _moved_back(geobox, shift_m)
    row, col = round(between.f), round(between.c)
    expected = Affine.translation(col, row)
    return (row, col) if between.almost_equals(expected, precision=_SAME_PIXEL) else None


def _copy(pixels: Float, out: Float, row: int, col: int) -> None:
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + out.shape[0], pixels.shape[0]), min(col + out.shape[1], pixels.shape[1])
    if top < bottom and left < right:
        out[top - row : bottom - row, left - col : right - col] = pixels[top:bottom, left:right]


def _moved_back(geobox: GeoBox, shift_m: tuple[float, float]) -> Affine:
    # moving the source by (east, north) is the same as moving the target back
    return Affine.translation(-shift_m[0], -shift_m[1]) @ geobox.transform
