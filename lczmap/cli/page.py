"""The report of a city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Out, app


@app.command()
def write_report(
    folder: Annotated[Path, typer.Argument(help="results/<city>/<period> of a finished run")],
    page: Out,
    benchmarks: Annotated[Path | None, typer.Option(help="Snakemake's measurements; those beside `results`")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="checkpoint of a network, the main one's first")] = None,
    made: Annotated[
        list[Path] | None, typer.Option(help="file of this run; all others in the folder are hidden")
    ] = None,
) -> None:
    """Write the report of a city as one HTML page that works offline.

    Example: lczmap write-report results/berlin/2024-05-01_2024-09-30 report.html
    """
    from lczmap.report.page import write_report as write

    measured = benchmarks or folder.resolve().parent.parent.parent / "benchmarks"
    write(folder, page, benchmarks=measured, checkpoints=checkpoint or [], made=made or None)
