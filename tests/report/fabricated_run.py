"""A tiny run folder, written with the real writers, whose map is painted so that a flip or a shift is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import box

from lczmap.files import write_json, write_text
from lczmap.grid import HALO_PX, Grid, tile_geobox, tiles
from lczmap.raster import Stack, write_cells, write_class_map, write_parts, write_probabilities, write_stack

ROWS, COLS, CELL_M = 7, 11, 100
WEST, NORTH = 500_000.0, 5_800_000.0
HOSTILE = "<script>document.title='broken'</script>"
GRID = Grid("EPSG:32633", WEST, NORTH, COLS * 10, ROWS * 10, 10, 200, box(WEST + 50, NORTH - 650, WEST + 1050, NORTH))
UNMAPPED = (2, 3)
"""Row and column of the cell without a class."""


def painted() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return codes that differ from their neighbours: 1 at the upper left, then along the rows, 5 more each row."""
    row, col = np.mgrid[:ROWS, :COLS]
    codes = ((5 * row + col) % 17 + 1).astype(np.uint8)
    codes[UNMAPPED] = 0
    return codes


def probabilities() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return (17, y, x): the painted class has 0.40 + 0.05 · row, the next code 0.2, the others share the rest."""
    codes = painted()
    top = 0.4 + 0.05 * np.arange(ROWS)[:, None] * np.ones(COLS)
    values = np.repeat(((0.8 - top) / 15)[None], 17, axis=0)
    index = (codes.astype(int) - 1) % 17
    np.put_along_axis(values, ((index + 1) % 17)[None], 0.2, axis=0)
    np.put_along_axis(values, index[None], top[None], axis=0)
    values[:, *UNMAPPED] = np.nan
    return values.astype(np.float32)


def write_run(root: Path, *, city: str = "paint", scene: str = HOSTILE) -> Path:
    """Write results/<city>/<period> with a map, a filtered map, a network's map, a picture, a stack and records."""
    folder = root / "results" / city / "2024-05-01_2024-09-30"
    folder.mkdir(parents=True)
    write_text(folder.parent / "grid.json", GRID.to_json())
    cells, codes, values = GRID.cell_geobox, painted(), probabilities()
    tags = {"LCZMAP_NETWORK": "sen2lcz", "LCZMAP_SENSORS": "sentinel-2", "LCZMAP_GAPS": "1.30%"}
    write_class_map(folder / "lcz.tif", codes, cells, tags=tags)
    write_class_map(folder / "lcz_filtered.tif", np.where(codes == 1, 2, codes).astype(np.uint8), cells, tags=tags)
    (folder / "models" / "other").mkdir(parents=True)
    write_class_map(folder / "models" / "other" / "lcz.tif", np.full_like(codes, 17), cells, tags=tags)
    whole = (slice(0, ROWS), slice(0, COLS))
    write_probabilities(folder / "probabilities.tif", iter([(whole, values)]), cells, tags={})
    confidence = np.stack([values.max(axis=0), 1 - values.max(axis=0)])
    names = ["confidence", "entropy"]
    write_parts(folder / "confidence.tif", iter([(whole, confidence)]), cells, names=names)
    colors = np.zeros((3, ROWS * 10, COLS * 10), np.uint8)
    colors[0], colors[2, :35] = 200, 250
    write_cells(folder / "rgb.tif", colors, GRID.geobox, names=["red", "green", "blue"], nodata=0)
    _write_stack(folder)
    _write_records(folder, scene)
    return folder


def _write_stack(folder: Path) -> None:
    """Write a stack with 3 clear dates in its northern 10 rows, none in its last column, else 2; 9 in the halo."""
    tile = tiles(GRID)[0]
    around = tile_geobox(GRID, tile)
    clear = np.full(around.shape, 9, np.uint8)
    core = clear[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    core[:] = 2
    core[:10] = 3
    core[:, -1] = 0
    stack = Stack(np.full((1, *around.shape), 0.1, np.float32), ("B2",), around)
    path = folder / "tiles" / tile.name / "s2.tif"
    write_stack(path, stack, encoding="uint16_reflectance", counts={"clear_count": clear})


def _write_records(folder: Path, scene: str) -> None:
    shown = {
        "id": scene,
        "sensor": "sentinel-2",
        "datetime": "2024-06-01T10:00:00Z",
        "state": {"level": "L1C"},
        "orbit_direction": "descending",
        "relative_orbit": 22,
        "usable_fraction": 0.75,
    }
    write_json(folder / "scenes.json", {"scenes": [shown]})
    record = {
        "lczmap": "0.1.0",
        "python": "3.11",
        "libraries": {"numpy": "2"},
        "attribution": "Contains modified Copernicus Sentinel data 2024.",
        "config": {"city": "paint", "training": {"seed": 47}, "note": scene},
        "networks": [{"name": "sen2lcz", "sha256": "ab" * 32}],
    }
    write_json(folder / "run.json", record)
