"""Sentinel-1 bursts at ASF, as NASA's catalogue (CMR) describes them, and the products they belong to.

The query is the one that asf_search 14.1 sends for its data set SLC-BURST; that library itself talks to https
addresses only, reports failed searches to a host of its own, and gives up without trying again on 429 (its
`search_generator`). Items are of the format UMM-G, as asf_search's recorded ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import shapely
from shapely.geometry import Polygon, mapping

from lczmap.sar.safe import bounds_of
from lczmap.scenes.catalogue import utc_text
from lczmap.scenes.slc.source import PRODUCT_NAME, STATE, checked_text, city_bounds
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError, Found, Request

PAGE_SIZE = 500
MOST_PAGES = 100
COLLECTION = "SENTINEL-1_BURSTS"
POLARISATIONS = ("VH", "VV")
_SWATH, _POLARISATION = re.compile("IW[1-3]"), re.compile("[HV]{2}")
_WAYS = {"ascending": "ASCENDING", "descending": "DESCENDING"}


@dataclass(frozen=True)
class BurstFile:
    """One burst in one polarisation: its number in its swath's list of bursts, its addresses, its pixels' bytes."""

    swath: str
    index: int
    polarisation: str
    url: str
    metadata_url: str
    bytes: int

    def __post_init__(self) -> None:
        """Look at what becomes part of a file's name: ArchiveError for a burst that IW does not have."""
        checked_text(_SWATH, self.swath, "a burst's swath")
        checked_text(_POLARISATION, self.polarisation, "a burst's polarisation")
        if not isinstance(self.index, int) or self.index < 0:
            raise ArchiveError(f"a burst's number: expected a whole number from 0, got {self.index!r}; search again")


@dataclass(frozen=True)
class BurstItem:
    """A burst as the catalogue has it. `product` is the SLC product it was cut from, `start` its time, ISO in UTC."""

    file: BurstFile
    product: str
    platform: str
    start: str
    orbit_direction: str
    relative_orbit: int
    absolute_orbit: int
    rings: tuple[tuple[tuple[float, float], ...], ...]


def search_bursts(url: str, request: Request) -> list[BurstItem]:
    """Return the bursts in VV and VH that touch the city and its margin; ArchiveError when that fails."""
    bursts = [_burst(item, url) for item in _items(url, burst_query(request))]
    return [burst for burst in bursts if burst.file.polarisation in POLARISATIONS]


def products_of(bursts: Iterable[BurstItem], name: str) -> list[Found]:
    """Return the products that bursts belong to, by time, each with those of its bursts that are there in VV and VH.

    Prints which products lack one of the two for a burst: that burst is left out.
    """
    by_product: dict[str, dict[tuple[str, int], dict[str, BurstItem]]] = {}
    for burst in bursts:
        place = by_product.setdefault(burst.product, {}).setdefault((burst.file.swath, burst.file.index), {})
        place[burst.file.polarisation] = burst
    found, lacking = [], []
    for product, places in sorted(by_product.items()):
        whole = [burst for _, pair in sorted(places.items()) if len(pair) == 2 for _, burst in sorted(pair.items())]
        lacking += [product] if len(whole) < 2 * len(places) else []
        found += [_found(product, whole)] if whole else []
    if lacking:
        print(
            f"{name}: {len(lacking)} of {len(by_product)} products lack VV or VH for some bursts, which are left out, "
            f"such as {lacking[0]}"
        )
    return sorted(found, key=lambda one: (one.datetime, one.id))


def files_of(found: Found) -> list[BurstFile]:
    """Return the files that a found product remembers; ArchiveError when they cannot be of one."""
    checked_text(PRODUCT_NAME, found.id, "a product's name")
    return [BurstFile(**entry) for entry in found.item["bursts"]]


def _found(product: str, bursts: list[BurstItem]) -> Found:
    first = min(bursts, key=lambda burst: burst.start)
    bounds = bounds_of(point for burst in bursts for ring in burst.rings for point in ring)
    outline = shapely.union_all([shapely.make_valid(Polygon(ring)) for burst in bursts for ring in burst.rings])
    return Found(
        product,
        "sentinel-1",
        first.platform,
        first.start,
        dict(STATE),
        first.orbit_direction,
        first.relative_orbit,
        None,
        bounds,
        {"absolute_orbit": first.absolute_orbit, "bursts": [asdict(burst.file) for burst in bursts]},
        dict(mapping(outline)) if bounds[0] <= bounds[2] else None,
    )


def burst_query(request: Request) -> list[tuple[str, str]]:
    """Return what is asked of the catalogue: bursts of IW that touch the city and its margin, by name."""
    attributes = ["string,BEAM_MODE,IW"]
    if request.orbit in _WAYS:
        attributes.append(f"string,ASCENDING_DESCENDING,{_WAYS[request.orbit]}")
    if request.relative_orbit is not None:
        attributes.append(f"int,PATH_NUMBER,{request.relative_orbit}")
    return [
        ("provider", "ASF"),
        ("shortName", COLLECTION),
        ("bounding_box", ",".join(f"{edge:.5f}" for edge in city_bounds(request.grid))),
        ("temporal", f"{request.start}T00:00:00Z,{request.end}T23:59:59Z"),
        *(("attribute[]", attribute) for attribute in attributes),
        ("sort_key[]", "granule_ur"),
        ("page_size", str(PAGE_SIZE)),
    ]


def _items(url: str, query: list[tuple[str, str]]) -> Iterator[Any]:
    page, hits = 1, 1
    while (page - 1) * PAGE_SIZE < hits:
        if page > MOST_PAGES:
            raise ArchiveError(http.failure(url, reason=f"more than {MOST_PAGES} pages"))
        items, hits = _page(f"{url}?{urlencode([*query, ('page_num', str(page))])}", page)
        yield from items
        page += 1


def _page(url: str, page: int) -> tuple[list[Any], int]:
    # the catalogue has been seen to return pages that lack items (asf_search): such a page is asked for again
    for attempt in range(http.RETRIES + 1):
        answer = http.get_json(http.session(), url)
        try:
            items, hits = list(answer["items"]), int(answer["hits"])
        except (KeyError, TypeError, ValueError):
            raise ArchiveError(http.failure(url, reason="expected items of CMR, got something else")) from None
        if len(items) == max(min(PAGE_SIZE, hits - (page - 1) * PAGE_SIZE), 0):
            return items, hits
        if attempt < http.RETRIES:
            time.sleep(http.BACKOFF_S * 2**attempt)
    raise ArchiveError(http.failure(url, reason=f"page {page} lacks items"))


def _burst(item: Any, url: str) -> BurstItem:
    try:
        umm = item["umm"]
        facts = {one["Name"]: one["Values"][0] for one in umm["AdditionalAttributes"]}
        links = [str(one["URL"]) for one in umm["RelatedUrls"]]
        file = BurstFile(
            swath=str(facts["SUBSWATH_NAME"]),
            index=int(facts["BURST_INDEX"]),
            polarisation=str(facts["POLARIZATION"]),
            url=next(link for link in links if link.endswith((".tiff", ".tif"))),
            metadata_url=next(link for link in links if link.endswith(".xml")),
            bytes=int(facts.get("BYTE_LENGTH", 0)),
        )
        return BurstItem(
            file=file,
            product=checked_text(PRODUCT_NAME, str(umm["InputGranules"][0]).removesuffix("-SLC"), "its product"),
            platform=str(umm["Platforms"][0]["ShortName"]).lower(),
            start=_start(umm),
            orbit_direction=str(facts["ASCENDING_DESCENDING"]).lower(),
            relative_orbit=int(facts["PATH_NUMBER"]),
            absolute_orbit=int(umm["OrbitCalculatedSpatialDomains"][0]["OrbitNumber"]),
            rings=_rings(umm),
        )
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError) as error:
        name = item.get("umm", {}).get("GranuleUR") if isinstance(item, Mapping) else None
        reason = f"item {name}: expected UMM of a Sentinel-1 burst, {error!r} is wrong or missing"
        raise ArchiveError(http.failure(url, reason=reason)) from error


def _start(umm: Mapping[str, Any]) -> str:
    return utc_text(datetime.fromisoformat(umm["TemporalExtent"]["RangeDateTime"]["BeginningDateTime"]))


def _rings(umm: Mapping[str, Any]) -> tuple[tuple[tuple[float, float], ...], ...]:
    polygons = umm["SpatialExtent"]["HorizontalSpatialDomain"]["Geometry"]["GPolygons"]
    return tuple(
        tuple((float(point["Longitude"]), float(point["Latitude"])) for point in polygon["Boundary"]["Points"])
        for polygon in polygons
    )
