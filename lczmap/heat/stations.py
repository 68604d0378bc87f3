"""Tables of weather stations: air temperatures at places and times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj

from lczmap.heat.units import Unit, option_text, unit_of_text
from lczmap.point_table import TEXT_ENDINGS, PointRow, find_column, read_number, read_points

STATION = ("station", "station_id", "stationid", "station_name", "site", "sensor", "sensor_id", "name", "id")
TIME = ("time", "datetime", "timestamp", "date_time", "date", "utc")
TEMPERATURE = ("temperature", "air_temperature", "temp", "airtemp", "tair", "t_air", "ta", "t2m", "tas", "t")
"""Names of columns, the likeliest first; upper and lower case do not matter, a temperature may end in its unit."""

_UNIT_ENDING = re.compile(r"[\s_]*[\[\(]?(°c|℃|c|celsius|deg_?c|°f|f|fahrenheit|k|kelvin)[\]\)]?$")


@dataclass(frozen=True)
class Stations:
    """Temperatures (S, T) as the file holds them, NaN where missing, of stations at `x`, `y` (S,) in `crs`.

    `times` are the T moments in order, one empty text where the table has no times; `hours` are theirs, None where a
    time is a date only. Where stations have clocks of different UTC offsets, both are in UTC and `notes` say so.
    `unit` is what the name of the `column` states, None if it states nothing.
    """

    names: tuple[str, ...]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    crs: str
    times: tuple[str, ...]
    hours: tuple[int | None, ...]
    values: npt.NDArray[np.float64]
    column: str
    unit: Unit | None
    notes: tuple[str, ...] = ()


def is_table(path: Path) -> bool:
    """Say whether a file of temperatures is a table of stations; else it is a raster."""
    return path.suffix.lower() in (*TEXT_ENDINGS, ".gpkg", ".geojson", ".json", ".shp", ".fgb")


def read_stations(path: Path, *, column: str | None = None, crs: str | None = None) -> Stations:
    """Read a station table: CSV with a header, or points in a GeoPackage, GeoJSON, shapefile …

    One row per station and time; a CSV has `lon` and `lat`, or `x` and `y` in `crs`. `column` names the temperature
    where it is not one of TEMPERATURE. Empty cells, `nan` and `NA` are missing. ValueError for a missing file or
    column, a text that is no number or no ISO 8601 time, a station that moves or has two values at one time,
    or two that take turns at one place.
    """
    if not path.is_file():
        raise ValueError(
            f"stations {path}: no such file; set `temperature.air.path` to a table of stations or a raster"
        )
    rows, own_crs = read_points(path, what="stations", crs=crs, crs_option=option_text("air", "crs"))
    header = list(rows[0].cells)
    name = _temperature_column(path, header, column)
    return _pivot(path, rows, own_crs, name, find_column(header, STATION), find_column(header, TIME))


def _temperature_column(path: Path, header: list[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in header:
            raise ValueError(f"stations {path}: no column {asked!r}; the columns are {', '.join(header)}")
        return asked
    plain = {_UNIT_ENDING.sub("", key.lower()) or key.lower(): key for key in reversed(header)}
    plain |= {key.lower(): key for key in reversed(header)}
    found = next((plain[name] for name in TEMPERATURE if name in plain), None)
    if found is None:
        raise ValueError(
            f"stations {path}: expected a column of temperatures ({', '.join(TEMPERATURE)}, perhaps with a unit), the "
            f"columns are {', '.join(header)}; name it with {option_text('air', 'column')}"
        )
    return found


def _pivot(path: Path, rows: list[PointRow], crs: str, column: str, station: str | None, time: str | None) -> Stations:
    places: dict[str, PointRow] = {}
    measured: dict[tuple[str, datetime | None], float] = {}
    days: set[datetime | None] = set()
    read: list[tuple[str, datetime]] = []
    for row in rows:
        name = row.cells[station] if station else f"{row.x:.6f} {row.y:.6f}"
        first = places.setdefault(name, row)
        if abs(first.x - row.x) + abs(first.y - row.y) > 1e-6:
            raise ValueError(
                f"{row.where}: the station {name!r} was at {first.x}, {first.y} and is at {row.x}, {row.y}"
            )
        key = name, _time(row.where, row.cells[time]) if time else None
        if key in measured:
            raise ValueError(f"{row.where}: the station {name!r} has a second value at {key[1] or 'no stated time'}")
        measured[key] = read_number(row.where, column, row.cells[column], missing=True)
        if key[1]:
            read.append((name, key[1]))
        if time and _is_date(row.cells[time]):
            days.add(key[1])
    if station:
        _refuse_turns(path, places, measured, station)
    moments, note = _in_order(path, read) if time else ([None], "")
    values = np.array([[measured.get((name, moment), np.nan) for moment in moments] for name in places])
    return Stations(
        names=tuple(places),
        x=np.array([row.x for row in places.values()]),
        y=np.array([row.y for row in places.values()]),
        crs=crs,
        times=tuple("" if m is None else (m.date() if m in days else m).isoformat() for m in moments),
        hours=tuple(None if m is None or m in days else m.hour for m in moments),
        values=values,
        column=column,
        unit=unit_of_text(column),
        notes=(note,) if note else (),
    )


def _in_order(path: Path, read: list[tuple[str, datetime]]) -> tuple[list[datetime | None], str]:
    """Return the moments of a table, each once, and a note where they had to be brought to UTC."""
    try:
        moments = sorted({moment for _, moment in read})
    except TypeError as error:
        raise ValueError(f"stations {path}: expected times all with a UTC offset or all without one") from error
    note = _mixed_offsets(read)
    return [moment.astimezone(UTC) if note else moment for moment in moments], note


def _mixed_offsets(read: Iterable[tuple[str, datetime]]) -> str:
    """Return a note where the times of stations come from clocks with different UTC offsets; "" for one clock.

    One clock may change to summer time: no moment has two offsets then, and one station has all that occur.
    """
    of_station: dict[str, set[str | None]] = {}
    of_moment: dict[datetime, set[str | None]] = {}
    for name, moment in read:
        of_station.setdefault(name, set()).add(moment.tzname())
        of_moment.setdefault(moment, set()).add(moment.tzname())
    every = set().union(*of_station.values())
    if every in (set(), *of_station.values()) and all(len(offsets) == 1 for offsets in of_moment.values()):
        return ""
    offsets = ", ".join(sorted(map(str, every)))
    return f"times have the UTC offsets {offsets}, not all at the same stations: times and hours of the day are in UTC"


def _refuse_turns(
    path: Path, places: Mapping[str, PointRow], measured: Iterable[tuple[str, datetime | None]], column: str
) -> None:
    """Raise ValueError where two stations of a place never measure together: row numbers, not names of stations."""
    moments: dict[str, set[datetime | None]] = {name: set() for name in places}
    for name, moment in measured:
        moments[name].add(moment)
    here: dict[tuple[float, float], str] = {}
    for name, row in places.items():
        first = here.setdefault((round(row.x, 6), round(row.y, 6)), name)
        if first != name and not moments[first] & moments[name]:
            raise ValueError(
                f"stations {path}: {first!r} and {name!r} of the column {column!r} stand at one place and never "
                "measure at the same time, as if rows were numbered: call the column of the station's names "
                "`station`, or leave out such columns, then each place is a station"
            )


def to_map(stations: Stations, crs: str) -> Iterator[tuple[float, float]]:
    """Yield the stations' places in the map's CRS."""
    transformer = pyproj.Transformer.from_crs(stations.crs, crs, always_xy=True)
    yield from zip(*transformer.transform(stations.x, stations.y), strict=True)


def _time(where: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{where}: expected a time as in ISO 8601, such as 2024-07-20T22:00Z, got {text!r}") from error


def _is_date(text: str) -> bool:
    """Say whether a time in ISO 8601 is a day without a time of day."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
