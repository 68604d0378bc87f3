"""The application that the verbs belong to, the arguments they share, and how they read a grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
Channels = Annotated[Literal["so2sat8", "rsnnet9", "grd4"], typer.Option(help="radar channels")]
Provider = Annotated[Literal["asf", "dataspace", "local"], typer.Option(help="of SLC products")]
DaskAddress = Annotated[str, typer.Option("--dask", help="`threads`, or the address of a dask.distributed scheduler")]
Threads = Annotated[int, typer.Option(help="threads, where dask runs on threads")]
PatchPx = Annotated[int, typer.Option("--patch-px", help="width of a patch in pixels of 10 m")]
Seed = Annotated[int, typer.Option(help="seed of all random choices")]
Palette = Annotated[Literal["official", "colour_blind"], typer.Option(help="colours of the classes")]


def read_grid(path: Path) -> Grid:
    """Read grid.json; ValueError when it is not there or holds anything else."""
    from shapely.errors import ShapelyError

    from lczmap.grid import Grid

    if not path.is_file():
        raise ValueError(f"{path}: no such file; `define-grid` makes it")
    try:
        return Grid.from_json(path.read_text(encoding="utf-8"))
    except (AttributeError, LookupError, TypeError, ValueError, ShapelyError) as error:
        raise ValueError(
            f"{path}: expected the grid that `define-grid` writes, got something else ({error!r})"
        ) from error


def read_options(text: str) -> dict[str, Any]:
    """Read the JSON of `--options`; ValueError when it is not keys and values."""
    try:
        options = json.loads(text)
    except ValueError as error:
        raise ValueError(f'--options: expected JSON such as {{"epochs": 50}}, got {text!r} ({error})') from error
    if not isinstance(options, dict):
        raise ValueError(f'--options: expected keys and values such as {{"epochs": 50}}, got {text!r}')
    return options


def read_tile(path: Path, name: str) -> tuple[Grid, Tile]:
    """Read grid.json and one of its tiles by name."""
    from lczmap.grid import tile

    grid = read_grid(path)
    return grid, tile(grid, name)
