"""Tables of weather stations: air temperatures at places and times."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import shapely

from lczmap.heat.units import Unit, unit_of_text

LON, LAT = ("lon", "longitude", "long", "lng"), ("lat", "latitude")
X, Y = ("x", "easting"), ("y", "northing")
STATION = ("station", "station_id", "stationid", "station_name", "site", "sensor", "sensor_id", "name", "id")
TIME = ("time", "datetime", "timestamp", "date_time", "date", "utc")
TEMPERATURE = ("temperature", "air_temperature", "temp", "airtemp", "tair", "t_air", "ta", "t2m", "tas", "t")
"""Names of columns, the likeliest first; upper and lower case do not matter, a temperature may end in its unit."""

_UNIT_ENDING = re.compile(r"[\s_]*[\[\(]?(°c|℃|c|celsius|deg_?c|°f|f|fahrenheit|k|kelvin)[\]\)]?$")


@dataclass(frozen=True)
class Stations:
    """Temperatures (S, T) as the file holds them, NaN where missing, of stations at `x`, `y` (S,) in `crs`.

    `times` are the T moments in order, one empty text where the table has no times; `hours` are theirs, None where a
    time is a date only. `unit` is what the name of the `column` states, None if it states nothing.
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


@dataclass(frozen=True)
class _Row:
    where: str
    x: float
    y: float
    cells: Mapping[str, str]


def is_table(path: Path) -> bool:
    """Say whether a file of temperatures is a table of stations; else it is a raster."""
    return path.suffix.lower() in (".csv", ".txt", ".tsv", ".gpkg", ".geojson", ".json", ".shp", ".fgb")


def read_stations(path: Path, *, column: str | None = None, crs: str | None = None) -> Stations:
    """Read a station table: CSV with a header, or points in a GeoPackage, GeoJSON, shapefile …

    One row per station and time; a CSV has `lon` and `lat`, or `x` and `y` in `crs`. `column` names the temperature
    where it is not one of TEMPERATURE. Empty cells, `nan` and `NA` are missing. ValueError for a missing file or
    column, a text that is no number or no ISO 8601 time, a station that moves or has two values at one time,
    or two that take turns at one place.
    """
    if not path.is_file():
        raise ValueError(f"stations {path}: no such file; set `temperature.air` to a table of stations or a raster")
    is_text = path.suffix.lower() in (".csv", ".txt", ".tsv")
    try:
        rows, own_crs = _read_csv(path, crs) if is_text else _read_points(path)
    except csv.Error as error:
        raise ValueError(f"stations {path}: not a readable table ({error})") from error
    if not rows:
        raise ValueError(f"stations {path}: expected one row per station (and time), found none")
    _check_crs(path, own_crs)
    header = list(rows[0].cells)
    name = _temperature_column(path, header, column)
    return _pivot(path, rows, own_crs, name, _find(header, STATION), _find(header, TIME))


def _read_csv(path: Path, crs: str | None) -> tuple[list[_Row], str]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")  # spreadsheets write ° so
    first = text.partition("\n")[0]
    delimiter = max(";\t,", key=first.count)
    table = csv.DictReader(StringIO(text), delimiter=delimiter, skipinitialspace=True)
    header = [str(key).strip() for key in table.fieldnames or ()]
    table.fieldnames = header
    x, y, own_crs = _coordinate_columns(path, header, crs)
    rows = []
    for number, line in enumerate(table, 2):
        where = f"stations {path}, line {number}"
        cells = {key: (value or "").strip() for key, value in line.items() if key in header}
        if delimiter == ";":
            cells = {key: re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", value) for key, value in cells.items()}
        rows.append(_Row(where, _number(where, x, cells[x]), _number(where, y, cells[y]), cells))
    return rows, own_crs


def _coordinate_columns(path: Path, header: list[str], crs: str | None) -> tuple[str, str, str]:
    lon, lat, x, y = (_find(header, names) for names in (LON, LAT, X, Y))
    if lon and lat:
        return lon, lat, "EPSG:4326"
    if x and y and crs:
        return x, y, crs
    wanted = "the CRS of x and y with `--crs` (`temperature.crs`)" if x and y else "columns lon and lat, or x and y"
    raise ValueError(f"stations {path}: expected {wanted}; the columns are {', '.join(header)}")


def _check_crs(path: Path, crs: str) -> None:
    try:
        known = pyproj.CRS(crs)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(f"stations {path}: expected a CRS such as EPSG:32633, got {crs!r} ({error})") from error
    if not (known.is_geographic or known.is_projected):
        raise ValueError(f"stations {path}: expected a CRS that has a place on Earth, got {known.name}")


def _read_points(path: Path) -> tuple[list[_Row], str]:
    try:
        meta, _, wkb, columns = pyogrio.raw.read(path, force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ValueError(f"stations {path}: not a readable vector file ({error})") from error
    if not meta["crs"]:
        raise ValueError(f"stations {path}: the file has no CRS; set it in the file")
    rows = []
    for number, shape in enumerate(shapely.from_wkb(wkb)):
        where = f"stations {path}, feature {number + 1}"
        if shape is None or shape.geom_type != "Point" or shape.is_empty:
            raise ValueError(f"{where}: expected a point, got {'none' if shape is None else shape.geom_type}")
        cells = {str(key): _text(values[number]) for key, values in zip(meta["fields"], columns, strict=True)}
        rows.append(_Row(where, shape.x, shape.y, cells))
    return rows, str(meta["crs"])


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
            f"columns are {', '.join(header)}; name it with `--column` (`temperature.column`)"
        )
    return found


def _pivot(path: Path, rows: list[_Row], crs: str, column: str, station: str | None, time: str | None) -> Stations:
    places: dict[str, _Row] = {}
    measured: dict[tuple[str, datetime | None], float] = {}
    days: set[datetime | None] = set()
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
        measured[key] = _number(row.where, column, row.cells[column], missing=True)
        if time and _is_date(row.cells[time]):
            days.add(key[1])
    if station:
        _refuse_turns(path, places, measured, station)
    try:
        moments = sorted({moment for _, moment in measured}, key=lambda t: (t is not None, t))
    except TypeError as error:
        raise ValueError(f"stations {path}: expected times all with a UTC offset or all without one") from error
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
    )


def _refuse_turns(
    path: Path, places: Mapping[str, _Row], measured: Iterable[tuple[str, datetime | None]], column: str
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


def _find(header: list[str], names: tuple[str, ...]) -> str | None:
    lower = {key.lower(): key for key in reversed(header)}
    return next((lower[name] for name in names if name in lower), None)


def _number(where: str, key: str, text: str, *, missing: bool = False) -> float:
    if missing and text.lower() in ("", "na", "nan", "null", "none"):
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{where}: expected a number in the column {key!r}, got {text!r}") from error


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


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
