"""The report of a city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Out, app, read_grid


@app.command()
def write_report(
    folder: Annotated[Path, typer.Argument(help="results/<city>/<period> of a finished run")],
    page: Out,
    benchmarks: Annotated[Path | None, typer.Option(help="Snakemake's measurements; those beside `results`")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="checkpoint of a network, the main one's first")] = None,
    made: Annotated[
        list[Path] | None, typer.Option(help="file of this run; all others in the folder are hidden")
    ] = None,
    stack: Annotated[
        list[str] | None, typer.Option(help="with --made: file name of a stack of each tile, such as s2_summer.tif")
    ] = None,
) -> None:
    """Write the report of a city as one HTML page that works offline.

    Example: lczmap write-report results/berlin/2024-05-01_2024-09-30 report.html
    """
    from lczmap.grid import stack_paths
    from lczmap.report.page import write_report as write

    shown = None
    if made:
        grid = read_grid(folder.resolve().parent / "grid.json")
        shown = [*made, *stack_paths(folder / "tiles", grid, stack or [])]
    measured = benchmarks or folder.resolve().parent.parent.parent / "benchmarks"
    write(folder, page, benchmarks=measured, checkpoints=checkpoint or [], made=shown)
