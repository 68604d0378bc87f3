"""Accuracy of the map from a probability sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Seed, app


@app.command()
def sample(
    source: Annotated[Path, typer.Argument(metavar="MAP_OR_RUN", help="lcz.tif, or results/<city>/<period>")],
    folder: Annotated[Path | None, typer.Argument(help="folder to write; default: `sample` beside the map")] = None,
    per_class: Annotated[int, typer.Option(help="cells of each class; all cells of a class that has fewer")] = 50,
    total: Annotated[int | None, typer.Option(help="cells in all, by area, instead of --per-class")] = None,
    minimum: Annotated[int, typer.Option(help="with --total: least number of cells of each class")] = 20,
    seed: Seed = 47,
    stacks: Annotated[Path | None, typer.Option(help="folder of the tiles with their s1.tif and s2.tif")] = None,
    rgb: Annotated[Path | None, typer.Option(help="raster of red, green, blue bytes for the pictures")] = None,
    filtered: Annotated[bool, typer.Option("--filtered", help="sample lcz_filtered.tif of a run")] = False,
) -> None:
    """Draw a random sample of map cells and write the page to label them.

    Example: lczmap sample results/berlin/2024-05-01_2024-09-30 --per-class 50
    """
    from lczmap.evaluation.area_estimates import expected_half_width
    from lczmap.evaluation.sample_files import Allocation
    from lczmap.evaluation.sample_files import sample as draw
    from lczmap.evaluation.sampling import classes_of

    design, out, views = draw(
        source, folder, Allocation(per_class, total, minimum), seed=seed, stacks=stacks, rgb=rgb, filtered=filtered
    )
    typer.echo(f"{out}: {len(design)} cells of {int(design.population.sum())}; sample {design.sample_id}, seed {seed}")
    for c in classes_of(design.population):
        typer.echo(f"  {c.title:<28}{design.sampled[c.index]:>6} of {design.population[c.index]}")
    half = expected_half_width(design.sampled, design.population)
    typer.echo(f"if seven of ten cells are right in every class, overall accuracy will be known to ±{half:.3f}")
    if not views:
        typer.echo("warning: no stacks and no rgb.tif beside the map: the page has no pictures, only links")
    typer.echo(f"label the cells with {out / 'labelling.html'}, then: lczmap assess {out} labels_….csv")


@app.command()
def assess(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="what `sample` wrote, or its design.json")],
    labels: Annotated[list[Path], typer.Argument(metavar="LABELS.csv...", help="one file of each labeller")],
    out: Annotated[Path | None, typer.Option(help="JSON file to write; default: map_accuracy.json in FOLDER")] = None,
    lcz: Annotated[Path | None, typer.Option("--map", help="the sampled map, where it has been moved")] = None,
    adjudicated: Annotated[Path | None, typer.Option(help="label file that decides where labellers differ")] = None,
) -> None:
    """Estimate the map's accuracy and the classes' areas from a labelled sample.

    Example: lczmap assess results/berlin/2024-05-01_2024-09-30/sample labels_ana.csv labels_ben.csv
    """
    from lczmap.evaluation.map_accuracy import assess as estimate
    from lczmap.evaluation.map_accuracy_files import ASSESSED, find_assessed, result_path
    from lczmap.evaluation.map_accuracy_text import text_of

    result = out or result_path(folder)
    report = estimate(folder, labels, result, map_path=lcz, adjudicated=adjudicated)
    typer.echo(text_of(report))
    maps = (lcz or result_path(folder).parent / report["map"]).parent
    if result.resolve() in [path.resolve() for path in find_assessed(maps)]:
        typer.echo(f"{result}: the report of the run shows it when it is made again")
    else:
        typer.echo(
            f"{result}: the report shows it once it is called {ASSESSED} beside the map or in a folder sample* there"
        )
