"""Starting a city, and checking the installation."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import app


@app.command()
def init(
    city: Annotated[str, typer.Argument(help="name of the city: lower case letters, digits, - and _")],
    place: Annotated[str | None, typer.Option(help="a name to look up in OpenStreetMap: 'Berlin, Germany'")] = None,
    bbox: Annotated[str | None, typer.Option(help="west,south,east,north in degrees")] = None,
    polygon: Annotated[Path | None, typer.Option(help="polygon file in any CRS")] = None,
    from_geo_em: Annotated[Path | None, typer.Option(help="geo_em.d0N.nc of WRF: its domain and a margin")] = None,
    margin_km: Annotated[float, typer.Option(help="margin around the WRF domain in km")] = 5.0,
    outline: Annotated[bool, typer.Option(help="with --place: its outline instead of its box")] = False,
    start: Annotated[
        str | None,
        typer.Option(help="first day of the period; default: last warm season, in the tropics the drier one"),
    ] = None,
    end: Annotated[str | None, typer.Option(help="last day of the period")] = None,
    source: Annotated[Literal["gcs", "stac", "sentinelhub", "local"], typer.Option(help="source of scenes")] = "gcs",
    radar: Annotated[bool, typer.Option(help="Sentinel-1 intensities as well; needs --areas")] = False,
    areas: Annotated[Path | None, typer.Option(help="training areas: KML, KMZ, GeoPackage, GeoJSON, shapefile")] = None,
    pixel_size: Annotated[int, typer.Option(help="pixel size of the map in metres")] = 100,
    crs: Annotated[str | None, typer.Option(help="a UTM zone, EPSG:326xx, for a city near the border of two")] = None,
    out: Annotated[
        Path | None, typer.Option(help="file to write; default config/cities/CITY.yaml of the clone")
    ] = None,
    nominatim: Annotated[str | None, typer.Option(help="address of another search service for --place")] = None,
) -> None:
    """Write a city's configuration, and say what is still needed: accounts, quota, disk, time.

    Without --start and --end the period is the last whole warm season: May to September, south of the equator
    November to March; within the tropics the drier half-year by a rule of thumb, and a line says to check it. The file
    says which.

    Example: lczmap init berlin --bbox 13.08,52.34,13.77,52.68

    Example: lczmap init lagos --place "Lagos, Nigeria" --areas lagos.kml

    Example: lczmap init madrid --from-geo-em geo_em.d03.nc --margin-km 5
    """
    from lczmap.configfiles import parse_config
    from lczmap.files import write_text
    from lczmap.grid import make_grid
    from lczmap.start.area import CLONE, as_configured, chosen_area
    from lczmap.start.city import Choices, city_settings, city_text
    from lczmap.start.needs import needs
    from lczmap.start.period import chosen_period

    target = out or CLONE / "config" / "cities" / f"{city}.yaml"
    if target.exists():
        raise ValueError(f"{target} exists already; give another --out, or delete it first")
    if radar and areas is None:
        raise ValueError("--radar needs --areas: the public network gul_s2 sees Sentinel-2 alone")
    if areas is not None and not areas.is_file():
        raise ValueError(f"--areas {areas}: no such file; leave it out for a map by a public network")
    found = chosen_area(
        target,
        place=place,
        bbox=bbox,
        polygon=polygon,
        geo_em=from_geo_em,
        margin_km=margin_km,
        outline=outline,
        endpoint=nominatim,
    )
    drawn = as_configured(areas) if areas else None
    period = chosen_period(start, end, found.latitude, date.today())
    choices = Choices(city, found.setting, period.start, period.end, source, radar, drawn, pixel_size, crs)
    settings = city_settings(choices)
    config = parse_config(settings, "init")
    grid = make_grid(found.area, cell_m=config.map.pixel_size_m, tile_px=config.map.tile_px, crs=crs)
    if found.outline_file is not None:
        write_text(*found.outline_file)
    comment = (f"Area: {found.origin}.", f"Period: {period.why}.", "Every key: config/README.md")
    write_text(target, city_text(settings, comment))
    rows, cols = grid.cells_shape
    typer.echo(f"{target}: {rows} × {cols} cells of {grid.cell_m} m in {grid.crs}, from {found.origin}")
    typer.echo(f"period {period.start} to {period.end}: {period.why}")
    for sentence in (*needs(config, grid), *([period.mind] if period.mind else [])):
        typer.echo(f"- {sentence}")
    typer.echo(f"next: snakemake --cores all --configfile {target}")


@app.command()
def doctor(
    folder: Annotated[Path, typer.Argument(help="where results will go, for the room on its disk")] = Path(),
) -> None:
    """Check the installation: versions, accounts (present, never shown), disk, GPU, conda. Exit code 1 on a problem.

    Example: lczmap doctor
    """
    from lczmap.start.doctor import examine

    marks = {"ok": "ok", "note": "note", "problem": "PROBLEM"}
    findings = examine(folder)
    for finding in findings:
        typer.echo(f"{marks[finding.state]:<8}{finding.what:<28}{finding.text}")
    problems = sum(finding.state == "problem" for finding in findings)
    if problems:
        typer.echo(f"{problems} of these must be put right before anything runs")
        raise typer.Exit(1)
    typer.echo("nothing stands in the way of a run")
