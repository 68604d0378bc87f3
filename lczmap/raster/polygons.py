"""Rasters as polygons: the outlines of areas of equal value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize, shapes
from shapely.geometry.base import BaseGeometry


def area_polygons(
    areas: npt.NDArray[np.int32], geobox: GeoBox, *, batch: int = 20_000
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]]:
    """Yield the outlines of the areas of `areas` (y, x) in the CRS of `geobox`, at most `batch` at a time.

    An area is a 4-connected set of pixels of one positive number; 0 is none. Each batch is (numbers (N,), polygons
    (N,)); polygons follow the pixels' edges, may have holes, touch but do not overlap, and are valid.
    """
    found = shapes(areas, mask=areas > 0, connectivity=4, transform=geobox.transform)
    while part := list(islice(found, batch)):
        numbers = np.fromiter((number for _, number in part), np.int64, len(part))
        yield numbers, _polygons([outline["coordinates"] for outline, _ in part])


def cells_inside(polygon: BaseGeometry, geobox: GeoBox) -> npt.NDArray[np.bool_]:
    """Return (y, x), True where the centre of a cell of `geobox` lies in a polygon of the same CRS."""
    inside: npt.NDArray[np.uint8] = rasterize(
        [polygon], out_shape=tuple(geobox.shape), transform=geobox.transform, fill=0, default_value=1, dtype="uint8"
    )
    return inside.astype(np.bool_)


def _polygons(outlines: list[Any]) -> npt.NDArray[np.object_]:
    """Build polygons from lists of rings of points, all at once: ten times faster than one by one."""
    rings = list(chain.from_iterable(outlines))
    points = chain.from_iterable(chain.from_iterable(rings))
    xy = np.fromiter(points, np.float64).reshape(-1, 2)
    ring_ends = np.cumsum([0, *map(len, rings)])
    outline_ends = np.cumsum([0, *map(len, outlines)])
    polygons: npt.NDArray[np.object_] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, xy, (ring_ends, outline_ends)
    )
    return polygons
