"""Requests to the Catalog and the Process API, built with sentinelhub-py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from odc.geo.geobox import GeoBox
from sentinelhub.api.catalog import SentinelHubCatalog
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.config import SHConfig
from sentinelhub.constants import CRS, MimeType, MosaickingOrder
from sentinelhub.data_collections import DataCollection
from sentinelhub.download.models import DownloadRequest
from sentinelhub.exceptions import MissingDataInRequestException
from sentinelhub.geometry import BBox

from lczmap.scenes.catalogue import Sensor
from lczmap.scenes.sources.sentinel_hub.client import Client
from lczmap.scenes.sources.sentinel_hub.requests import Layer
from lczmap.scenes.sources.source import ArchiveError, Found, Request

PAGE_ITEMS = 100
MAX_ITEMS = 20_000
"""A catalogue that goes on beyond this is taken to repeat itself."""


def catalogue_items(
    client: Client, request: Request, bounds: tuple[float, float, float, float]
) -> Iterator[dict[str, Any]]:
    """Yield the catalogue's items of a sensor, level and period that touch `bounds` (degrees), page by page.

    Radar: IW in high resolution with VV and VH, of the orbit direction that is asked for.
    """
    catalogue = SentinelHubCatalog(config=client.config)
    catalogue.client = client
    by_orbit = request.sensor == "sentinel-1" and request.orbit != "any"
    pages = catalogue.search(
        collection(request.sensor, request.level),
        bbox=BBox(bounds, CRS.WGS84),
        time=(f"{request.start}T00:00:00Z", f"{request.end}T23:59:59Z"),
        filter=f"sat:orbit_state='{request.orbit}'" if by_orbit else None,
        limit=PAGE_ITEMS,
    )
    where = f"{client.config.sh_base_url}: Catalog API"
    try:
        for number, item in enumerate(pages):
            if number >= MAX_ITEMS:
                raise ArchiveError(f"{where}: more than {MAX_ITEMS} items; shorten the period")
            yield item
    except ArchiveError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, MissingDataInRequestException) as error:
        raise ArchiveError(f"{where}: expected a page of items, got something else ({error!r}); try later") from error


def process_request(config: SHConfig, found: Found, layer: Layer, geobox: GeoBox) -> DownloadRequest:
    """Return the request for one sub-tile of a pass: exactly its time interval, in the sub-tile's own pixels."""
    further: dict[str, Any] = {"processing": dict(layer.processing)}
    if found.sensor == "sentinel-1" and found.orbit_direction is not None:
        further["dataFilter"] = {"orbitDirection": found.orbit_direction.upper()}
    data = SentinelHubRequest.input_data(
        collection(found.sensor, found.state.get("level", "")),
        time_interval=(datetime.fromisoformat(found.item["from"]), datetime.fromisoformat(found.item["to"])),
        mosaicking_order=MosaickingOrder.MOST_RECENT,
        other_args=further,
    )
    data.service_url = None  # built-in collections carry an address that would override the endpoint's
    box = geobox.boundingbox
    height, width = geobox.shape
    request = SentinelHubRequest(
        evalscript=layer.evalscript,
        input_data=[data],
        responses=[SentinelHubRequest.output_response("default", MimeType.TIFF)],
        bbox=BBox((box.left, box.bottom, box.right, box.top), CRS(str(geobox.crs))),
        size=(width, height),
        config=config,
    )
    return request.download_list[0]


def collection(sensor: Sensor, level: str) -> DataCollection:
    """Return the collection of a sensor and (Sentinel-2) level."""
    return DataCollection.SENTINEL1_IW if sensor == "sentinel-1" else DataCollection[f"SENTINEL2_{level}"]
