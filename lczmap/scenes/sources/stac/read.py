"""Reading the window of a STAC asset with odc-stac: an item's own pixels, through dask.

The window is a rectangle of the raster's own pixels and resampling is nearest, so pixels are copied, not resampled;
odc.stac.load applies no scale and no offset. Addresses are signed where the pixels are read (also on a worker of a
dask.distributed cluster): the graph, errors and logs hold them without query.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.stac
import pystac
from odc.geo.geobox import GeoBox
from odc.loader import RioDriver, RioReader

from lczmap.raster import footprint, lattice
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError
from lczmap.scenes.sources.stac.bands import BandFile

Sign = Callable[[str], str]
CHUNK_PX = 2048
"""Windows are read in squares of this size, side by side."""
COPERNICUS_OPTIONS = {
    "AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu",  # documentation.dataspace.copernicus.eu/APIs/S3.html
    "AWS_VIRTUAL_HOSTING": False,
}
_RASTERIO = ("_base", "_env", "_err", "_io", "_path", "_vsiopener", "_warp", "env")
_LOGGERS = ("odc.loader._rio", "rasterio", *(f"rasterio.{name}" for name in _RASTERIO))
"""Each by name: the filter of a logger does not see what its children log."""
_ASSET = "pixels"


def unsigned(href: str) -> str:
    """Return an address as it is: the signature of archives that need none."""
    return href


def read_window(file: BandFile, window: GeoBox, *, sign: Sign = unsigned) -> npt.NDArray[Any]:
    """Return the pixels (y, x) of `window`, whole pixels of the file, as they are stored (float: NaN is missing).

    Runs on the active dask scheduler: threads, or the distributed client where one is active. ArchiveError after
    bounded retries.
    """
    driver = _Driver(sign, gdal_options(file.href))
    loaded = odc.stac.load(
        [_item(file, window)],
        bands=[_ASSET],
        geobox=window,
        resampling="nearest",
        dtype=file.dtype,
        nodata=None if file.dtype.startswith("float") else file.nodata,
        chunks={"x": CHUNK_PX, "y": CHUNK_PX},
        groupby="id",
        fail_on_error=True,
        driver=driver,
    )
    pixels: npt.NDArray[Any] = loaded[_ASSET].data[0].compute()
    if file.dtype.startswith("float") and file.nodata is not None:
        pixels = np.where(pixels == file.nodata, np.float32(np.nan), pixels)
    return pixels


def read_lattice(file: BandFile, *, sign: Sign = unsigned) -> GeoBox:
    """Return the pixels of a file that its item does not describe, from its header; ArchiveError when it cannot."""
    problem: str
    try:
        _redact_logs()
        return lattice(gdal_path(sign(file.href)), options=gdal_options(file.href))
    except ValueError as error:
        if isinstance(error, ArchiveError):
            raise
        problem = _problem(file.href, error)
    raise ArchiveError(problem)


def gdal_path(href: str) -> str:
    """Return what GDAL opens for an address or a path on disk."""
    if href.startswith("s3://"):
        return "/vsis3/" + href.removeprefix("s3://")
    return f"/vsicurl/{href}" if href.startswith(("http://", "https://")) else href


def gdal_options(href: str) -> dict[str, Any]:
    """Return GDAL's options for an address: bounded patience, and the S3 server of Copernicus Data Space.

    The keys of an S3 account come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), read by GDAL.
    """
    options = http.gdal_options() | {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/"}  # a broken answer is not kept
    return options | (COPERNICUS_OPTIONS if href.startswith("s3://eodata/") else {})


class _Driver(RioDriver):
    """odc's reader, which signs an address at the moment of reading."""

    def __init__(self, sign: Sign, options: dict[str, Any]) -> None:
        super().__init__()
        self._sign, self._options = sign, options

    def capture_env(self) -> dict[str, Any]:
        return dict(self._options)

    def open(self, src: Any, ctx: Any) -> _Reader:
        return _Reader(src, ctx, self._sign)


class _Reader(RioReader):
    def __init__(self, src: Any, ctx: Any, sign: Sign) -> None:
        super().__init__(src, ctx)
        self._sign = sign

    def read(self, cfg: Any, dst_geobox: GeoBox, *, dst: Any = None, selection: Any = None) -> Any:
        signed = dataclasses.replace(self._src, uri=gdal_path(self._sign(self._src.uri)))
        problem: str
        try:
            _redact_logs()
            return RioReader(signed, self._ctx).read(cfg, dst_geobox, dst=dst, selection=selection)
        except OSError as error:  # rasterio's, whose text holds the signed address
            problem = _problem(self._src.uri, error)
        raise ArchiveError(problem)


class _Redact(logging.Filter):
    """Leaves out the queries of addresses, where signatures live."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"\?[^\s'\"]+", "", record.getMessage()), ()
        return True


_REDACT = _Redact()


def _redact_logs() -> None:
    # in this process, which may be a worker's; adding the same filter again changes nothing
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_REDACT)


def _problem(href: str, error: BaseException) -> str:
    text, cause = "", error
    while cause is not None:  # the status is in the innermost of GDAL's errors
        text += f" {cause}"
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    status = re.search(r"(?:response_code=|HTTP response code(?: on [^:]*)?: ?|error )(\d{3})", text)
    return http.failure(href, status=int(status[1])) if status else http.failure(href, reason=_reason(text))


def _reason(text: str) -> str:
    if "timed out" in text.lower() or "timeout" in text.lower() or "too slow" in text.lower():
        return "no answer in time"
    if "not recognized" in text:
        return "expected a raster, got something else"
    if "credential" in text.lower():
        return "the S3 server asks for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    return "the pixels could not be read (broken or truncated)"


def _item(file: BandFile, window: GeoBox) -> pystac.Item:
    # an item of our own with this one asset: odc then reads it alike for every archive's metadata
    west, south, east, north = footprint(window, "EPSG:4326")
    east += 360 if east < west else 0  # across the antimeridian
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    item = pystac.Item("window", {"type": "Polygon", "coordinates": [ring]}, [west, south, east, north], _EPOCH, {})
    fields = {"proj:code": str(window.crs), "proj:shape": list(window.shape), "proj:transform": list(window.transform)}
    item.stac_extensions.append("https://stac-extensions.github.io/projection/v2.0.0/schema.json")
    item.add_asset(
        _ASSET, pystac.Asset(file.href, media_type=pystac.MediaType.GEOTIFF, roles=["data"], extra_fields=fields)
    )
    return item


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # odc asks for a time; it is not used
