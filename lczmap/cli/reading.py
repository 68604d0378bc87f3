"""Using a finished map, ours or another: its class at places, and a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import Out, app

AnyMap = Annotated[Path, typer.Argument(help="an LCZ map of any origin: codes 1..17 or 101..107")]
Band = Annotated[int, typer.Option(help="band of the file that holds the classes, from 1")]


@app.command()
def read_places(
    lcz: AnyMap,
    places: Annotated[Path | None, typer.Argument(help="CSV with lon and lat, or points in a vector file")] = None,
    out: Annotated[Path | None, typer.Argument(help="CSV to write")] = None,
    at: Annotated[str | None, typer.Option(help="one place instead, LON,LAT; the answer is printed")] = None,
    crs: Annotated[str | None, typer.Option(help="CRS of the columns x and y, or of --at X,Y")] = None,
    confidence: Annotated[Path | None, typer.Option(help="confidence.tif; default: the one beside the map")] = None,
    reach: Annotated[float, typer.Option(min=0, help="metres up to which the zone's border is looked for")] = 1000,
    band: Band = 1,
) -> None:
    """Read the class at places, with confidence and the distance to the zone's border.

    Example: lczmap read-places lcz.tif stations.csv classes.csv

    Example: lczmap read-places lcz.tif --at 13.41,52.52
    """
    from lczmap.reading.places import classes_at, parse_place, read_table, write_places
    from lczmap.reading.places_text import place_lines, table_line

    if at is not None and places is None:
        found, notes = classes_at(lcz, parse_place(at, crs=crs), confidence=confidence, reach_m=reach, band=band)
        lines = place_lines(found[0], reach_m=reach)
    elif at is None and places is not None and out is not None:
        if out.resolve() in (lcz.resolve(), places.resolve()):
            raise ValueError(f"{out}: is read here; give the table of classes another name")
        found, notes = classes_at(lcz, read_table(places, crs=crs), confidence=confidence, reach_m=reach, band=band)
        write_places(out, found)
        lines = [f"{out}: {table_line(found)}"]
    else:
        raise ValueError("expected a table of places and a CSV to write, or one place with --at LON,LAT")
    for line in (*lines, *notes):
        typer.echo(line)


@app.command(context_settings={"ignore_unknown_options": True})  # a box may begin with a minus
def clip_map(
    other: AnyMap,
    area: Annotated[str, typer.Argument(help="west,south,east,north in degrees, a polygon file, or a map's ground")],
    part: Out,
    like: Annotated[Path | None, typer.Option(help="write on the cells of this map, instead of the map's own")] = None,
    resampling: Annotated[
        Literal["nearest", "majority"], typer.Option(help="with --like: the class at a cell's centre, or most of it")
    ] = "nearest",
    palette: Annotated[
        Literal["official", "colour_blind"] | None, typer.Option(help="colours of the classes; default: the map's own")
    ] = None,
    band: Band = 1,
) -> None:
    """Cut an LCZ map, such as the global one, to an area; without --like nothing is resampled.

    Example: lczmap clip-map lcz_filter_v3.tif 13.08,52.34,13.77,52.68 berlin.tif

    Example: lczmap clip-map lcz_filter_v3.tif lcz.tif global.tif --like lcz.tif --resampling majority
    """
    from lczmap.reading.clip import clip_map as clip
    from lczmap.reading.clip import parse_area

    cut = clip(other, parse_area(area), part, like=like, resampling=resampling, palette=palette, band=band)
    rows, cols = cut.geobox.shape
    typer.echo(f"{part}: {rows} × {cols} cells in {cut.crs_name}; {cut.share:.1%} of the area has a class")
