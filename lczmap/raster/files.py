"""Opening and creating rasters: what the other modules of this package share."""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from lczmap.files import replacing
from lczmap.raster.whole import check_whole

# MiB, read by GDAL when it first needs its cache; its own choice, 5 % of the machine's memory, is too much for a job
os.environ.setdefault("GDAL_CACHEMAX", "256")

Float = npt.NDArray[np.float32]

# rasters that a thread keeps open: 15 dates of 13 bands, fewer where the system allows few
_MOST_OPEN = max(16, min(200, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // (2 * (os.cpu_count() or 1))))
_OPEN = threading.local()
BIGTIFF = "IF_SAFER"
"""GDAL foresees files above 4 GB by itself only where they are not compressed; this foresees all that could be."""
_GTIFF = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": 256,
    "blockysize": 256,
    "compress": "deflate",
    "interleave": "band",  # bands are read one at a time
    "bigtiff": BIGTIFF,
}


@contextmanager
def opened(path: Path | str, *, keep: bool = False, driver: str | None = None) -> Iterator[Any]:
    """Open a raster and close it at the end, unless it shall be kept; ValueError with the remedy when it cannot be.

    `driver` is the only GDAL driver that may open it, None for any.
    """
    try:
        source = rasterio.open(path, driver=driver)
    except RasterioIOError as error:
        missing = isinstance(path, Path) and not path.exists()
        remedy = "no such file" if missing else f"not a readable raster ({error}); fetch or make it again"
        raise ValueError(f"{path}: {remedy}") from error
    if keep:
        yield source
        return
    with source:
        yield source


@contextmanager
def kept_open(path: Path | str) -> Iterator[Any]:
    """Open a raster that is read window by window; it stays open, with GDAL's cache of its blocks, in this thread.

    A file that has changed on disk is opened anew.
    """
    name = str(path)
    try:
        state = Path(name).stat()
    except OSError:  # not a plain file: a zip member, an address
        with opened(path) as source:
            yield source
        return
    key = (name, state.st_mtime_ns, state.st_size, state.st_ino)
    kept: OrderedDict[Any, Any] = _OPEN.__dict__.setdefault("rasters", OrderedDict())
    if key not in kept:
        with opened(path, keep=True) as source:
            kept[key] = source
        if len(kept) > _MOST_OPEN:
            kept.popitem(last=False)[1].close()
    kept.move_to_end(key)
    yield kept[key]


def checked_read(
    path: Path | str, source: Any, window: Window | None, *, bands: Sequence[int] | None = None
) -> npt.NDArray[Any]:
    """Read bands (None: all) of a window (None: all of it) as they are stored; ValueError for a corrupt file."""
    try:
        array: npt.NDArray[Any] = source.read(None if bands is None else list(bands), window=window)
    except RasterioError as error:
        raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
    return array


def lattice_of(path: Path | str, source: Any, crs: str | None, transform: Sequence[float] | None) -> GeoBox:
    """Return the pixels of an open raster; `crs` and `transform` replace its own. ValueError without a CRS."""
    if crs is None and source.crs is None:
        raise ValueError(f"{path}: the raster has no CRS; describe it with `crs` and `transform`")
    affine = source.transform if transform is None else Affine(*transform)
    return GeoBox(source.shape, affine, crs or source.crs)


def check_lattice(path: Path | str, geobox: GeoBox, expected: GeoBox | None) -> None:
    """Refuse a raster on another grid than the expected one, where one is; ValueError with both."""
    if expected is not None and geobox != expected:
        raise ValueError(
            f"{path}: expected the grid {expected.shape} at {tuple(expected.transform)[:6]} in {expected.crs}, "
            f"got {geobox.shape} at {tuple(geobox.transform)[:6]} in {geobox.crs}"
        )


def profile_of(geobox: GeoBox, count: int, dtype: str, nodata: float | None) -> dict[str, Any]:
    """Return what a new tiled GeoTIFF of `count` bands on `geobox` needs."""
    height, width = geobox.shape
    georeference = {"crs": str(geobox.crs), "transform": geobox.transform}
    return {
        **_GTIFF,
        **georeference,
        "height": height,
        "width": width,
        "count": count,
        "dtype": dtype,
        "nodata": nodata,
    }


@contextmanager
def created(path: Path, profile: Mapping[str, Any], *, name: Path) -> Iterator[Any]:
    """Yield a new TIFF, close it, and see that it is whole; OSError, naming `name`, where the disk took less."""
    with rasterio.open(path, "w", **profile) as target:
        yield target
    check_whole(path, name)


@contextmanager
def new_raster(
    path: Path,
    array: npt.NDArray[Any],
    geobox: GeoBox,
    *,
    nodata: float | None,
    names: Sequence[str],
    tags: Mapping[str, str],
) -> Iterator[Any]:
    """Write (band, y, x) with named bands and tags; yields the open file, which gets its name when all went well."""
    if array.ndim != 3 or array.shape[0] != len(names) or array.shape[1:] != tuple(geobox.shape):
        raise ValueError(f"expected {len(names)} bands of {tuple(geobox.shape)}, got {array.shape}")
    profile = profile_of(geobox, array.shape[0], str(array.dtype), nodata)
    with replacing(path) as temporary, created(temporary, profile, name=path) as target:
        target.write(array)
        target.descriptions = list(names)
        target.update_tags(**tags)
        yield target
