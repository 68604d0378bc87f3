"""Areas of a raster's cells on the ellipsoid, in any CRS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine

from lczmap.raster import MAX_AREA_ERROR

PIECES = 64
"""Parts at most that a row is cut into; the cell in the middle of a part stands for its others."""

Areas = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellAreas:
    """Areas of the cells of a raster of `shape` (rows, columns); `crs` is None where it has none."""

    crs: str | None
    transform: Affine
    shape: tuple[int, int]

    @property
    def basis(self) -> str:
        """Say what an area is: `in the map's CRS` where its plane is true, `on the ellipsoid`, or `unknown`."""
        if self.crs is None:
            return "unknown"
        return "in the map's CRS" if self._is_true else "on the ellipsoid"

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First columns (P,) of the parts of a row."""
        cols = self.shape[1]
        return np.arange(min(cols, PIECES)) * cols // min(cols, PIECES)

    def of_rows_km2(self, top: int, bottom: int) -> Areas:
        """Return (rows, P) the area of a cell in each part of the rows `top` to `bottom`, in km²; NaN if unknown."""
        if self.crs is None or self._is_true:
            return np.full((bottom - top, len(self.starts)), np.nan if self.crs is None else self._plane_km2)
        middles = (self.starts + np.append(self.starts[1:], self.shape[1]) - 1) // 2
        row, col = np.meshgrid(np.arange(top, bottom), middles, indexing="ij")  # (rows, P)
        return self._ellipsoid_km2(row, col)

    @cached_property
    def _projection(self) -> pyproj.CRS:
        return pyproj.CRS(self.crs)

    @cached_property
    def _plane_km2(self) -> float:
        unit_m = self._projection.axis_info[0].unit_conversion_factor
        return float(abs(self.transform.determinant)) * unit_m**2 / 1e6

    @cached_property
    def _is_true(self) -> bool:
        """Say whether cells in the middle and the corners are as large on the ellipsoid as in the CRS's plane."""
        if self._projection.is_geographic:
            return False
        rows, cols = self.shape
        row, col = np.array([rows // 2, 0, 0, rows - 1, rows - 1]), np.array([cols // 2, 0, cols - 1, 0, cols - 1])
        return bool((np.abs(self._plane_km2 / self._ellipsoid_km2(row, col) - 1) <= MAX_AREA_ERROR).all())

    def _place(
        self, row: npt.NDArray[np.floating[Any]], col: npt.NDArray[np.floating[Any]]
    ) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
        """Return x and y in the CRS."""
        a, b, c, d, e, f = tuple(self.transform)[:6]
        return a * col + b * row + c, d * col + e * row + f

    def _ellipsoid_km2(self, row: npt.NDArray[np.int64], col: npt.NDArray[np.int64]) -> Areas:
        """Return the areas of cells: of parallelograms in an equal-area projection of the CRS's ellipsoid."""
        geodetic = self._projection.geodetic_crs
        ellipsoid = self._projection.ellipsoid
        if geodetic is None or ellipsoid is None:
            raise ValueError(f"expected a CRS that has a place on Earth, got {self._projection.name}")
        to_lonlat = pyproj.Transformer.from_crs(self._projection, geodetic, always_xy=True)
        equal_area = pyproj.Proj(proj="cea", a=ellipsoid.semi_major_metre, b=ellipsoid.semi_minor_metre)
        degrees = np.degrees(geodetic.axis_info[0].unit_conversion_factor)
        around = 2 * np.pi * ellipsoid.semi_major_metre
        with np.errstate(invalid="ignore"):  # places that a projection does not have are infinite
            sides = []
            for down, right in ((0.5, 0.0), (0.5, 1.0), (0.0, 0.5), (1.0, 0.5)):  # the middles of a cell's sides
                lon, lat = to_lonlat.transform(*self._place(row + down, col + right))
                sides.append(np.array(equal_area(lon * degrees, lat * degrees)))  # (2, …) metres
            west, east, north, south = sides
            (a, b), (c, d) = east - west, south - north
            a, c = ((x + around / 2) % around - around / 2 for x in (a, c))  # a cell may lie across 180°
            return np.asarray(np.abs(a * d - b * c) / 1e6, np.float64)
