"""A made city of two tiles whose map holds every class, with all files that a QGIS project shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from shapely.geometry import box, mapping

from lczmap.grid import Grid, tile_geobox, tiles
from lczmap.raster import Stack, write_stack

WEST, NORTH = 400_000.0, 5_800_000.0
ROWS, COLS = 6, 18  # cells of 100 m


def made_grid(*, tile_px: int = 90) -> Grid:
    aoi = box(WEST, NORTH - 100 * ROWS, WEST + 100 * COLS, NORTH)
    return Grid("EPSG:32633", WEST, NORTH, 10 * COLS, 10 * ROWS, 10, tile_px, aoi)


def made_codes() -> np.ndarray:
    """Column c holds the code c, so the first one is nodata."""
    return np.tile(np.arange(COLS, dtype=np.uint8), (ROWS, 1))


def painted_reflectance(grid: Grid, name: str) -> Stack:
    """Red grows to the east and green to the south, by 0.001 a pixel; blue is 0.2; green is missing at a corner."""
    tile = next(tile for tile in tiles(grid) if tile.name == name)
    pixels = tile_geobox(grid, tile)
    row, col = np.indices(pixels.shape)
    city_row = row + (grid.north - pixels.transform.f) / 10
    city_col = col + (pixels.transform.c - grid.west) / 10
    red, green = 0.1 + 0.001 * city_col, 0.1 + 0.001 * city_row
    bands = np.stack([np.full(pixels.shape, 0.2), green, red]).astype(np.float32)
    bands[1, (city_row < 10) & (city_col < 10)] = np.nan
    return Stack(bands, ("B2", "B3", "B4"), pixels)


def write_stacks(grid: Grid, folder: Path) -> list[Path]:
    paths = [folder / f"{tile.name}.tif" for tile in tiles(grid)]
    for path in paths:
        write_stack(path, painted_reflectance(grid, path.stem), encoding="uint16_reflectance")
    return paths


def drawn_areas(folder: Path, second: tuple[float, float] = (14.1, 52.0)) -> Path:
    """Two squares of 0.01°, of the classes 6 and A, in longitude and latitude; `second` is where that of A begins."""
    features = [
        {"type": "Feature", "properties": {"lcz": lcz}, "geometry": mapping(box(x, y, x + 0.01, y + 0.01))}
        for lcz, (x, y) in (("6", (14.0, 52.0)), ("A", second))
    ]
    path = folder / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
