"""The natural-colour picture of a city at 10 m, from the Sentinel-2 stacks of its tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.grid import HALO_PX, Grid, Tile, tile_geobox, tiles
from lczmap.raster import Float, band_names, lattice, read_onto, scale_offset, write_picture

BANDS = ("B4", "B3", "B2")  # red, green, blue
STRETCH = (0.01, 0.99)  # shares of the city's pixels that are at most as bright as black, as white
_STEP = 1e-4  # reflectance; how finely stacks store it
_BRIGHTEST = 30_000  # steps; a reflectance of 3 and more counts as this

Bytes = npt.NDArray[np.uint8]


def draw_true_color(stack_paths: Sequence[Path], grid: Grid, out_path: Path) -> None:
    """Write rgb.tif: bands red, green, blue of 1..255 on all pixels of the grid, 0 where a band is missing.

    Each band runs from its 1st percentile in the city (1) to its 99th (255); both are tags of the file, as
    reflectance. `stack_paths` are the stacks of all tiles, of one view, in any order; their halos are left out.
    Memory holds the bands of one tile. ValueError for a stack that is no tile of the grid, a tile without a stack,
    a stack without the bands, or no pixel at all.
    """
    stacks = _stack_of_tile(stack_paths, grid)
    black, white = _stretch(stacks, grid)

    def parts() -> Iterator[tuple[tuple[slice, slice], Bytes]]:
        for tile, path in stacks.items():
            place = slice(tile.row, tile.row + tile.height), slice(tile.col, tile.col + tile.width)
            yield place, stretched(_read_bands(path, grid, tile), black, white)

    tags = {f"LCZMAP_{name}": " ".join(f"{v:.4f}" for v in ends) for name, ends in (("BLACK", black), ("WHITE", white))}
    write_picture(out_path, parts(), grid.geobox, tags=tags)


def stretched(reflectance: Float, black: npt.NDArray[np.float64], white: npt.NDArray[np.float64]) -> Bytes:
    """Return bytes (3, y, x) of reflectance (3, y, x): `black` (3,) and less is 1, `white` (3,) and more 255.

    0 in all bands where one is missing.
    """
    low, high = (ends.astype(np.float32)[:, np.newaxis, np.newaxis] for ends in (black, white))
    missing = np.isnan(reflectance).any(axis=0)
    bright = np.clip((np.nan_to_num(reflectance) - low) / np.maximum(high - low, np.float32(1e-6)), 0, 1)
    out: Bytes = (1 + np.rint(254 * bright)).astype(np.uint8)
    out[:, missing] = 0
    return out


def _stretch(stacks: dict[Tile, Path], grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the reflectance (3,) that is black and that is white, counted over all tiles."""
    counts = np.zeros((3, _BRIGHTEST + 1), np.int64)
    for tile, path in stacks.items():
        reflectance = _read_bands(path, grid, tile)
        seen = reflectance[:, ~np.isnan(reflectance).any(axis=0)]  # (3, N)
        steps = np.clip(np.rint(seen / _STEP), 0, _BRIGHTEST).astype(np.int64)
        counts += [np.bincount(band, minlength=_BRIGHTEST + 1) for band in steps]
    total = counts[0].sum()
    if not total:
        raise ValueError(f"no pixel of the {len(stacks)} stacks has {', '.join(BANDS)}: there is nothing to show")
    below = np.cumsum(counts, axis=1)  # (3, steps)
    ends = [np.array([np.searchsorted(band, share * total) for band in below]) * _STEP for share in STRETCH]
    return ends[0], ends[1]


def _read_bands(path: Path, grid: Grid, tile: Tile) -> Float:
    """Read the reflectance (3, y, x) of a tile's core."""
    names, core = band_names(path), tile_geobox(grid, tile, halo=0)
    numbers = [names.index(band) + 1 for band in BANDS]
    return np.stack([read_onto(path, core, band=n) * np.float32(scale_offset(path, band=n)[0]) for n in numbers])


def _stack_of_tile(stack_paths: Sequence[Path], grid: Grid) -> dict[Tile, Path]:
    pixels_of = {tile: tile_geobox(grid, tile, HALO_PX) for tile in tiles(grid)}
    tile_at = {_corner(pixels): tile for tile, pixels in pixels_of.items()}
    stacks: dict[Tile, Path] = {}
    for path in stack_paths:
        tile = tile_at.get(_corner(lattice(path)))
        if tile is None or lattice(path) != pixels_of[tile]:
            raise ValueError(f"{path}: expected a tile of this grid with its halo; stack the tile again with this grid")
        if tile in stacks:
            raise ValueError(f"{path}: tile {tile.name} was already given by {stacks[tile]}; give each tile once")
        if not set(BANDS) <= set(band_names(path)):
            raise ValueError(
                f"{path}: expected the bands {', '.join(BANDS)} for a picture, got {', '.join(band_names(path))}; "
                "give the Sentinel-2 stacks"
            )
        stacks[tile] = path
    missing = [tile.name for tile in tiles(grid) if tile not in stacks]
    if missing:
        raise ValueError(f"expected a stack for each tile, got none for {', '.join(missing)}; stack these tiles first")
    return stacks


def _corner(pixels: GeoBox) -> tuple[float, float]:
    return pixels.transform.c, pixels.transform.f
