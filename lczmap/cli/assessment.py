"""The accuracy report on reference polygons, and the quality of training areas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import GridFile, Palette, PatchPx, Seed, app, read_grid, read_options


@app.command()
def check_areas(
    grid_file: GridFile,
    areas: Annotated[Path, typer.Argument(help="training areas: KML, KMZ, GeoPackage, GeoJSON, shapefile")],
    table: Annotated[Path, typer.Argument(help="CSV to write, one row per area")],
    polygons: Annotated[Path, typer.Argument(help="GeoPackage to write, the areas with their flags")],
    summary: Annotated[Path, typer.Argument(help="JSON to write, counts and warnings")],
    stacks: Annotated[
        list[Path] | None, typer.Argument(help="the tiles' stacks, tiles/*/s1.tif, s2.tif; none: shapes only")
    ] = None,
    field: Annotated[str | None, typer.Option(help="attribute that holds the class")] = None,
) -> None:
    """Check training areas before training: number, shape, width, overlaps, place, suspicious pixels.

    Example: lczmap check-areas grid.json areas.kml areas.csv areas.gpkg areas.json tiles/*/s2.tif
    """
    from lczmap.training.area_report import check_areas as check

    check(read_grid(grid_file), areas, table, polygons, summary, stacks=stacks or [], field=field)


@app.command()
def bootstrap_accuracy(
    grid_file: GridFile,
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    bootstraps: Annotated[Path, typer.Argument(help="bootstraps.json to write")],
    count: Annotated[int, typer.Option(help="how often", min=1)] = 25,
    lcz: Annotated[Path | None, typer.Option("--map", help="lcz.tif: resample the polygons that test it")] = None,
    split: Annotated[
        Literal["test", "all"], typer.Option(help="with --map: polygons; `all`: where no network learned from them")
    ] = "test",
    retrain: Annotated[
        Path | None, typer.Option(help="folder of the tiles' stacks: train a random forest anew each time")
    ] = None,
    stack: Annotated[
        list[str] | None, typer.Option(help="with --retrain: file name of a stack that is seen, such as s2.tif")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="with --retrain: training recipe")] = None,
    options: Annotated[str, typer.Option(help="with --retrain: keys of the preset to replace, as JSON")] = "{}",
    input_name: Annotated[str | None, typer.Option("--input", help="with --retrain: D1 … D7")] = None,
    patch_px: PatchPx = 32,
    threads: Annotated[int | None, typer.Option(help="with --retrain; default: all processors", min=1)] = None,
    seed: Seed = 47,
) -> None:
    """Draw the accuracy on reference polygons anew: resample the test polygons, or retrain a random forest.

    Example: lczmap bootstrap-accuracy grid.json patches.gpkg bootstraps.json --map lcz.tif --count 25
    """
    grid = read_grid(grid_file)
    if lcz is not None and retrain is None:
        from lczmap.evaluation.resampling import resample_map

        resample_map(lcz, patches, bootstraps, split=split, bootstraps=count, seed=seed)
        return
    if lcz is not None or retrain is None or not stack:
        raise ValueError(
            "expected either a map to test (--map lcz.tif), or stacks to train a forest on (--retrain tiles) and which "
            "of them it sees (--stack s2.tif)"
        )
    from lczmap.channels import input_channels
    from lczmap.evaluation.retraining import retrain_forest
    from lczmap.views import combine

    retrain_forest(
        grid,
        patches,
        retrain,
        bootstraps,
        views=combine(stack),
        preset=preset,
        options=read_options(options),
        channels=None if input_name is None else input_channels(input_name),
        patch_px=patch_px,
        bootstraps=count,
        seed=seed,
        threads=threads,
    )


@app.command()
def draw_accuracy(
    accuracy: Annotated[Path, typer.Argument(help="accuracy.json")],
    bootstraps: Annotated[Path, typer.Argument(help="bootstraps.json")],
    boxes: Annotated[Path, typer.Argument(help="accuracy.png to write: box plot")],
    confusion: Annotated[Path, typer.Argument(help="confusion.png to write: mean confusion matrix")],
    calibration: Annotated[Path, typer.Argument(help="calibration.png to write: reliability diagram")],
    title: Annotated[str, typer.Option(help="title of the pictures")] = "",
    palette: Palette = "official",
) -> None:
    """Draw the accuracy report: box plot, confusion matrix, calibration.

    Example: lczmap draw-accuracy accuracy.json bootstraps.json accuracy.png confusion.png calibration.png
    """
    from lczmap.evaluation.accuracy_figures import draw_accuracy as draw

    draw(accuracy, bootstraps, boxes, confusion, calibration, title=title, palette=palette)
