"""The papers' tables on So2Sat LCZ42: one run of a row, its pictures, the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Out, Palette, Seed, app, read_options

TableName = Annotated[str, typer.Argument(help="a table; `list-reproductions` names them")]
Result = Annotated[Path, typer.Argument(help="result.json of a run")]


@app.command()
def list_reproductions(
    table: Annotated[str | None, typer.Argument(help="name the rows of this table; none: name the tables")] = None,
) -> None:
    """Name the tables that can be reproduced, or the rows of one with their protocols.

    Example: lczmap list-reproductions bp_lcz_table2
    """
    from lczmap.reproduce.tables import list_tables, load_table

    if table is None:
        for name in list_tables():
            described = load_table(name)
            typer.echo(f"{name}: {described.title}, {len(described.rows)} rows")
    else:
        for row in load_table(table).rows:
            typer.echo(f"{row.id}: {row.label}; {row.rules.description}")


@app.command()
def run_reproduction(
    table: TableName,
    row: Annotated[str, typer.Argument(help="a row of the table")],
    result: Out,
    features: Out,
    source: Annotated[list[str], typer.Option(help="NAME=PATH of a file of So2Sat or its compact copy, repeatable")],
    seed: Seed = 47,
    split_seed: Annotated[int, typer.Option(help="seed of the split, the same for all rows")] = 47,
    options: Annotated[str, typer.Option(help="keys of the recipe to replace, as JSON")] = "{}",
    shrink: Annotated[bool, typer.Option(help="rehearse with smaller files than So2Sat's")] = False,
    checkpoint: Annotated[Path | None, typer.Option(help="of a row whose weights come ready")] = None,
    devices: Annotated[int, typer.Option(help="GPUs to train on; 0: one device, a GPU if there is one", min=0)] = 0,
    strategy: Annotated[str, typer.Option(help="lightning's strategy for several devices")] = "auto",
) -> None:
    """Train and test one row of a table with one seed.

    Example: lczmap run-reproduction zhou_table5 resnet50 result.json features.npz --source so2sat
    """
    from lczmap.reproduce.results import marks_of
    from lczmap.reproduce.run import run_reproduction as run
    from lczmap.training.hardware import Hardware

    written = run(
        table,
        row,
        _sources(source),
        result,
        features,
        seed=seed,
        split_seed=split_seed,
        options=read_options(options),
        shrink=shrink,
        checkpoint=checkpoint,
        hardware=Hardware(devices=max(devices, 1), strategy=strategy),
    )
    if written is not None:
        oa, kappa, aa = (written["scores"][name] for name in ("oa", "kappa", "aa"))
        marks = marks_of(leaky=written["protocol"]["leaky"], rehearsal=bool(written["data"]["rehearsal"]))
        typer.echo(f"{table} {row}, seed {seed}{marks}: OA {oa:.4f}, kappa {kappa:.4f}, AA {aa:.4f}")


@app.command()
def draw_reproduction(
    result: Result,
    features: Annotated[Path, typer.Argument(help="features.npz of the run")],
    confusion: Out,
    tsne: Out,
    training: Out,
    palette: Palette = "official",
) -> None:
    """Draw a run's confusion matrix, t-SNE and training curves.

    Example: lczmap draw-reproduction result.json features.npz confusion.png tsne.png training.png
    """
    from lczmap.reproduce.figures import draw_reproduction as draw

    draw(result, features, confusion, tsne, training, palette=palette)


@app.command()
def tabulate_reproduction(
    table: TableName, report: Out, results: Annotated[list[Path], typer.Argument(help="result.json files")]
) -> None:
    """Write the report of a table: published figures beside ours.

    Example: lczmap tabulate-reproduction zhou_table5 report.md results/reproduce/zhou_table5/*.json
    """
    from lczmap.reproduce.report import tabulate_reproduction as tabulate

    tabulate(table, results, report)


@app.command()
def reproduce(reports: Annotated[list[Path], typer.Argument(help="report.md files")]) -> None:
    """Print what finished reports say: title, warnings and the table of figures.

    Example: lczmap reproduce results/reproduce/zhou_table5/report.md
    """
    from lczmap.reproduce.report import read_summary

    for path in reports:
        typer.echo(f"{path}\n\n{read_summary(path)}\n")


def _sources(texts: list[str]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (name, _, path) in zip(texts, pairs, strict=True) if not (name and path)]:
        raise ValueError(f"expected NAME=PATH such as training=training.h5, got {wrong}")
    return {name: Path(path) for name, _, path in pairs}
