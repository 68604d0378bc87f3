"""Reads the configuration and answers the rules' questions about it; no rules here."""

import hashlib
import json
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
)
from lczmap.configfiles import expand, expand_endpoint, load_configs
from lczmap.grid import Grid, latitude, make_grid, tiles
from lczmap.scenes.seasons import months_of
from lczmap.views import stack_file

ROOT = Path(workflow.basedir)

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
    return make_grid(aoi, cell_m=config.map.pixel_size_m, tile_px=config.map.tile_px)


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
    except ValueError as error:
        raise WorkflowError(str(error))
    return runs


def check_shared_files(runs):
    """Refuse runs that disagree on a file they share: a city's grid, a public network's weights."""
    grids, weights = {}, {}
    for run in runs:
        if grids.setdefault(run.config.city, run.grid) != run.grid:
            raise ValueError(
                f"two periods of {run.config.city} have different areas or pixel sizes; rename one city"
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


def archive_of(sensor):
    """The archive.yaml of a sensor: the configured one, the simulated city's, or one that is fetched or processed."""

    def path(wildcards):
        run = run_of(wildcards)
        section = getattr(run.config, sensor)
        if section.source == "simulate":
            return f"resources/simulation/{wildcards.city}/archive.yaml"
        described = local_archive(section)
        if described is not None:
            return str(described)
        name = sensor.replace("sentinel", "sentinel-")
        folder = f"resources/scenes/{wildcards.city}/{run.config.period}/{name}"
        return (
            f"{folder}/slc/archive.yaml"
            if section.source == "slc"
            else f"{folder}/archive.yaml"
        )

    return path


def local_archive(section):
    """The archive.yaml of a local source; None where scenes must be fetched or read out of products first."""
    if section.source != "local":
        return None
    path = expand(section.archive, ROOT)
    if not path.is_dir():
        return path
    return path / "archive.yaml" if (path / "archive.yaml").is_file() else None


def source_arguments(wildcards):
    """What `search-archive` and `fetch-scenes` both need to know of a sensor's source."""
    section = section_of(wildcards)
    config = run_of(wildcards).config
    options = {
        "source": section.source,
        "sensor": wildcards.sensor,
        "start": config.start,
        "end": config.end,
        "endpoint": section.endpoint and expand_endpoint(section.endpoint, ROOT),
        "collection": section.collection,
        "bucket": getattr(section, "bucket", None),
        "folder": product_folder(section),
        "level": getattr(section, "level", None),
        "calibration": getattr(section, "calibration", None),
    }
    return options_text(options)


def product_folder(section):
    """The folder of products on disk, where these are the source."""
    on_disk = section.source == "local" or (
        section.source == "slc" and section.provider == "local"
    )
    return expand(section.archive, ROOT) if on_disk else None


def search_arguments(wildcards):
    section = section_of(wildcards)
    options = {
        "provider": section.provider if section.source == "slc" else None,
        "platform": section.platform,
        # every Sentinel-2 product on disk is there to be used; radar products are geocoded one by one
        "max-dates": (
            None
            if (section.source, wildcards.sensor) == ("local", "sentinel-2")
            else section.max_dates
        ),
        "orbit": getattr(section, "orbit", None),
        "relative-orbit": getattr(section, "relative_orbit", None),
        "max-cloud": getattr(section, "max_cloud", None),
        "season": getattr(section, "season", None),
    }
    flags = {
        "one-orbit": getattr(section, "dates", None) == "mean",
        "may-be-empty": getattr(section, "use", None) == "preferred",
    }
    return " ".join(
        [options_text(options), *(f"--{name}" for name, on in flags.items() if on)]
    )


def fetch_arguments(wildcards):
    section = section_of(wildcards)
    options = {
        "upsampling": getattr(section, "upsampling", None),
        **grd_heights(wildcards),
    }
    keep = "" if getattr(section, "remove_noise", True) else " --no-remove-noise"
    return options_text(options) + keep


def grd_heights(wildcards):
    """Heights for GRD products: fetched ones count from the ellipsoid, those of a raster as it is configured."""
    section = section_of(wildcards)
    dem = getattr(section, "dem", None)
    if dem is None:
        return {}
    if dem in NAMED_HEIGHTS:
        return {"dem": heights_of(wildcards)}
    return {"dem": expand(dem, ROOT), "geoid": section.geoid_m}


def fetched_heights(wildcards):
    """The heights that `fetch-scenes` needs to be fetched first."""
    named = getattr(section_of(wildcards), "dem", None) in NAMED_HEIGHTS
    return heights_of(wildcards) if named else []


def heights_of(wildcards):
    """The file of ellipsoidal heights that a run's radar is placed by."""
    return f"resources/heights/{wildcards.city}/{heights_name(run_of(wildcards).config.sentinel1)}.tif"


def heights_name(radar):
    dem = radar.dem or "glo30"
    geoid = "" if radar.geoid_m is None else f"_{radar.geoid_m:+g}m"
    if dem in NAMED_HEIGHTS:
        return dem + geoid
    place = str(expand(dem, ROOT))
    return f"{Path(dem).stem}-{hashlib.sha256(place.encode()).hexdigest()[:8]}{geoid}"


def radar_of_heights(wildcards):
    """The radar section of a run whose heights have the wildcards' name."""
    return next(
        run.config.sentinel1
        for (city, _), run in RUNS.items()
        if city == wildcards.city
        and heights_name(run.config.sentinel1) == wildcards.heights
    )


def own_heights(wildcards):
    """The raster that heights are made of, where it is the user's."""
    dem = radar_of_heights(wildcards).dem or "glo30"
    return [] if dem in NAMED_HEIGHTS else str(expand(dem, ROOT))


def heights_arguments(wildcards):
    """What `fetch-dem` needs to know."""
    radar = radar_of_heights(wildcards)
    dem = radar.dem or "glo30"
    place = dem if dem in NAMED_HEIGHTS else expand(dem, ROOT)
    return options_text({"dem": place, "geoid": radar.geoid_m})


def slc_arguments(wildcards):
    radar = run_of(wildcards).config.sentinel1
    return options_text(
        {
            "provider": radar.provider,
            "endpoint": radar.endpoint and expand_endpoint(radar.endpoint, ROOT),
            "folder": product_folder(radar),
        }
    )


def geometry_layers(wildcards):
    wanted = run_of(wildcards).config.sentinel1.geometry_layers
    return "--geometry-layers" if wanted else ""


def own_orbit(wildcards):
    """The orbit file, or the folder of them, where it is the user's."""
    wish = run_of(wildcards).config.sentinel1.orbit_file
    return [] if wish in ORBIT_KINDS else str(expand(wish, ROOT))


def orbit_file(wildcards):
    wish = run_of(wildcards).config.sentinel1.orbit_file
    return wish if wish in ORBIT_KINDS else expand(wish, ROOT)


def placed_archive(wildcards):
    """SLC scenes geocoded at their measured shift; nothing where scenes are moved when they are stacked."""
    run = run_of(wildcards)
    if run.config.sentinel1.source != "slc":
        return []
    return f"{run.folder}/slc/archive.yaml"


def options_text(options):
    return " ".join(
        f"--{name} {shlex.quote(str(value))}"
        for name, value in options.items()
        if value is not None
    )


def platform_arguments(wildcards):
    config = run_of(wildcards).config
    wanted = {config.sentinel2.platform, config.sentinel1.platform} - {"any"}
    return " ".join(f"--platform {name}" for name in sorted(wanted))


def months_arguments(wildcards):
    """The months of a Sentinel-2 composite: those of its season, of the configured one, or all."""
    run = run_of(wildcards)
    composites = months_of(run.config.sentinel2.season, latitude(run.grid))
    number = SEASONS.index(wildcards.view[1:]) if wildcards.view else 0
    return " ".join(f"--month {month}" for month in composites[number])


def sentinel1_archive(wildcards):
    return archive_of("sentinel1")(wildcards) if uses_radar(wildcards) else []


def uses_radar(wildcards):
    return run_of(wildcards).config.sees_radar


def labels_of(wildcards):
    """What the patches are labelled by: training areas, or the map of the network that teaches."""
    run = run_of(wildcards)
    if run.config.training.labels == "teacher":
        return f"{run.folder}/models/{run.config.training.teacher}/probabilities.tif"
    if run.config.training.areas is None:
        return f"resources/simulation/{wildcards.city}/training_areas.kml"
    return str(expand(run.config.training.areas, ROOT))


def teacher_map(wildcards):
    return (
        labels_of(wildcards)
        if run_of(wildcards).config.training.labels == "teacher"
        else []
    )


def split_arguments(training):
    """How `select-patches` divides the labels into training, validation and test."""
    if training.labels == "teacher":
        return f"--teacher-half {training.half} --gap {training.gap_m}"
    field = f"--field {shlex.quote(training.field)} " if training.field else ""
    return f"{field}--validation {training.validation} --test {training.test} --seed {training.seed}"


def stacks(sensors_of):
    """The tile stacks, of all views, of the sensors that `sensors_of(wildcards)` names, one tile or all."""

    def paths(wildcards):
        run = run_of(wildcards)
        names = [wildcards.tile] if hasattr(wildcards, "tile") else run.tiles
        return [
            f"{run.folder}/tiles/{tile}/{name}"
            for name in stack_names(run.config, sensors_of(wildcards))
            for tile in names
        ]

    return paths


def stack_names(config, sensors):
    return [stack_file(s, view) for s in sensors for view in config.stack_views(s)]


def picture_stacks(wildcards):
    """The Sentinel-2 stacks that a map is shown beside: the first view of all tiles."""
    run = run_of(wildcards)
    name = stack_names(run.config, ["sentinel-2"])[0]
    return [f"{run.folder}/tiles/{tile}/{name}" for tile in run.tiles]


def sensors_of_model(wildcards):
    return run_of(wildcards).config.sensors_of(model_of(wildcards))


def sensors_of_main(wildcards):
    config = run_of(wildcards).config
    return config.sensors_of(config.model)


def checkpoint_path(run, model):
    if model.checkpoint is not None:
        return str(expand(model.checkpoint, ROOT))
    if model.is_pretrained:
        return f"resources/pretrained/{model.name}.safetensors"
    return f"{run.folder}/models/{model.key}/checkpoint.safetensors"


def checkpoint_of_model(wildcards):
    return checkpoint_path(run_of(wildcards), model_of(wildcards))


def checkpoint_of_main(wildcards):
    run = run_of(wildcards)
    return checkpoint_path(run, run.config.model)


def ready_networks(wildcards):
    """The descriptions of networks that are ready before the run, and whose pixels the scenes must match."""
    config = run_of(wildcards).config
    if config.allow_level_mismatch:
        return []
    return [
        str(expand(m.checkpoint, ROOT).with_suffix(".json"))
        for m in config.models
        if m.checkpoint is not None
    ]


def pretrained_weights(wildcards):
    """The public network's weight file: the configured one, or the one to download."""
    for run in RUNS.values():
        for model in run.config.models:
            if model.name == wildcards.pretrained and model.weights is not None:
                return str(expand(model.weights, ROOT))
    return f"resources/pretrained/{wildcards.pretrained}.h5"


def tile_maps(wildcards, folder):
    return [
        f"{folder}/tiles/{tile}/probabilities.tif" for tile in run_of(wildcards).tiles
    ]


def tile_maps_of_main(wildcards):
    return tile_maps(wildcards, run_of(wildcards).folder)


def tile_maps_of_model(wildcards):
    return tile_maps(wildcards, f"{run_of(wildcards).folder}/models/{wildcards.model}")


def truth_of(wildcards):
    if run_of(wildcards).config.sentinel2.source == "simulate":
        return f"resources/simulation/{wildcards.city}/truth.tif"
    return []


def has_labels(config):
    return config.training.labels == "areas" and (
        config.training.areas is not None or config.sentinel2.source == "simulate"
    )


def map_folders(run):
    """The folder of every network's map, the main one's first."""
    return [run.folder, *(f"{run.folder}/models/{m.key}" for m in run.config.compare)]


def reports_of(run):
    """The accuracy of every network, or its agreement with its teacher, where there are labels."""
    if run.config.training.labels == "teacher":
        teacher = f"{run.folder}/models/{run.config.training.teacher}"
        return [
            f"{folder}/agreement.json"
            for folder in map_folders(run)
            if folder != teacher
        ]
    return (
        [f"{folder}/accuracy.json" for folder in map_folders(run)]
        if has_labels(run.config)
        else []
    )


def reports_of_all(name):
    reports = [path for run in RUNS.values() for path in reports_of(run)]
    return [path for path in reports if Path(path).stem == name]


def wanted_of(run):
    maps = [
        f"{f}/{name}"
        for f in map_folders(run)
        for name in ("lcz.tif", "probabilities.tif", "map.png")
    ]
    maps.append(f"{run.folder}/coregistration.png")
    return [*maps, *reports_of(run), f"{run.folder}/run.json"]


def wanted_files():
    return [file for run in RUNS.values() for file in wanted_of(run)]
