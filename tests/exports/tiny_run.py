"""A finished run in miniature: a real grid, a map painted by hand, and the records that the verbs write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.aoi import bbox_aoi
from lczmap.config import Config
from lczmap.exports.facts import RunFacts, read_facts
from lczmap.files import write_json, write_text
from lczmap.grid import Grid, make_grid
from lczmap.provenance import run_record
from lczmap.raster import Stack, write_class_map, write_float_cog, write_stack

PERIOD = "2020-06-01_2020-09-30"
SCENES = (
    {"id": "S2A_MSIL1C_20200604", "sensor": "sentinel-2", "datetime": "2020-06-04T06:00:41Z", "state": {}},
    {"id": "S1A_IW_GRDH_20200610", "sensor": "sentinel-1", "datetime": "2020-06-10T01:02:03Z", "state": {}},
    {"id": "S1A_IW_GRDH_20200622", "sensor": "sentinel-1", "datetime": "2020-06-22T01:02:03Z", "state": {}},
)
"""Scenes that were found; the map is made of one of each sensor."""


MAIN = {"model": {"name": "gul_s2"}}
ENSEMBLE = {
    "model": {"name": "ensemble", "id": "mean", "members": ["wide", "narrow"]},
    "compare": [{"name": "rsnnet", "id": key, "input": "D2"} for key in ("narrow", "wide")],
}


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
    ensemble: bool = False,
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
    write_records(run, simulated=simulated, sensors=sensors, ensemble=ensemble)
    return TinyRun(run, grid, codes)


def write_records(run: Path, *, simulated: bool, sensors: str, ensemble: bool) -> None:
    """Write run.json as `record-run` does, and the part of accuracy.json that is read."""
    checkpoint = run / "checkpoint.safetensors"
    checkpoint.write_bytes(b"weights")
    channels = ["VV", "B2"] if "sentinel-1" in sensors else ["B2"]
    members = [{"name": "rsnnet"}] * 2 if ensemble else []
    described = {"name": "ensemble" if ensemble else "gul_s2", "channels": channels, "members": members}
    write_json(checkpoint.with_suffix(".json"), described)
    scenes = [scene | ({"id": f"simulated_{scene['id']}"} if simulated else {}) for scene in SCENES]
    config = Config.model_validate(
        {"city": "uppsala", "start": "2020-06-01", "end": "2020-09-30", **(ENSEMBLE if ensemble else MAIN)}
    ).model_dump(mode="json")
    place = GeoBox((1, 1), Affine(10, 0, 500_000, 0, -10, 6_600_000), "EPSG:32633")
    stacks = [run / "tiles" / "r000c000" / name for name in ("s2.tif", "s1.tif")]
    for path, key, scene in zip(stacks, ("scenes", "scene"), scenes[:2], strict=True):
        write_stack(path, Stack(np.zeros((1, 1, 1), np.float32), ("any",), place, {key: str(scene["id"])}))
    record = run_record(config, {"scenes": scenes}, None, [checkpoint] * (3 if ensemble else 1), stacks)
    write_json(run / "run.json", record | {"sensors": sensors, "gaps": "1.25%"})
    figure = {"value": 0.5, "low": 0.4, "high": 0.625}
    what = "accuracy on reference polygons (test split by polygon)"
    write_json(run / "accuracy.json", {"what": what, "oa": figure, "aa": figure, "cells": 97, "polygons": 26})
