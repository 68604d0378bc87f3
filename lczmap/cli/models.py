"""From labels to a checkpoint: patches, training, public weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import GridFile, Out, Seed, app, read_grid


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

    grid = read_grid(grid_file)
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
    stack: Annotated[list[str], typer.Option(help="file name of a stack that is seen, such as s1.tif, s2_summer.tif")],
    preset: Annotated[str | None, typer.Option(help="training recipe")] = None,
    options: Annotated[str, typer.Option(help="keys of the preset to replace, as JSON")] = "{}",
    teacher: Annotated[Path | None, typer.Option(help="probabilities.tif of the teacher")] = None,
    seed: Seed = 47,
) -> None:
    """Train a network on the patches and write its checkpoint."""
    from lczmap.training.train import train_model as train
    from lczmap.views import combine

    train(
        name=name,
        preset=preset,
        options=json.loads(options),
        grid=read_grid(grid_file),
        patches_gpkg=patches,
        tiles_dir=tiles,
        out_checkpoint=checkpoint,
        views=combine(stack),
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
