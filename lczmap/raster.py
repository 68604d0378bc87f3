"""Reading and writing rasters: the only module that opens them.

Arrays are (band, y, x), rows run north to south, missing pixels are NaN in float arrays. Every writer writes to a
temporary name in the same folder and renames at the end, so a file under its final name is complete.
"""

from __future__ import annotations

import math
import os
import resource
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.shutil import copy as copy_raster
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from lczmap.classes import CLASSES, NODATA_CODE, palette
from lczmap.files import replacing

# MiB, read by GDAL when it first needs its cache; its own choice, 5 % of the machine's memory, is too much for a job
os.environ.setdefault("GDAL_CACHEMAX", "256")

ResamplingName = Literal["nearest", "bilinear", "cubic", "average"]
StackEncoding = Literal["float32", "uint16_reflectance"]
Float = npt.NDArray[np.float32]

REFLECTANCE_SCALE = 10_000  # DN per unit reflectance in stacks, as in Sentinel-2 products
_STATE_PREFIX = "LCZMAP_STATE_"
_CHANNELS_TAG = "LCZMAP_CHANNELS"
_AFFINE_TOLERANCE_PX = 0.01  # lets GDAL interpolate coordinates, which is exact in one CRS and five times faster
# rasters that a thread keeps open: 15 dates of 13 bands, fewer where the system allows few
_MOST_OPEN = max(16, min(200, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // (2 * (os.cpu_count() or 1))))
_OPEN = threading.local()
_SAME_PIXEL = 1e-6  # pixels; less than the rounding of coordinates in metres
_MARGIN_PX = 4  # source pixels read beyond the target, for the interpolation kernels
_GTIFF = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": 256,
    "blockysize": 256,
    "compress": "deflate",
    "interleave": "band",  # bands are read one at a time
}


@dataclass(frozen=True)
class Stack:
    """Channels of one sensor on one grid.

    `pixels` is (channel, y, x) float32 in the physical units of channels.py, NaN where missing; `state` says how
    the pixels were made (level, calibration, looks …).
    """

    pixels: Float
    channels: tuple[str, ...]
    geobox: GeoBox
    state: Mapping[str, str] = field(default_factory=dict)


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
    with _kept_open(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        own = _lattice(path, source, crs, transform)
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
    every coordinate is exact, not interpolated: in a common one interpolation is exact.
    """
    out = np.full(geobox.shape, np.nan, np.float32)
    offset = _whole_pixels(source, geobox, shift_m)
    if offset is not None:  # nothing to interpolate: copy
        _copy(pixels, out, *offset)
        return out
    reproject(
        pixels,
        out,
        src_transform=source.transform,
        src_crs=str(source.crs),
        src_nodata=np.nan,
        dst_transform=_moved_back(geobox, shift_m),
        dst_crs=str(geobox.crs),
        dst_nodata=np.nan,
        resampling=Resampling[resampling],
        tolerance=0 if source.crs != geobox.crs else _AFFINE_TOLERANCE_PX,
    )
    return out


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
) -> GeoBox:
    """Return the pixels of a raster, from its header; `crs` and `transform` replace its own georeference.

    `options` are GDAL's for this reading. ValueError when neither it nor `crs` names a CRS.
    """
    with rasterio.Env(**(options or {})), _opened(path) as source:
        return _lattice(path, source, crs, transform)


def read_part(
    path: Path | str, part: GeoBox | None = None, *, band: int = 1, options: Mapping[str, Any] | None = None
) -> tuple[npt.NDArray[Any], GeoBox]:
    """Return the digital numbers (y, x) of one band as they are stored, and the pixels that they are.

    `part` is a rectangle of whole pixels of the raster (as from its `lattice`), None for all. `path` may be anything
    GDAL opens, such as `/vsizip/…` or an address; `options` are GDAL's for this reading. ValueError for a raster
    that cannot be read.
    """
    with rasterio.Env(**(options or {})), _opened(path) as source:
        own = _lattice(path, source, None, None)
        if part is None:
            return _checked_read(path, source, None)[band - 1], own
        col, row = ~own.transform @ (part.transform @ (0, 0))
        window = Window(round(col), round(row), part.shape[1], part.shape[0])
        try:
            return source.read(band, window=window), part
        except RasterioError as error:
            raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error


def read_window(path: Path | str, rows: slice, cols: slice, *, band: int = 1) -> npt.NDArray[Any]:
    """Return the digital numbers (rows, cols) of a window of a raster that need not have a georeference.

    ValueError for a raster that cannot be read, or that is smaller than the window.
    """
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning), _opened(path) as source:
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


def write_parts(
    path: Path,
    parts: Iterable[tuple[tuple[slice, slice], Float]],
    geobox: GeoBox,
    *,
    names: Sequence[str],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write float bands from parts ((rows, columns), (band, y, x)) as they come; what no part covers stays NaN."""
    with replacing(path) as temporary:
        profile = _profile(geobox, len(names), "float32", math.nan)
        with rasterio.open(temporary, "w", **profile, predictor=3) as target:
            target.descriptions = list(names)
            target.update_tags(**(tags or {}))
            for (rows, cols), pixels in parts:
                target.write(pixels, window=Window.from_slices(rows, cols))


def band_names(path: Path | str) -> tuple[str, ...]:
    """Return the band descriptions of a raster; an unnamed band is an empty string."""
    with _opened(path) as source:
        return tuple(d or "" for d in source.descriptions)


def read_tags(path: Path | str) -> dict[str, str]:
    """Return the tags of a raster."""
    with _opened(path) as source:
        return dict(source.tags())


def footprint(lattice: GeoBox, target_crs: str) -> tuple[float, float, float, float]:
    """Return the bounds (west, south, east, north) of a raster's pixels in `target_crs`."""
    box = lattice.boundingbox
    bounds: tuple[float, float, float, float] = transform_bounds(
        str(lattice.crs), target_crs, box.left, box.bottom, box.right, box.top
    )
    return bounds


def write_stack(
    path: Path,
    stack: Stack,
    *,
    encoding: StackEncoding = "float32",
    counts: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> None:
    """Write a stack as GeoTIFF with named bands and its state as tags.

    `uint16_reflectance` stores round(reflectance · 10000) clipped to 1..65535, 0 where missing; `float32` stores
    the values, NaN where missing. `counts` are further named bands (y, x) of whole numbers, which `read_stack` skips.
    """
    if stack.pixels.shape != (len(stack.channels), *stack.geobox.shape):
        raise ValueError(f"expected {len(stack.channels)} channels of {stack.geobox.shape}, got {stack.pixels.shape}")
    if encoding == "uint16_reflectance":
        pixels: npt.NDArray[Any] = np.empty(stack.pixels.shape, np.uint16)
        for stored, band in zip(pixels, stack.pixels, strict=True):  # one at a time: memory
            scaled = np.clip(np.rint(band * REFLECTANCE_SCALE), 1, 65535)
            stored[:] = np.where(np.isnan(band), 0, scaled)
        nodata, scales = 0.0, 1 / REFLECTANCE_SCALE
    else:
        pixels, nodata, scales = stack.pixels.astype(np.float32, copy=False), math.nan, 1.0
    further = counts or {}
    if further:
        pixels = np.concatenate([pixels, *(count[None].astype(pixels.dtype) for count in further.values())])
    names = (*stack.channels, *further)
    tags = {_STATE_PREFIX + key: value for key, value in stack.state.items()}
    tags |= {_CHANNELS_TAG: " ".join(stack.channels)}
    with _new_raster(path, pixels, stack.geobox, nodata=nodata, names=names, tags=tags) as target:
        target.scales = [scales] * len(stack.channels) + [1.0] * len(further)


def read_stack(path: Path, *, window: tuple[slice, slice] | None = None) -> Stack:
    """Read a stack that `write_stack` wrote, or the (rows, columns) `window` of it, in physical units."""
    with _opened(path) as source:
        full = GeoBox(source.shape, source.transform, source.crs)
        geobox = full if window is None else full[window]
        read = None if window is None else Window.from_slices(*window, *source.shape)
        names = tuple(d or "" for d in source.descriptions)
        channels = tuple(source.tags().get(_CHANNELS_TAG, " ".join(names)).split(" "))
        pixels = _checked_read(path, source, read, bands=range(1, len(channels) + 1))
        if source.dtypes[0] == "uint16":
            pixels = np.where(pixels == 0, np.nan, pixels / np.float32(REFLECTANCE_SCALE)).astype(np.float32)
        state = {k.removeprefix(_STATE_PREFIX): v for k, v in source.tags().items() if k.startswith(_STATE_PREFIX)}
        return Stack(pixels.astype(np.float32, copy=False), channels, geobox, state)


def write_cells(
    path: Path,
    array: npt.NDArray[Any],
    geobox: GeoBox,
    *,
    names: Sequence[str],
    nodata: float | None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write (band, y, x) of any dtype as a plain tiled GeoTIFF with named bands."""
    with _new_raster(path, array, geobox, nodata=nodata, names=names, tags=tags or {}):
        pass


def read_cells(path: Path, *, expected: GeoBox | None = None) -> tuple[npt.NDArray[Any], GeoBox]:
    """Read all bands (band, y, x) in the file's own dtype, and their geobox.

    ValueError when `expected` is given and the file lies on another grid.
    """
    with _opened(path) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
        if expected is not None and geobox != expected:
            raise ValueError(
                f"{path}: expected the grid {expected.shape} at {tuple(expected.transform)[:6]} in {expected.crs}, "
                f"got {geobox.shape} at {tuple(geobox.transform)[:6]} in {geobox.crs}"
            )
        return _checked_read(path, source, None), geobox


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
        profile = _profile(geobox, len(names), "float32", math.nan)
        with rasterio.open(temporary, "w", **profile, predictor=3) as target:
            target.descriptions = names
            target.update_tags(**tags)
            for (rows, cols), probabilities in parts:
                target.write(probabilities, window=Window.from_slices(rows, cols))


def write_class_map(path: Path, codes: npt.NDArray[np.uint8], geobox: GeoBox, *, tags: Mapping[str, str]) -> None:
    """Write the class map as cloud-optimised GeoTIFF: codes 1..17 (y, x), 0 = nodata and transparent.

    The file carries the official colours, the 17 class names (as GDAL category names, in the `.aux.xml` beside
    it) and overviews by mode, so that no overview shows a class that is not there.
    """
    if codes.dtype != np.uint8 or codes.max(initial=0) > len(CLASSES):
        raise ValueError(f"expected uint8 codes 0..{len(CLASSES)}, got {codes.dtype} up to {codes.max(initial=0)}")
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            with rasterio.open(plain, "w", **_profile(geobox, 1, "uint8", NODATA_CODE)) as target:
                target.write(codes, 1)
                target.write_colormap(1, palette())
                target.descriptions = ["LCZ"]
                target.update_tags(**tags)
            copy_raster(plain, temporary, driver="COG", compress="deflate", overview_resampling="mode", blocksize=256)
        finally:
            plain.unlink(missing_ok=True)
    _write_category_names(path)


def read_class_map(path: Path) -> tuple[npt.NDArray[np.uint8], GeoBox]:
    """Read an LCZ map as uint8 codes 0..17 (y, x); ValueError for any other value."""
    bands, geobox = read_cells(path)
    codes = bands[0]
    if codes.min(initial=0) < 0 or codes.max(initial=0) > len(CLASSES):
        raise ValueError(f"{path}: expected LCZ codes 0..17, got {codes.min()}..{codes.max()}")
    return codes.astype(np.uint8), geobox


def _write_category_names(path: Path) -> None:
    # rasterio has no call for category names: GDAL reads them from this side-car file
    names = "".join(f"<Category>{escape(name)}</Category>" for name in ["", *(c.title for c in CLASSES)])
    text = f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand></PAMDataset>\n'
    with replacing(path.with_name(path.name + ".aux.xml")) as temporary:
        temporary.write_text(text)


@contextmanager
def _kept_open(path: Path | str) -> Iterator[Any]:
    """Open a raster that is read window by window; it stays open, with GDAL's cache of its blocks, in this thread.

    A file that has changed on disk is opened anew.
    """
    name = str(path)
    try:
        state = Path(name).stat()
    except OSError:  # not a plain file: a zip member, an address
        with _opened(path) as source:
            yield source
        return
    key = (name, state.st_mtime_ns, state.st_size, state.st_ino)
    kept: OrderedDict[Any, Any] = _OPEN.__dict__.setdefault("rasters", OrderedDict())
    if key not in kept:
        with _opened(path, keep=True) as source:
            kept[key] = source
        if len(kept) > _MOST_OPEN:
            kept.popitem(last=False)[1].close()
    kept.move_to_end(key)
    yield kept[key]


@contextmanager
def _opened(path: Path | str, *, keep: bool = False) -> Iterator[Any]:
    try:
        source = rasterio.open(path)
    except RasterioIOError as error:
        missing = isinstance(path, Path) and not path.exists()
        remedy = "no such file" if missing else f"not a readable raster ({error}); fetch or make it again"
        raise ValueError(f"{path}: {remedy}") from error
    if keep:
        yield source
        return
    with source:
        yield source


def _checked_read(
    path: Path | str, source: Any, window: Window | None, *, bands: Sequence[int] | None = None
) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = source.read(None if bands is None else list(bands), window=window)
    except RasterioError as error:
        raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
    return array


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


def _lattice(path: Path | str, source: Any, crs: str | None, transform: Sequence[float] | None) -> GeoBox:
    if crs is None and source.crs is None:
        raise ValueError(f"{path}: the raster has no CRS; describe it with `crs` and `transform`")
    affine = source.transform if transform is None else Affine(*transform)
    return GeoBox(source.shape, affine, crs or source.crs)


def _read_window(path: Path | str, source: Any, band: int, rows: slice, cols: slice, nodata: float | None) -> Float:
    try:
        raw = source.read(band, window=Window.from_slices(rows, cols))
    except RasterioError as error:
        raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
    pixels: Float = raw.astype(np.float32)
    if nodata is not None and not math.isnan(nodata):
        pixels[raw == nodata] = np.nan
    return pixels


def _profile(geobox: GeoBox, count: int, dtype: str, nodata: float | None) -> dict[str, Any]:
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
def _new_raster(
    path: Path,
    array: npt.NDArray[Any],
    geobox: GeoBox,
    *,
    nodata: float | None,
    names: Sequence[str],
    tags: Mapping[str, str],
) -> Iterator[Any]:
    if array.ndim != 3 or array.shape[0] != len(names) or array.shape[1:] != tuple(geobox.shape):
        raise ValueError(f"expected {len(names)} bands of {tuple(geobox.shape)}, got {array.shape}")
    with (
        replacing(path) as temporary,
        rasterio.open(temporary, "w", **_profile(geobox, array.shape[0], str(array.dtype), nodata)) as target,
    ):
        target.write(array)
        target.descriptions = list(names)
        target.update_tags(**tags)
        yield target
