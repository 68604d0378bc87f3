"""The area of interest as GeoJSON, for any map that people draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.affinity import translate
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from lczmap.aoi import LONLAT, unwrapped
from lczmap.files import write_text
from lczmap.grid import Grid

_DECIMALS = 7  # of a degree: 1 cm


def write_aoi(grid: Grid, out_path: Path, *, name: str) -> None:
    """Write the area of interest of a grid as GeoJSON (RFC 7946): longitude and latitude, one feature with a name.

    Outer rings run counter-clockwise; an area that crosses the antimeridian is cut there in two.
    """
    area = lonlat_outline(grid)
    feature = {"type": "Feature", "properties": {"name": name}, "geometry": mapping(area)}
    write_text(out_path, json.dumps({"type": "FeatureCollection", "features": [feature]}, ensure_ascii=False) + "\n")


def lonlat_outline(grid: Grid) -> BaseGeometry:
    """Return the area of interest in degrees, longitudes within -180..180."""
    to_lonlat = pyproj.Transformer.from_crs(grid.crs, LONLAT, always_xy=True)
    middle = to_lonlat.transform(grid.aoi.centroid.x, grid.aoi.centroid.y)[0]

    def in_degrees(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        lon, lat = to_lonlat.transform(xy[:, 0], xy[:, 1])
        return np.column_stack([unwrapped(lon, middle), lat])

    area = shapely.transform(grid.aoi, in_degrees)
    turns = [
        translate(part, xoff=turn)
        for turn in (-360, 0, 360)
        if not (part := shapely.intersection(area, shapely.box(-180 - turn, -90, 180 - turn, 90))).is_empty
    ]
    whole = turns[0] if len(turns) == 1 else shapely.union_all(turns)
    return shapely.orient_polygons(shapely.set_precision(whole, 10**-_DECIMALS))
