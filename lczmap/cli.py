"""The command line: one verb per rule of the workflow, of the same name. Heavy imports stay inside the verbs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from lczmap.grid import Grid, Tile

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Local Climate Zone maps."
)

GridFile = Annotated[Path, typer.Argument(help="grid.json of the city")]
ScenesFile = Annotated[Path, typer.Argument(help="scenes.json of the run")]
TileName = Annotated[str, typer.Option("--tile", help="name of the tile, such as r000c001")]
Out = Annotated[Path, typer.Argument(help="file to write")]
CloudMask = Annotated[
    Literal["auto", "source", "s2cloudless", "none"],
    typer.Option(help="`auto`: the scene's own mask, else s2cloudless"),
]
Channels = Annotated[str, typer.Option(help="radar channels: so2sat8 or grd4")]
Seed = Annotated[int, typer.Option(help="seed of all random choices")]


@app.command()
def simulate_city(
    archive: Annotated[Path, typer.Argument(help="archive.yaml to write; scenes, areas and truth go beside it")],
    seed: Seed = 1,
    size: Annotated[int, typer.Option(help="width and height in metres")] = 12_000,
) -> None:
    """Write the simulated demo city: scenes, training areas, truth."""
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
) -> None:
    """Lay the 10 m grid over an area of interest."""
    from lczmap.aoi import bbox_aoi, parse_bbox, read_aoi
    from lczmap.files import write_text
    from lczmap.grid import make_grid

    bbox = parse_bbox(aoi)
    area = read_aoi(Path(aoi)) if bbox is None else bbox_aoi(bbox, aoi_crs)
    write_text(grid_file, make_grid(area, cell_m=pixel_size, tile_px=tile_px).to_json() + "\n")


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
) -> None:
    """Choose the scenes of a city and period and freeze the list."""
    from lczmap.scenes.catalogue import Catalogue, write_catalogue
    from lczmap.scenes.local import read_archive
    from lczmap.scenes.search import find_scenes as find

    archive = [s for s in read_archive(sentinel2) if s.sensor == "sentinel-2"]
    archive += [s for s in read_archive(sentinel1) if s.sensor == "sentinel-1"] if sentinel1 else []
    radar = channels if sentinel1 else None
    search = {"start": start, "end": end, "level": level, "orbit": orbit}
    scenes = find(
        archive=archive,
        city=city,
        s1_channels=radar,
        grid=_grid(grid_file),
        cloud_method=cloud_mask,
        **search,
    )
    for scene in scenes:
        typer.echo(
            f"{scene.sensor} {scene.datetime} {scene.id}: usable on {scene.usable_fraction or 0:.0%} of the city"
        )
    write_catalogue(
        out, Catalogue("local", search | {"channels": radar or "none", "clouds": cloud_mask}, tuple(scenes))
    )


@app.command()
def estimate_shifts(
    grid_file: GridFile,
    scenes: ScenesFile,
    shifts: Out,
    cloud_mask: CloudMask = "auto",
) -> None:
    """Measure how far each Sentinel-1 pass lies off Sentinel-2."""
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.shift import estimate_city_shifts

    estimate_city_shifts(read_catalogue(scenes).scenes, _grid(grid_file), shifts, cloud_method=cloud_mask)


@app.command()
def stack_sentinel2(
    grid_file: GridFile, scenes: ScenesFile, stack: Out, tile: TileName, cloud_mask: CloudMask = "auto"
) -> None:
    """Write a tile's clear-sky median of Sentinel-2."""
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.stack import stack_sentinel2 as write

    grid, one = _grid_and_tile(grid_file, tile)
    clear = write(read_catalogue(scenes).scenes, grid, one, stack, cloud_method=cloud_mask)
    typer.echo(f"{tile}: {(clear > 0).mean():.1%} of the pixels have a clear date, {clear.mean():.1f} dates on average")


@app.command()
def stack_sentinel1(
    grid_file: GridFile,
    scenes: ScenesFile,
    shifts: Annotated[Path, typer.Argument(help="coregistration.json")],
    stack: Out,
    tile: TileName,
    channels: Channels = "so2sat8",
) -> None:
    """Write a tile's radar channels of one pass, moved by its measured shift."""
    from lczmap.scenes.catalogue import read_catalogue
    from lczmap.scenes.stack import stack_sentinel1 as write

    grid, one = _grid_and_tile(grid_file, tile)
    measured = json.loads(shifts.read_text())
    write(read_catalogue(scenes).scenes, grid, one, stack, channels=channels, shifts=measured)


@app.command()
def select_patches(
    grid_file: GridFile,
    labels: Annotated[Path, typer.Argument(help="training areas, or a teacher's probabilities.tif")],
    patches: Out,
    counts: Out,
    field: Annotated[str | None, typer.Option(help="attribute that holds the class")] = None,
    validation: Annotated[float, typer.Option(help="share of polygons for validation")] = 0.15,
    test: Annotated[float, typer.Option(help="share of polygons for the accuracy report")] = 0.25,
    seed: Seed = 47,
    teacher_half: Annotated[
        Literal["west", "east", "north", "south"] | None, typer.Option(help="half of the city that a teacher teaches")
    ] = None,
    gap: Annotated[int, typer.Option(help="metres between taught and tested cells")] = 320,
) -> None:
    """Choose the 32×32 patches of the training areas and split them by polygon."""
    from lczmap.training import patches as selection

    grid = _grid(grid_file)
    if teacher_half is not None:
        selection.select_teacher_patches(grid, labels, patches, counts, half=teacher_half, gap_m=gap)
    else:
        selection.select_patches(
            grid, labels, patches, counts, field=field, validation=validation, test=test, seed=seed
        )


@app.command()
def train_model(
    grid_file: GridFile,
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    tiles: Annotated[Path, typer.Argument(help="folder of the tiles' stacks")],
    checkpoint: Out,
    name: Annotated[str, typer.Option(help="architecture")],
    sensor: Annotated[list[str], typer.Option(help="sentinel-1, sentinel-2 or both")],
    preset: Annotated[str | None, typer.Option(help="training recipe")] = None,
    options: Annotated[str, typer.Option(help="keys of the preset to replace, as JSON")] = "{}",
    teacher: Annotated[Path | None, typer.Option(help="probabilities.tif of the teacher")] = None,
    seed: Seed = 47,
) -> None:
    """Train a network on the patches and write its checkpoint."""
    from lczmap.training.train import train_model as train

    train(
        name=name,
        preset=preset,
        options=json.loads(options),
        grid=_grid(grid_file),
        patches_gpkg=patches,
        tiles_dir=tiles,
        out_checkpoint=checkpoint,
        sensors=tuple(sensor),
        teacher_probabilities=teacher,
        seed=seed,
    )


@app.command()
def list_models() -> None:
    """Name the architectures that `model.name` can choose."""
    from lczmap.models.registry import list_models as networks
    from lczmap.models.rf import FOREST

    for name in (*networks(), FOREST):
        typer.echo(name)


@app.command()
def fetch_weights(name: Annotated[str, typer.Argument(help="gul_s2 or sen2lcz")], out: Out) -> None:
    """Download a public network's weights and check their SHA-256."""
    from lczmap.models.pretrained import fetch_weights as fetch

    fetch(name, out)


@app.command()
def import_weights(
    name: Annotated[str, typer.Argument(help="gul_s2 or sen2lcz")],
    weights: Annotated[Path, typer.Argument(help="Keras HDF5 weight file")],
    checkpoint: Out,
) -> None:
    """Turn a public network's Keras weights into our checkpoint."""
    from lczmap.models.pretrained import import_weights as convert

    convert(name, weights, checkpoint)


@app.command()
def classify_tile(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint .safetensors")],
    probabilities: Out,
    stacks: Annotated[list[Path], typer.Argument(help="the tile's s1.tif and s2.tif, those the network sees")],
    tile: TileName,
    allow_level_mismatch: Annotated[bool, typer.Option(help="accept pixels of another level or calibration")] = False,
) -> None:
    """Classify every map cell of a tile."""
    from lczmap.mapping.classify import classify_tile as classify

    paths = {path.stem: path for path in stacks}
    grid, one = _grid_and_tile(grid_file, tile)
    classify(
        paths.get("s2"),
        paths.get("s1"),
        checkpoint,
        grid,
        one,
        probabilities,
        allow_level_mismatch=allow_level_mismatch,
    )


@app.command()
def mosaic_map(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="the checkpoint that made the tiles, for the map's tags")],
    lcz: Out,
    probabilities: Out,
    tiles: Annotated[list[Path], typer.Argument(help="the tiles' probabilities.tif")],
) -> None:
    """Join the tiles into probabilities.tif and lcz.tif."""
    from lczmap.mapping.mosaic import mosaic
    from lczmap.provenance import map_tags

    mosaic(tiles, _grid(grid_file), probabilities, lcz, tags=map_tags(checkpoint))


@app.command()
def assess_map(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    probabilities: Annotated[Path, typer.Argument(help="probabilities.tif")],
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    accuracy: Out,
    seed: Seed = 47,
) -> None:
    """Measure the map on the test polygons."""
    from lczmap.evaluation.accuracy import assess_map as assess

    assess(lcz, probabilities, patches, accuracy, seed=seed)


@app.command()
def assess_agreement(
    probabilities: Annotated[Path, typer.Argument(help="probabilities.tif of the student")],
    teacher: Annotated[Path, typer.Argument(help="probabilities.tif of the teacher")],
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    agreement: Out,
    seed: Seed = 47,
) -> None:
    """Compare a student's map with its teacher's on the half that was not taught."""
    from lczmap.evaluation.agreement import assess_agreement as assess

    assess(probabilities, teacher, patches, agreement, seed=seed)


@app.command()
def tabulate_accuracy(table: Out, reports: Annotated[list[Path], typer.Argument(help="accuracy.json files")]) -> None:
    """Write one table of the accuracy of several cities and networks."""
    from lczmap.evaluation.tables import tabulate_accuracy as tabulate

    tabulate(reports, table)


@app.command()
def tabulate_agreement(table: Out, reports: Annotated[list[Path], typer.Argument(help="agreement.json files")]) -> None:
    """Write one table of the agreement of several networks with their teacher."""
    from lczmap.evaluation.tables import tabulate_agreement as tabulate

    tabulate(reports, table)


@app.command()
def draw_map(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    picture: Out,
    stacks: Annotated[list[Path], typer.Argument(help="s2.tif of the tiles")],
    title: Annotated[str, typer.Option(help="title of the picture")] = "",
    truth: Annotated[Path | None, typer.Option(help="class raster to show beside it")] = None,
) -> None:
    """Draw the map beside the scene it was made from."""
    from lczmap.evaluation.figures import draw_map as draw

    draw(lcz, picture, rgb_stack_paths=stacks, title=title, truth_path=truth)


@app.command()
def record_run(
    scenes: ScenesFile,
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    record: Out,
    checkpoints: Annotated[list[Path], typer.Argument(help="checkpoints of all networks")],
    config: Annotated[str, typer.Option(help="the run's configuration, as JSON")],
    shifts: Annotated[Path | None, typer.Option(help="coregistration.json")] = None,
) -> None:
    """Write down what the run was made of."""
    from lczmap.files import sha256, write_json
    from lczmap.provenance import run_record

    measured = json.loads(shifts.read_text()) if shifts else None
    content = run_record(json.loads(config), json.loads(scenes.read_text()), measured, checkpoints)
    write_json(record, content | {"lcz_sha256": sha256(lcz)})


@app.command()
def summarise_run(
    folders: Annotated[list[Path], typer.Argument(help="results/<city>/<period>, one or more")],
) -> None:
    """Say what a run made, how accurate it is and how long each step took."""
    from lczmap.provenance import summary

    for folder in folders:
        if (folder / "run.json").is_file():
            typer.echo(summary(folder, folder.parent.parent.parent / "benchmarks"))


def main() -> None:
    """Run a verb; a ValueError is printed as one paragraph, with its traceback if LCZMAP_TRACEBACK is set."""
    try:
        app(standalone_mode=True)
    except ValueError as error:
        if os.environ.get("LCZMAP_TRACEBACK"):
            raise
        sys.exit(f"lczmap: {error}")


def _grid(path: Path) -> Grid:
    from lczmap.grid import Grid

    if not path.is_file():
        raise ValueError(f"{path}: no such file; `define-grid` makes it")
    return Grid.from_json(path.read_text())


def _grid_and_tile(path: Path, name: str) -> tuple[Grid, Tile]:
    from lczmap.grid import tile

    grid = _grid(path)
    return grid, tile(grid, name)
