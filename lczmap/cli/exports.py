"""Vectors, Google Earth, catalogues and metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lczmap.cli.app import GridFile, Out, app, read_grid

RunFile = Annotated[Path, typer.Argument(help="run.json of the run")]
Files = Annotated[list[Path], typer.Argument(help="files of the run to list, such as lcz.tif and exports/lcz.gpkg")]
AccuracyFile = Annotated[Path | None, typer.Option("--accuracy", help="accuracy.json, for the description")]


@app.command()
def export_vector(
    lcz: Annotated[Path, typer.Argument(help="class map, codes 1..17: lcz_filtered.tif or lcz.tif")],
    out: Annotated[Path, typer.Argument(help="file to write: .gpkg or .parquet (needs pyarrow)")],
    confidence: Annotated[Path | None, typer.Option(help="confidence.tif, for each polygon's mean")] = None,
) -> None:
    """Write the map as polygons of one class, with area and mean confidence.

    Example: lczmap export-vector lcz_filtered.tif lcz.gpkg --confidence confidence.tif
    """
    from lczmap.exports.vector import export_vector as export

    count = export(lcz, out, confidence_path=confidence)
    typer.echo(f"{out}: {count} polygons")


@app.command()
def export_kmz(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    out: Out,
    filtered: Annotated[Path | None, typer.Option(help="lcz_filtered.tif, shown first")] = None,
    grid: Annotated[Path | None, typer.Option(help="grid.json, for the outline of the area of interest")] = None,
    run: Annotated[Path | None, typer.Option(help="run.json, for title, description and attribution")] = None,
    accuracy: AccuracyFile = None,
) -> None:
    """Write the map for Google Earth, with legend and outline.

    Example: lczmap export-kmz lcz.tif lcz.kmz --filtered lcz_filtered.tif
    """
    from lczmap.exports.facts import read_facts
    from lczmap.exports.kmz import export_kmz as export

    if accuracy is not None and run is None:
        raise ValueError(f"--accuracy {accuracy}: it goes into the description of a run; give --run as well")
    export(
        lcz,
        out,
        filtered_path=filtered,
        grid=None if grid is None else read_grid(grid),
        facts=None if run is None else read_facts(run, accuracy),
    )


@app.command()
def export_stac(
    run: RunFile,
    grid: GridFile,
    out: Out,
    files: Files,
    accuracy: AccuracyFile = None,
    license: Annotated[str | None, typer.Option(help="the map's licence, an SPDX identifier")] = None,
) -> None:
    """Write a STAC Item of the run, for catalogues.

    Example: lczmap export-stac run.json ../grid.json exports/stac_item.json lcz.tif lcz_filtered.tif
    """
    from lczmap.exports.facts import read_facts
    from lczmap.exports.stac import export_stac as export

    export(read_facts(run, accuracy), read_grid(grid), files, out, license_id=license)


@app.command()
def write_metadata(
    run: RunFile,
    grid: GridFile,
    out: Out,
    files: Files,
    accuracy: AccuracyFile = None,
    creator: Annotated[str | None, typer.Option(help="who made the map")] = None,
    license: Annotated[str | None, typer.Option(help="address of the licence you give the map")] = None,
    url: Annotated[str | None, typer.Option(help="address where the map is published")] = None,
    date: Annotated[str | None, typer.Option(help="day of publication, YYYY-MM-DD")] = None,
) -> None:
    """Describe the data set as JSON-LD (schema.org, Croissant), with checksums, sources and attribution.

    Example: lczmap write-metadata run.json ../grid.json exports/metadata.json lcz.tif --creator "Ada Lovelace"
    """
    from lczmap.exports.facts import read_facts
    from lczmap.exports.metadata import Publication
    from lczmap.exports.metadata import write_metadata as write

    publication = Publication(creator, license, url, date)
    write(read_facts(run, accuracy), read_grid(grid), files, out, publication=publication)
    if publication.missing:
        options = ", ".join(f"--{name}" for name in publication.missing)
        typer.echo(f"{out}: complete as Croissant 1.0 once you add {options}")
