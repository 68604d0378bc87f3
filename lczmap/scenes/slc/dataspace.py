"""Whole SLC products from the Copernicus Data Space: found by OData, downloaded as zip files.

Addresses and formats as documented by the service (documentation.dataspace.copernicus.eu, APIs: OData, Token), and as
a recorded answer for Sentinel-2 shows them; written after these and tested on a loopback server, not exercised against
the service. Not verified: that `ContentLength` and `Checksum` describe the zip file that is sent, and not the product
as the service stores it. Where the size differs, the size that the service announces with the file and the zip file's
own checksums count instead.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from lczmap.sar.safe import bounds_of
from lczmap.scenes.catalogue import utc_text
from lczmap.scenes.slc.access import origin, service_address
from lczmap.scenes.slc.dataspace_account import DataSpaceAccount
from lczmap.scenes.slc.download import SizeError, Wanted, download
from lczmap.scenes.slc.source import (
    PRODUCT_NAME,
    STATE,
    Bounds,
    check_request,
    checked_text,
    city_bounds,
)
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError, Found, Request

PAGE_SIZE = 100
MOST_PAGES = 200
PRODUCT_MAX_BYTES = 20_000_000_000
"""No product is larger: they have 4 to 8 GB."""
PRODUCT_TYPE = "IW_SLC__1S"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DOMAIN = "dataspace.copernicus.eu"
_TOKEN_PATH = "/auth/realms/CDSE/protocol/openid-connect/token"


@dataclass(frozen=True)
class DataSpace:
    """The service's addresses: OData of the catalogue and of downloads, tokens; credentials stay within `domains`."""

    catalogue: str
    downloads: str
    tokens: str
    domains: tuple[str, ...]


def data_space(endpoint: str | None) -> DataSpace:
    """Return the addresses of the service, or of a mirror that has all of them under one `endpoint`."""
    if endpoint is None:
        return DataSpace(
            f"https://catalogue.{_DOMAIN}/odata/v1",
            f"https://download.{_DOMAIN}/odata/v1",
            f"https://identity.{_DOMAIN}{_TOKEN_PATH}",
            (_DOMAIN,),
        )
    base, host = service_address(endpoint)
    return DataSpace(f"{base}/odata/v1", f"{base}/odata/v1", f"{base}{_TOKEN_PATH}", (host,))


class DataSpaceSource:
    """The Copernicus Data Space; searching needs no account, downloading does."""

    def __init__(self, service: DataSpace) -> None:
        self.service = service
        self.name = "Copernicus Data Space, SLC"
        self._account = DataSpaceAccount(service.tokens, service.domains)

    def search(self, request: Request) -> list[Found]:
        """Return the products with VV and VH that touch the city, by time; says which are not online."""
        check_request(self.name, request)
        url = f"{self.service.catalogue}/Products"
        query = {
            "$filter": _filter(request),
            "$orderby": "ContentDate/Start asc",
            "$expand": "Attributes",
            "$top": str(PAGE_SIZE),
        }
        items = [_Item(item, url) for item in _items(url, query)]
        dual = [item for item in items if item.polarisations >= {"VV", "VH"}]
        away = [item.id for item in dual if not item.is_online]
        if away:
            print(
                f"{self.name}: {len(away)} of {len(dual)} products are not online and are left out, such as {away[0]}; "
                "order them in the browser of the Data Space, or take another provider"
            )
        found = {item.id: item.found() for item in dual if item.is_online}
        return sorted(found.values(), key=lambda one: (one.datetime, one.id))

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Say how much is downloaded, and whose account that needs."""
        size = sum(one.item["bytes"] or 0 for one in found) / 1e9
        return (
            f"about {size:.1f} GB in {len(found)} whole {request.sensor} products from the Copernicus Data Space: "
            f"free of charge, with an account ({self._account.remedy})"
        )

    def download(self, found: Found, folder: Path) -> Path:
        """Bring a product's zip file into `folder`; its MD5 is checked, or its own checksums where none is stated.

        They count as well, with the size that the service announces, where that is not the catalogue's: a line says so.
        """
        target = folder / f"{checked_text(PRODUCT_NAME, found.id, 'a product of the Data Space')}.zip"
        uuid = checked_text(_UUID, found.item["uuid"], f"Id of {found.id}")
        checks = Wanted(
            f"{self.service.downloads}/Products({uuid})/$value", fault=_zip_fault, most_bytes=PRODUCT_MAX_BYTES
        )
        try:
            download(replace(checks, size=found.item["bytes"], md5=found.item["md5"]), target, self._account)
        except SizeError as error:
            print(f"  {error}; its checksum in the catalogue is not used, the zip file's own are", flush=True)
            download(checks, target, self._account)
        return target


class _Item:
    """A product as the catalogue describes it; ArchiveError when it does so in another way."""

    def __init__(self, item: Any, url: str) -> None:
        try:
            attributes = {one["Name"]: one["Value"] for one in item["Attributes"]}
            self.is_online = item["Online"] is True
            self.polarisations = set(str(attributes["polarisationChannels"]).split("&"))
            self.platform = f"{attributes['platformShortName']}{attributes['platformSerialIdentifier']}".lower()
            self.orbit_direction = str(attributes["orbitDirection"]).lower()
            self.relative_orbit = int(attributes["relativeOrbitNumber"])
            self.start = utc_text(datetime.fromisoformat(item["ContentDate"]["Start"]))
            self.footprint = dict(item["GeoFootprint"])
            self.bounds = bounds_of(_points(self.footprint["coordinates"]))
            self.bytes = int(item["ContentLength"] or 0) or None
            self.md5 = _md5(item.get("Checksum") or [])
            self.id = checked_text(PRODUCT_NAME, str(item["Name"]).removesuffix(".SAFE"), "Name")
            self.uuid = checked_text(_UUID, item["Id"], "Id")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            name = item.get("Name") if isinstance(item, Mapping) else None
            reason = f"product {name}: expected OData of Sentinel-1 SLC, {error!r} is wrong or missing"
            raise ArchiveError(http.failure(url, reason=reason)) from error

    def found(self) -> Found:
        west, _, east, _ = self.bounds
        return Found(
            self.id,
            "sentinel-1",
            self.platform,
            self.start,
            dict(STATE),
            self.orbit_direction,
            self.relative_orbit,
            None,
            self.bounds,
            {"uuid": self.uuid, "bytes": self.bytes, "md5": self.md5},
            self.footprint if west <= east else None,
        )


def _filter(request: Request) -> str:
    areas = " or ".join(f"OData.CSC.Intersects(area=geography'SRID=4326;{box}')" for box in _boxes(request))
    return (
        "Collection/Name eq 'SENTINEL-1' and "
        "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
        f"att/OData.CSC.StringAttribute/Value eq '{PRODUCT_TYPE}') and ({areas}) and "
        f"ContentDate/Start ge {request.start}T00:00:00.000Z and ContentDate/Start le {request.end}T23:59:59.999Z"
    )


def _boxes(request: Request) -> list[str]:
    west, south, east, north = city_bounds(request.grid)
    sides: list[Bounds] = [(west, south, east, north)]
    if west > east:  # across 180°
        sides = [(west, south, 180.0, north), (-180.0, south, east, north)]
    return [f"POLYGON(({w:.5f} {s:.5f},{e:.5f} {s:.5f},{e:.5f} {n:.5f},{w:.5f} {n:.5f},{w:.5f} {s:.5f}))"
            for w, s, e, n in sides]  # fmt: skip


def _items(url: str, query: dict[str, str]) -> Iterator[Any]:
    client: requests.Session = http.session()
    page, params = url, query
    for _ in range(MOST_PAGES):
        answer = http.get_json(client, page, params=params)
        try:
            yield from answer["value"]
            page, params = answer.get("@odata.nextLink"), {}
        except (AttributeError, KeyError, TypeError):
            raise ArchiveError(http.failure(url, reason="expected an answer of OData, got something else")) from None
        if not page:
            return
        if origin(page) != origin(url):
            raise ArchiveError(http.failure(url, reason=f"the next page is elsewhere, at {http.without_query(page)}"))
    raise ArchiveError(http.failure(url, reason=f"more than {MOST_PAGES} pages"))


def _points(coordinates: Any) -> Iterator[Sequence[float]]:
    # of a polygon or several: rings of points at any depth
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def _md5(checksums: Sequence[Mapping[str, str]]) -> str | None:
    return next((str(one["Value"]).lower() for one in checksums if one.get("Algorithm") == "MD5"), None)


def _zip_fault(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            others = [one.filename for one in archive.infolist() if one.compress_type not in _METHODS]
            broken = None if others else archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:  # RuntimeError: encrypted
        return f"expected a zip file, got none that can be read ({error})"
    if others:
        return f"expected a zip file of stored and deflated files, got {others[0]} in another way"
    return None if broken is None else f"{broken} is corrupt in the zip file"
