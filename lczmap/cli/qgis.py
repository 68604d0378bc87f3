"""Styles and projects for QGIS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import GridFile, Out, Palette, app, read_grid


@app.command()
def write_style(
    rasters: Annotated[
        list[Path], typer.Argument(help="lcz.tif, lcz_filtered.tif, confidence.tif, difference.tif, one or more")
    ],
    palette: Palette = "official",
    numbering: Annotated[
        Literal["lcz", "wudapt"], typer.Option(help="codes of the classes: 1..17, or 1..10 and 101..107")
    ] = "lcz",
) -> None:
    """Write the styles of QGIS beside maps of classes, confidence or difference: NAME.qml, and NAME.clr for classes.

    Example: lczmap write-style lcz.tif lcz_filtered.tif confidence.tif --palette colour_blind
    """
    from lczmap.exports.qgis_styles import write_style as write

    for raster in rasters:
        typer.echo(", ".join(str(path) for path in write(raster, palette=palette, numbering=numbering)))


@app.command()
def draw_rgb(
    grid_file: GridFile,
    picture: Out,
    stacks: Annotated[list[Path], typer.Argument(help="s2.tif of all tiles, of one view")],
) -> None:
    """Write the natural-colour picture of the city at 10 m.

    Example: lczmap draw-rgb grid.json rgb.tif tiles/*/s2.tif
    """
    from lczmap.exports.true_color import draw_true_color

    draw_true_color(stacks, read_grid(grid_file), picture)


@app.command()
def write_aoi(
    grid_file: GridFile,
    outline: Out,
    name: Annotated[str, typer.Option(help="name of the area")] = "area of interest",
) -> None:
    """Write the area of interest as GeoJSON in longitude and latitude.

    Example: lczmap write-aoi grid.json aoi.geojson --name Berlin
    """
    from lczmap.exports.outline import write_aoi as write

    write(read_grid(grid_file), outline, name=name)


@app.command()
def write_areas(
    grid_file: GridFile,
    areas: Annotated[Path, typer.Argument(help="training areas: KML, KMZ, GeoPackage, GeoJSON, shapefile")],
    layer: Out,
    field: Annotated[str | None, typer.Option(help="attribute that holds the class")] = None,
    palette: Palette = "official",
) -> None:
    """Write the training areas as GeoPackage with class, name and colour, in the CRS of the map.

    Example: lczmap write-areas grid.json training_areas.kml training_areas.gpkg
    """
    from lczmap.exports.area_layer import write_area_layer

    count = write_area_layer(areas, layer, crs=read_grid(grid_file).crs, field=field, palette=palette)
    typer.echo(f"{layer}: {count} polygons")


@app.command()
def write_qgis_project(
    lcz: Annotated[Path, typer.Argument(help="lcz.tif")],
    project: Out,
    filtered: Annotated[Path | None, typer.Option(help="lcz_filtered.tif")] = None,
    confidence: Annotated[Path | None, typer.Option(help="confidence.tif")] = None,
    picture: Annotated[Path | None, typer.Option(help="rgb.tif")] = None,
    aoi: Annotated[Path | None, typer.Option(help="aoi.geojson")] = None,
    areas: Annotated[Path | None, typer.Option(help="training_areas.gpkg of `write-areas`")] = None,
    title: Annotated[str, typer.Option(help="title of the project")] = "Local Climate Zones",
    palette: Palette = "official",
) -> None:
    """Write a project of QGIS over the files of a run, with relative paths.

    Example: lczmap write-qgis-project lcz.tif project.qgs --picture rgb.tif --aoi aoi.geojson --title Berlin
    """
    from lczmap.exports.qgis_project import ProjectFiles, write_project

    files = ProjectFiles(lcz, filtered=filtered, confidence=confidence, picture=picture, outline=aoi, areas=areas)
    write_project(files, project, title=title, palette=palette)
