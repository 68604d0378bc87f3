"""Terrain heights for geocoding: one GeoTIFF of metres above the WGS84 ellipsoid around a city.

From Copernicus GLO-30, from SRTM (which the makers of So2Sat LCZ42 used), or from a GeoTIFF of the user. Heights stay
on the model's own lattice, so that they are interpolated once, when they are read onto the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from lczmap.grid import PIXEL_M, Grid
from lczmap.raster import Float, ResamplingName, read_onto, warp, write_cells
from lczmap.scenes.slc.geoid import EGM96, EGM2008, geoid_heights
from lczmap.scenes.slc.lonlat import Area, area_of, wrapped
from lczmap.scenes.slc.terrain_local import MOST_PX, local_heights
from lczmap.scenes.slc.terrain_tiles import Corner, Tile, Tiles, glo30_tiles, srtm_tiles
from lczmap.scenes.sources.products.s1_grd import ELLIPSOIDAL
from lczmap.scenes.sources.source import MARGIN_M

HEIGHTS_MARGIN_M = MARGIN_M + 2000.0
"""Heights are kept around the city so far. The map goes MARGIN_M beyond it; a slope 1.1 km above the map's edge lays
over 2 km at the steepest incidence of IW, 29°, and measured shifts of the radar and interpolation take some pixels."""
SRTM_LATITUDES = (-56, 60)
_REACH_DEG = 1 / 120  # 30″: interpolation between the coarsest pixels (15″) takes the neighbour's first row or column

Tags = dict[str, str]


def fetch_dem(
    grid: Grid,
    out: Path,
    *,
    dem: Literal["glo30", "srtm"] | Path,
    geoid_m: float | None = None,
    endpoint: str | None = None,
    margin_m: float = HEIGHTS_MARGIN_M,
) -> None:
    """Write heights above the WGS84 ellipsoid around a city: one float32 band, metres, a value everywhere.

    `dem` is glo30 (heights above EGM2008; GLO-90 where GLO-30 is withheld, sea where neither has a tile), srtm (above
    EGM96; 56° S to 60° N) or a GeoTIFF. `geoid_m`, where given, is added to the heights: the height of their zero above
    the ellipsoid at the city, in metres. Where it is None PROJ gives it, for a GeoTIFF only when its CRS names its
    vertical datum; heights of any other GeoTIFF count from the ellipsoid. Voids take the nearest height, and the share
    is printed. Tiles are kept in the folder `tiles` beside `out`; `endpoint` is the https address of a server that
    has the public buckets as folders. Tags say where the heights are from. The lattice is the model's own; in degrees
    across the antimeridian it counts longitudes from 180°. ArchiveError when something cannot be fetched, ValueError
    when the GeoTIFF does not cover the city and `margin_m` around it or has heights that do not occur on land, or the
    model does not reach there.
    """
    city = grid.geobox.pad(math.ceil(margin_m / PIXEL_M))
    if isinstance(dem, Path):
        heights, lattice, tags = local_heights(dem, city, geoid_m)
    else:
        heights, lattice, tags = _model_heights(dem, city, geoid_m, out.parent / "tiles", endpoint)
    heights, share = _without_voids(heights, str(dem))
    write_cells(
        out,
        heights[None],
        lattice,
        names=("height",),
        nodata=math.nan,
        tags={**tags, "heights": ELLIPSOIDAL, "filled_share": f"{share:.6f}"},
    )


def read_heights(path: Path, geobox: GeoBox, *, resampling: ResamplingName = "bilinear") -> Float:
    """Return (rows, cols) metres above the WGS84 ellipsoid on the pixels of `geobox`, NaN where the file ends.

    `path` is what `fetch_dem` wrote. Bilinear by default, where SNAP took the nearest for So2Sat. Coordinates are
    within 0.02 of a height's pixel (see `warp`), 0.6 m: 0.06 m of height on a slope of 10 %.
    """
    return read_onto(path, geobox, resampling=resampling)


def _model_heights(
    model: Literal["glo30", "srtm"], city: GeoBox, geoid_m: float | None, folder: Path, endpoint: str | None
) -> tuple[Float, GeoBox, Tags]:
    if model not in ("glo30", "srtm"):
        raise ValueError(f"expected heights from glo30, srtm or a file, got {model!r}")
    area = area_of(city)
    corners = _corners(area.grown(_REACH_DEG))
    if model == "srtm":
        _check_srtm(area)
        tiles = srtm_tiles(corners, folder, endpoint)
        vertical, version = EGM96, "SRTM 1″ and others, AWS elevation-tiles-prod (skadi)"
    else:
        tiles = glo30_tiles(corners, folder, endpoint)
        vertical, version = EGM2008, "Copernicus DEM 2021 release, AWS copernicus-dem-30m"
    heights, lattice = mosaic(tiles, area)
    heights += geoid_heights(lattice, vertical) if geoid_m is None else np.float32(geoid_m)
    datum = "EGM96" if vertical == EGM96 else "EGM2008"
    return (
        heights,
        lattice,
        {
            "source": "SRTM" if model == "srtm" else "Copernicus DEM GLO-30",
            "version": version,
            "vertical_datum_of_origin": datum,
            "geoid": f"{datum} by PROJ" if geoid_m is None else f"{geoid_m:+g} m everywhere",
            "tiles": " ".join(f"{tile.corner.name}:{tile.source}" for tile in tiles.found),
            "missing_tiles": " ".join(corner.name for corner in tiles.sea) or "none",
        },
    )


def mosaic(tiles: Tiles, area: Area) -> tuple[Float, GeoBox]:
    """Join tiles over an area: (rows, cols) heights in the model's datum, NaN where void, and their lattice.

    The lattice has the finest spacing among the tiles, pixel centres on its whole multiples: tiles with it are copied.
    Coarser ones (beyond a latitude band, or GLO-90) are interpolated bilinearly between their own pixels and, at
    their borders, to their neighbours'. Sea is 0.
    """
    spacings = sorted({_spacing(tile) for tile in tiles.found})
    finest = (min(dx for dx, _ in spacings), min(dy for _, dy in spacings))
    lattice = _lattice(area, finest, 1)
    heights = np.full(lattice.shape, np.nan, np.float32)
    for corner in tiles.sea:
        _paste(heights, lattice, corner, area)
    for spacing in spacings:
        group = [tile for tile in tiles.found if _spacing(tile) == spacing]
        if spacing == finest:
            for tile in group:
                _paste(heights, lattice, tile.corner, area, tile)
            continue
        own = _lattice(area, spacing, 2)
        coarse = warp(heights, lattice, own, resampling="nearest")  # what finer neighbours have, at this one's pixels
        for tile in group:
            _paste(coarse, own, tile.corner, area, tile)
        heights = np.where(np.isnan(heights), warp(coarse, own, lattice), heights)
    return heights, lattice


def _spacing(tile: Tile) -> tuple[float, float]:
    rows, cols = tile.shape
    return 1 / cols, 1 / rows


def _lattice(area: Area, spacing: tuple[float, float], margin: int) -> GeoBox:
    """Return pixels around an area whose centres lie on whole multiples of the spacing."""
    dx, dy = spacing
    left, right = math.floor(area.west / dx) - margin, math.ceil(area.east / dx) + margin
    bottom, top = math.floor(area.south / dy) - margin, math.ceil(area.north / dy) + margin
    shape = (top - bottom + 1, right - left + 1)
    if math.prod(shape) > MOST_PX:
        raise ValueError(f"expected at most {MOST_PX} heights, got {shape[0]} × {shape[1]}; map a smaller area")
    return GeoBox(shape, Affine(dx, 0, (left - 0.5) * dx, 0, -dy, (top + 0.5) * dy), area.crs)


def _paste(heights: Float, lattice: GeoBox, corner: Corner, area: Area, tile: Tile | None = None) -> None:
    """Lay a tile with the lattice's spacing onto it; without `tile`, sea."""
    dx, dy = lattice.transform.a, -lattice.transform.e
    shape = tile.shape if tile else (round(1 / dy), round(1 / dx))
    east_of_edge = wrapped(corner.lon - area.origin - lattice.transform.c)  # on the shorter way round
    col = round(east_of_edge / dx - 0.5)  # the tile's first pixel is centred on its corner's longitude
    row = round((lattice.transform.f - (corner.lat + 1)) / dy - 0.5)
    rows = slice(max(row, 0), min(row + shape[0], heights.shape[0]))
    cols = slice(max(col, 0), min(col + shape[1], heights.shape[1]))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    inside = slice(rows.start - row, rows.stop - row), slice(cols.start - col, cols.stop - col)
    heights[rows, cols] = tile.read(*inside) if tile else 0


def _corners(area: Area) -> Sequence[Corner]:
    lats = range(math.floor(area.south), math.floor(area.north) + 1)
    lons = range(math.floor(area.west), math.floor(area.east) + 1)
    return [Corner(lat, round(wrapped(lon + area.origin))) for lat in lats for lon in lons]


def _check_srtm(area: Area) -> None:
    south, north = SRTM_LATITUDES
    if area.south < south or area.north > north:
        raise ValueError(
            f"SRTM has latitudes {south} to {north}, the city's heights reach from {area.south:.2f} to "
            f"{area.north:.2f}; take `dem: glo30`"
        )


def _without_voids(heights: Float, name: str) -> tuple[Float, float]:
    """Give voids the nearest height; return also their share. ValueError when all is void."""
    void = np.isnan(heights)
    share = float(void.mean())
    if share == 0:
        return heights, 0.0
    if share == 1:
        raise ValueError(f"{name}: expected heights around the city, got voids only; use another source of heights")
    print(
        f"{name}: {100 * share:.3f} % of the heights around the city are voids; they take the nearest height",
        flush=True,
    )
    nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
    return heights[tuple(nearest)], share
