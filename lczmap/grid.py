"""The city grid: an area of interest becomes a snapped 10 m UTM grid, its tiles and its map cells.

Everything downstream is loaded onto this grid, so it is fixed before any pixel is read. The grid's corner is a
multiple of the map's cell size in its UTM zone: neighbouring cities and other years of one zone share pixels and
cells. Pure arithmetic: no file is opened here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from lczmap.utm import to_utm, utm_crs

PIXEL_M = 10
"""Pixel size of every stack in metres (the finest Sentinel-2 bands)."""
PATCH_PX = 32
"""Usual width of a model input in pixels: 320 m, as in So2Sat LCZ42 (Zhu et al. 2020)."""
MAX_PATCH_PX = 48
"""Widest model input in pixels: 480 m, as in RSNNet (Zhou et al. 2022) and LCZNet (Liu and Shi 2020)."""
HALO_PX = MAX_PATCH_PX // 2
"""Margin of a tile's stack on each side, enough for the widest patch of every cell of the tile."""
MAX_SIDE_KM = 500
SNAP_TOLERANCE_M = 1.0
"""An AOI that passes a cell border by less, by rounding of its coordinates, gets no further row of cells."""


@dataclass(frozen=True)
class Grid:
    """A city's pixels: `height` × `width` of 10 m in `crs`, upper-left corner at (`west`, `north`) metres.

    `cell_px` pixels make a map cell, `tile_px` (a multiple of `cell_px`) a tile's core.
    `aoi` is the area of interest in `crs`.
    """

    crs: str
    west: float
    north: float
    width: int
    height: int
    cell_px: int
    tile_px: int
    aoi: BaseGeometry

    @cached_property
    def geobox(self) -> GeoBox:
        """All pixels of the city."""
        return GeoBox((self.height, self.width), _transform(self.west, self.north, PIXEL_M), self.crs)

    @property
    def cell_m(self) -> int:
        """Size of a map cell in metres."""
        return self.cell_px * PIXEL_M

    @property
    def cells_shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.height // self.cell_px, self.width // self.cell_px

    @cached_property
    def cell_geobox(self) -> GeoBox:
        """All cells of the map."""
        return GeoBox(self.cells_shape, _transform(self.west, self.north, self.cell_m), self.crs)

    def to_json(self) -> str:
        """Return the grid as JSON text; `from_json` reads it back."""
        return json.dumps(
            {
                "crs": self.crs,
                "west": self.west,
                "north": self.north,
                "width": self.width,
                "height": self.height,
                "pixel_m": PIXEL_M,
                "cell_px": self.cell_px,
                "tile_px": self.tile_px,
                "aoi": mapping(self.aoi),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Grid:
        """Read a grid that `to_json` wrote."""
        fields = json.loads(text)
        if fields.pop("pixel_m") != PIXEL_M:
            raise ValueError(f"expected a grid of {PIXEL_M} m pixels; make grid.json again with this version")
        return cls(**{**fields, "aoi": shape(fields["aoi"])})


@dataclass(frozen=True)
class Tile:
    """A block of the grid that is processed at once; the pixels of its core, without halo."""

    name: str
    row: int
    col: int
    height: int
    width: int


def make_grid(aoi: BaseGeometry, *, cell_m: int = 100, tile_px: int = 2000, crs: str | None = None) -> Grid:
    """Lay the 10 m grid over an area of interest.

    `aoi` is a valid, non-empty polygon in longitude and latitude (aoi.py sees to that; beyond the antimeridian
    longitudes run on to above 180). The zone is that of the AOI's centre unless `crs` names one (`EPSG:32633`), for
    cities near the border of two. An AOI that reaches further than 4.5° from the zone's meridian, is longer than
    500 km or lies outside 80° S .. 84° N is refused, because UTM distances and areas would no longer hold.
    """
    if cell_m < PIXEL_M or cell_m % PIXEL_M:
        raise ValueError(f"expected a map pixel size that is a multiple of {PIXEL_M} m, got {cell_m} m")
    cell_px = cell_m // PIXEL_M
    if tile_px < cell_px or tile_px % cell_px:
        raise ValueError(f"expected a tile size that is a multiple of {cell_px} px (one map cell), got {tile_px} px")
    crs = utm_crs(aoi, crs)
    projected = to_utm(aoi, crs)
    west, south, east, north = projected.bounds
    if max(east - west, north - south) > MAX_SIDE_KM * 1000:
        raise ValueError(
            f"the area of interest is {(east - west) / 1000:.0f} × {(north - south) / 1000:.0f} km; a city run takes "
            f"at most {MAX_SIDE_KM} km: split the area into several cities"
        )
    left = math.floor((west + SNAP_TOLERANCE_M) / cell_m) * cell_m
    top = math.ceil((north - SNAP_TOLERANCE_M) / cell_m) * cell_m
    columns = max(math.ceil((east - SNAP_TOLERANCE_M - left) / cell_m), 1)
    rows = max(math.ceil((top - south - SNAP_TOLERANCE_M) / cell_m), 1)
    return Grid(crs, float(left), float(top), columns * cell_px, rows * cell_px, cell_px, tile_px, projected)


def tiles(grid: Grid) -> tuple[Tile, ...]:
    """Cut the grid into tiles, row by row; the last of a row or column may be smaller."""
    return tuple(
        Tile(
            f"r{row // grid.tile_px:03d}c{col // grid.tile_px:03d}",
            row,
            col,
            min(grid.tile_px, grid.height - row),
            min(grid.tile_px, grid.width - col),
        )
        for row in range(0, grid.height, grid.tile_px)
        for col in range(0, grid.width, grid.tile_px)
    )


def stack_paths(folder: Path, grid: Grid, names: Iterable[str]) -> list[Path]:
    """Return the stacks of these names (s1.tif, s2.tif …) of all tiles, in the tiles' folder."""
    return [folder / tile.name / name for name in names for tile in tiles(grid)]


def tile(grid: Grid, name: str) -> Tile:
    """Find a tile by its name, such as `r000c001`."""
    for candidate in tiles(grid):
        if candidate.name == name:
            return candidate
    raise ValueError(f"no tile {name!r} in this grid of {len(tiles(grid))} tiles")


def latitude(grid: Grid) -> float:
    """Return the latitude of the city's centre in degrees."""
    return _centre(grid)[1]


def overlap(one: Grid, other: Grid, *, margin_px: int = MAX_PATCH_PX) -> bool:
    """Say whether two grids share ground once each is grown by `margin_px` pixels on all sides, in whatever zones."""
    meridian, outlines = _centre(one)[0], []
    for grid in (one, other):
        corners = tile_geobox(grid, Tile("", 0, 0, grid.height, grid.width), margin_px).extent.geom
        lon, lat = _to_lonlat(grid.crs).transform(*shapely.get_coordinates(shapely.segmentize(corners, 1000)).T)
        outlines.append(shapely.Polygon(np.column_stack([(lon - meridian + 180) % 360 - 180, lat])))
    return bool(shapely.intersects(*outlines))


def tile_geobox(grid: Grid, tile: Tile, halo: int = HALO_PX) -> GeoBox:
    """Return the pixels of a tile with `halo` more on each side, also beyond the grid's edge."""
    west = grid.west + (tile.col - halo) * PIXEL_M
    north = grid.north - (tile.row - halo) * PIXEL_M
    return GeoBox((tile.height + 2 * halo, tile.width + 2 * halo), _transform(west, north, PIXEL_M), grid.crs)


def tile_cells(grid: Grid, tile: Tile) -> tuple[slice, slice]:
    """Return the map's rows and columns that a tile's core holds."""
    row, col, px = tile.row // grid.cell_px, tile.col // grid.cell_px, grid.cell_px
    return slice(row, row + tile.height // px), slice(col, col + tile.width // px)


def tile_of_cell(grid: Grid, row: int, col: int) -> str:
    """Return the name of the tile whose core holds a map cell."""
    per_tile = grid.tile_px // grid.cell_px
    return f"r{row // per_tile:03d}c{col // per_tile:03d}"


def patch_start(cell: int, cell_px: int, patch_px: int = PATCH_PX) -> int:
    """Return the first pixel of the patch around a cell, along one axis, counted from the grid's edge.

    The patch is centred on the cell's centre; where that is no pixel border (an odd `cell_px`) it lies half a
    pixel towards the start.
    """
    return cell * cell_px + cell_px // 2 - patch_px // 2


def check_patch_px(patch_px: int) -> None:
    """Refuse a width of patches that no halo holds or that has no middle; ValueError."""
    if patch_px % 2 or not 0 < patch_px <= MAX_PATCH_PX:
        raise ValueError(f"expected patches of an even width of at most {MAX_PATCH_PX} px, got {patch_px} px")


def aoi_cells(grid: Grid) -> npt.NDArray[np.bool_]:
    """Return (rows, cols), True where the cell's centre lies in the AOI."""
    rows, cols = grid.cells_shape
    x = grid.west + (np.arange(cols) + 0.5) * grid.cell_m
    y = grid.north - (np.arange(rows) + 0.5) * grid.cell_m
    return np.asarray(shapely.contains_xy(grid.aoi, *np.meshgrid(x, y)), dtype=np.bool_)


def _transform(west: float, north: float, size: float) -> Affine:
    return Affine(size, 0, west, 0, -size, north)


def _to_lonlat(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _centre(grid: Grid) -> tuple[float, float]:
    """Return longitude and latitude of the city's centre in degrees."""
    centre = (grid.west + grid.width * PIXEL_M / 2, grid.north - grid.height * PIXEL_M / 2)
    longitude, latitude = _to_lonlat(grid.crs).transform(*centre)
    return float(longitude), float(latitude)
