"""Reads the configuration; what the rules ask of it is answered in questions/. No rules here."""

import hashlib
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from snakemake.exceptions import WorkflowError

from lczmap.aoi import bbox_aoi, read_aoi
from lczmap.config import (
    NAMED_HEIGHTS,
    ORBIT_KINDS,
    SEASONS,
    BoundingBox,
    Config,
    Model,
    check_apart,
    learned_from,
)
from lczmap.config.recipes import check_recipes
from lczmap.configfiles import expand, expand_endpoint, load_configs
from lczmap.grid import HALO_PX, Grid, latitude, make_grid, overlap, tiles
from lczmap.scenes.seasons import months_of
from lczmap.views import stack_file

ROOT = Path(workflow.basedir)

# Jobs keep their bytecode, whatever containers set: each of hundreds would compile its libraries anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Jobs import this clone's package, in any working directory and after any environment is activated
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(ROOT))}; ")


@dataclass(frozen=True)
class Run:
    """One city and period: its configuration and grid."""

    config: Config
    grid: Grid

    @property
    def folder(self) -> str:
        return f"results/{self.config.city}/{self.config.period}"

    @property
    def tiles(self) -> list[str]:
        return [tile.name for tile in tiles(self.grid)]


def aoi_argument(config):
    """The AOI as the verb `define-grid` takes it: a file, or `west,south,east,north` with a CRS."""
    if isinstance(config.aoi, BoundingBox):
        return ",".join(map(str, config.aoi.bbox))
    return str(expand(config.aoi, ROOT))


def grid_of(config):
    if isinstance(config.aoi, BoundingBox):
        aoi = bbox_aoi(config.aoi.bbox, config.aoi.crs)
    else:
        aoi = read_aoi(expand(config.aoi, ROOT))
    chosen = config.map
    return make_grid(
        aoi, cell_m=chosen.pixel_size_m, tile_px=chosen.tile_px, crs=chosen.crs
    )


def read_runs():
    # A city's file replaces the default one: Snakemake would merge them key by key
    files = workflow.overwrite_configfiles or [ROOT / "config" / "config.yaml"]
    try:
        configs = load_configs(
            [Path(f) for f in files],
            root=ROOT,
            overrides=workflow.config_settings.config,
        )
        runs = {(c.city, c.period): Run(c, grid_of(c)) for c in configs}
        check_shared_files(list(runs.values()))
        check_apart(
            configs,
            lambda a, b: overlap(
                *(runs[config.city, config.period].grid for config in (a, b))
            ),
        )
        check_recipes(configs)
        check_paths(configs)
    except ValueError as error:
        raise WorkflowError(str(error))
    return runs


def check_paths(configs):
    """Refuse paths whose environment variables are not set, before rules ask for them one by one."""
    for config in configs:
        named = [
            config.temperature.air.path,
            config.temperature.surface.path,
            config.training.areas,
        ]
        named += [other.path for other in config.other_maps]
        named += [path for m in config.models for path in (m.checkpoint, m.weights)]
        for path in named:
            if path is not None:
                expand(path, ROOT)


def check_shared_files(runs):
    """Refuse runs that disagree on a file they share: a city's grid, a public network's weights."""
    grids, weights = {}, {}
    for run in runs:
        if grids.setdefault(run.config.city, run.grid) != run.grid:
            raise ValueError(
                f"two periods of {run.config.city} have different areas or pixel sizes; give both the same, or two "
                "cities two names"
            )
        for model in run.config.models:
            if (
                model.is_pretrained
                and weights.setdefault(model.name, model.weights) != model.weights
            ):
                raise ValueError(
                    f"two cities name different `weights` for {model.name}; use one file"
                )


RUNS = read_runs()


wildcard_constraints:
    city="|".join(sorted({city for city, _ in RUNS})),
    period="|".join(sorted({period for _, period in RUNS})),
    later="|".join(sorted({period for _, period in RUNS})),
    other=r"[a-z0-9][a-z0-9_-]*",
    tile=r"r\d+c\d+",
    sensor=r"sentinel-[12]",
    view=r"(_[a-z0-9]+)?",
    model=r"[a-z0-9][a-z0-9_-]*",
    heights=r"[^/]+",


def run_of(wildcards):
    if hasattr(wildcards, "period"):
        return RUNS[wildcards.city, wildcards.period]
    return next(run for (city, _), run in RUNS.items() if city == wildcards.city)


def setting(path):
    """An input function for `params`: the value at `path` in the run's configuration, such as `map.tile_px`."""

    def value(wildcards):
        found = run_of(wildcards).config
        for key in path.split("."):
            found = getattr(found, key)
        return found

    return value


def model_of(wildcards):
    return next(m for m in run_of(wildcards).config.models if m.key == wildcards.model)


def model_setting(key):
    def value(wildcards):
        return getattr(model_of(wildcards), key)

    return value


def place_of(wildcards):
    """The grid as it is now: when the area's file has changed, so has this, and the grid is made again."""
    return hashlib.sha256(run_of(wildcards).grid.to_json().encode()).hexdigest()


def section_of(wildcards):
    """The configuration of the wildcard `sensor` (sentinel-1 or sentinel-2)."""
    return getattr(run_of(wildcards).config, wildcards.sensor.replace("-", ""))


def options_text(options):
    return " ".join(
        f"--{name} {shlex.quote(str(value))}"
        for name, value in options.items()
        if value is not None
    )
