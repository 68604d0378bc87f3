"""Where the simulated city lies: in the open ocean, so that no one takes it for a real one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

CRS = "EPSG:32623"  # UTM zone 23 north; the centre lies on its meridian, 45° W
CENTRE_EAST, CENTRE_NORTH = 500_000, 4_428_000  # m; a multiple of every pixel size in use
NOTICE = "Simulation: this city does not exist; accuracy on it says nothing about real cities."


def outline(size_m: int) -> npt.NDArray[np.float64]:
    """Return the city's outline (n, 2), metres east and north of its centre, a corner at least every kilometre."""
    half, steps = size_m / 2, math.ceil(size_m / 1000)
    side = np.linspace(-half, half, steps, endpoint=False)
    ends = np.full(steps, half)
    return np.concatenate(
        [
            np.column_stack([side, -ends]),
            np.column_stack([ends, side]),
            np.column_stack([-side, ends]),
            np.column_stack([-ends, -side]),
        ]
    )


def aoi_geojson(size_m: int) -> dict[str, Any]:
    """Return the city's outline as a GeoJSON feature collection in longitude and latitude."""
    ring = [[round(lon, 8), round(lat, 8)] for lon, lat in to_lonlat(outline(size_m))]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "Simulated demo city", "notice": NOTICE},
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            }
        ],
    }


def place_geobox(west: float, north: float, pixel_m: float, shape: tuple[int, ...]) -> GeoBox:
    """Return the pixels of a raster whose corner lies `west`, `north` metres from the centre; shape (rows, cols)."""
    corner = Affine(pixel_m, 0, CENTRE_EAST + west, 0, -pixel_m, CENTRE_NORTH + north)
    return GeoBox((shape[0], shape[1]), corner, CRS)


def to_lonlat(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn (n, 2) metres east and north of the centre into longitude and latitude."""
    transformer = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return np.column_stack(transformer.transform(CENTRE_EAST + xy[:, 0], CENTRE_NORTH + xy[:, 1]))
