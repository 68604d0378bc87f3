"""What a run will need before it can start: accounts, quota, disk, time. Estimates, each with its rule."""

from __future__ import annotations

from collections.abc import Iterator

from lczmap.config import NETWORK, Config
from lczmap.grid import Grid

ACCOUNTS = {
    "sentinelhub": ("SH_CLIENT_ID", "SH_CLIENT_SECRET"),
    "asf": ("EARTHDATA_TOKEN (or EARTHDATA_USERNAME and EARTHDATA_PASSWORD)",),
    "dataspace": ("CDSE_USERNAME", "CDSE_PASSWORD"),
}
"""Environment variables that a source's account is read from."""
S2_BYTES_PER_PIXEL = 2 * (4 + 6 / 4 + 3 / 36)  # uint16: four bands of 10 m, six of 20 m, three of 60 m
STACK_BYTES_PER_PIXEL = 11 * 2  # s2.tif: ten bands and clear_count
RADAR_BYTES_PER_PIXEL = {"so2sat8": 8 * 4, "rsnnet9": 9 * 4, "grd4": 4 * 4}  # float32
CELL_BYTES = 17 * 4 * 2 + 8  # probabilities of tiles and of the city, and the maps
PATCHES_PER_SECOND = {"gul_s2": 570, "gul_s1": 540, "sen2lcz": 1200}
"""Inference on two processor cores (docs/accuracy.md, `snakemake results/networks.md`)."""
USUAL_PATCHES_PER_SECOND = 65  # BP-LCZ, the same table
UNITS_PX = 512 * 512
"""One processing unit of Sentinel Hub: 512 × 512 pixels, three bands, one date (its documentation, not checked against
an account; 32-bit output counts double, orthorectified radar twice again)."""


def needs(config: Config, grid: Grid) -> tuple[str, ...]:
    """Return sentences: what is still to be done, the accounts, and estimates of quota, disk and time.

    Byte counts are upper bounds without compression; times are of two processor cores without a GPU.
    """
    return (*_to_do(config), *_accounts(config), *_quota(config, grid), *_disk(config, grid), *_time(config, grid))


def _to_do(config: Config) -> Iterator[str]:
    for name, section in (("sentinel2", config.sentinel2), ("sentinel1", config.sentinel1)):
        if section.archive == "FOLDER_OR_ARCHIVE_YAML":
            yield f"to do: set `{name}.archive` to your folder of SAFE products or your archive.yaml (docs/data.md)"
    if config.allow_level_mismatch:
        yield (
            "mind: this archive has Sentinel-2 L2A only, the public network learned from L1C, so the map will be worse "
            "(docs/accuracy.md); `--source gcs` has L1C, `--areas` trains a network on L2A"
        )
    if not config.has_labels:
        yield (
            "without `training.areas` a public network maps the city; draw training areas (the WUDAPT template in "
            "Google Earth or QGIS, at least 3, better 10 polygons a class) for a map of known accuracy"
        )


def _sources(config: Config) -> list[str]:
    sources = [config.sentinel2.source]
    if config.sees_radar:
        radar = config.sentinel1
        sources.append(radar.provider if radar.source == "slc" else radar.source)  # type: ignore[arg-type]
    return [str(source) for source in sources]


def wanted_variables(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the environment variables that a run's sources read their accounts from, by source."""
    return {source: ACCOUNTS[source] for source in dict.fromkeys(_sources(config)) if source in ACCOUNTS}


def _accounts(config: Config) -> Iterator[str]:
    wanted = wanted_variables(config)
    for source, names in wanted.items():
        yield f"account: {source} reads {' and '.join(names)} from the environment (docs/data.md)"
    if not wanted:
        yield "account: none is needed"


def _quota(config: Config, grid: Grid) -> Iterator[str]:
    units, optical, radar = grid.width * grid.height / UNITS_PX, config.sentinel2, config.sentinel1
    what = "processing units of Sentinel Hub"
    if optical.source == "sentinelhub":
        # 13 bands and the mask
        yield f"quota: about {units * 14 / 3 * optical.max_dates:,.0f} {what} for {optical.max_dates} dates"
    if config.sees_radar and radar.source == "sentinelhub":
        # VH, VV and the mask; float32 and orthorectified
        yield f"quota: about {units * 2 * 2 * radar.max_dates:,.0f} {what} for {radar.max_dates} radar passes"


def _disk(config: Config, grid: Grid) -> Iterator[str]:
    pixels, fetched = grid.width * grid.height, 0.0
    if config.sentinel2.source in NETWORK:
        fetched += pixels * S2_BYTES_PER_PIXEL * config.sentinel2.max_dates * len(config.stack_views("sentinel-2"))
    if config.sees_radar and config.sentinel1.source in NETWORK:
        fetched += pixels * 2 * 4 * config.sentinel1.max_dates  # VH and VV
    made = pixels * STACK_BYTES_PER_PIXEL * len(config.stack_views("sentinel-2"))
    if config.sees_radar:
        made += pixels * RADAR_BYTES_PER_PIXEL[config.sentinel1.channels] * len(config.stack_views("sentinel-1"))
    made += grid.cells_shape[0] * grid.cells_shape[1] * CELL_BYTES * len(config.models)
    yield f"disk: up to {fetched / 1e9:.1f} GB of scenes and {made / 1e9:.1f} GB of stacks and maps, before compression"
    if config.sees_radar and config.sentinel1.source == "slc" and config.sentinel1.provider == "dataspace":
        yield f"disk: besides 4 to 8 GB for each of up to {config.sentinel1.max_dates} SLC products"


def _time(config: Config, grid: Grid) -> Iterator[str]:
    cells = grid.cells_shape[0] * grid.cells_shape[1]
    rate = PATCHES_PER_SECOND.get(config.model.name, USUAL_PATCHES_PER_SECOND)
    yield (
        f"time: {cells:,} cells take {config.model.name} about {max(1, round(cells / rate / 60))} min on two cores; "
        "fetching depends on the archive and your connection, training on areas takes from minutes to an hour"
    )
