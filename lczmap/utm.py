"""Which UTM zone a city is mapped in, and its outline there."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

MAX_WRONG_HEMISPHERE_DEG = 10.0
"""A forced zone of the other hemisphere is taken up to this latitude; further on its coordinates look like errors."""
MAX_MERIDIAN_DISTANCE_DEG = 4.5
"""A UTM zone is 3° wide on each side; 1.5° beyond it the scale error is still below 0.2 %."""


def utm_crs(aoi: BaseGeometry, forced: str | None = None) -> str:
    """Return the UTM zone of the AOI's centre, or the `forced` one, as `EPSG:326xx` or `EPSG:327xx`.

    ValueError where the AOI lies too far from the zone's meridian.
    """
    west, south, east, north = aoi.bounds
    if south < -80 or north > 84:
        raise ValueError(f"the area of interest reaches latitude {south:.2f}..{north:.2f}; UTM covers -80..84")
    zone = math.floor(((west + east) / 2 + 180) / 6) % 60 + 1 if forced is None else _zone(forced)
    meridian = zone * 6 - 183
    reach = max(abs(_wrap(edge - meridian)) for edge in (west, east)) if east - west < 180 else 180.0
    if reach > MAX_MERIDIAN_DISTANCE_DEG:
        remedy = "split the area at a zone border" if forced is None else "leave `map.crs` out, or name a nearer zone"
        raise ValueError(
            f"the area of interest runs from longitude {west:.2f} to {east:.2f}, {reach:.1f}° from the meridian of "
            f"UTM zone {zone}; a city run takes at most {MAX_MERIDIAN_DISTANCE_DEG}°: {remedy}"
        )
    if forced is not None and forced.startswith("EPSG:327") and south > MAX_WRONG_HEMISPHERE_DEG:
        raise ValueError(f"{forced} is a zone of the southern hemisphere, the area begins at latitude {south:.2f}")
    if forced is not None and forced.startswith("EPSG:326") and north < -MAX_WRONG_HEMISPHERE_DEG:
        raise ValueError(f"{forced} is a zone of the northern hemisphere, the area ends at latitude {north:.2f}")
    return forced or f"EPSG:{(32600 if north + south >= 0 else 32700) + zone}"


def to_utm(aoi: BaseGeometry, crs: str) -> BaseGeometry:
    """Return an outline in longitude and latitude in the metres of a zone, within 1 m."""
    dense = shapely.segmentize(aoi, 0.02)  # degrees; long edges bend in UTM
    transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return shapely.transform(dense, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))


def _zone(crs: str) -> int:
    """Return the zone 1..60 of a UTM CRS, `EPSG:32633`; ValueError for any other."""
    code = crs.removeprefix("EPSG:")
    zone = int(code) % 100 if code.isdigit() and int(code) // 100 in (326, 327) else 0
    if not 1 <= zone <= 60:
        raise ValueError(f"expected a UTM zone such as EPSG:32633 (north) or EPSG:32733 (south), got {crs!r}")
    return zone


def _wrap(degrees: float) -> float:
    return (degrees + 180) % 360 - 180
