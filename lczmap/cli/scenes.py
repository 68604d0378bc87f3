"""From an area of interest to aligned stacks of both sensors, tile by tile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import (
    Channels,
    CloudMask,
    DaskAddress,
    GridFile,
    Out,
    ScenesFile,
    Seed,
    Threads,
    TileName,
    app,
    read_grid,
    read_tile,
)

Shifts = Annotated[Path, typer.Argument(help="coregistration.json")]


@app.command()
def simulate_city(
    archive: Annotated[Path, typer.Argument(help="archive.yaml to write; scenes, areas and truth go beside it")],
    seed: Seed = 1,
    size: Annotated[int, typer.Option(help="width and height in metres")] = 12_000,
) -> None:
    """Write the simulated demo city: scenes, training areas, truth.

    Example: lczmap simulate-city simulation/archive.yaml --seed 1 --size 4000
    """
    from lczmap.scenes.simulate import simulate_city as simulate

    if archive.name != "archive.yaml":
        raise ValueError(f"expected a path that ends in archive.yaml, got {archive}")
    simulate(archive.parent, seed=seed, size_m=size)


@app.command()
def define_grid(
    grid_file: Out,
    aoi: Annotated[str, typer.Option(help="polygon file, or west,south,east,north")],
    aoi_crs: Annotated[str, typer.Option(help="CRS of a bounding box")] = "EPSG:4326",
    pixel_size: Annotated[int, typer.Option(help="pixel size of the map in metres")] = 100,
    tile_px: Annotated[int, typer.Option(help="width of a tile in 10 m pixels")] = 2000,
    crs: Annotated[str | None, typer.Option(help="UTM zone, EPSG:326xx or EPSG:327xx; else that of the centre")] = None,
) -> None:
    """Lay the 10 m grid over an area of interest.

    Example: lczmap define-grid grid.json --aoi 13.08,52.34,13.77,52.68
    """
    from lczmap.aoi import bbox_aoi, parse_bbox, read_aoi
    from lczmap.files import write_text
    from lczmap.grid import make_grid

    bbox = parse_bbox(aoi)
    area = read_aoi(Path(aoi)) if bbox is None else bbox_aoi(bbox, aoi_crs)
    write_text(grid_file, make_grid(area, cell_m=pixel_size, tile_px=tile_px, crs=crs).to_json() + "\n")


@app.command()
def find_scenes(
    grid_file: GridFile,
    out: Out,
    city: Annotated[str, typer.Option(help="name of the city, for messages")],
    sentinel2: Annotated[Path, typer.Option(help="archive.yaml with Sentinel-2 scenes")],
    start: Annotated[str, typer.Option(help="first day, YYYY-MM-DD")],
    end: Annotated[str, typer.Option(help="last day, YYYY-MM-DD")],
    sentinel1: Annotated[Path | None, typer.Option(help="archive.yaml with Sentinel-1 scenes; none: no radar")] = None,
    level: Annotated[str, typer.Option(help="L1C or L2A")] = "L1C",
    cloud_mask: CloudMask = "auto",
    channels: Channels = "so2sat8",
    orbit: Annotated[str, typer.Option(help="any, ascending or descending")] = "any",
    relative_orbit: Annotated[int | None, typer.Option(help="relative orbit of Sentinel-1")] = None,
    platform: Annotated[list[str] | None, typer.Option(help="keep to these satellites")] = None,
    season: Annotated[Literal["all", "local_summer", "dry", "four"], typer.Option(help="of Sentinel-2")] = "all",
    radar_optional: Annotated[bool, typer.Option(help="go on where no Sentinel-1 scene is found")] = False,
    network: Annotated[list[Path] | None, typer.Option(help="description (.json) of a ready network to fit")] = None,
) -> None:
    """Choose the scenes of a city and period and freeze the list.

    Example: lczmap find-scenes grid.json scenes.json --city berlin --sentinel2 my_scenes --start 2024-05-01
        --end 2024-09-30
    """
    from lczmap.grid import latitude
    from lczmap.scenes.catalogue import Catalogue, write_catalogue
    from lczmap.scenes.local import read_archive
    from lczmap.scenes.search import Wish, check_scenes
    from lczmap.scenes.search import find_scenes as find
    from lczmap.scenes.seasons import months_of

    grid = read_grid(grid_file)
    archive = [s for s in read_archive(sentinel2) if s.sensor == "sentinel-2"]
    archive += [s for s in read_archive(sentinel1) if s.sensor == "sentinel-1"] if sentinel1 else []
    wish = Wish(
        start=start,
        end=end,
        level=level,
        s1_channels=channels if sentinel1 else None,
        orbit=orbit,
        relative_orbit=relative_orbit,
        platforms=tuple(platform or ()),
        months=tuple(sorted({month for months in months_of(season, latitude(grid)) for month in months})),
        radar_optional=radar_optional,
    )
    scenes = find(archive, grid, wish, city=city, cloud_method=cloud_mask)
    for description in network or []:
        check_scenes(json.loads(description.read_text())["state"], scenes, description.stem)
    for scene in scenes:
        typer.echo(
            f"{scene.sensor} {scene.datetime} {scene.id}: usable on {scene.usable_fraction or 0:.0%} of the city"
        )
    write_catalogue(out, Catalogue(wish.describe() | {"clouds": cloud_mask}, tuple(scenes)))


@app.command()
def estimate_shifts(
    grid_file: GridFile,
    scenes: ScenesFile,
    shifts: Out,
    cloud_mask: CloudMask = "auto",
) -> None:
    """Measure how far each pass lies off the clearest Sentinel-2 date.

    Example: lczmap estimate-shifts grid.json scenes.json coregistration.json
    """
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.shift import estimate_city_shifts

    estimate_city_shifts(read_catalogue(scenes).scenes, read_grid(grid_file), shifts, cloud_method=cloud_mask)


@app.command()
def draw_shifts(shifts: Shifts, picture: Out) -> None:
    """Draw the shift of every pass, window by window.

    Example: lczmap draw-shifts coregistration.json coregistration.png
    """
    from lczmap.evaluation.shift_figures import draw_shifts as draw

    measured = json.loads(shifts.read_text())
    has_radar = any(entry["sensor"] == "sentinel-1" for entry in measured["scenes"].values())
    draw(measured, picture, sensors=("sentinel-1",) if has_radar else ("sentinel-2",))


@app.command()
def stack_sentinel2(
    grid_file: GridFile,
    scenes: ScenesFile,
    shifts: Shifts,
    stack: Out,
    tile: TileName,
    cloud_mask: CloudMask = "auto",
    composite: Annotated[
        Literal["median", "medoid", "best_pixel"], typer.Option(help="how clear dates become one value")
    ] = "median",
    upsampling: Annotated[Literal["cubic", "nearest"], typer.Option(help="of the 20 m bands")] = "cubic",
    month: Annotated[list[int] | None, typer.Option(help="keep to these months, 1..12")] = None,
    dask: DaskAddress = "threads",
    threads: Threads = 1,
) -> None:
    """Write a tile's clear-sky composite of Sentinel-2.

    Example: lczmap stack-sentinel2 grid.json scenes.json coregistration.json s2.tif --tile r000c000
    """
    from lczmap.grid import HALO_PX
    from lczmap.parallel import dask_scheduler
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.stack import OpticalOptions
    from lczmap.scenes.stack import stack_sentinel2 as write

    grid, one = read_tile(grid_file, tile)
    options = OpticalOptions(clouds=cloud_mask, method=composite, upsampling=upsampling, months=tuple(month or ()))
    with dask_scheduler(dask, threads=threads):
        clear = write(read_catalogue(scenes).scenes, grid, one, stack, options, shifts=json.loads(shifts.read_text()))
    core = clear[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    typer.echo(
        f"{tile}: nodata (no date is clear) {(core == 0).mean():.1%} of the pixels; "
        f"{core.mean():.1f} clear dates on average"
    )


@app.command()
def stack_sentinel1(
    grid_file: GridFile,
    scenes: ScenesFile,
    shifts: Shifts,
    stack: Out,
    tile: TileName,
    channels: Channels = "so2sat8",
    dates: Annotated[
        Literal["single", "mean", "softmax"], typer.Option(help="the best pass, the mean of passes, or one of several")
    ] = "single",
    max_dates: Annotated[int, typer.Option(help="how many passes `mean` and `softmax` use")] = 3,
    number: Annotated[int, typer.Option(help="which of the passes of `softmax`, from 1")] = 1,
    placed: Annotated[Path | None, typer.Option(help="archive.yaml of SLC scenes that `place-slc` made")] = None,
    dask: DaskAddress = "threads",
    threads: Threads = 1,
) -> None:
    """Write a tile's radar channels, each pass moved by its measured shift.

    Example: lczmap stack-sentinel1 grid.json scenes.json coregistration.json s1.tif --tile r000c000 --channels grd4
    """
    from lczmap.parallel import dask_scheduler
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.local import read_archive
    from lczmap.scenes.stack import stack_sentinel1 as write

    grid, one = read_tile(grid_file, tile)
    with dask_scheduler(dask, threads=threads):
        write(
            read_catalogue(scenes).scenes,
            grid,
            one,
            stack,
            channels=channels,
            shifts=json.loads(shifts.read_text()),
            dates=dates,
            max_dates=max_dates,
            number=number,
            placed=None if placed is None else read_archive(placed),
        )
