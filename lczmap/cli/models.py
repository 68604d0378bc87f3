"""From labels to a checkpoint: patches, training, public weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import GridFile, Out, PatchPx, Seed, app, read_grid, read_options


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
    patch_px: PatchPx = 32,
    must_test: Annotated[
        bool, typer.Option("--must-test", help="stop where no polygon is left for the accuracy report")
    ] = False,
) -> None:
    """Choose the patches of the training areas and split them by polygon.

    Example: lczmap select-patches grid.json areas.kml patches.gpkg patches.json --seed 47
    """
    from lczmap.training import patches as selection

    grid = read_grid(grid_file)
    if teacher_half is not None:
        selection.select_teacher_patches(grid, labels, patches, counts, half=teacher_half, gap_m=gap)
    else:
        selection.select_patches(
            grid,
            labels,
            patches,
            counts,
            field=field,
            validation=validation,
            test=test,
            seed=seed,
            patch_px=patch_px,
            must_test=must_test,
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
    input_name: Annotated[str | None, typer.Option("--input", help="selection of channels, D1 … D7")] = None,
    patch_px: PatchPx = 32,
    further_grid: Annotated[list[Path] | None, typer.Option(help="grid.json of a further city to learn from")] = None,
    further_patches: Annotated[list[Path] | None, typer.Option(help="its patches.gpkg, in the same order")] = None,
    further_tiles: Annotated[list[Path] | None, typer.Option(help="its folder of tiles, in the same order")] = None,
    devices: Annotated[int, typer.Option(help="GPUs to train on; 0: one device, a GPU if there is one", min=0)] = 0,
    strategy: Annotated[str, typer.Option(help="lightning's strategy for several devices")] = "auto",
) -> None:
    """Train a network on the patches of one city or several and write its checkpoint.

    Example: lczmap train-model grid.json patches.gpkg tiles checkpoint.safetensors --name bp_lcz_eb_cnn --stack s1.tif
        --stack s2.tif
    """
    from lczmap.channels import input_channels
    from lczmap.training.train import CityPatches, Hardware
    from lczmap.training.train import train_model as train
    from lczmap.views import combine

    grids = [read_grid(path) for path in (grid_file, *(further_grid or []))]
    tables, folders = [patches, *(further_patches or [])], [tiles, *(further_tiles or [])]
    if not len(grids) == len(tables) == len(folders):
        raise ValueError(
            f"expected --further-grid, --further-patches and --further-tiles equally often, got {len(grids) - 1}, "
            f"{len(tables) - 1} and {len(folders) - 1} of them"
        )
    train(
        name=name,
        preset=preset,
        options=read_options(options),
        cities=[CityPatches(*parts) for parts in zip(grids, tables, folders, strict=True)],
        out_checkpoint=checkpoint,
        views=combine(stack),
        channels=None if input_name is None else input_channels(input_name),
        patch_px=patch_px,
        teacher_probabilities=teacher,
        seed=seed,
        hardware=Hardware(devices=max(devices, 1), strategy=strategy),
    )


@app.command()
def list_models() -> None:
    """Name the architectures that `model.name` can choose.

    Example: lczmap list-models
    """
    from lczmap.models.registry import list_models as networks
    from lczmap.models.rf import FOREST

    for name in (*networks(), FOREST):
        typer.echo(name)


@app.command()
def fetch_weights(name: Annotated[str, typer.Argument(help="gul_s1, gul_s2 or sen2lcz")], out: Out) -> None:
    """Download a public network's weights and check their SHA-256.

    Example: lczmap fetch-weights gul_s2 gul_s2.h5
    """
    from lczmap.models.pretrained import fetch_weights as fetch

    fetch(name, out)


@app.command()
def import_weights(
    name: Annotated[str, typer.Argument(help="gul_s1, gul_s2 or sen2lcz")],
    weights: Annotated[Path, typer.Argument(help="Keras HDF5 weight file")],
    checkpoint: Out,
) -> None:
    """Turn a public network's Keras weights into our checkpoint.

    Example: lczmap import-weights gul_s2 gul_s2.h5 gul_s2.safetensors
    """
    from lczmap.models.pretrained import import_weights as convert

    convert(name, weights, checkpoint)


@app.command()
def join_models(
    checkpoint: Out,
    members: Annotated[list[Path], typer.Argument(help="checkpoints .safetensors of the members")],
) -> None:
    """Join checkpoints into an ensemble: the mean of their probabilities.

    Example: lczmap join-models joined.safetensors first.safetensors second.safetensors
    """
    from lczmap.models.ensemble import join_models as join

    join(checkpoint, members)


@app.command()
def adapt_model(
    grid_file: GridFile,
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint .safetensors")],
    tiles: Annotated[Path, typer.Argument(help="folder of the tiles' stacks")],
    adapted: Out,
    stack: Annotated[list[str], typer.Option(help="file name of a stack that is seen, such as s1.tif, s2_summer.tif")],
    batch_norm: Annotated[bool, typer.Option(help="estimate batch-norm statistics from the city's patches")] = False,
    prior: Annotated[
        Literal["trained", "em"], typer.Option(help="class shares: `em` estimates the city's from the probabilities")
    ] = "trained",
    allow_level_mismatch: Annotated[bool, typer.Option(help="accept pixels of another level or calibration")] = False,
    seed: Seed = 47,
) -> None:
    """Adapt a checkpoint to a city's pixels, without labels; gives `gul_s1` the statistics of the city's scene.

    Example: lczmap adapt-model grid.json checkpoint.safetensors tiles adapted.safetensors --stack s2.tif --batch-norm
    """
    from lczmap.mapping.adapt import adapt_model as adapt

    adapt(
        grid=read_grid(grid_file),
        checkpoint=checkpoint,
        tiles_dir=tiles,
        out_checkpoint=adapted,
        stacks=stack,
        batch_norm=batch_norm,
        prior=prior,
        seed=seed,
        allow_level_mismatch=allow_level_mismatch,
    )


@app.command()
def write_card(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint .safetensors")],
    card: Out,
) -> None:
    """Write what is known of a checkpoint's reliability, as Markdown.

    Example: lczmap write-card gul_s2.safetensors reliability.md
    """
    from lczmap.models.cards import write_card as write

    write(checkpoint, card)
