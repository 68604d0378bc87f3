"""The shapes of training areas: size, width, overlaps, duplicates. All in metres of the grid's CRS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

Float = npt.NDArray[np.float64]
Index = npt.NDArray[np.integer]

SAME_SHARE = 0.95
"""Intersection over union from which two areas count as the same polygon drawn twice."""


@dataclass(frozen=True)
class Shapes:
    """Measures of areas, each (A,): m², m, a ratio, a number, m.

    `shape_index` is the perimeter over that of a circle of the same area (1 for a circle, 1.13 for a square);
    `width_m` the diameter of the largest circle that fits in; `vertices` are counted without the closing one.
    """

    area_m2: Float
    perimeter_m: Float
    shape_index: Float
    vertices: npt.NDArray[np.int64]
    width_m: Float


@dataclass(frozen=True)
class Overlaps:
    """How areas overlap: `other_class_m2` (A,) with areas of other classes, `partners` their positions.

    `duplicate_of` (A,) is the position of the first area that is the same polygon, -1 for none.
    """

    other_class_m2: Float
    partners: tuple[tuple[int, ...], ...]
    duplicate_of: npt.NDArray[np.int64]


def measure_shapes(polygons: Sequence[BaseGeometry]) -> Shapes:
    """Measure polygons; NaN for one with infinite coordinates, which the CRS cannot express."""
    shapes = np.array(polygons, dtype=object)
    placed = _is_placed(shapes)
    area, perimeter, width = (np.full(len(shapes), np.nan) for _ in range(3))
    area[placed], perimeter[placed] = shapely.area(shapes[placed]), shapely.length(shapes[placed])
    rings = 1 + shapely.get_num_interior_rings(shapes)
    # the search for the circle ends within 0.5 % of the side of a square of this area
    circles = shapely.maximum_inscribed_circle(shapes[placed], tolerance=0.005 * np.sqrt(area[placed]))
    width[placed] = 2 * shapely.length(circles)  # a line from the centre to the rim
    vertices = (shapely.get_num_coordinates(shapes) - rings).astype(np.int64)
    return Shapes(area, perimeter, perimeter / (2 * np.sqrt(np.pi * area)), vertices, width)


def find_overlaps(polygons: Sequence[BaseGeometry], codes: Index) -> Overlaps:
    """Compare all pairs of polygons that touch; `codes` (A,) are their classes."""
    shapes = np.array(polygons, dtype=object)
    shapes[~_is_placed(shapes)] = None  # the tree passes them over
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = np.flatnonzero(first < second)
    contested = np.zeros(len(shapes))
    partners: list[list[int]] = [[] for _ in shapes]
    duplicate_of = np.full(len(shapes), -1, np.int64)
    for one, other in sorted(zip(first[pairs].tolist(), second[pairs].tolist(), strict=True)):
        shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
        union = shapely.area(shapes[one]) + shapely.area(shapes[other]) - shared
        if shared >= SAME_SHARE * union and duplicate_of[other] < 0:
            duplicate_of[other] = one
        if shared > 0 and codes[one] != codes[other]:
            contested[[one, other]] += shared
            partners[one].append(other)
            partners[other].append(one)
    return Overlaps(contested, tuple(tuple(p) for p in partners), duplicate_of)


def share_inside(polygons: Sequence[BaseGeometry], region: BaseGeometry) -> Float:
    """Return the share (A,) of each polygon's area that lies in `region`, 0 for one with infinite coordinates."""
    shapes = np.array(polygons, dtype=object)
    shares = np.zeros(len(shapes))
    placed = _is_placed(shapes)
    shapely.prepare(region)
    shares[placed] = shapely.area(shapely.intersection(shapes[placed], region)) / shapely.area(shapes[placed])
    return np.clip(shares, 0, 1)


def _is_placed(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(shapely.bounds(shapes)).all(axis=1), dtype=np.bool_)
