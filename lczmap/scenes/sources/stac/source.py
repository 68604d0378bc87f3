"""Scenes from a STAC archive: an API (Planetary Computer, Earth Search, Copernicus Data Space, any other by its
address), or a static catalogue on disk.

Only the window around the city is read, as the archive's own pixels. The catalogues need no account; the pixels of
`earth_search` need none, those of `planetary_computer` are signed by a public service (a key is needed for
sentinel-1-rtc where the service asks for one: PC_SDK_SUBSCRIPTION_KEY), those of `copernicus` need S3 keys in
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_RESOLUTION_M
from lczmap.raster import lattice, read_onto, read_part, write_cells
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.sources.http import without_query
from lczmap.scenes.sources.products.s2_metadata import SCL_NOT_CLEAR
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError, Found, Request, clip_lattice
from lczmap.scenes.sources.stac.bands import S2_OFFSET, BandFile, Item
from lczmap.scenes.sources.stac.choice import (
    bands_of,
    complete,
    in_period,
    not_corrected,
    of_level,
    of_sensor,
    product_of,
    require_gamma0,
    terrain_corrected,
)
from lczmap.scenes.sources.stac.items import band_files, found_scene, is_terrain_corrected
from lczmap.scenes.sources.stac.read import Sign, read_lattice, read_window, unsigned
from lczmap.scenes.sources.stac.search import is_address, search_api, search_disk, touches
from lczmap.scenes.sources.stac.sign import sign_planetary_computer


@dataclass(frozen=True)
class Endpoint:
    """A STAC API: `collections` by product (L1C, L2A, or gamma0 for Sentinel-1), where it has one we can use."""

    url: str
    collections: dict[str, str]
    sign: Sign = unsigned


ENDPOINTS = {
    "earth_search": Endpoint("https://earth-search.aws.element84.com/v1", {"L2A": "sentinel-2-c1-l2a"}),
    "planetary_computer": Endpoint(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        {"L2A": "sentinel-2-l2a", "gamma0": "sentinel-1-rtc"},
        sign_planetary_computer,
    ),
    "copernicus": Endpoint(
        "https://stac.dataspace.copernicus.eu/v1", {"L1C": "sentinel-2-l1c", "L2A": "sentinel-2-l2a"}
    ),
}
_USUAL_COLLECTIONS = {"L1C": "sentinel-2-l1c", "L2A": "sentinel-2-l2a", "gamma0": "sentinel-1-rtc"}
_CHECKED_BANDS = ("B3", "B4", "B2")
_SHARE_BELOW_OFFSET = 0.02
"""More clear green pixels than this below +1000 DN would be darker than nothing: the DN do not carry the offset."""


class StacSource:
    """A STAC archive as a source of scenes.

    `endpoint` is a name of `ENDPOINTS`, the address of an API, or the path of a catalogue on disk (catalog.json,
    collection.json, a saved item collection, or a folder with one of them); None: earth_search for Sentinel-2,
    planetary_computer for Sentinel-1. `collection` None: the endpoint's own for what is asked. `signer` replaces the
    endpoint's way to sign an address.
    """

    def __init__(
        self, endpoint: str | None = None, collection: str | None = None, *, signer: Sign | None = None
    ) -> None:
        self.endpoint, self.collection, self.signer = endpoint, collection, signer
        self.name = f"stac {without_query(endpoint)}" if endpoint else "stac"
        self.key = f"stac {endpoint} {collection}"

    def search(self, request: Request) -> list[Found]:
        """Return the scenes of sensor, level and period around the city; ArchiveError when it cannot have them."""
        require_gamma0(request)
        items = of_sensor(self._items(request), request, self._where(request))
        if request.sensor == "sentinel-1":
            items = terrain_corrected(items)
        found = in_period(self._scenes(items, request), request)
        found = complete(of_level(found, request, self._where(request)), request)
        return sorted(found, key=lambda scene: (scene.datetime, scene.id))

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Return how much is read at most, and from where."""
        width, height = (10 * n + 2 * MARGIN_M for n in (request.grid.width, request.grid.height))
        sizes = [S2_RESOLUTION_M.get(band, 10) for band in bands_of(request)]
        depth = 2 if request.sensor == "sentinel-2" else 4  # bytes per pixel
        megabytes = len(found) * sum(depth * width * height / size**2 for size in sizes) / 1e6
        price = "on the quota of your account" if self._endpoint(request) == "copernicus" else "free of charge"
        return (
            f"{len(found)} scenes of {request.sensor}, {len(sizes)} bands each: about {megabytes:.0f} MB before "
            f"compression from {self._where(request)}, {price}"
        )

    def fetch(self, found: Found, request: Request, folder: Path) -> Scene | None:
        """Write the city's window of a scene into its own `folder`, one file per band with the archive's DN."""
        files = band_files(found)
        wanted = [band for band in bands_of(request) if band in files]
        sign = self._sign(request)
        paths: dict[str, Path] = {}
        for band in [*wanted, *(["SCL"] if "SCL" in files else [])]:
            path = folder / f"{band}.tif"
            window = clip_lattice(_native(files[band], sign), request.grid)
            if window is None:
                return None
            if not path.is_file() or lattice(path) != window:
                pixels = read_window(files[band], window, sign=sign)
                write_cells(path, pixels[None], window, names=[band], nodata=_nodata(files[band]))
            if not paths and not _has_pixels(path):
                return None
            paths[band] = path
        if _lacks_its_offset(found, files, paths):
            return None
        return _scene(found, files, paths)

    def _scenes(self, items: Sequence[Item], request: Request) -> list[Found]:
        # an odd item must not hide the others; when all are odd, the first says why
        found, odd = [], []
        for item in items:
            try:
                found.append(found_scene(item, provider=self._provider(request)))
            except ArchiveError as error:
                odd.append(error)
        if odd and not found:
            raise odd[0]
        if odd:
            print(
                f"warning: {self.name}: {len(odd)} of {len(items)} items are left out; the first: {odd[0]}", flush=True
            )
        return found

    def _endpoint(self, request: Request) -> str:
        default = "earth_search" if request.sensor == "sentinel-2" else "planetary_computer"
        return self.endpoint or default

    def _where(self, request: Request) -> str:
        endpoint = self._endpoint(request)
        return ENDPOINTS[endpoint].url if endpoint in ENDPOINTS else endpoint

    def _provider(self, request: Request) -> str:
        endpoint = self._endpoint(request)
        if endpoint in ENDPOINTS:
            return endpoint
        return str(urlsplit(endpoint).hostname) if is_address(endpoint) else "catalogue"

    def _sign(self, request: Request) -> Sign:
        if self.signer is not None:
            return self.signer
        endpoint = self._endpoint(request)
        known = ENDPOINTS.get(endpoint)
        known = known or next((e for e in ENDPOINTS.values() if e.url == endpoint.rstrip("/")), None)
        # a catalogue on disk may list files of Planetary Computer; other addresses are left as they are
        return known.sign if known else unsigned if is_address(endpoint) else sign_planetary_computer

    def _items(self, request: Request) -> list[Item]:
        endpoint = self._endpoint(request)
        where = self._where(request)
        if not is_address(where):
            return [item for item in search_disk(Path(where), self.collection) if touches(item, request)]
        product = product_of(request)
        known = ENDPOINTS[endpoint].collections if endpoint in ENDPOINTS else _USUAL_COLLECTIONS
        collection = self.collection or known.get(product)
        if collection is None:
            raise ArchiveError(
                f"{endpoint}: expected {product} of {request.sensor}, it has {', '.join(known)}; "
                "choose another endpoint or name a collection"
            )
        if request.sensor == "sentinel-1" and not is_terrain_corrected(collection):
            raise ArchiveError(not_corrected(collection))
        return [item for item in search_api(where, collection, request) if touches(item, request)]


def _native(file: BandFile, sign: Sign) -> GeoBox:
    if file.crs is None or file.transform is None or file.shape is None:
        return read_lattice(file, sign=sign)
    return GeoBox(file.shape, Affine(*file.transform), file.crs)


def _nodata(file: BandFile) -> float | None:
    return float("nan") if file.dtype.startswith("float") else file.nodata


def _valid(pixels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    valid: npt.NDArray[np.bool_] = ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != 0
    return valid


def _has_pixels(path: Path) -> bool:
    pixels, _ = read_part(path)
    return bool(_valid(pixels).any())


def _lacks_its_offset(found: Found, files: dict[str, BandFile], paths: dict[str, Path]) -> bool:
    """Say whether the pixels contradict an item that says their DN carry +1000; prints that the scene is left out."""
    band = next((b for b in _CHECKED_BANDS if b in paths), None)
    if band is None or files[band].offset != S2_OFFSET:
        return False
    pixels, own = read_part(paths[band])
    seen = _valid(pixels)
    if "SCL" in paths:  # clouds and snow are bright whatever the offset
        classes = read_onto(paths["SCL"], own, resampling="nearest")
        seen &= ~np.isin(classes, SCL_NOT_CLEAR) & np.isfinite(classes)
    digital = pixels[seen]
    share = np.count_nonzero(digital * files[band].scale + files[band].offset < 0) / max(digital.size, 1)
    if share > _SHARE_BELOW_OFFSET:
        print(
            f"warning: {found.id} is left out: its item says that DN carry +1000, but {share:.0%} of the clear pixels "
            f"of {band} would have a reflectance below 0 (known of Earth Search's sentinel-2-l2a; its collection "
            "sentinel-2-c1-l2a and planetary_computer are sound)",
            flush=True,
        )
    return bool(share > _SHARE_BELOW_OFFSET)


def _scene(found: Found, files: dict[str, BandFile], paths: dict[str, Path]) -> Scene:
    sun = found.item.get("sun")
    assets = {name: _asset(found, files[name], path) for name, path in paths.items() if name != "SCL"}
    cloud = Asset(str(paths["SCL"]), values=SCL_NOT_CLEAR) if "SCL" in paths else None
    return Scene(
        id=found.id,
        sensor=found.sensor,
        platform=found.platform,
        datetime=found.datetime,
        state=dict(found.state),
        orbit_direction=found.orbit_direction,
        relative_orbit=found.relative_orbit,
        assets=assets,
        cloud=cloud,
        sun=None if sun is None else (float(sun[0]), float(sun[1])),
    )


def _asset(found: Found, file: BandFile, path: Path) -> Asset:
    if found.sensor == "sentinel-1":
        return Asset(str(path), unit="linear")
    return Asset(str(path), scale=file.scale, offset=file.offset, nodata=file.nodata, unit="reflectance")
