"""Heat islands of the zones, and where to put thermometers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lczmap.cli.app import Out, Seed, app

if TYPE_CHECKING:
    from lczmap.heat.rows import TemperatureFile

LczFile = Annotated[Path, typer.Argument(help="lcz.tif, a map in a CRS of metres")]
Unit = Annotated[Literal["kelvin", "celsius"] | None, typer.Option(help="where the file does not say it")]
Band = Annotated[int | None, typer.Option(help="band of a raster with several")]
Time = Annotated[str | None, typer.Option(help="date and hour of a raster, where its tags do not say them")]


@app.command()
def measure_heat(
    lcz: LczFile,
    heat: Out,
    table: Annotated[Path, typer.Argument(help="CSV to write")],
    picture: Annotated[Path, typer.Argument(help="PNG to write")],
    air: Annotated[Path | None, typer.Option(help="table of stations (CSV, GeoPackage …), or a raster")] = None,
    surface: Annotated[Path | None, typer.Option(help="raster of land-surface temperatures")] = None,
    air_unit: Unit = None,
    air_column: Annotated[str | None, typer.Option(help="column of the stations' temperatures")] = None,
    air_crs: Annotated[str | None, typer.Option(help="CRS of the columns x and y of a CSV")] = None,
    air_band: Band = None,
    air_time: Time = None,
    surface_unit: Unit = None,
    surface_band: Band = None,
    surface_time: Time = None,
    reference: Annotated[str, typer.Option(help="class that the others are compared with")] = "D",
    border: Annotated[float, typer.Option(min=0, help="metres from a zone's border that count as its edge")] = 200,
    block: Annotated[float, typer.Option(min=0, help="metres, width of the blocks of the bootstrap")] = 2000,
    confidence: Annotated[Path | None, typer.Option(help="confidence.tif: leave out unsure cells of a raster")] = None,
    least_confidence: Annotated[float, typer.Option(min=0, max=1, help="of a cell that counts")] = 0.5,
    seed: Seed = 47,
) -> None:
    """Measure the heat island of every zone, from air or surface temperatures.

    Example: lczmap measure-heat lcz.tif heat.json heat.csv heat.png --air stations.csv --air-unit celsius
    """
    from lczmap.classes import parse_class
    from lczmap.heat.measure import measure_heat as measure
    from lczmap.heat.rows import Choices, in_words

    choices = Choices(
        reference=parse_class(reference),
        border_m=border,
        block_m=block,
        confidence=confidence,
        least_confidence=least_confidence,
        seed=seed,
    )
    report = measure(
        lcz,
        heat,
        table,
        picture,
        air=_file("air", air, unit=air_unit, column=air_column, crs=air_crs, band=air_band, time=air_time),
        surface=_file("surface", surface, unit=surface_unit, band=surface_band, time=surface_time),
        choices=choices,
    )
    for kind in ("air", "surface"):
        if kind in report:
            typer.echo(in_words(report[kind]))


def _file(kind: Literal["air", "surface"], path: Path | None, **said: Any) -> TemperatureFile | None:
    """Return a file with what is said of it; ValueError where something is said of none."""
    from lczmap.heat.rows import TemperatureFile

    if path is not None:
        return TemperatureFile(path, **said)
    options = [f"`--{kind}-{key}`" for key, value in said.items() if value is not None]
    if options:
        raise ValueError(f"{', '.join(options)} is said of a file; expected it as `--{kind}`")
    return None


@app.command()
def propose_sensors(
    lcz: LczFile,
    places: Annotated[Path, typer.Argument(help="GeoPackage to write")],
    decisions: Annotated[Path, typer.Argument(help="JSON to write")],
    picture: Annotated[Path, typer.Argument(help="PNG to write")],
    sensors: Annotated[int, typer.Option(min=1, help="how many thermometers")],
    clearance: Annotated[float, typer.Option(min=0, help="metres from the border of a zone that are enough")] = 200,
) -> None:
    """Propose places for thermometers: per zone in proportion to its area, away from its border.

    Example: lczmap propose-sensors lcz.tif sensors.gpkg sensors.json sensors.png --sensors 24
    """
    from lczmap.heat.sensor_files import propose_sensors as propose

    report = propose(lcz, places, decisions, picture, sensors=sensors, clearance_m=clearance)
    typer.echo(f"{report['placed']} of {report['asked']} sensors have a place")
    for row in report["classes"]:
        typer.echo(f"  {row['title']}: {row['placed']}" + (f" ({row['why']})" if row["why"] else ""))
    if report["note"]:
        typer.echo(report["note"])
