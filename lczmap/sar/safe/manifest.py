"""What manifest.safe says of a Sentinel-1 product, and which files it lists.

Element names as documented in ESA's "Sentinel-1 Product Specification" (S1-RS-MDA-52-7441) and seen in real products.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from lczmap.sar.safe.container import inner_name
from lczmap.sar.safe.elements import moment_at, text_at, whole_at
from lczmap.scenes.catalogue import utc_text

_IMAGE = re.compile(r"measurement/(s1[a-z]-(iw\d)-slc-([hv]{2})-[^/]*)\.tiff")


@dataclass(frozen=True)
class Parts:
    """The files of one image, relative to the product's folder; None where the manifest names none."""

    measurement: str
    annotation: str
    calibration: str | None
    noise: str | None


@dataclass(frozen=True)
class Manifest:
    """What manifest.safe says. `bounds` are (west, south, east, north) in degrees, west > east across 180°.

    `datetime` is `start` (UTC without a zone) as text; `files` are names inside the product by their identifiers.
    """

    product_type: str
    mode: str
    platform: str
    datetime: str
    start: dt.datetime
    orbit_direction: str
    relative_orbit: int
    processor: str
    bounds: tuple[float, float, float, float]
    files: Mapping[str, str]


def read_manifest(root: Element, name: str) -> Manifest:
    """Read a parsed manifest; ValueError names what is missing or unreadable, and a file outside the product."""
    family, number = (text_at(root, f".//{{*}}platform/{{*}}{tag}", name) for tag in ("familyName", "number"))
    software = root.find(".//{*}processing/{*}facility/{*}software")
    start = moment_at(root, ".//{*}acquisitionPeriod/{*}startTime", name)
    return Manifest(
        product_type=text_at(root, ".//{*}productType", name),
        mode=text_at(root, ".//{*}instrumentMode/{*}mode", name),
        platform=f"{family}{number}".lower(),
        datetime=utc_text(start),
        start=start,
        orbit_direction=text_at(root, ".//{*}orbitProperties/{*}pass", name).lower(),
        relative_orbit=whole_at(root, ".//{*}relativeOrbitNumber[@type='start']", name),
        processor="unknown" if software is None else f"{software.get('name')} {software.get('version')}",
        bounds=_bounds(text_at(root, ".//{*}footPrint/{*}coordinates", name), name),
        files=_files(root, name),
    )


def slc_parts(files: Mapping[str, str]) -> dict[tuple[str, str], Parts]:
    """Return the files of each image of an SLC product by (swath, polarisation), as ("IW1", "VV").

    They are told by their names, which the product specification fixes, not by the manifest's units of content:
    burst2safe (its code as of 2024), which puts products together from bursts, does not link those as ESA does.
    """
    names = set(files.values())
    parts = {}
    for image in filter(None, map(_IMAGE.fullmatch, sorted(names))):
        stem, swath, polarisation = image.groups()
        calibration, noise = (f"annotation/calibration/{kind}-{stem}.xml" for kind in ("calibration", "noise"))
        parts[swath.upper(), polarisation.upper()] = Parts(
            image.group(), f"annotation/{stem}.xml", calibration, noise if noise in names else None
        )
    return parts


def _files(root: Element, name: str) -> dict[str, str]:
    files = {}
    for item in root.iterfind(".//{*}dataObject"):
        location = item.find(".//{*}fileLocation")
        if location is not None:
            files[item.get("ID", "")] = inner_name(location.get("href", ""), name)
    return files


def _bounds(coordinates: str, name: str) -> tuple[float, float, float, float]:
    try:
        corners = [(float(north), float(east)) for north, east in (pair.split(",") for pair in coordinates.split())]
    except ValueError as error:
        raise ValueError(
            f"{name}: expected pairs of degrees in coordinates ({error}); get the product again"
        ) from error
    if not corners or not all(abs(lat) <= 90 and abs(lon) <= 360 for lat, lon in corners):
        raise ValueError(f"{name}: expected degrees in coordinates, got {coordinates[:80]!r}; get the product again")
    return bounds_of((lon, lat) for lat, lon in corners)


def bounds_of(points: Iterable[Sequence[float]]) -> tuple[float, float, float, float]:
    """Return (west, south, east, north) of (longitude, latitude) points; west > east where they lie around 180°."""
    pairs = [(float(point[0]), float(point[1])) for point in points]
    longitude, latitude = [lon for lon, _ in pairs], [lat for _, lat in pairs]
    if max(longitude) - min(longitude) > 180:
        longitude = [lon % 360 for lon in longitude]
    west, east = (lon - 360 if lon > 180 else lon for lon in (min(longitude), max(longitude)))
    return west, min(latitude), east, max(latitude)
