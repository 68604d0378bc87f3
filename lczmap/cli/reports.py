"""What a map is worth and what it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import Out, ScenesFile, Seed, app, read_grid


@app.command()
def assess_map(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    probabilities: Annotated[Path, typer.Argument(help="probabilities.tif")],
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    accuracy: Out,
    filtered: Annotated[Path | None, typer.Option(help="lcz_filtered.tif, measured on the same cells")] = None,
    seed: Seed = 47,
    split: Annotated[
        Literal["test", "all"], typer.Option(help="`all`: every polygon, where no network learned from them")
    ] = "test",
) -> None:
    """Measure the map, and its filtered form, on the test polygons, or on all.

    Example: lczmap assess-map lcz.tif probabilities.tif patches.gpkg accuracy.json --filtered lcz_filtered.tif
    """
    from lczmap.evaluation.accuracy import assess_map as assess

    assess(lcz, probabilities, patches, accuracy, filtered_path=filtered, split=split, seed=seed)


@app.command()
def assess_agreement(
    probabilities: Annotated[Path, typer.Argument(help="probabilities.tif of the student")],
    teacher: Annotated[Path, typer.Argument(help="probabilities.tif of the teacher")],
    patches: Annotated[Path, typer.Argument(help="patches.gpkg")],
    agreement: Out,
    seed: Seed = 47,
) -> None:
    """Compare a student's map with its teacher's on the half that was not taught.

    Example: lczmap assess-agreement probabilities.tif models/gul_s2/probabilities.tif patches.gpkg agreement.json
    """
    from lczmap.evaluation.agreement import assess_agreement as assess

    assess(probabilities, teacher, patches, agreement, seed=seed)


@app.command()
def tabulate_accuracy(table: Out, reports: Annotated[list[Path], typer.Argument(help="accuracy.json files")]) -> None:
    """Write one table of the accuracy of several cities and networks.

    Example: lczmap tabulate-accuracy accuracy.md results/*/*/accuracy.json
    """
    from lczmap.evaluation.tables import tabulate_accuracy as tabulate

    tabulate(reports, table)


@app.command()
def tabulate_agreement(table: Out, reports: Annotated[list[Path], typer.Argument(help="agreement.json files")]) -> None:
    """Write one table of the agreement of several networks with their teacher.

    Example: lczmap tabulate-agreement agreement.md results/*/*/agreement.json
    """
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
    """Draw the map beside the scene it was made from.

    Example: lczmap draw-map lcz.tif map.png tiles/r000c000/s2.tif --title 'Berlin, summer 2024'
    """
    from lczmap.evaluation.figures import draw_map as draw

    draw(lcz, picture, rgb_stack_paths=stacks, title=title, truth_path=truth)


@app.command()
def record_run(
    scenes: ScenesFile,
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    record: Out,
    checkpoints: Annotated[list[Path], typer.Argument(help="checkpoints of all networks")],
    config: Annotated[str, typer.Option(help="the run's configuration, as JSON")],
    shifts: Annotated[Path, typer.Option(help="coregistration.json")],
    grid: Annotated[Path, typer.Option(help="grid.json")],
    tiles: Annotated[Path, typer.Option(help="folder of the tiles' stacks")],
    stack: Annotated[list[str], typer.Option(help="file name of a stack of each tile, such as s1.tif, s2_summer.tif")],
) -> None:
    """Write down what the run was made of.

    Example: lczmap record-run scenes.json lcz.tif run.json checkpoint.safetensors --config '{}'
        --shifts coregistration.json --grid grid.json --tiles tiles --stack s1.tif --stack s2.tif
    """
    from lczmap.files import sha256, write_json
    from lczmap.grid import stack_paths
    from lczmap.provenance import MAP_FACTS, run_record
    from lczmap.raster import read_tags

    measured = json.loads(shifts.read_text())
    paths = stack_paths(tiles, read_grid(grid), stack)
    content = run_record(json.loads(config), json.loads(scenes.read_text()), measured, checkpoints, paths)
    facts = {key.removeprefix("LCZMAP_").lower(): value for key, value in read_tags(lcz).items() if key in MAP_FACTS}
    write_json(record, content | facts | {"lcz_sha256": sha256(lcz)})


@app.command()
def summarise_run(
    folders: Annotated[list[Path], typer.Argument(help="results/<city>/<period>, one or more")],
) -> None:
    """Say what a run made, how accurate it is and how long each step took.

    Example: lczmap summarise-run results/demo/2024-05-01_2024-09-30
    """
    from lczmap.run_summary import summary

    for folder in folders:
        if (folder / "run.json").is_file():
            typer.echo(summary(folder, folder.parent.parent.parent / "benchmarks"))
