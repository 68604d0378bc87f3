"""Sentinel-2 L1C from Google's public Cloud Storage bucket, without an account.

A STAC catalogue (Earth Search by default) says which granules there are; the bucket's own listing says which of them
it holds, in which processing (gcs_bucket.py). The window around the city is read out of the JPEG 2000 images by
range requests. Offset, scale, pixels and sun are the product's own metadata, never the catalogue's.

Addresses and properties as documented by Earth Search and Google; exercised against imitations only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import requests
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_BANDS_L1C, S2_RESOLUTION_M
from lczmap.files import replacing
from lczmap.grid import PIXEL_M
from lczmap.raster import lattice, read_cells, read_part, write_cells
from lczmap.scenes.catalogue import Scene, utc_text
from lczmap.scenes.sources import http
from lczmap.scenes.sources.gcs.bucket import BUCKET_URL, Bucket, best_of, held_products, wanted_of
from lczmap.scenes.sources.products.s2_metadata import NODATA_DN, describe, parse_product, parse_tile
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError, Found, Request, clip_lattice
from lczmap.scenes.sources.stac.search import search_api
from lczmap.scenes.sources.stac.source import ENDPOINTS

ENDPOINT = "https://earth-search.aws.element84.com/v1"
COLLECTION = "sentinel-2-l1c"
"""Name of the collection at Earth Search, and at the Copernicus Data Space."""
THREADS = 4
TILE_M = 109_800.0
"""Width of a granule (ESA PSD)."""
CODE_TILE_M = 12_800.0
"""Width of the tiles inside the images, which are read whole: 1024 pixels of 10 m, 640 of 20 m (as headers of ESA's
products show, not exercised)."""

T = TypeVar("T")


class GcsSource:
    """Google's bucket, searched through a STAC API.

    `endpoint` is the API's address or a name of `stac.source.ENDPOINTS`; `bucket` is the address of the objects.
    """

    def __init__(self, endpoint: str | None = None, bucket: str | None = None) -> None:
        self.endpoint = ENDPOINTS[endpoint].url if endpoint in ENDPOINTS else endpoint or ENDPOINT
        self.bucket = Bucket((bucket or BUCKET_URL).rstrip("/"))
        self.name, self.key = "gcs", f"gcs {self.bucket.url}"

    def search(self, request: Request) -> list[Found]:
        """Return the scenes that the catalogue lists and the bucket holds; prints how many it does not hold.

        Scenes outside the months, cloud limit and platform are not looked for. ArchiveError for another sensor or
        level than Sentinel-2 L1C, or when catalogue or bucket cannot be asked.
        """
        if (request.sensor, request.level) != ("sentinel-2", "L1C"):
            raise ArchiveError(
                f"{self.name}: expected sentinel-2 at level L1C, got {request.sensor} at level {request.level}; set "
                "`level: L1C`, or choose another source"
            )
        listed = search_api(self.endpoint, COLLECTION, request)
        items = [item for item in listed if _is_asked(item, request)]
        client = http.session()
        with ThreadPoolExecutor(THREADS) as pool:
            resolved = list(pool.map(lambda item: self._resolve(client, item), items))
        absent = [item["id"] for item, found in zip(items, resolved, strict=True) if found is None]
        if absent:
            shown = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
            print(
                f"warning: {self.name}: {len(absent)} of {len(items)} scenes of the catalogue are not in the bucket, "
                f"or not whole, and are left out ({shown})",
                flush=True,
            )
        found = {one.id: one for one in resolved if one is not None}  # two items may be one held product
        return sorted(found.values(), key=lambda one: (one.datetime, one.id))

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Return the estimated download: the share of each image that lies around the city, in whole inner tiles."""
        reach = 2 * MARGIN_M + CODE_TILE_M
        grid = request.grid
        width, height = (min(1.0, (px * PIXEL_M + reach) / TILE_M) for px in (grid.width, grid.height))
        sizes = [one.item["images"][band]["bytes"] for one in found for band in request.bands]
        megabytes = math.ceil(sum(sizes) * width * height / 1e6)
        return f"about {megabytes} MB from Google's public bucket, without account and free of charge"

    def fetch(self, found: Found, request: Request, folder: Path) -> Scene | None:
        """Write the bands around the city as GeoTIFF of the product's own pixels and DN; None where it has none.

        ArchiveError also when an image lies on other pixels than its metadata say.
        """
        unknown = [band for band in request.bands if band not in S2_BANDS_L1C]
        if unknown or not request.bands:
            raise ArchiveError(f"{self.name}: expected bands among {', '.join(S2_BANDS_L1C)}, got {unknown}")
        client = http.session()
        product = self._metadata(client, folder / "MTD_MSIL1C.xml", found.item["product_xml"], parse_product)
        tile = self._metadata(client, folder / "MTD_TL.xml", found.item["tile_xml"], parse_tile)
        first, *others = sorted(request.bands, key=lambda band: -S2_RESOLUTION_M[band])

        def fetch_band(band: str) -> None:
            url = self.bucket.object_url(found.item["images"][band]["name"])
            _fetch_band(url, band, tile.lattice(band), request, folder / f"{band}.tif")

        if clip_lattice(tile.lattice(first), request.grid) is None:
            return None
        fetch_band(first)  # the coarsest is small, and shows whether the swath reaches the city
        if not (read_cells(folder / f"{first}.tif")[0] != NODATA_DN).any():
            return None
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch_band, others))
        assets = {b: product.asset(b, str(folder / f"{b}.tif")) for b in S2_BANDS_L1C if b in request.bands}
        return replace(describe(product, tile, assets), id=found.id)

    def _resolve(self, client: requests.Session, item: Mapping[str, Any]) -> Found | None:
        wanted = wanted_of(item)
        held = best_of(held_products(self.bucket.objects(client, wanted.prefix)), wanted)
        if held is None:
            return None
        properties = item["properties"]
        return Found(
            id=held.id,
            sensor="sentinel-2",
            platform=f"sentinel-2{wanted.satellite[-1].lower()}",
            datetime=_moment(item),
            state={"level": "L1C"},
            orbit_direction=properties.get("sat:orbit_state"),
            relative_orbit=properties.get("sat:relative_orbit"),
            cloud_cover=properties.get("eo:cloud_cover"),
            bounds=_bounds(item),
            footprint=item.get("geometry"),
            item={
                "catalogued": item["id"],
                "product_xml": held.product_xml,
                "tile_xml": held.tile_xml,
                "images": {band: {"name": name, "bytes": size} for band, (name, size) in held.images.items()},
            },
        )

    def _metadata(self, client: requests.Session, path: Path, name: str, parse: Callable[[bytes, str], T]) -> T:
        url = self.bucket.object_url(name)
        there = path.is_file()
        content = path.read_bytes() if there else http.get_bytes(client, url)
        try:
            parsed = parse(content, str(path) if there else url)
        except ValueError as error:
            raise ArchiveError(str(error)) from error
        if not there:
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        return parsed


def _is_asked(item: Mapping[str, Any], request: Request) -> bool:
    try:
        properties, month = item["properties"], int(_moment(item)[5:7])
        cloud, platform = properties.get("eo:cloud_cover"), str(properties.get("platform", "")).lower()
        return (
            bool(_bounds(item))
            and (not request.months or month in request.months)
            and (cloud is None or cloud <= request.max_cloud)
            and request.platform in ("any", platform)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(
            f"item {item.get('id')}: expected a STAC item with `datetime` and `bbox` ({error!r})"
        ) from error


def _moment(item: Mapping[str, Any]) -> str:
    return utc_text(datetime.fromisoformat(item["properties"]["datetime"]))


def _bounds(item: Mapping[str, Any]) -> tuple[float, float, float, float]:
    box = item["bbox"]
    corner = len(box) // 2  # a box may have heights
    return box[0], box[1], box[corner], box[corner + 1]


def _fetch_band(url: str, band: str, native: GeoBox, request: Request, path: Path) -> None:
    """Bring one band's window onto the disk, unless it is there."""
    part = clip_lattice(native, request.grid)
    if part is None:
        raise ArchiveError(f"{url}: {band} does not reach the city, a coarser band does; choose another date")
    if _is_there(path, part):
        return
    # else GDAL remembers that a file could not be read, and does not ask again in this process
    options = {**http.gdal_options(), "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/"}
    try:
        own = lattice(f"/vsicurl/{url}", options=options)
        if own != native:
            raise ArchiveError(_misplaced(url, own, native))
        pixels, _ = read_part(f"/vsicurl/{url}", part, options=options)
    except ArchiveError:
        raise
    except ValueError as error:
        status = re.search(r"HTTP response code: (\d{3})", str(error))
        reason = f"the image could not be read ({error.__cause__})"
        raise ArchiveError(http.failure(url, status=int(status[1]) if status else None, reason=reason)) from error
    write_cells(path, pixels[None], part, names=[band], nodata=NODATA_DN)


def _is_there(path: Path, part: GeoBox) -> bool:
    # the file of another outline of the city would have other pixels
    return path.is_file() and lattice(path) == part


def _misplaced(url: str, own: GeoBox, native: GeoBox) -> str:
    here, there = ((tuple(box.shape), tuple(box.transform)[:6], str(box.crs)) for box in (native, own))
    return f"{url}: expected the pixels {here} of MTD_TL.xml, the image has {there}; choose another date"
