"""What is made of a map: filtered map, confidence, comparison, information."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import Out, Seed, app

Band = Annotated[int, typer.Option(help="band of the file that holds the classes, from 1")]


@app.command()
def filter_map(lcz: Annotated[Path, typer.Argument(help="lcz.tif")], filtered: Out) -> None:
    """Write the map after the Gaussian class filter.

    Example: lczmap filter-map lcz.tif lcz_filtered.tif
    """
    from lczmap.mapping.filter import filter_map as write

    changed = write(lcz, filtered)
    typer.echo(f"{filtered}: {changed:.1%} of the cells have another class than in {lcz}")


@app.command()
def write_confidence(probabilities: Annotated[Path, typer.Argument(help="probabilities.tif")], confidence: Out) -> None:
    """Write the largest probability and the entropy of every cell.

    Example: lczmap write-confidence probabilities.tif confidence.tif
    """
    from lczmap.mapping.confidence import write_confidence as write

    write(probabilities, confidence)


@app.command()
def info(lcz: Annotated[Path, typer.Argument(help="an LCZ map of any origin")], band: Band = 1) -> None:
    """Say what an LCZ map is: grid, codes, classes and areas, tags, files beside it.

    Example: lczmap info lcz.tif
    """
    from lczmap.evaluation.map_info import read_info
    from lczmap.evaluation.map_info_text import info_lines

    for line in info_lines(read_info(lcz, band=band)):
        typer.echo(line)


@app.command()
def compare_maps(
    ours: Annotated[Path, typer.Argument(help="lcz.tif; lcz_filtered.tif where the other map is filtered")],
    other: Annotated[Path, typer.Argument(help="another LCZ map: codes 1..17 or 101..107, any CRS and pixel size")],
    agreement: Out,
    difference: Annotated[Path, typer.Argument(help="raster to write: where the two differ")],
    on_grid: Annotated[Path, typer.Argument(help="raster to write: the other map on the grid of the first")],
    picture: Annotated[Path | None, typer.Option(help="PNG to write")] = None,
    band: Band = 1,
    seed: Seed = 47,
    title: Annotated[str, typer.Option(help="title of the picture")] = "",
) -> None:
    """Measure how far two LCZ maps agree, and show where they differ.

    Example: lczmap compare-maps lcz_filtered.tif lcz_filter_v3.tif agreement.json difference.tif other.tif
    --picture difference.png
    """
    from lczmap.evaluation.map_agreement import compare_maps as compare
    from lczmap.evaluation.map_figures import draw_comparison

    report = compare(ours, other, agreement, difference, on_grid, band=band, seed=seed)
    if picture:
        draw_comparison(ours, on_grid, difference, agreement, picture, title=title)
    typer.echo(f"{ours} and {other}: agreement {report['agreement']['value']:.3f} on {report['cells']} cells")


@app.command()
def map_change(
    earlier: Annotated[Path, typer.Argument(help="lcz.tif of the earlier period")],
    earlier_probabilities: Annotated[Path, typer.Argument(help="its probabilities.tif")],
    later: Annotated[Path, typer.Argument(help="lcz.tif of the later period")],
    later_probabilities: Annotated[Path, typer.Argument(help="its probabilities.tif")],
    change: Out,
    report: Annotated[Path, typer.Argument(help="change.json to write")],
    picture: Annotated[Path | None, typer.Option(help="PNG to write")] = None,
    title: Annotated[str, typer.Option(help="title of the picture")] = "",
) -> None:
    """Map where the class differs between two periods, and how surely it has changed.

    Example: lczmap map-change 2019/lcz.tif 2019/probabilities.tif 2024/lcz.tif 2024/probabilities.tif change.tif
    change.json --picture change.png
    """
    from lczmap.evaluation.map_change import map_change as write
    from lczmap.evaluation.map_figures import draw_change

    found = write((earlier, earlier_probabilities), (later, later_probabilities), change, report)
    if picture:
        draw_change(earlier, later, change, report, picture, title=title)
    surely = ", ".join(f"{row['share']:.1%} surely at {least}" for least, row in found["surely"].items())
    typer.echo(f"{change}: {found['changed']['share']:.1%} of {found['km2']:.1f} km² has another class ({surely})")
