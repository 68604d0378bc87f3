"""What Google's public Sentinel-2 bucket holds: its listing, and which product of it a catalogue's item is.

The bucket needs no account. Products lie under tiles/<zone>/<band>/<square>/<product>.SAFE/ with two digits in the
zone, in the layout of ESA's products (as documented by Google; not exercised here). Catalogues list reprocessed
names that the bucket does not hold, so a product is looked for by tile, platform and datatake time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from lczmap.channels import S2_BANDS_L1C
from lczmap.scenes.sources import http
from lczmap.scenes.sources.products.s2_safe import image_name, images_of
from lczmap.scenes.sources.source import ArchiveError

BUCKET_URL = "https://storage.googleapis.com/gcp-public-data-sentinel-2"

_PRODUCT = re.compile(
    r"(?P<satellite>S2[A-Z])_MSIL1C_(?P<datatake>\d{8}T\d{6})_N\d{4}_R\d{3}_T(?P<tile>\d\d[A-Z]{3})_.*"
)
_HELD = re.compile(
    r"(?P<product>(?P<folder>.*/S2[A-Z]_MSIL1C_\d{8}T\d{6}_N(?P<baseline>\d{4})_R\d{3}_T\w{5}_(?P<processed>\w+)\.SAFE)/)"
    r"(?P<rest>.+)"
)
_GRANULE = re.compile(r"(?P<granule>GRANULE/[^/]+_(?P<strip>\d{8}T\d{6}))/MTD_TL\.xml")


@dataclass(frozen=True)
class Wanted:
    """What a catalogue's item is: `satellite` such as S2B, `tile` such as 31UCT, start of datatake and datastrip."""

    satellite: str
    tile: str
    datatake: str
    strip: str | None

    @property
    def prefix(self) -> str:
        """Begin of the names of its objects, in whatever baseline and processing."""
        folder = f"tiles/{self.tile[:2]}/{self.tile[2]}/{self.tile[3:]}"
        return f"{folder}/{self.satellite}_MSIL1C_{self.datatake}_"


@dataclass(frozen=True)
class Held:
    """A whole product in the bucket: object names and sizes in bytes by band, and its two metadata files."""

    id: str
    baseline: str
    processed: str
    strip: str
    product_xml: str
    tile_xml: str
    images: Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class Bucket:
    """A bucket by the address of its objects, `https://host/bucket`; the JSON API is on the same host."""

    url: str = BUCKET_URL

    def object_url(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self.url}/{quote(name)}"

    def objects(self, client: requests.Session, prefix: str) -> dict[str, int]:
        """Return the objects below a prefix and their sizes in bytes, page by page; ArchiveError when it fails."""
        host, _, bucket = self.url.rpartition("/")
        url = f"{host}/storage/v1/b/{bucket}/o"
        params = {"prefix": prefix, "fields": "nextPageToken,items(name,size)"}
        found: dict[str, int] = {}
        seen: set[str] = set()
        while True:
            page = http.get_json(client, url, params=params)
            try:
                found |= {item["name"]: int(item["size"]) for item in page.get("items", [])}
                token = page.get("nextPageToken")
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ArchiveError(http.failure(url, reason="expected a listing of objects")) from error
            if not token:
                return found
            if token in seen:
                raise ArchiveError(http.failure(url, reason="the listing's pages do not end"))
            seen.add(token)
            params["pageToken"] = token


def wanted_of(item: Mapping[str, Any]) -> Wanted:
    """Return what a STAC item of an L1C collection is; ArchiveError when it does not say it.

    The product's name is in `s2:product_uri` or the id; else `platform`, `grid:code` and `s2:datatake_id` say it.
    """
    properties = item["properties"]
    names = [str(properties.get("s2:product_uri", "")), str(item["id"])]
    match = next((m for m in map(_PRODUCT.fullmatch, names) if m), None)
    told = match.groupdict() if match else {}
    datatake = re.search(r"_(\d{8}T\d{6})_", str(properties.get("s2:datatake_id", "")))
    tile = re.fullmatch(r"MGRS-T?(\d{1,2}[A-Z]{3})", str(properties.get("grid:code", "")))
    platform = re.fullmatch(r"sentinel-2([a-z])", str(properties.get("platform", "")).lower())
    strip = re.search(r"_S(\d{8}T\d{6})_", str(properties.get("s2:datastrip_id", "")))
    satellite = f"S2{platform[1].upper()}" if platform else told.get("satellite")
    where = tile[1].zfill(5) if tile else told.get("tile")  # some write zone 1 as one digit
    when = datatake[1] if datatake else told.get("datatake")
    if satellite is None or where is None or when is None:
        raise ArchiveError(
            f"item {item['id']}: expected `platform`, `grid:code` and `s2:datatake_id`, or a product's name in "
            "`s2:product_uri` or as id; choose a catalogue of Sentinel-2 L1C products"
        )
    return Wanted(satellite, where, when, strip[1] if strip else None)


def held_products(objects: Mapping[str, int]) -> list[Held]:
    """Return the whole products (metadata and 13 bands) among objects of the bucket."""
    parts: dict[str, tuple[re.Match[str], dict[str, int]]] = {}
    for name, size in objects.items():
        match = _HELD.fullmatch(name)
        if match is not None:
            parts.setdefault(match["product"], (match, {}))[1][match["rest"]] = size
    held = (_held(match, inside) for match, inside in parts.values())
    return [product for product in held if product is not None]


def best_of(held: Iterable[Held], wanted: Wanted) -> Held | None:
    """Return the product that the item is: its datastrip, then the newest baseline, then the last processed.

    A datatake may be cut into two datastrips on one tile, each with one part of it.
    """
    return max(held, key=lambda h: (h.strip == wanted.strip, h.baseline, h.processed), default=None)


def _held(match: re.Match[str], inside: Mapping[str, int]) -> Held | None:
    tile_xml = next((m for m in map(_GRANULE.fullmatch, inside) if m), None)
    if tile_xml is None or "MTD_MSIL1C.xml" not in inside:
        return None
    images = images_of(list(inside), tile_xml["granule"])
    names = {band: images.get((image_name(band), None)) for band in S2_BANDS_L1C}
    root = match["product"]
    found = {band: (root + name, inside[name]) for band, name in names.items() if name is not None}
    if len(found) < len(names):
        return None
    return Held(
        id=match["folder"].rpartition("/")[2].removesuffix(".SAFE"),
        baseline=match["baseline"],
        processed=match["processed"],
        strip=tile_xml["strip"],
        product_xml=root + "MTD_MSIL1C.xml",
        tile_xml=root + tile_xml[0],
        images=found,
    )
