"""Sentinel-2 and Sentinel-1 from Sentinel Hub or the Copernicus Data Space Ecosystem, by account.

The Catalog API finds the passes, the Process API delivers the city's own 10 m pixels in sub-tiles of at most
2500 × 2500: Sentinel-2 as DN without offset, Sentinel-1 GRD calibrated, without thermal noise, and orthorectified with
the Copernicus DEM by Range-Doppler terrain correction (the service's doing, as documented by it). This code was
exercised against a server on the loopback that speaks the same protocol, not against the services.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.files import replacing
from lczmap.grid import PIXEL_M
from lczmap.raster import band_names, read_cells, write_cells
from lczmap.raster import lattice as file_lattice
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.sources.http import without_query
from lczmap.scenes.sources.sentinel_hub.items import passes
from lczmap.scenes.sources.sentinel_hub.requests import (
    MAX_REQUEST_PX,
    SUN_BANDS,
    Layer,
    Part,
    Upsampling,
    cost_text,
    cut,
    lattice,
    layers,
    processing_units,
)
from lczmap.scenes.sources.source import ArchiveError, Found, Request, lonlat_bounds

if TYPE_CHECKING:
    from lczmap.scenes.sources.sentinel_hub.client import Client

Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class _Task:
    """One layer of one scene: where its files are, or will be."""

    found: Found
    layer: Layer
    whole: GeoBox
    folder: Path

    def path(self, band: str) -> Path:
        """The file of a band."""
        return self.folder / f"{self.found.id}_{self.layer.kind}_{band}.tif"

    @property
    def parts(self) -> Path:
        """The folder of finished sub-tiles."""
        return self.folder / ".parts" / self.found.id

    @property
    def is_there(self) -> bool:
        """True when all files are complete, on these pixels."""
        files = [(self.path(band), band) for band in self.layer.bands]
        return all(
            file.is_file() and file_lattice(file) == self.whole and band_names(file) == (band,) for file, band in files
        )


class SentinelHubSource:
    """Sentinel Hub at `endpoint`: `sentinel_hub`, `copernicus`, an address, or None for sentinelhub's own profile.

    `upsampling` is how the service brings 20 and 60 m bands to 10 m. Credentials come from SH_CLIENT_ID and
    SH_CLIENT_SECRET or from sentinelhub's profile when they are needed, and stay inside the client.
    """

    def __init__(self, endpoint: str | None = None, *, upsampling: Upsampling = "cubic") -> None:
        self.endpoint, self.upsampling = endpoint, upsampling
        self._where = without_query(endpoint) if endpoint else "profile"
        self.name = self.key = f"Sentinel Hub ({self._where}, 20 m bands by {upsampling})"
        self._made: Client | None = None
        self._lock = threading.Lock()

    def search(self, request: Request) -> list[Found]:
        """Return the passes that touch the city: one for each satellite and overpass; ArchiveError when it cannot."""
        self._layers(request)  # a band that the service lacks is refused before anything is searched
        from lczmap.scenes.sources.sentinel_hub.api import catalogue_items

        boxes = _boxes(lonlat_bounds(request.grid))
        items = [item for box in boxes for item in catalogue_items(self._client, request, box)]
        found = passes(items, request, provider=f"sentinel hub {self._where}")
        if found and request.relative_orbit is not None and all(one.relative_orbit is None for one in found):
            raise ArchiveError(
                f"{self.name}: the catalogue states no relative orbits, {request.relative_orbit} cannot be chosen; "
                "leave `relative_orbit` out and choose by orbit direction and platform, or use another source"
            )
        return found

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Say how many processing units fetching takes, by the documented rules."""
        parts = [
            (layer, part.geobox.shape)
            for layer in self._layers(request)
            for part in cut(lattice(request.grid, layer.pixel_m), MAX_REQUEST_PX)
        ]
        units = len(found) * sum(processing_units(layer, (shape[0], shape[1])) for layer, shape in parts)
        return cost_text(len(found), units, len(found) * len(parts))

    def fetch(self, found: Found, request: Request, folder: Path) -> Scene | None:
        """Write a pass's bands on the city's padded 10 m pixels, one file each; None where it has no pixel there.

        Finished sub-tiles are kept in `folder`/.parts until the scene is complete, so that only what is missing is
        asked for again.
        """
        bands, *others = [
            _Task(found, layer, lattice(request.grid, layer.pixel_m), folder) for layer in self._layers(request)
        ]
        if not self._bring(bands):
            return None
        brought = {task.layer.kind: task for task in others if self._bring(task)}
        shutil.rmtree(folder / ".parts" / found.id, ignore_errors=True)
        return Scene(
            id=found.id,
            sensor=found.sensor,
            platform=found.platform,
            datetime=found.datetime,
            state=found.state,
            orbit_direction=found.orbit_direction,
            relative_orbit=found.relative_orbit,
            assets={band: _asset(bands, band) for band in bands.layer.bands},
            cloud=_mask(brought["mask"]) if "mask" in brought else None,
            sun=_sun(brought["sun"]) if "sun" in brought else None,
        )

    def _layers(self, request: Request) -> tuple[Layer, ...]:
        return layers(request, upsampling=self.upsampling)

    @property
    def _client(self) -> Client:
        from lczmap.scenes.sources.sentinel_hub.account import service
        from lczmap.scenes.sources.sentinel_hub.client import Client

        with self._lock:
            if self._made is None:
                self._made = Client(service(self.endpoint))
            return self._made

    def _bring(self, task: _Task) -> bool:
        """Have a layer's files on the disk; False where the pass has no pixel."""
        if task.is_there:
            return True
        parts = [(part, self._part(task, part)) for part in cut(task.whole, MAX_REQUEST_PX)]
        if not any(_valid(np.load(file, mmap_mode="r"), task.layer).any() for _, file in parts):
            return False
        for number, band in enumerate(task.layer.bands):
            pixels = np.empty(task.whole.shape, task.layer.dtype)
            for part, file in parts:
                height, width = part.geobox.shape
                pixels[part.row : part.row + height, part.col : part.col + width] = np.load(file, mmap_mode="r")[number]
            write_cells(task.path(band), pixels[None], task.whole, names=[band], nodata=task.layer.nodata)
        return True

    def _part(self, task: _Task, part: Part) -> Path:
        """Return the file with a sub-tile's pixels (band, y, x), fetched if it is not there."""
        from lczmap.scenes.sources.sentinel_hub.api import process_request

        asked = process_request(self._client.config, task.found, task.layer, part.geobox)
        name = hashlib.sha256(json.dumps(asked.post_values, sort_keys=True).encode()).hexdigest()[:20]
        kept = task.parts / f"{name}.npy"
        if not kept.is_file():
            raster = kept.with_suffix(".tif")
            with replacing(raster) as temporary:
                temporary.write_bytes(self._client.body(asked))
            pixels = _checked(raster, task, part)
            with replacing(kept) as temporary, temporary.open("wb") as stream:
                np.save(stream, pixels)
            raster.unlink()
        return kept


def _boxes(bounds: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    west, south, east, north = bounds
    return [bounds] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _checked(raster: Path, task: _Task, part: Part) -> Pixels:
    """Return the pixels (band, y, x) of an answer; ArchiveError, and no file, when they are not what was asked for."""
    expected = (len(task.layer.bands), *part.geobox.shape)
    try:
        pixels, geobox = read_cells(raster)
    except ValueError as error:
        raster.unlink()
        raise ArchiveError(f"{task.found.id}: a sub-tile came corrupt; run the same command again") from error
    got = f"{pixels.shape} {pixels.dtype}"
    if geobox.crs is not None and not _is_same_place(geobox, part.geobox):
        got += f" at {tuple(geobox.transform)[:6]} in {geobox.crs}"
    elif pixels.shape == expected and pixels.dtype == task.layer.dtype:
        return pixels
    raster.unlink()
    wanted = f"{expected} {task.layer.dtype} at {tuple(part.geobox.transform)[:6]} in {part.geobox.crs}"
    raise ArchiveError(
        f"{task.found.id}: expected a picture of {wanted}, got {got}; the service may have changed: choose another "
        "source and report this"
    )


def _is_same_place(got: GeoBox, expected: GeoBox) -> bool:
    # a hundredth of a pixel for rounding; a CRS may come as text without its code
    near = np.allclose(tuple(got.transform)[:6], tuple(expected.transform)[:6], rtol=0, atol=0.01 * PIXEL_M)
    codes = {crs.epsg for crs in (got.crs, expected.crs) if crs is not None and crs.epsg is not None}
    return near and len(codes) <= 1


def _valid(pixels: Pixels, layer: Layer) -> npt.NDArray[np.bool_]:
    return np.isfinite(pixels) if math.isnan(layer.nodata) else np.asarray(pixels != layer.nodata)


def _asset(task: _Task, band: str) -> Asset:
    path = str(task.path(band))
    if task.found.sensor == "sentinel-1":
        return Asset(path=path)
    return Asset(path=path, scale=1e-4, nodata=0, unit="reflectance")


def _mask(task: _Task) -> Asset:
    (name,) = task.layer.bands
    return Asset(path=str(task.path(name)), values=task.layer.values)


def _sun(task: _Task) -> tuple[float, float]:
    """Return the sun's mean (azimuth, elevation) in degrees; angles are averaged as directions, across north too."""
    azimuth, zenith = (np.deg2rad(read_cells(task.path(band))[0][0].astype(float)) for band in SUN_BANDS)
    east, north = np.nanmean(np.sin(azimuth)), np.nanmean(np.cos(azimuth))
    return float(np.rad2deg(np.arctan2(east, north)) % 360), float(90 - np.rad2deg(np.nanmean(zenith)))
