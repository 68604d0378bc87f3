"""Archives of scenes: search, then fetch what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lczmap.cli.app import DaskAddress, GridFile, Out, Provider, Threads, app, read_grid

if TYPE_CHECKING:
    from lczmap.scenes.sources.source import Request, Searchable, Source

SourceOption = Annotated[Literal["local", "stac", "sentinelhub", "gcs"], typer.Option(help="kind of archive")]
Searched = Annotated[Literal["local", "stac", "sentinelhub", "gcs", "slc"], typer.Option(help="kind of archive")]
SensorOption = Annotated[Literal["sentinel-1", "sentinel-2"], typer.Option(help="whose scenes")]
Endpoint = Annotated[str | None, typer.Option(help="endpoint's name or address; none: the usual one")]
Collection = Annotated[str | None, typer.Option(help="collection of a STAC endpoint; none: the usual one")]
Bucket = Annotated[str | None, typer.Option(help="with `gcs`: address of a mirror")]
Folder = Annotated[Path | None, typer.Option(help="with `local`: folder of products")]
Level = Annotated[str, typer.Option(help="of Sentinel-2: L1C or L2A")]
Calibration = Annotated[str, typer.Option(help="of Sentinel-1: sigma0 or gamma0")]
Upsampling = Annotated[Literal["cubic", "nearest"], typer.Option(help="of 20 m bands, where the archive resamples")]
RemoveNoise = Annotated[bool, typer.Option(help="of SAFE products of Sentinel-1: subtract thermal noise")]
HeightModel = Annotated[Path | None, typer.Option(help="of SAFE products of Sentinel-1: height model")]
Start = Annotated[str, typer.Option(help="first day, YYYY-MM-DD")]
End = Annotated[str, typer.Option(help="last day, YYYY-MM-DD")]


@app.command()
def search_archive(
    grid_file: GridFile,
    found: Out,
    source: Searched,
    sensor: SensorOption,
    start: Start,
    end: End,
    provider: Provider = "asf",
    endpoint: Endpoint = None,
    collection: Collection = None,
    bucket: Bucket = None,
    folder: Folder = None,
    level: Level = "L1C",
    calibration: Calibration = "sigma0",
    orbit: Annotated[str, typer.Option(help="any, ascending or descending")] = "any",
    relative_orbit: Annotated[int | None, typer.Option(help="of Sentinel-1")] = None,
    platform: Annotated[str, typer.Option(help="any, or such as sentinel-2b")] = "any",
    max_cloud: Annotated[float, typer.Option(help="of a Sentinel-2 scene, percent")] = 100.0,
    max_dates: Annotated[int | None, typer.Option(help="how many dates, of each season; none: all")] = None,
    season: Annotated[Literal["all", "local_summer", "dry", "four"], typer.Option(help="which months")] = "all",
    one_orbit: Annotated[bool, typer.Option(help="passes of one platform and relative orbit only")] = False,
    may_be_empty: Annotated[bool, typer.Option(help="finding nothing is no error")] = False,
) -> None:
    """Search an archive, choose the best dates, say what they cost, and freeze the choice.

    Example: lczmap search-archive grid.json found.json --source gcs --sensor sentinel-2 --start 2024-05-01
        --end 2024-09-30
    """
    from dataclasses import replace

    from lczmap.grid import latitude
    from lczmap.scenes.seasons import months_of
    from lczmap.scenes.slc.registry import make_slc_source
    from lczmap.scenes.sources.fetch import search_archive as search
    from lczmap.scenes.sources.registry import make_source

    grid = read_grid(grid_file)
    request = replace(
        _request(grid_file, sensor, start, end, level=level, calibration=calibration),
        orbit=orbit,
        relative_orbit=relative_orbit,
        platform=platform,
        max_cloud=max_cloud,
    )
    archive: Searchable
    if source == "slc":
        archive = make_slc_source(provider, endpoint=endpoint, folder=folder)
    else:
        archive = make_source(source, endpoint=endpoint, collection=collection, bucket=bucket, folder=folder)
    search(
        archive,
        request,
        found,
        max_dates=max_dates,
        seasons=months_of(season, latitude(grid)),
        one_orbit=one_orbit,
        may_be_empty=may_be_empty,
    )


@app.command()
def fetch_scenes(
    grid_file: GridFile,
    found: Annotated[Path, typer.Argument(help="found.json of the search")],
    archive: Out,
    source: SourceOption,
    sensor: SensorOption,
    start: Start,
    end: End,
    endpoint: Endpoint = None,
    collection: Collection = None,
    bucket: Bucket = None,
    folder: Folder = None,
    level: Level = "L1C",
    calibration: Calibration = "sigma0",
    upsampling: Upsampling = "cubic",
    remove_noise: RemoveNoise = True,
    dem: HeightModel = None,
    geoid: Annotated[float, typer.Option(help="metres to add to its heights")] = 0.0,
    dask: DaskAddress = "threads",
    threads: Threads = 1,
) -> None:
    """Fetch the scenes of a search: their windows around the city, and an archive.yaml.

    Example: lczmap fetch-scenes grid.json found.json archive.yaml --source gcs --sensor sentinel-2 --start 2024-05-01
        --end 2024-09-30
    """
    from lczmap.parallel import dask_scheduler
    from lczmap.scenes.sources.fetch import fetch_scenes as fetch
    from lczmap.scenes.sources.fetch import read_found
    from lczmap.scenes.sources.registry import make_source

    made: Source = make_source(
        source,
        endpoint=endpoint,
        collection=collection,
        bucket=bucket,
        folder=folder,
        upsampling=upsampling,
        remove_noise=remove_noise,
        dem=dem,
        geoid_m=geoid,
    )
    request = _request(grid_file, sensor, start, end, level=level, calibration=calibration)
    with dask_scheduler(dask, threads=threads):
        fetch(made, read_found(found), request, archive)


def _request(
    grid_file: Path, sensor: Literal["sentinel-1", "sentinel-2"], start: str, end: str, *, level: str, calibration: str
) -> Request:
    from lczmap.channels import S2_10, S2_BANDS_L1C
    from lczmap.scenes.sources.source import Request

    bands: tuple[str, ...] = ("VH", "VV")
    if sensor == "sentinel-2":
        bands = S2_BANDS_L1C if level == "L1C" else S2_10.channels  # clouds are found in further bands of L1C
    return Request(read_grid(grid_file), sensor, start, end, bands, level=level, calibration=calibration)
