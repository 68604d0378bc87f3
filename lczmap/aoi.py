"""Read an area of interest: a polygon file in any vector format and CRS, or a bounding box."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

LONLAT = "EPSG:4326"
# what programs still write into GeoJSON in longitude and latitude
_CRS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}


def read_aoi(path: Path) -> BaseGeometry:
    """Read the polygons of a GeoJSON, GeoPackage, KML, shapefile … as one area in longitude and latitude.

    Lines and points are passed over. ValueError for a missing file, a file without polygons, an unknown CRS, or
    a polygon that crosses itself.
    """
    if not path.is_file():
        raise ValueError(f"area of interest {path}: no such file; set `aoi` to a polygon file or a bounding box")
    polygons = _read_geojson(path)
    if polygons is None:
        polygons = _read_layers(path)
    if not polygons:
        raise ValueError(f"area of interest {path}: expected at least one polygon, found none")
    for polygon in polygons:
        if not polygon.is_valid:
            raise ValueError(
                f"area of interest {path}: a polygon is not valid ({explain_validity(polygon)}); "
                "repair it, for example with QGIS's Fix geometries"
            )
    return checked_area(shapely.union_all(polygons), str(path))


def parse_bbox(text: str) -> tuple[float, float, float, float] | None:
    """Read `west,south,east,north`; None where the text is no four numbers (a file name)."""
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        return None
    return west, south, east, north


def bbox_aoi(bounds: Sequence[float], crs: str = LONLAT) -> BaseGeometry:
    """Return the area of a bounding box (west, south, east, north) in `crs`, in longitude and latitude.

    In longitude and latitude, west > east means a box across the antimeridian.
    """
    west, south, east, north = bounds
    if pyproj.CRS(crs).is_geographic and west > east:
        east += 360
    if not (west < east and south < north):
        raise ValueError(
            f"expected a bounding box west, south, east, north with west < east, south < north; got {bounds}"
        )
    box = shapely.segmentize(shapely.box(west, south, east, north), max(east - west, north - south) / 16)
    return checked_area(to_lonlat(box, crs), f"bounding box {list(bounds)}")


def to_lonlat(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Transform a geometry to longitude and latitude; longitudes above 180 are kept where the CRS is geographic."""
    source = pyproj.CRS(crs)
    if source == pyproj.CRS(LONLAT) or source.equals(pyproj.CRS("OGC:CRS84"), ignore_axis_order=True):
        return geometry
    transformer = pyproj.Transformer.from_crs(source, LONLAT, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))


def unwrapped(longitude: npt.NDArray[np.float64], near: float) -> npt.NDArray[np.float64]:
    """Return longitudes in degrees that run on across the antimeridian: each within 180° of `near`."""
    return near + (longitude - near + 180) % 360 - 180


def checked_area(area: BaseGeometry, origin: str) -> BaseGeometry:
    """Refuse an empty or out-of-range area, and make one across the antimeridian run on above 180°."""
    if area.is_empty or area.area == 0:
        raise ValueError(f"area of interest {origin}: it is empty")
    west, south, east, north = area.bounds
    if not (west >= -180 and east <= 540 and south >= -90 and north <= 90):
        raise ValueError(
            f"area of interest {origin}: expected longitudes and latitudes, got {west:.2f}..{east:.2f}, "
            f"{south:.2f}..{north:.2f}; does the file name its CRS?"
        )
    if east - west > 180:  # drawn on both sides of the antimeridian
        moved = shapely.transform(area, _beyond_180)
        if moved.bounds[2] - moved.bounds[0] < east - west:
            return shapely.union_all(shapely.get_parts(moved))
    return area


def _beyond_180(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]])


def _read_geojson(path: Path) -> list[BaseGeometry] | None:
    """Return the polygons of a GeoJSON in longitude and latitude (RFC 7946), None for any other file.

    GDAL would read the same; it brings pandas, most of a second of each call of Snakemake.
    """
    if path.suffix.lower() not in (".geojson", ".json"):
        return None
    try:
        text = path.read_text("utf-8")
        if json.loads(text).get("crs", _CRS84) != _CRS84:
            return None
        return _polygons([shapely.force_2d(shapely.from_geojson(text))])
    except (ValueError, AttributeError, shapely.errors.GEOSException):
        return None


def _read_layers(path: Path) -> list[BaseGeometry]:
    import pyogrio

    try:
        layers = pyogrio.list_layers(path)[:, 0]
        return [polygon for layer in layers for polygon in _read_layer(path, str(layer))]
    except pyogrio.errors.DataSourceError as error:
        raise ValueError(f"area of interest {path}: not a readable vector file ({error})") from error


def _read_layer(path: Path, layer: str) -> list[BaseGeometry]:
    import pyogrio

    meta, _, wkb, _ = pyogrio.raw.read(path, layer=layer, columns=[], force_2d=True)
    if wkb is None:
        return []
    if not meta["crs"]:
        raise ValueError(f"area of interest {path}: the file names no CRS; give it one")
    return [to_lonlat(polygon, meta["crs"]) for polygon in _polygons(shapely.from_wkb(wkb))]


def _polygons(geometries: Iterable[BaseGeometry | None]) -> list[BaseGeometry]:
    """Return the polygons, also those within multipolygons and collections."""
    parts = [part for geometry in geometries if geometry is not None for part in shapely.get_parts(geometry)]
    nested = [part for part in parts if part.geom_type in ("MultiPolygon", "GeometryCollection")]
    return [part for part in parts if part.geom_type == "Polygon"] + (_polygons(nested) if nested else [])
