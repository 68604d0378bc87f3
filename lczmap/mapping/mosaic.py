"""Join the tiles into the city's maps: probabilities and classes, and what speaks for the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import CLASSES, NODATA_CODE, NUM_CLASSES, PaletteName
from lczmap.grid import Grid, Tile, aoi_cells, tile_cells, tiles
from lczmap.raster import Float, band_names, read_cells, write_class_map, write_float_cog


def mosaic(
    tile_paths: Sequence[Path],
    grid: Grid,
    out_probabilities: Path,
    out_classes: Path,
    *,
    tags: Mapping[str, str] | None = None,
    palette: PaletteName = "official",
) -> float:
    """Write probabilities.tif (17 bands, NaN nodata) and lcz.tif (codes 1..17, 0 nodata) of the whole city.

    `tile_paths` are the tiles' probabilities, in any order; each is placed by its own georeference. Memory holds
    one tile and the class map. `tags` go into both files, the colours of `palette` into lcz.tif. Returns the share of
    the area of interest that has no class, which is also a tag of lcz.tif. ValueError when a file is no tile of the
    grid, appears twice, a tile of the grid has no file, or no cell has a class.
    """
    codes = np.full(grid.cells_shape, NODATA_CODE, np.uint8)

    def parts() -> Iterator[tuple[tuple[slice, slice], Float]]:
        for tile, probabilities in _read_tiles(tile_paths, grid, NUM_CLASSES):
            cells = tile_cells(grid, tile)
            codes[cells] = most_probable_code(probabilities)
            yield cells, probabilities
        if not codes.any():
            raise ValueError(
                f"{out_classes}: the map would be empty, none of its {codes.size} cells has a class; does the area of "
                "interest lie inside the scenes, and are the scenes clear there?"
            )

    titles = [c.title for c in CLASSES]
    write_float_cog(out_probabilities, parts(), grid.cell_geobox, names=titles, tags=tags or {})
    gaps = float((codes[aoi_cells(grid)] == NODATA_CODE).mean())
    tags = {**(tags or {}), "LCZMAP_GAPS": f"{gaps:.2%}"}
    write_class_map(out_classes, codes, grid.cell_geobox, tags=tags, palette=palette)
    return gaps


def mosaic_explanation(
    tile_paths: Sequence[Path], grid: Grid, out_path: Path, *, tags: Mapping[str, str] | None = None
) -> None:
    """Write explanation.tif of the whole city from the tiles' files (explain.py), whose band names must agree.

    Tiles are placed as `mosaic` places them. ValueError as there, and for tiles with other bands.
    """
    names = band_names(tile_paths[0])
    for path in tile_paths:
        if band_names(path) != names:
            raise ValueError(
                f"{path}: expected the band groups {names} of {tile_paths[0]}, got {band_names(path)}; explain all "
                "tiles with one network"
            )
    tiles_found = _read_tiles(tile_paths, grid, len(names))
    parts = ((tile_cells(grid, tile), support) for tile, support in tiles_found)
    write_float_cog(out_path, parts, grid.cell_geobox, names=names, tags=tags or {})


def most_probable_code(probabilities: Float) -> npt.NDArray[np.uint8]:
    """Return the code 1..17 of the largest of (17, y, x) probabilities; ties go to the lower code, NaN to 0."""
    if probabilities.ndim != 3 or len(probabilities) != NUM_CLASSES:
        raise ValueError(f"expected probabilities (17, y, x), got {probabilities.shape}")
    code = probabilities.argmax(axis=0).astype(np.uint8) + np.uint8(1)
    missing = np.isnan(probabilities).any(axis=0)
    return np.where(missing, np.uint8(NODATA_CODE), code)


def tile_cell_geobox(grid: Grid, tile: Tile) -> GeoBox:
    """Return the map cells of a tile's core."""
    return grid.cell_geobox[tile_cells(grid, tile)]


def describe(geobox: GeoBox) -> str:
    """Return size, pixel size, upper-left corner and CRS of a raster's grid, for messages."""
    (rows, cols), transform = geobox.shape, geobox.transform
    crs = f"EPSG:{geobox.crs.epsg}" if geobox.crs and geobox.crs.epsg else "an unnamed CRS"
    return f"{rows} × {cols} of {transform.a:g} m at ({transform.c:.0f}, {transform.f:.0f}) in {crs}"


def _read_tiles(tile_paths: Sequence[Path], grid: Grid, bands: int) -> Iterator[tuple[Tile, Float]]:
    tile_at = {_corner(tile_cell_geobox(grid, tile)): tile for tile in tiles(grid)}
    path_of: dict[Tile, Path] = {}
    for path in tile_paths:
        cells, geobox = read_cells(path)
        tile = tile_at.get(_corner(geobox))
        if tile is None or len(cells) != bands or geobox != tile_cell_geobox(grid, tile):
            raise ValueError(
                f"{path}: expected {bands} bands on a tile of the city grid ({len(tile_at)} tiles of "
                f"{grid.tile_px} px in {grid.crs}), got {len(cells)} bands, {describe(geobox)}; classify the "
                "tile again with this grid"
            )
        if tile in path_of:
            raise ValueError(f"{path}: tile {tile.name} was already given by {path_of[tile]}; give each tile once")
        path_of[tile] = path
        yield tile, cells
    missing = [tile.name for tile in tiles(grid) if tile not in path_of]
    if missing:
        raise ValueError(
            f"mosaic of {len(tile_at)} tiles: expected a file for each, got none for {', '.join(missing[:10])}"
            f"{' …' if len(missing) > 10 else ''}; classify the missing tiles first"
        )


def _corner(geobox: GeoBox) -> tuple[float, float]:
    return geobox.transform.c, geobox.transform.f
