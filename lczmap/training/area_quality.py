"""Are training areas fit to teach? Shape, place, overlaps, and what the satellites see in them, before any training.

Nothing here stops a run: people decide what to do with an area that is flagged. Only areas that all lie outside the
area of interest are refused, because then nothing can be trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from lczmap.aoi import to_lonlat
from lczmap.grid import Grid
from lczmap.training.area_features import AreaFeatures, area_features
from lczmap.training.area_outliers import Outliers, find_outliers
from lczmap.training.area_shapes import Overlaps, Shapes, find_overlaps, measure_shapes, share_inside
from lczmap.training.areas import Areas
from lczmap.training.patches import cells_of_areas

MIN_WIDTH_M = 200.0
"""Least width of a training area (Zhou et al. 2022, RSNNet)."""
MAX_AREA_M2 = 300_000.0
"""Areas from this size on weigh a lot; matthiasdemuzere/multitemporal-lcz-mapping replaces them by a disc of 300 m."""
MIN_OVERLAP_M2 = 100.0
"""Less common ground of two areas, a pixel of 10 m, is a matter of drawing."""
_ROUNDING = 0.01  # width and share inside are exact to 1 %: the search for the circle, UTM's scale, coordinates

FLAGS = {
    "outside": "lies outside the area of interest",
    "cut": "lies partly outside the area of interest",
    "no_cell": "owns no cell of the map: too small, or overlapped",
    "narrow": f"is narrower than {MIN_WIDTH_M:g} m",
    "large": f"is larger than {MAX_AREA_M2 / 1e6:g} km²",
    "overlapping": "overlaps an area of another class",
    "duplicate": "is drawn twice",
    "no_pixels": "has no valid pixel in the scenes",
    "looks_like_other": "looks like another class in the scenes",
    "unusual": "looks like no class in the scenes",
}
"""What can be wrong with an area, in words that follow "the training area"."""


@dataclass(frozen=True)
class AreaQuality:
    """Findings on training areas, in the order of the file.

    `cells` (A,) are the map cells that each owns, `inside` (A,) the share of its ground in the area of interest;
    `features` and `outliers` are None where no scenes were given. `flags` maps the names of FLAGS to (A,) booleans.
    """

    areas: Areas
    shapes: Shapes
    overlaps: Overlaps
    cells: npt.NDArray[np.int64]
    inside: npt.NDArray[np.float64]
    features: AreaFeatures | None
    outliers: Outliers | None

    @property
    def flags(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return what is wrong with each area; nothing about scenes where none were given."""
        outside = self.inside == 0
        flags: dict[str, npt.NDArray[np.bool_]] = {
            "outside": outside,
            "cut": ~outside & (self.inside < 1 - _ROUNDING),
            "no_cell": ~outside & (self.cells == 0),
            "narrow": self.shapes.width_m < MIN_WIDTH_M * (1 - _ROUNDING),
            "large": self.shapes.area_m2 >= MAX_AREA_M2,
            "overlapping": self.overlaps.other_class_m2 >= MIN_OVERLAP_M2,
            "duplicate": self.overlaps.duplicate_of >= 0,
        }
        if self.features is not None and self.outliers is not None:
            flags["no_pixels"] = ~outside & (self.features.valid_px == 0)
            flags["looks_like_other"] = self.outliers.looks_like_other
            flags["unusual"] = self.outliers.is_far
        return flags


def examine_areas(areas: Areas, grid: Grid, stacks: Sequence[Path] = ()) -> AreaQuality:
    """Examine training areas on a city's grid; with its tiles' stacks also what the scenes show there.

    ValueError when all areas lie outside the area of interest.
    """
    placed = areas.to_crs(grid.crs)
    inside = share_inside(placed.polygons, grid.aoi)
    if not inside.any():
        raise ValueError(
            f"all {len(areas.codes)} training areas lie outside the area of interest; they extend over "
            f"{_extent(list(areas.polygons), areas.crs)}, the area of interest over {_extent([grid.aoi], grid.crs)} "
            "(west, south, east, north in degrees); check both files"
        )
    owner, _ = cells_of_areas(placed, grid)
    features = area_features(placed.polygons, grid, stacks) if stacks else None
    return AreaQuality(
        areas,
        measure_shapes(placed.polygons),
        find_overlaps(placed.polygons, areas.codes),
        np.bincount(owner[owner >= 0], minlength=len(areas.codes)).astype(np.int64),
        inside,
        features,
        None if features is None else find_outliers(features.values, areas.codes.astype(np.int64)),
    )


def _extent(geometries: list[Any], crs: str) -> str:
    bounds = shapely.total_bounds([to_lonlat(geometry, crs) for geometry in geometries])
    return ", ".join(f"{value:.3f}" for value in bounds)
