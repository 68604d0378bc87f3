"""Places by name, from OpenStreetMap's search service Nominatim.

https://nominatim.org/release-docs/latest/api/Search/ (parameters `q`, `format=jsonv2`, `polygon_geojson`). The public
server asks for a telling User-Agent and at most one request per second; one request is made per call. Run against an
imitation on loopback only, never against the public server. Data © OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

import lczmap
from lczmap.scenes.sources import http

NOMINATIM = "https://nominatim.openstreetmap.org"
_AREAS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Place:
    """A place: its full name, its area in longitude and latitude (an outline, else its box), and where it was found."""

    name: str
    area: BaseGeometry
    is_outline: bool


def find_place(name: str, *, endpoint: str = NOMINATIM, client: requests.Session | None = None) -> Place:
    """Return the first place that the search service finds for a name such as `Berlin, Germany`.

    ValueError where it finds none; ArchiveError (a ValueError) where it cannot be reached.
    """
    client = client or http.session()
    client.headers["User-Agent"] = f"lczmap/{lczmap.__version__} (Local Climate Zone maps)"
    query = {"q": name, "format": "jsonv2", "limit": "1", "polygon_geojson": "1"}
    found = http.get_json(client, f"{endpoint.rstrip('/')}/search", params=query)
    if not isinstance(found, list):
        raise ValueError(
            f"{endpoint}: expected a list of places, got {type(found).__name__}; is it a Nominatim server?"
        )
    if not found:
        raise ValueError(f"{endpoint} knows no place {name!r}; write it otherwise, or give --bbox or --polygon")
    return _place(found[0], endpoint)


def _place(entry: Mapping[str, Any], endpoint: str) -> Place:
    try:
        south, north, west, east = map(float, entry["boundingbox"])  # in this order, as text
        outline = shape(entry["geojson"]) if entry.get("geojson", {}).get("type") in _AREAS else None
        name = str(entry["display_name"])
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise ValueError(
            f"{endpoint}: expected a place with boundingbox and display_name, got something else ({error!r}); is it a "
            "Nominatim server?"
        ) from error
    return Place(name, shapely.box(west, south, east, north) if outline is None else outline, outline is not None)
