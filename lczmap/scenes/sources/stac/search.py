"""The items of a STAC archive around a city: from an API by pages, or from a catalogue on disk.

An API is asked for collection, box and period only, which every server understands; everything else is chosen from
the items that come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pystac_client
import shapely
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import DoesNotConformTo

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError, Request, lonlat_bounds
from lczmap.scenes.sources.stac.bands import Item

PAGE_ITEMS = 100
MAX_ITEMS = 20_000
"""A search that goes on beyond this is stopped: the server repeats itself, or the period is too long."""
_NAMES = ("catalog.json", "collection.json")


def is_address(endpoint: str) -> bool:
    """Return whether an endpoint is an address, not a path."""
    return endpoint.startswith(("http://", "https://"))


def search_api(url: str, collection: str, request: Request) -> list[Item]:
    """Return the items of one collection in the city's box and the request's days, from all pages.

    ArchiveError after bounded retries, and for a collection that the API does not have.
    """
    timeout = (http.CONNECT_TIMEOUT_S, http.READ_TIMEOUT_S)
    problem: str
    try:
        client = pystac_client.Client.open(url, stac_io=StacApiIO(max_retries=http.retry()), timeout=timeout)
        if client.get_collection(collection) is None:
            raise ArchiveError(f"{http.without_query(url)}: no collection {collection!r}; name one that it has")
        found = client.search(
            collections=[collection],
            bbox=lonlat_bounds(request.grid),
            datetime=f"{request.start}/{request.end}",  # the client makes it the whole last day
            limit=PAGE_ITEMS,
            max_items=MAX_ITEMS + 1,
        )
        items: list[Item] = list(found.items_as_dicts())
    except APIError as error:
        problem = _failure(url, error)
    except ArchiveError:
        raise
    except (pystac.STACError, ClientTypeError, DoesNotConformTo, KeyError, TypeError, ValueError) as error:
        problem = http.failure(url, reason=f"expected a STAC API, got something else ({type(error).__name__})")
    else:
        if len(items) <= MAX_ITEMS:
            return items
        problem = f"{http.without_query(url)}: more than {MAX_ITEMS} items; ask for a shorter period"
    raise ArchiveError(problem)


def search_disk(path: Path, collection: str | None) -> list[Item]:
    """Return all items of a catalogue on disk (of one collection, where given), with absolute addresses of assets.

    `path` is a catalog.json, collection.json, a saved item collection or item, or a folder with one of them.
    ValueError when it is none.
    """
    file = _catalogue_file(path)
    try:
        content = json.loads(file.read_text())
        items = list(_items_of(file, content))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, pystac.STACError) as error:
        raise ValueError(f"{file}: expected a STAC catalogue, collection or item collection ({error!r})") from error
    return [item for item in items if collection in (None, item.get("collection"))]


def touches(item: Item, request: Request) -> bool:
    """Return whether an item's footprint touches the city; its box decides where the footprint is missing or wraps."""
    city = _area(lonlat_bounds(request.grid))
    geometry = item.get("geometry")
    shape: shapely.Geometry | None = shapely.geometry.shape(geometry) if geometry else None
    if shape is None or np.ptp(shapely.bounds(shape)[::2]) > 180:  # a polygon drawn around the world
        bbox, half = item["bbox"], len(item["bbox"]) // 2  # four numbers, or six with heights
        shape = _area((bbox[0], bbox[1], bbox[half], bbox[half + 1]))
    return bool(shapely.intersects(shape, city))


def _area(bounds: tuple[float, float, float, float]) -> shapely.Geometry:
    west, south, east, north = bounds
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return shapely.union_all([shapely.box(w, south, e, north) for w, e in spans])


def _catalogue_file(path: Path) -> Path:
    if path.is_dir():
        named = [path / name for name in _NAMES if (path / name).is_file()]
        files = named or sorted(path.glob("*.json"))
        if not named and len(files) != 1:
            raise ValueError(f"{path}: expected {' or '.join(_NAMES)} or one other JSON file, got {len(files)}")
        return files[0]
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected a STAC catalogue, or the name or address of an endpoint")
    return path


def _items_of(file: Path, content: dict[str, Any]) -> Iterator[Item]:
    kind = content["type"]
    if kind in ("Feature", "FeatureCollection"):
        for item in [content] if kind == "Feature" else content["features"]:
            yield _with_absolute(item, {k: _absolute(file.parent, a["href"]) for k, a in item["assets"].items()})
        return
    for entry in pystac.Catalog.from_file(str(file)).get_items(recursive=True):
        hrefs = {key: str(asset.get_absolute_href()) for key, asset in entry.assets.items()}
        yield _with_absolute(entry.to_dict(include_self_link=False, transform_hrefs=False), hrefs)


def _with_absolute(item: Item, hrefs: dict[str, str]) -> Item:
    return {**item, "assets": {key: {**asset, "href": hrefs[key]} for key, asset in item["assets"].items()}}


def _absolute(folder: Path, href: str) -> str:
    return href if "://" in href else str((folder / href).resolve())


def _failure(url: str, error: APIError) -> str:
    status = getattr(error, "status_code", None)
    if status is not None:
        return http.failure(url, status=status)
    # the client's text repeats addresses with their query
    late = "timed out" in str(error).lower()
    return http.failure(url, reason="no answer in time" if late else "no connection, or it broke")
