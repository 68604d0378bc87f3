"""Classify the map cells of one tile: the pixels around each cell go through a network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lczmap.classes import NUM_CLASSES
from lczmap.grid import PIXEL_M, Grid, Tile, aoi_cells, tile_geobox
from lczmap.mapping.mosaic import tile_cell_geobox
from lczmap.mapping.pixels import read_views
from lczmap.mapping.slide import BATCH_SIZE, Bool, Layout, Report, answer_cells, mean_answer
from lczmap.models.checkpoint import Classifier, load_checkpoint
from lczmap.raster import Float, write_probabilities


def classify_tile(
    stacks: Sequence[Path],
    checkpoint: Path,
    grid: Grid,
    tile: Tile,
    out_path: Path,
    *,
    batch_size: int = BATCH_SIZE,
    allow_level_mismatch: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write the 17 class probabilities of a tile's map cells as GeoTIFF, float32, NaN nodata.

    `stacks` are the tile's stacks with halo, named as in views.py; only those that the checkpoint's channels need
    are opened. Of several views (seasons, radar dates) the mean probability of those that show a cell is written.
    Nodata are the cells whose centre is outside the AOI and those that `usable_cells` refuses. ValueError when a
    channel is missing, a stack lies on another grid, or its pixels were made in another way than the network's
    training pixels (`allow_level_mismatch` admits that).
    """
    classifier = load_checkpoint(checkpoint)
    wanted = tile_aoi_cells(grid, tile)
    answers = (
        classify_cells(
            pixels,
            wanted,
            classifier,
            cell_px=grid.cell_px,
            first_cell=first_cell(grid, tile),
            batch_size=batch_size,
            report=_progress_lines(" ".join([tile.name, *view.values()])),
        )
        for view, pixels in read_views(classifier, stacks, tile_geobox(grid, tile), any_state=allow_level_mismatch)
    )
    probabilities = mean_answer(answers)
    rows, cols = wanted.shape
    whole = (slice(0, rows), slice(0, cols))
    write_probabilities(out_path, iter([(whole, probabilities)]), tile_cell_geobox(grid, tile), tags=tags or {})


def classify_cells(
    pixels: Float,
    wanted: Bool,
    classifier: Classifier,
    *,
    cell_px: int,
    first_cell: tuple[int, int] = (0, 0),
    batch_size: int = BATCH_SIZE,
    report: Report | None = None,
) -> Float:
    """Return the probabilities (17, rows, cols) of cells; NaN where not `wanted` (rows, cols) or not usable.

    `pixels` is (channel, y, x) in the classifier's channels and units, NaN where missing, the cells' pixels with
    a halo of HALO_PX. `first_cell` is the row and column of the first cell in the city. `report(done, total)` is
    called after each batch.
    """
    layout = Layout(classifier.patch_px, cell_px, first_cell, batch_size)
    return answer_cells(pixels, wanted, classifier.probabilities, NUM_CLASSES, layout, report=report)


def tile_aoi_cells(grid: Grid, tile: Tile) -> Bool:
    """Return (rows, cols) of a tile's core, True where the cell's centre lies in the AOI."""
    core = replace(
        grid,
        west=grid.west + tile.col * PIXEL_M,
        north=grid.north - tile.row * PIXEL_M,
        width=tile.width,
        height=tile.height,
    )
    return aoi_cells(core)


def first_cell(grid: Grid, tile: Tile) -> tuple[int, int]:
    """Return the row and column, in the city, of a tile's first cell."""
    return tile.row // grid.cell_px, tile.col // grid.cell_px


def _progress_lines(tile: str) -> Report:
    """Return a report that prints a line per 10 %."""
    started, shown = time.monotonic(), 0

    def report(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // total
        if tenth > shown:
            shown = tenth
            seconds = time.monotonic() - started
            print(f"classify {tile}: {10 * tenth} % of {total} cells, {seconds:.0f} s", flush=True)

    return report
