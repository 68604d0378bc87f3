"""Vectors, Google Earth, catalogues and metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lczmap.cli.app import GridFile, Out, app, read_grid
from lczmap.evaluation.map_accuracy_files import ASSESSED, MAIN_MAPS

if TYPE_CHECKING:
    from lczmap.exports.map_accuracy import MapAccuracy

RunFile = Annotated[Path, typer.Argument(help="run.json of the run")]
Files = Annotated[list[Path], typer.Argument(help="files of the run to list, such as lcz.tif and exports/lcz.gpkg")]
AccuracyFile = Annotated[Path | None, typer.Option("--accuracy", help="accuracy.json, for the description")]
MapAccuracyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--map-accuracy", help="map_accuracy.json of `assess`, for the description; left out where it is of another map"
    ),
]


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
    map_accuracy: MapAccuracyFiles = None,
) -> None:
    """Write the map for Google Earth, with legend and outline.

    Example: lczmap export-kmz lcz.tif lcz.kmz --filtered lcz_filtered.tif
    """
    from lczmap.exports.facts import read_facts
    from lczmap.exports.kmz import export_kmz as export

    for given in (*([accuracy] if accuracy else ()), *(map_accuracy or ())):
        if run is None:
            raise ValueError(f"{given}: it goes into the description of a run; give --run as well")
    measured = _of_maps(map_accuracy or [], [lcz] if filtered is None else [lcz, filtered])
    export(
        lcz,
        out,
        filtered_path=filtered,
        grid=None if grid is None else read_grid(grid),
        facts=None if run is None else read_facts(run, accuracy, map_accuracy=measured),
    )


@app.command()
def export_stac(
    run: RunFile,
    grid: GridFile,
    out: Out,
    files: Files,
    accuracy: AccuracyFile = None,
    map_accuracy: MapAccuracyFiles = None,
    license: Annotated[str | None, typer.Option(help="the map's licence, an SPDX identifier")] = None,
) -> None:
    """Write a STAC Item of the run, for catalogues.

    Example: lczmap export-stac run.json ../grid.json exports/stac_item.json lcz.tif lcz_filtered.tif
    """
    from lczmap.exports.facts import read_facts
    from lczmap.exports.stac import export_stac as export

    measured, listed = _measured(map_accuracy or [], files)
    export(read_facts(run, accuracy, map_accuracy=measured), read_grid(grid), listed, out, license_id=license)


@app.command()
def write_metadata(
    run: RunFile,
    grid: GridFile,
    out: Out,
    files: Files,
    accuracy: AccuracyFile = None,
    map_accuracy: MapAccuracyFiles = None,
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
    measured, listed = _measured(map_accuracy or [], files)
    facts = read_facts(run, accuracy, map_accuracy=measured)
    write(facts, read_grid(grid), listed, out, publication=publication)
    if publication.missing:
        options = ", ".join(f"--{name}" for name in publication.missing)
        typer.echo(f"{out}: complete as Croissant 1.0 once you add {options}")


def _measured(given: list[Path], files: list[Path]) -> tuple[MapAccuracy | None, list[Path]]:
    """Return the accuracy of a map among the files, and the files to list: of those of `assess` this one alone."""
    maps = [path for name in MAIN_MAPS for path in files if path.name == name]
    others = [path for path in files if path.name != ASSESSED]
    assessed = dict.fromkeys([*given, *(path for path in files if path.name == ASSESSED)])
    measured = _of_maps(list(assessed), maps)
    return measured, others if measured is None else [*others, measured.path]


def _of_maps(given: list[Path], maps: list[Path]) -> MapAccuracy | None:
    """Return the accuracy of the first map that was sampled; say which files tell of none of the maps."""
    from lczmap.exports.map_accuracy import read_map_accuracies

    found = read_map_accuracies(given, maps)
    for path in given:
        if path not in [one.path for one in found]:
            names = ", ".join(one.name for one in maps) or "no map, for none was given"
            typer.echo(f"{path}: assesses none of {names}; it is left out", err=True)
    return found[0] if found else None
