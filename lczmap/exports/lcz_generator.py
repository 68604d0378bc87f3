"""The map as the LCZ Generator delivers it: three int16 bands in longitude and latitude.

Format: LCZ Generator (Demuzere et al. 2021, doi:10.3389/fenvs.2021.637455): bands `lcz`, `lczFilter`,
`classProbability`, EPSG:4326, codes 1..17, 0 outside, no nodata value. w2w takes the band of the name `lczFilter`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.aoi import LONLAT, unwrapped
from lczmap.exports.confidence import read_confidence
from lczmap.provenance import own_tags
from lczmap.raster import (
    read_class_map,
    read_tags,
    square_pixel_m,
    warp,
    write_generator_bands,
)

BANDS = ("lcz", "lczFilter", "classProbability")
EARTH_RADIUS_M = 6_378_137.0
"""Equatorial radius of WGS84: 100 m are 0.000898315284120° on the equator, the LCZ Generator's pixel."""
SNAP_PX = 1e-6
"""A map border that passes a line of the lattice by less, by rounding, gets no further pixel."""


def export_lcz_generator(lcz: Path, filtered: Path, confidence: Path, out: Path) -> None:
    """Write the three-band GeoTIFF from lcz.tif, lcz_filtered.tif and confidence.tif, which share one grid.

    Each pixel takes the map cell at its centre (nearest neighbour). `classProbability` is the maximum probability in
    per cent, rounded, 0 where there is no class. ValueError for a map that is not in metres, for
    different grids, and for a file without band `confidence`.
    """
    codes, geobox = read_class_map(lcz)
    square_pixel_m(geobox, lcz)
    smooth, _ = read_class_map(filtered, expected=geobox)
    probability = read_confidence(confidence, geobox)
    target = generator_lattice(geobox)
    percent = np.where(codes > 0, np.rint(probability * 100), 0)
    layers = (codes, smooth, np.where(np.isfinite(percent), percent, 0))
    bands = np.stack([_nearest(layer.astype(np.float32), geobox, target) for layer in layers])
    tags = own_tags(read_tags(lcz)) | own_tags(read_tags(filtered))
    write_generator_bands(out, bands, target, names=BANDS, tags=tags)


def generator_lattice(geobox: GeoBox) -> GeoBox:
    """Return the pixels in longitude and latitude that cover a map in metres.

    A pixel has as many degrees as the map's pixel has on the equator, and borders at multiples of that: 0 and
    neighbouring cities share them. Across the antimeridian longitudes run on beyond 180.
    """
    size = math.degrees(float(geobox.transform.a) / EARTH_RADIUS_M)
    step = max(geobox.boundingbox.span_x, geobox.boundingbox.span_y) / 64  # borders bend in longitude and latitude
    outline = shapely.get_coordinates(shapely.segmentize(geobox.extent.geom, step))
    to_lonlat = pyproj.Transformer.from_crs(str(geobox.crs), LONLAT, always_xy=True)
    lon, lat = to_lonlat.transform(outline[:, 0], outline[:, 1])
    lon = unwrapped(lon, lon[0])
    west, east = math.floor(lon.min() / size + SNAP_PX), math.ceil(lon.max() / size - SNAP_PX)
    south, north = math.floor(lat.min() / size + SNAP_PX), math.ceil(lat.max() / size - SNAP_PX)
    corner = Affine(size, 0, west * size, 0, -size, north * size)
    return GeoBox((north - south, east - west), corner, LONLAT)


def _nearest(layer: npt.NDArray[np.float32], source: GeoBox, target: GeoBox) -> npt.NDArray[np.int16]:
    moved = warp(layer, source, target, resampling="nearest")
    return np.where(np.isnan(moved), 0, moved).astype(np.int16)
