"""Comparisons with other data, and how fast the networks are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import Out, Seed, app


@app.command()
def compare_map(
    lcz: Annotated[Path, typer.Argument(metavar="MAP", help="LCZ map: codes 1..17, 0 nodata")],
    reference: Annotated[Path, typer.Argument(help="cells or points of known class: GeoPackage, GeoParquet …")],
    comparison: Out,
    field: Annotated[str | None, typer.Option(help="attribute that holds the class")] = None,
    block: Annotated[float, typer.Option(help="metres; width of the blocks that intervals are drawn from")] = 500.0,
    seed: Seed = 47,
) -> None:
    """Compare a map with reference cells of another source, at their centres.

    Example: lczmap compare-map lcz.tif so2sat_cells.parquet comparison.json
    """
    from lczmap.evaluation.comparison import compare_map as compare

    report = compare(lcz, reference, comparison, field=field, block_m=block, seed=seed)
    agreement = report["agreement"]
    typer.echo(
        f"agreement {agreement['value']:.3f} ({agreement['low']:.3f} to {agreement['high']:.3f}) on {report['cells']} "
        f"cells, worth about {report['effective_cells']:.0f} independent ones"
    )


@app.command()
def measure_networks(
    table: Out,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="`auto`: a GPU where there is one")] = "auto",
    names: Annotated[list[str] | None, typer.Option(help="a network, repeatable; default: all")] = None,
    seconds: Annotated[float, typer.Option(help="spent on each network and way to run it")] = 6.0,
) -> None:
    """Write a table of every network's size and speed.

    Example: lczmap measure-networks networks.md --names eb_cnn --names gul_s2
    """
    from lczmap.evaluation.speed import measure_networks as measure

    measure(table, device=device, names=names or (), seconds=seconds)
