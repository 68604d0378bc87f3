"""Reading windows of rasters, and laying pixels onto another grid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from lczmap.raster.files import Float, checked_read, kept_open, lattice_of, opened

ResamplingName = Literal["nearest", "bilinear", "cubic", "average"]

_STRIP_PX = 256  # GDAL interpolates coordinates along a row: 0.001 pixels off over so many, between two UTM zones
_SAME_PIXEL = 1e-6  # pixels; less than the rounding of coordinates in metres
_MARGIN_PX = 4  # source pixels read beyond the target, for the interpolation kernels


def read_onto(
    path: Path | str,
    geobox: GeoBox,
    *,
    band: int = 1,
    resampling: ResamplingName = "bilinear",
    shift_m: tuple[float, float] = (0.0, 0.0),
    crs: str | None = None,
    transform: Sequence[float] | None = None,
    nodata: float | None = None,
) -> Float:
    """Read one band of a raster onto the pixels of `geobox`; (y, x), NaN where the source has no data.

    Only the source's window around the target is read. `crs` and `transform` (a, b, c, d, e, f) replace the file's
    own georeference; `shift_m` (east, north) is added to the source's coordinates, in metres of the target CRS,
    before resampling, so one interpolation does all. `nodata` replaces the file's own nodata value.
    ValueError for a file that cannot be read, has no such band or no georeference.
    """
    with kept_open(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        own = lattice_of(path, source, crs, transform)
        rows, cols = _reach(own, geobox, shift_m, _MARGIN_PX)
        rows = slice(max(rows.start, 0), min(rows.stop, source.height))
        cols = slice(max(cols.start, 0), min(cols.stop, source.width))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return np.full(geobox.shape, np.nan, np.float32)
        pixels = _read_window(path, source, band, rows, cols, source.nodata if nodata is None else nodata)
        return warp(pixels, own[rows, cols], geobox, resampling=resampling, shift_m=shift_m)


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
        width, scales = _STRIP_PX, _scales(source, geobox)
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
    rows, cols = _reach(lattice, geobox, shift_m, margin)
    corner = lattice.transform @ Affine.translation(cols.start, rows.start)
    return GeoBox((rows.stop - rows.start, cols.stop - cols.start), corner, lattice.crs)


def lattice(
    path: Path | str,
    *,
    crs: str | None = None,
    transform: Sequence[float] | None = None,
    options: Mapping[str, Any] | None = None,
    driver: str | None = None,
) -> GeoBox:
    """Return the pixels of a raster, from its header; `crs` and `transform` replace its own georeference.

    `options` are GDAL's for this reading; `driver` as in `read_window`. ValueError when neither it nor `crs` names a
    CRS.
    """
    with rasterio.Env(**(options or {})), opened(path, driver=driver) as source:
        return lattice_of(path, source, crs, transform)


def read_part(
    path: Path | str, part: GeoBox | None = None, *, band: int = 1, options: Mapping[str, Any] | None = None
) -> tuple[npt.NDArray[Any], GeoBox]:
    """Return the digital numbers (y, x) of one band as they are stored, and the pixels that they are.

    `part` is a rectangle of whole pixels of the raster (as from its `lattice`), None for all. `path` may be anything
    GDAL opens, such as `/vsizip/…` or an address; `options` are GDAL's for this reading. ValueError for a raster
    that cannot be read.
    """
    with rasterio.Env(**(options or {})), opened(path) as source:
        own = lattice_of(path, source, None, None)
        if part is None:
            return checked_read(path, source, None)[band - 1], own
        col, row = ~own.transform @ (part.transform @ (0, 0))
        window = Window(round(col), round(row), part.shape[1], part.shape[0])
        try:
            return source.read(band, window=window), part
        except RasterioError as error:
            raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error


def read_window(
    path: Path | str,
    rows: slice,
    cols: slice,
    *,
    band: int = 1,
    shape: tuple[int, int] | None = None,
    driver: str | None = None,
) -> npt.NDArray[Any]:
    """Return the digital numbers (rows, cols) of a window of a raster that need not have a georeference.

    Complex integers become complex64. `shape` (rows, cols) is what the whole raster must have; `driver` the only
    GDAL driver that may open it: with "GTiff", no file that points to others is followed. ValueError for a raster
    that cannot be read, that is smaller than the window, or not of that shape.
    """
    quiet = warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning)
    with quiet, opened(path, driver=driver) as source:
        if shape is not None and source.shape != shape:
            raise ValueError(f"{path}: expected {shape} pixels, the raster has {source.shape}; fetch or make it again")
        if rows.start < 0 or cols.start < 0 or rows.stop > source.height or cols.stop > source.width:
            raise ValueError(
                f"{path}: expected at least {rows.stop} × {cols.stop} pixels, the raster has {source.height} × "
                f"{source.width}; fetch or make it again"
            )
        try:
            window: npt.NDArray[Any] = source.read(band, window=Window.from_slices(rows, cols))
        except RasterioError as error:
            raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
        return window


def band_names(path: Path | str) -> tuple[str, ...]:
    """Return the band descriptions of a raster; an unnamed band is an empty string."""
    with opened(path) as source:
        return tuple(d or "" for d in source.descriptions)


def scale_offset(path: Path | str, *, band: int = 1) -> tuple[float, float]:
    """Return what a raster declares for a band: its values are numbers · scale + offset; (1, 0) where it says nothing.

    `read_onto` and the others give the numbers as they are stored.
    """
    with opened(path) as source:
        return float(source.scales[band - 1]), float(source.offsets[band - 1])


def read_tags(path: Path | str) -> dict[str, str]:
    """Return the tags of a raster."""
    with opened(path) as source:
        return dict(source.tags())


def footprint(lattice: GeoBox, target_crs: str) -> tuple[float, float, float, float]:
    """Return the bounds (west, south, east, north) of a raster's pixels in `target_crs`."""
    box = lattice.boundingbox
    bounds: tuple[float, float, float, float] = transform_bounds(
        str(lattice.crs), target_crs, box.left, box.bottom, box.right, box.top
    )
    return bounds


def _scales(source: GeoBox, geobox: GeoBox) -> dict[str, float]:
    """Return source pixels per target pixel as GDAL's options; it would compare the turned outlines, and smooth."""
    to_source = pyproj.Transformer.from_crs(str(geobox.crs), str(source.crs), always_xy=True)
    row, col = (size / 2 for size in geobox.shape)
    places = [geobox.transform @ place for place in ((col, row), (col + 1, row), (col, row + 1))]
    here, right, below = (np.array(~source.transform @ to_source.transform(*place)) for place in places)
    steps = np.abs(right - here), np.abs(below - here)
    x, y = (float(np.hypot(steps[0][axis], steps[1][axis])) for axis in (0, 1))
    return {"XSCALE": min(1 / x, 1.0), "YSCALE": min(1 / y, 1.0)}


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


def _reach(lattice: GeoBox, geobox: GeoBox, shift_m: tuple[float, float], margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a source that `geobox` needs, with a margin, also beyond its edges."""
    height, width = geobox.shape
    target = _moved_back(geobox, shift_m)
    west, north = target @ (0, 0)
    east, south = target @ (width, height)
    left, bottom, right, top = transform_bounds(
        str(geobox.crs), str(lattice.crs), west, south, east, north, densify_pts=21
    )
    to_pixel = ~lattice.transform
    corners = [to_pixel @ corner for corner in ((left, top), (right, top), (left, bottom), (right, bottom))]
    cols, rows = [c for c, _ in corners], [r for _, r in corners]
    return (
        slice(math.floor(min(rows)) - margin, math.ceil(max(rows)) + margin),
        slice(math.floor(min(cols)) - margin, math.ceil(max(cols)) + margin),
    )


def _read_window(path: Path | str, source: Any, band: int, rows: slice, cols: slice, nodata: float | None) -> Float:
    try:
        raw = source.read(band, window=Window.from_slices(rows, cols))
    except RasterioError as error:
        raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
    pixels: Float = raw.astype(np.float32)
    if nodata is not None and not math.isnan(nodata):
        pixels[raw == nodata] = np.nan
    return pixels
