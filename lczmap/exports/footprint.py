"""Where a map lies, in longitude and latitude."""

from __future__ import annotations

from dataclasses import replace

import shapely
from shapely.geometry.base import BaseGeometry

from lczmap.exports.outline import lonlat_outline
from lczmap.grid import Grid


def map_outline(grid: Grid) -> BaseGeometry:
    """Return the rectangle of all cells, which reaches beyond the area of interest, in degrees within -180..180."""
    rectangle = grid.cell_geobox.extent.geom
    return lonlat_outline(replace(grid, aoi=shapely.segmentize(rectangle, rectangle.length / 64)))


def lonlat_bounds(area: BaseGeometry) -> tuple[float, float, float, float]:
    """Return west, south, east, north in degrees; west is above east where the area was cut at the antimeridian.

    As RFC 7946, section 5.2, asks for.
    """
    west, south, east, north = area.bounds
    if east - west > 180:
        parts = shapely.get_parts(area)
        west = min(part.bounds[0] for part in parts if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[2] < 0)
    return west, south, east, north
