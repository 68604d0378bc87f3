"""Areas in degrees, also across the antimeridian, where longitudes are counted from 180°."""

from __future__ import annotations

from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from lczmap.raster import footprint

_FROM_180 = "+proj=longlat +datum=WGS84 +pm=180 +no_defs"


@dataclass(frozen=True)
class Area:
    """A rectangle in degrees of `crs`, whose longitudes are counted from `origin` (0, or 180 across the antimeridian).

    `west` < `east` always.
    """

    crs: str
    origin: int
    west: float
    south: float
    east: float
    north: float

    def grown(self, degrees: float) -> Area:
        """Return the area with so much more on each side."""
        south, north = max(self.south - degrees, -90.0), min(self.north + degrees, 90.0)
        return Area(self.crs, self.origin, self.west - degrees, south, self.east + degrees, north)


def area_of(lattice: GeoBox) -> Area:
    """Return the degrees that a raster's pixels cover."""
    west, south, east, north = footprint(lattice, "EPSG:4326")
    if west <= east:
        return Area("EPSG:4326", 0, west, south, east, north)
    return Area(_FROM_180, 180, west - 180.0, south, east + 180.0, north)


def wrapped(longitude: float) -> float:
    """Return a longitude in -180 (included) .. 180."""
    return (longitude + 180.0) % 360.0 - 180.0
