"""The heat island of a table of stations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NUM_CLASSES, LczClass
from lczmap.evaluation.bootstrap import LEVEL
from lczmap.heat.islands import station_figures
from lczmap.heat.rows import Choices, Island, TemperatureFile, class_rows, head
from lczmap.heat.stations import Stations, read_stations, to_map
from lczmap.heat.units import refuse_standardised, to_celsius
from lczmap.heat.zones import Zones, place_clearance_m


def station_island(zones: Zones, file: TemperatureFile, choices: Choices) -> Island:
    """Return the heat island of a table of stations, over all times, per hour of the day and per time step.

    Stations near the border of their zone count and are flagged; those beside the map are named and left out.
    ValueError where none is left, or for a table that `read_stations` refuses.
    """
    path, stations = file.path, read_stations(file.path, column=file.column, crs=file.crs)
    if stations.unit is None:  # a winter's day in degrees has such values too
        refuse_standardised(stations.values, f"stations {path}")
    celsius = to_celsius(
        stations.values,
        stated=stations.unit,
        stated_by=f"column {stations.column!r}",
        asked=file.unit,
        kind="air",
        where=f"stations {path}",
        whole=stations.values.ravel(),
    )
    listed = _place_stations(zones, stations, celsius.values, choices.border_m)
    codes = np.array([station["code"] for station in listed], np.int64)
    used = codes > 0
    if not (used & np.isfinite(celsius.values).any(axis=1)).any():
        raise ValueError(
            f"stations {path}: expected stations on the map, none of {len(codes)} lies in a zone with a temperature; "
            "compare their coordinates with the map's area"
        )
    values, codes, base = celsius.values[used], codes[used], choices.reference.code
    figures = station_figures(values, codes, reference=base)
    near = np.bincount([s["code"] for s in listed if s["near_border"]], minlength=NUM_CLASSES + 1)[1:]
    rows = [
        row | {"stations_near_border": int(near[row["code"] - 1])}
        for row in class_rows(figures, zones, choices.reference)
    ]
    return {
        **head("air", "stations", path, choices, zones, figures, "stations"),
        "time": _span(stations.times),
        "unit_of_file": celsius.unit,
        "unit_said_by": celsius.said_by,
        "border_m": choices.border_m,
        "interval": {"level": LEVEL, "method": "Student's t, stations left out in turn (jackknife)"},
        "notes": [*celsius.notes, *stations.notes, *_station_notes(listed, rows)],
        "classes": rows,
        "hours": _steps(zones, choices.reference, values, codes, stations.hours),
        "steps": _steps(zones, choices.reference, values, codes, stations.times),
        "stations": listed,
    }


def _place_stations(
    zones: Zones, stations: Stations, celsius: npt.NDArray[np.float64], border_m: float
) -> list[dict[str, Any]]:
    """Return each station with its class (code 0: beside the map or on ground without class) and mean temperature."""
    listed = []
    for k, place in enumerate(to_map(stations, str(zones.geobox.crs))):
        col, row = ~zones.geobox.transform @ place
        rows, cols = zones.codes.shape
        on_map = 0 <= row < rows and 0 <= col < cols
        code = int(zones.codes[int(row), int(col)]) if on_map else 0
        clearance = place_clearance_m(zones.codes, row, col, zones.cell_m, reach_m=border_m) if code else 0.0
        seen = celsius[k][np.isfinite(celsius[k])]
        listed.append(
            {
                "station": stations.names[k],
                "x": place[0],
                "y": place[1],
                "code": code,
                "label": CLASSES[code - 1].label if code else None,
                "near_border": bool(code) and clearance < border_m,
                "values": int(seen.size),
                "mean_c": float(seen.mean()) if seen.size else None,
            }
        )
    return listed


def _station_notes(listed: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    notes = []
    beside = [s["station"] for s in listed if not s["code"]]
    near = [s["station"] for s in listed if s["near_border"]]
    single = [row["label"] for row in rows if row["n"] == 1]
    if beside:
        notes.append(f"left out, beside the map or on ground without class: {', '.join(beside)}")
    if near:
        notes.append(f"near the border of their zone, counted all the same: {', '.join(near)}")
    same = [row["label"] for row in rows if row["n"] > 1 and not np.isfinite(row["temperature_c"]["low"])]
    if same:
        notes.append(f"stations that agree exactly, so no interval: LCZ {', '.join(same)}")
    if single:
        notes.append(f"one station only, so no interval: LCZ {', '.join(single)}")
    return notes


def _steps(
    zones: Zones,
    reference: LczClass,
    values: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    keys: tuple[str, ...] | tuple[int | None, ...],
) -> list[dict[str, Any]]:
    """Return the figures of each time, or of each hour of the day; nothing where the table has no times."""
    columns: dict[str | int, list[int]] = {}
    for column, key in enumerate(keys):
        if key is not None and key != "":
            columns.setdefault(key, []).append(column)
    steps = []
    for key, chosen in columns.items():
        figures = station_figures(values[:, chosen], codes, reference=reference.code)
        steps.append({"when": key, "classes": [r for r in class_rows(figures, zones, reference) if r["n"]]})
    return sorted(steps, key=lambda step: step["when"]) if isinstance(next(iter(columns), ""), int) else steps


def _span(times: tuple[str, ...]) -> str | None:
    if times == ("",):
        return None
    return times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}, {len(times)} times"
