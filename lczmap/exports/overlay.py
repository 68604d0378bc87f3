"""A class map in longitude and latitude, as the picture that a globe drapes over the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.aoi import LONLAT, to_lonlat, unwrapped
from lczmap.classes import NODATA_CODE
from lczmap.raster import read_class_map, warp

MAX_PX = 8192
"""Widest picture: what common graphics hardware takes in one piece. Larger maps are thinned out."""
_EASY_PX = 4096  # up to this width cells get several pixels, so that their borders are sharp although the map is turned
_FINEST = 4  # pixels per cell along one axis: a cell's border is then at most an eighth of a cell off
_METRES_PER_DEGREE = 111_320.0  # of latitude


@dataclass(frozen=True)
class Overlay:
    """Codes (y, x), 0..17, on pixels of equal steps in longitude and latitude, and the box that they fill.

    `west` is in -180..180; `east` is above `west`, and above 180 where the box crosses the antimeridian.
    `cells_per_px` is above 1 where the map had to be thinned out.
    """

    codes: npt.NDArray[np.uint8]
    west: float
    south: float
    east: float
    north: float
    cells_per_px: float


def lonlat_overlay(lcz_path: Path, *, max_px: int = MAX_PX) -> Overlay:
    """Lay a class map onto longitude and latitude: each pixel gets the class of the cell at its centre.

    ValueError for a map without a class or without a CRS.
    """
    codes, geobox = read_class_map(lcz_path)
    if not codes.any():
        raise ValueError(f"{lcz_path}: the map is empty, none of its {codes.size} cells has a class; nothing to draw")
    if geobox.crs is None:
        raise ValueError(f"{lcz_path}: the map has no CRS; give it one (gdal_edit.py -a_srs EPSG:…)")
    target, cells_per_px = _target(geobox, max_px)
    cells = np.where(codes == NODATA_CODE, np.nan, codes).astype(np.float32)
    drawn = np.nan_to_num(warp(cells, geobox, target, resampling="nearest"), nan=NODATA_CODE).astype(np.uint8)
    west, north = target.transform @ (0, 0)
    east, south = target.transform @ (target.shape[1], target.shape[0])
    return Overlay(drawn, west, south, east, north, cells_per_px)


def _target(geobox: GeoBox, max_px: int) -> tuple[GeoBox, float]:
    """Return the picture's pixels, and how many cells one of them spans."""
    west, south, east, north = _bounds(geobox)
    cell_lat, cell_lon = _cell_degrees(geobox, (south + north) / 2)
    cells = max((north - south) / cell_lat, (east - west) / cell_lon)
    easy = min(_FINEST, min(_EASY_PX, max_px) // math.ceil(cells))
    per_cell = max(float(easy), min(1.0, max_px / cells))
    step_lat, step_lon = cell_lat / per_cell, cell_lon / per_cell
    rows = min(math.ceil((north - south) / step_lat - 1e-6), max_px)
    cols = min(math.ceil((east - west) / step_lon - 1e-6), max_px)
    transform = Affine(step_lon, 0, west, 0, -step_lat, north)
    return GeoBox((rows, cols), transform, LONLAT), max(1 / per_cell, 1.0)


def _cell_degrees(geobox: GeoBox, latitude: float) -> tuple[float, float]:
    """Return a cell's height and width in degrees of latitude and longitude."""
    width, height = abs(geobox.transform.a), abs(geobox.transform.e)
    if pyproj.CRS(str(geobox.crs)).is_geographic:
        return height, width
    height /= _METRES_PER_DEGREE
    return height, width / (_METRES_PER_DEGREE * math.cos(math.radians(latitude)))


def _bounds(geobox: GeoBox) -> tuple[float, float, float, float]:
    """Return west (-180..180), south, east, north in degrees; east goes on above 180 across the antimeridian."""
    edge = shapely.segmentize(geobox.extent.geom, max(geobox.extent.geom.length / 256, 1e-9))
    lon, lat = shapely.get_coordinates(to_lonlat(edge, str(geobox.crs))).T
    lon = unwrapped(lon, lon[0])
    turn = 360 * math.floor((lon.min() + 180) / 360)
    return float(lon.min()) - turn, float(lat.min()), float(lon.max()) - turn, float(lat.max())
