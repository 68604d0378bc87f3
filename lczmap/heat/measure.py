"""Measure the heat island of a map from air or surface temperatures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

from lczmap.evaluation.records import write_report
from lczmap.files import replacing, write_text
from lczmap.heat.of_cells import raster_island
from lczmap.heat.of_stations import station_island
from lczmap.heat.picture import draw_islands
from lczmap.heat.rows import Choices, Island, TemperatureFile
from lczmap.heat.stations import is_table
from lczmap.heat.units import Kind, option_text
from lczmap.heat.zones import Zones, read_zones

DPI = 150
_WHAT = (
    "temperatures of Local Climate Zones and their difference from a reference class. UHI: of the air at screen level; "
    "SUHI: of the ground's surface as a satellite sees it. The two are not comparable."
)
_COLUMNS = (
    *("island", "when", "code", "label", "title", "is_reference", "area_km2", "n", "n_counts"),
    *("temperature_c", "temperature_low_c", "temperature_high_c", "island_k", "island_low_k", "island_high_k"),
)


def measure_heat(
    lcz: Path,
    out_json: Path,
    out_csv: Path,
    out_png: Path,
    *,
    air: TemperatureFile | None = None,
    surface: TemperatureFile | None = None,
    choices: Choices | None = None,
) -> dict[str, Any]:
    """Write the heat islands of a map as JSON, table and picture; returns what is in the JSON.

    `air` is a table of stations or a raster, `surface` a raster; at least one is given. ValueError: see `read_zones`
    and `measure_island`.
    """
    files: dict[Kind, TemperatureFile | None] = {"air": air, "surface": surface}
    if not any(files.values()):
        raise ValueError("expected air or surface temperatures; give `--air` or `--surface`")
    chosen, zones = choices or Choices(), read_zones(lcz)
    islands = {kind: measure_island(zones, file, kind, chosen) for kind, file in files.items() if file}
    write_text(out_csv, islands_table(islands.values()))
    with replacing(out_png) as temporary:
        draw_islands(list(islands.values()), palette=zones.palette).savefig(
            temporary, format="png", dpi=DPI, facecolor="white"
        )
    report: dict[str, Any] = {"what": _WHAT, "map": lcz.name, "cell_m": zones.cell_m}
    for kind, island in islands.items():
        report[kind] = {key: value for key, value in island.items() if key != "steps"}  # a year of hours: the table
    write_report(out_json, report)
    return report


def measure_island(zones: Zones, file: TemperatureFile, kind: Kind, choices: Choices) -> Island:
    """Return the heat island of one file of temperatures, ready for heat.json.

    Temperatures are in degrees Celsius, islands in kelvin. ValueError for a file that cannot be used: see
    `read_stations` and `read_temperatures`; a surface temperature is a raster. Nor for what is said of a raster where
    the file is a table, or the other way round.
    """
    if is_table(file.path):
        if kind == "surface":
            raise ValueError(
                f"{file.path}: expected a raster of land-surface temperatures; a table of stations is `air`"
            )
        _refuse_said(file, kind, ("band", "time"), "a table of stations, not a raster")
        return station_island(zones, file, choices)
    _refuse_said(file, kind, ("column", "crs"), "a raster, not a table of stations")
    return raster_island(zones, file, kind, choices)


def _refuse_said(file: TemperatureFile, kind: Kind, keys: tuple[str, ...], what: str) -> None:
    """Raise ValueError for what would not be heeded."""
    said = [option_text(kind, key) for key in keys if getattr(file, key) is not None]
    if said:
        raise ValueError(f"{file.path}: it is {what}; leave out {', '.join(said)}")


def islands_table(islands: Iterable[Island]) -> str:
    """Return the islands as CSV: one row per class, over all times, per hour of the day and per time step."""
    text = StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for island in islands:
        writer.writerows(_table_rows(island))
    return text.getvalue()


def _table_rows(island: Island) -> Iterator[dict[str, Any]]:
    hours = [(f"hour {step['when']:02d}", step["classes"]) for step in island.get("hours", ())]
    steps = [(step["when"], step["classes"]) for step in island.get("steps", ())]
    for when, classes in [("all", island["classes"]), *hours, *steps]:
        for row in classes:
            yield {
                "island": island["name"],
                "when": when,
                "n_counts": island["n_counts"],
                **{key: row[key] for key in ("code", "label", "title", "is_reference", "area_km2", "n")},
                **_table_figures(row["temperature_c"], "temperature{}_c"),
                **_table_figures(row["island_k"], "island{}_k"),
            }


def _table_figures(estimate: Mapping[str, float] | None, column: str) -> dict[str, str]:
    """Return value, low and high by column, empty where they are not known."""
    figures = (estimate or {}).items()
    return {
        column.format("" if key == "value" else f"_{key}"): f"{value:.4f}" for key, value in figures if isfinite(value)
    }
