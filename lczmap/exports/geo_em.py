"""The ground of a WRF domain, from its geo_em file, and whether a map covers it.

w2w asks for a map that is larger than the domain on all sides; cells of the domain where the map has no class keep
WRF's own land use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lczmap.aoi import unwrapped
from lczmap.exports.netcdf import Array, read_netcdf
from lczmap.raster import read_class_map

MOST_WITHOUT_CLASS = 0.05
"""Share of a domain that may lie outside the mapped area (no class) before a map is refused."""


@dataclass(frozen=True)
class Coverage:
    """How a map covers a domain: `spare_m` is the least distance between their borders in metres.

    `without_class` is the share of the map's cells inside the domain that have no class, 0..1.
    """

    spare_m: float
    without_class: float


def domain_polygon(geo_em: Path, margin_km: float = 0.0) -> shapely.Polygon:
    """Return the outline of a WRF domain in longitude and latitude (EPSG:4326), grown by `margin_km` on all sides.

    The outline runs through the outer corners of the cells (XLAT_C, XLONG_C; where WPS left them out, half a cell
    beyond the centres XLAT_M, XLONG_M). Across the antimeridian longitudes run on beyond 180. ValueError for a file
    without these variables, or a negative margin.
    """
    if margin_km < 0:
        raise ValueError(f"expected a margin of 0 km or more, got {margin_km} km")
    lat, lon = _corners(geo_em)
    ring = np.concatenate([np.column_stack([lon[part], lat[part]]) for part in _border(lat.shape)])
    ring[:, 0] = unwrapped(ring[:, 0], ring[0, 0])
    outline = shapely.Polygon(ring)
    if not outline.is_valid:
        raise ValueError(f"{geo_em}: the corners of the domain make no simple outline; a global domain is no city")
    return outline if margin_km == 0 else _grown(outline, margin_km * 1000)


def check_domain(lcz: Path, geo_em: Path) -> Coverage:
    """Return how a map (codes 1..17 in its first band) covers a WRF domain.

    ValueError for a map without CRS, where the domain is not strictly inside the map's extent, naming the side and the
    distance that is missing, and where more than MOST_WITHOUT_CLASS of it has no class.
    """
    codes, geobox = read_class_map(lcz)
    if geobox.crs is None:
        raise ValueError(f"{lcz}: the map has no CRS; give it one (gdal_edit.py -a_srs EPSG:…)")
    box, outline = geobox.boundingbox, domain_polygon(geo_em)
    domain = _projected(shapely.segmentize(outline, _step(outline)), str(geobox.crs), (box.left + box.right) / 2)
    west, south, east, north = domain.bounds
    wide_m, high_m = _unit_m(str(geobox.crs), (box.bottom + box.top) / 2)
    spare = {
        "west": (west - box.left) * wide_m,
        "east": (box.right - east) * wide_m,
        "south": (south - box.bottom) * high_m,
        "north": (box.top - north) * high_m,
    }
    short = [f"{-gap / 1000:.1f} km in the {side}" for side, gap in spare.items() if gap <= 0]
    if short:
        raise ValueError(
            f"{lcz}: it does not cover the WRF domain {geo_em}: missing {', '.join(short)}. w2w needs a map larger "
            "than the domain on all sides; `lczmap init --from-geo-em` makes such a city"
        )
    without = _share_without_class(codes, geobox, domain)
    if without > MOST_WITHOUT_CLASS:
        raise ValueError(
            f"{lcz}: {without:.0%} of the WRF domain {geo_em} has no class, at most {MOST_WITHOUT_CLASS:.0%} may: the "
            "mapped area (`aoi`) is smaller than the domain, or scenes had no clear pixel there"
        )
    return Coverage(min(spare.values()), without)


def _share_without_class(codes: npt.NDArray[np.uint8], geobox: GeoBox, domain: BaseGeometry) -> float:
    rows, cols = codes.shape
    x = geobox.transform.c + geobox.transform.a * (np.arange(cols) + 0.5)
    y = geobox.transform.f + geobox.transform.e * (np.arange(rows) + 0.5)
    inside = shapely.contains_xy(domain, *np.meshgrid(x, y))
    return float((codes[inside] == 0).mean()) if inside.any() else 0.0


def _unit_m(crs: str, latitude: float) -> tuple[float, float]:
    """Return the metres of one unit of a CRS, in x and y; of a degree on a sphere of 6371 km at this latitude."""
    if pyproj.CRS(crs).is_projected:
        return 1.0, 1.0
    degree_m = math.radians(6_371_000)
    return degree_m * math.cos(math.radians(latitude)), degree_m


def _corners(geo_em: Path) -> tuple[Array, Array]:
    found = read_netcdf(geo_em, ("XLAT_C", "XLONG_C", "XLAT_M", "XLONG_M")).variables
    if {"XLAT_C", "XLONG_C"} <= set(found):
        return found["XLAT_C"][0].astype(float), found["XLONG_C"][0].astype(float)
    if {"XLAT_M", "XLONG_M"} <= set(found):
        lon = np.unwrap(found["XLONG_M"][0].astype(float), period=360)
        return _between(found["XLAT_M"][0].astype(float)), _between(np.unwrap(lon, axis=0, period=360))
    raise ValueError(f"{geo_em}: expected a geo_em file of WPS with XLAT_C and XLONG_C (or XLAT_M and XLONG_M)")


def _between(centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (y + 1, x + 1) corners of cells from their (y, x) centres; the outer ones by going on straight."""
    beyond = np.pad(centres, 1, mode="reflect", reflect_type="odd")
    return (beyond[:-1, :-1] + beyond[1:, :-1] + beyond[:-1, 1:] + beyond[1:, 1:]) / 4


def _border(shape: tuple[int, ...]) -> tuple[tuple[slice | int, slice | int], ...]:
    """Return the cells of an array's border in order, as four strips that do not repeat a corner."""
    return (
        (0, slice(0, shape[1] - 1)),
        (slice(0, shape[0] - 1), shape[1] - 1),
        (shape[0] - 1, slice(shape[1] - 1, 0, -1)),
        (slice(shape[0] - 1, 0, -1), 0),
    )


def _grown(outline: shapely.Polygon, margin_m: float) -> shapely.Polygon:
    centre = outline.centroid
    plane = f"+proj=aeqd +lat_0={centre.y} +lon_0={centre.x} +datum=WGS84 +units=m"
    flat = _projected(outline, plane, centre.x)
    back = pyproj.Transformer.from_crs(plane, "EPSG:4326", always_xy=True)
    grown = shapely.transform(flat.buffer(margin_m), lambda xy: np.column_stack(back.transform(xy[:, 0], xy[:, 1])))
    return shapely.transform(grown, lambda xy: np.column_stack([unwrapped(xy[:, 0], centre.x), xy[:, 1]]))


def _projected(outline: BaseGeometry, crs: str, centre: float) -> BaseGeometry:
    """Return the outline in `crs`; in a CRS of degrees with longitudes within 180 of `centre`."""
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    moved = shapely.transform(outline, lambda xy: np.column_stack(to_crs.transform(xy[:, 0], xy[:, 1])))
    if pyproj.CRS(crs).is_projected:
        return moved
    return shapely.transform(moved, lambda xy: np.column_stack([unwrapped(xy[:, 0], centre), xy[:, 1]]))


def _step(outline: BaseGeometry) -> float:
    west, south, east, north = outline.bounds
    return max(east - west, north - south) / 64
