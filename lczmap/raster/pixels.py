"""Reading windows of rasters, and reading them onto another grid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from lczmap.raster.files import Float, checked_read, kept_open, lattice_of, opened
from lczmap.raster.warping import ResamplingName, reach, turned, warp

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

    Only the source's window around the target is read, or two of them where they meet at the antimeridian. `crs` and
    `transform` (a, b, c, d, e, f) replace the file's own georeference; `shift_m` (east, north) is added to the
    source's coordinates, in metres of the target CRS, before resampling, so one interpolation does all. `nodata`
    replaces the file's own nodata value.
    ValueError for a file that cannot be read, has no such band or no georeference.
    """
    with kept_open(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        own = lattice_of(path, source, crs, transform)
        missing = source.nodata if nodata is None else nodata
        parts = []
        for place in turned(own):
            rows, cols = reach(place, geobox, shift_m=shift_m, margin=_MARGIN_PX)
            rows = slice(max(rows.start, 0), min(rows.stop, source.height))
            cols = slice(max(cols.start, 0), min(cols.stop, source.width))
            if rows.start < rows.stop and cols.start < cols.stop:
                pixels = _read_window(path, source, band, rows, cols, missing)
                parts.append(warp(pixels, place[rows, cols], geobox, resampling=resampling, shift_m=shift_m))
    out = parts[0] if parts else np.full(geobox.shape, np.nan, np.float32)
    for part in parts[1:]:
        np.copyto(out, part, where=np.isnan(out))
    return out


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
            return checked_read(path, source, None, bands=[band])[0], own
        col, row = ~own.transform @ (part.transform @ (0, 0))
        window = Window(round(col), round(row), part.shape[1], part.shape[0])
        return checked_read(path, source, window, bands=[band])[0], part


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
        window: npt.NDArray[Any] = checked_read(path, source, Window.from_slices(rows, cols), bands=[band])[0]
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


def _read_window(path: Path | str, source: Any, band: int, rows: slice, cols: slice, nodata: float | None) -> Float:
    raw = checked_read(path, source, Window.from_slices(rows, cols), bands=[band])[0]
    pixels: Float = raw.astype(np.float32)
    if nodata is not None and not math.isnan(nodata):
        pixels[raw == nodata] = np.nan
    return pixels
