"""The heat island of a raster of temperatures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES, spatial_blocks
from lczmap.heat.islands import cell_figures
from lczmap.heat.rasters import RasterTemperatures, read_temperatures
from lczmap.heat.rows import Choices, Island, TemperatureFile, class_rows, head
from lczmap.heat.units import Kind
from lczmap.heat.zones import Metres, Zones
from lczmap.raster import read_cells

Cells = npt.NDArray[np.bool_]

_BOX = (0.05, 0.25, 0.5, 0.75, 0.95)


def raster_island(zones: Zones, file: TemperatureFile, kind: Kind, choices: Choices) -> Island:
    """Return the heat island of a raster; cells near the border of their zone, or of unsure class, are left out.

    ValueError where no cell is left, or for a raster that `read_temperatures` refuses.
    """
    read = read_temperatures(file.path, zones.geobox, kind=kind, unit=file.unit, band=file.band, time=file.time)
    border_m = max(choices.border_m, read.pixel_m)  # a wider pixel at the border holds both zones
    measured = np.isfinite(read.celsius) & (zones.codes > 0)
    clearance_m = zones.clearance_m(reach_m=border_m)
    inside = measured & (clearance_m >= border_m)
    sure = inside & _confident(zones, choices)
    if not sure.any():
        raise ValueError(f"{file.path}: {_why_none(read, measured, inside, clearance_m, choices)}")
    row, col = np.nonzero(sure)
    block_cells = max(round(max(choices.block_m, 2 * read.pixel_m) / zones.cell_m), 1)
    figures = cell_figures(
        read.celsius[sure],
        zones.codes[sure],
        spatial_blocks(row, col, block_cells),
        reference=choices.reference.code,
        seed=choices.seed,
    )
    left_out = {"edge_cells": measured & ~inside, "unsure_cells": inside & ~sure}
    counts = {key: np.bincount(zones.codes[cells], minlength=NUM_CLASSES + 1)[1:] for key, cells in left_out.items()}
    spread = {c: np.quantile(read.celsius[sure & (zones.codes == c)], _BOX) for c in np.unique(zones.codes[sure])}
    return {
        **head(kind, "raster", file.path, choices, zones, figures, "cells"),
        **_raster_facts(read, border_m, block_cells * zones.cell_m, choices),
        "classes": [
            row | {key: int(n[row["code"] - 1]) for key, n in counts.items()} | {"quantiles_c": spread.get(row["code"])}
            for row in class_rows(figures, zones, choices.reference)
        ],
    }


def _why_none(read: RasterTemperatures, measured: Cells, inside: Cells, clearance_m: Metres, choices: Choices) -> str:
    """Say why no cell is left, and what would help."""
    if inside.any():
        return (
            f"none of its {inside.sum()} cells away from zone borders has a class of probability "
            f"{choices.least_confidence:g} or more; say `--least-confidence` (`temperature.least_confidence`) with less"
        )
    if not measured.any():
        return "expected temperatures of the zones, no cell with a class has one; choose a raster of the city"
    innermost = float(clearance_m[measured].max())
    if read.pixel_m > innermost:
        return (
            f"its pixels of {read.pixel_m:.0f} m are wider than the zones, so each holds several; give a finer raster, "
            "or stations"
        )
    return (
        f"none of its {measured.sum()} cells on the map lies {choices.border_m:g} m or more from the border of its "
        f"zone, the innermost {np.floor(innermost):.0f} m; say `--border` (`temperature.border_m`) with that or less, "
        "or choose a finer map (`map.pixel_size_m`)"
    )


def _raster_facts(read: RasterTemperatures, border_m: float, block_m: float, choices: Choices) -> Island:
    how = {"average": "mean of the pixels in a cell", "nearest": "the pixel at a cell's centre"}
    return {
        "time": read.time or None,
        "unit_of_file": read.unit,
        "unit_said_by": read.said_by,
        "pixel_m": read.pixel_m,
        "resampling": how[read.resampling],
        "border_m": border_m,
        "least_confidence": choices.least_confidence if choices.confidence else None,
        "interval": {
            "level": LEVEL,
            "method": "Student's t with the standard error of a block bootstrap",
            "block_m": block_m,
            "resamples": RESAMPLES,
            "seed": choices.seed,
        },
        "notes": list(read.notes),
    }


def _confident(zones: Zones, choices: Choices) -> Cells:
    """Return the cells (y, x) whose class is at least as probable as asked; all without a confidence raster."""
    if choices.confidence is None:
        return np.ones(zones.codes.shape, np.bool_)
    bands, _ = read_cells(choices.confidence, expected=zones.geobox)
    confident: Cells = bands[0] >= choices.least_confidence
    return confident
