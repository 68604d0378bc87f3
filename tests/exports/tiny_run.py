"""A finished run in miniature: a real grid, a map painted by hand, and the records that the verbs write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.aoi import bbox_aoi
from lczmap.config import Config
from lczmap.exports.facts import RunFacts, read_facts
from lczmap.files import write_json, write_text
from lczmap.grid import Grid, make_grid
from lczmap.provenance import run_record
from lczmap.raster import write_class_map, write_float_cog

PERIOD = "2020-06-01_2020-09-30"
SCENES = (
    {"id": "S2A_MSIL1C_20200604", "sensor": "sentinel-2", "datetime": "2020-06-04T06:00:41Z", "state": {}},
    {"id": "S1A_IW_GRDH_20200610", "sensor": "sentinel-1", "datetime": "2020-06-10T01:02:03Z", "state": {}},
)


@dataclass(frozen=True)
class TinyRun:
    """The folder of a run, its grid and its classes (y, x)."""

    folder: Path
    grid: Grid
    codes: npt.NDArray[np.uint8]

    @property
    def lcz(self) -> Path:
        return self.folder / "lcz.tif"

    @property
    def confidence(self) -> Path:
        return self.folder / "confidence.tif"

    @property
    def facts(self) -> RunFacts:
        return read_facts(self.folder / "run.json", self.folder / "accuracy.json")


def painted(shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Classes 0..17 such that no row, column, flip or turn looks like another."""
    rows, cols = np.indices(shape)
    codes: npt.NDArray[np.uint8] = ((rows * 5 + cols * 3 + rows * cols // 4) % 18).astype(np.uint8)
    return codes


def make_run(
    folder: Path,
    *,
    bbox: tuple[float, float, float, float] = (17.6, 59.80, 17.65, 59.82),
    tags: dict[str, str] | None = None,
    simulated: bool = False,
    sensors: str = "sentinel-2",
) -> TinyRun:
    """Write `results/uppsala/<period>` below `folder`; the box lies at the edge of its UTM zone."""
    city = folder / "results" / "uppsala"
    run = city / PERIOD
    grid = make_grid(bbox_aoi(bbox))
    write_text(city / "grid.json", grid.to_json())
    codes = painted(grid.cells_shape)
    write_class_map(run / "lcz.tif", codes, grid.cell_geobox, tags=tags or {})
    confidence = np.where(codes > 0, 0.2 + codes / 40, np.nan).astype(np.float32)
    whole = (slice(0, codes.shape[0]), slice(0, codes.shape[1]))
    bands = np.stack([1 - confidence, confidence])
    write_float_cog(
        run / "confidence.tif", [(whole, bands)], grid.cell_geobox, names=["entropy", "confidence"], tags={}
    )
    write_records(run, simulated=simulated, sensors=sensors)
    return TinyRun(run, grid, codes)


def write_records(run: Path, *, simulated: bool, sensors: str) -> None:
    """Write run.json as `record-run` does, and the part of accuracy.json that is read."""
    checkpoint = run / "checkpoint.safetensors"
    checkpoint.write_bytes(b"weights")
    write_json(checkpoint.with_suffix(".json"), {"name": "gul_s2", "channels": ["B2"]})
    scenes = [scene | ({"id": f"simulated_{scene['id']}"} if simulated else {}) for scene in SCENES]
    config = Config(city="uppsala", start="2020-06-01", end="2020-09-30").model_dump(mode="json")
    record = run_record(config, {"scenes": scenes}, None, [checkpoint])
    write_json(run / "run.json", record | {"sensors": sensors, "gaps": "1.25%"})
    figure = {"value": 0.5, "low": 0.4, "high": 0.625}
    what = "accuracy on reference polygons (test split by polygon)"
    write_json(run / "accuracy.json", {"what": what, "oa": figure, "aa": figure, "cells": 97, "polygons": 26})
