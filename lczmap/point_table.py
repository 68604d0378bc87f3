"""Tables of places: a CSV with a header, or points in a GeoPackage, GeoJSON, shapefile …"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pyogrio
import pyproj
import shapely

LON, LAT = ("lon", "longitude", "long", "lng"), ("lat", "latitude")
X, Y = ("x", "easting"), ("y", "northing")
"""Names of columns, the likeliest first; upper and lower case do not matter."""
TEXT_ENDINGS = (".csv", ".txt", ".tsv")


@dataclass(frozen=True)
class PointRow:
    """A row of a table: its place in the table's CRS, all its cells by column, and where it stands, for messages."""

    where: str
    x: float
    y: float
    cells: Mapping[str, str]


def read_points(
    path: Path, *, what: str, crs: str | None = None, crs_option: str = "`--crs`"
) -> tuple[list[PointRow], str]:
    """Read the rows of a table, at least one, and the CRS of their coordinates; x is to the east or a longitude.

    A CSV (comma, semicolon or tab; UTF-8 or Windows) has `lon` and `lat`, or `x` and `y` in `crs`. `what` are the
    places in messages, `crs_option` is what sets `crs`. ValueError, naming the row, for a table without coordinates or
    rows, a row of another length than the header, one that cannot be read, an unknown CRS, and what is no point.
    """
    name = f"{what} {path}"
    try:
        is_text = path.suffix.lower() in TEXT_ENDINGS
        rows, own_crs = _read_csv(path, name, crs, crs_option) if is_text else _read_vector(path, name)
    except csv.Error as error:
        raise ValueError(f"{name}: not a readable table ({error})") from error
    if not rows:
        raise ValueError(f"{name}: expected one row per {what.removesuffix('s')}, found none")
    check_place_crs(own_crs, name)
    return rows, own_crs


def find_column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first of `names` that a header has, as it is written there; None where it has none of them."""
    lower = {key.lower(): key for key in reversed(header)}
    return next((lower[name] for name in names if name in lower), None)


def read_number(where: str, key: str, text: str, *, missing: bool = False) -> float:
    """Return the number in a cell; ValueError for a text, with `missing` NaN for an empty cell, `nan`, `NA` …"""
    if missing and text.lower() in ("", "na", "nan", "null", "none"):
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{where}: expected a number in the column {key!r}, got {text!r}") from error


def check_place_crs(crs: str, name: str) -> None:
    """Refuse a text that is no CRS, or one without a place on Earth; ValueError."""
    try:
        known = pyproj.CRS(crs)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(f"{name}: expected a CRS such as EPSG:32633, got {crs!r} ({error})") from error
    if not (known.is_geographic or known.is_projected):
        raise ValueError(f"{name}: expected a CRS that has a place on Earth, got {known.name}")


def _read_csv(path: Path, name: str, crs: str | None, crs_option: str) -> tuple[list[PointRow], str]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")  # spreadsheets write ° so
    first = text.partition("\n")[0]
    delimiter = max(";\t,", key=first.count)
    table = csv.reader(StringIO(text), delimiter=delimiter, skipinitialspace=True)
    header = [key.strip() for key in next(table, [])]
    x, y, own_crs = _coordinate_columns(name, header, crs, crs_option)
    rows = []
    for fields in table:
        if not fields:
            continue
        where = f"{name}, line {table.line_num}"
        _check_length(where, len(fields), len(header))
        cells = {key: field.strip() for key, field in zip(header, fields, strict=True)}
        if delimiter == ";":
            cells = {key: re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", value) for key, value in cells.items()}
        rows.append(PointRow(where, read_number(where, x, cells[x]), read_number(where, y, cells[y]), cells))
    return rows, own_crs


def _check_length(where: str, found: int, expected: int) -> None:
    """Refuse a row of another length than the header: its cells may stand under the wrong names; ValueError."""
    if found != expected:
        likely = (
            "is a decimal comma taken for one between fields? Write decimal points, or semicolons between fields"
            if found > expected
            else "is it cut off? Leave a missing value empty, with its comma"
        )
        raise ValueError(f"{where}: expected {expected} fields as in the header, found {found}; {likely}")


def _coordinate_columns(name: str, header: list[str], crs: str | None, crs_option: str) -> tuple[str, str, str]:
    lon, lat, x, y = (find_column(header, names) for names in (LON, LAT, X, Y))
    if lon and lat:
        return lon, lat, "EPSG:4326"
    if x and y and crs:
        return x, y, crs
    wanted = f"the CRS of x and y with {crs_option}" if x and y else "columns lon and lat, or x and y"
    raise ValueError(f"{name}: expected {wanted}; the columns are {', '.join(header)}")


def _read_vector(path: Path, name: str) -> tuple[list[PointRow], str]:
    try:
        meta, _, wkb, columns = pyogrio.raw.read(path, force_2d=True, datetime_as_string=True)  # keeps UTC offsets
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ValueError(f"{name}: not a readable vector file ({error})") from error
    if not meta["crs"]:
        raise ValueError(f"{name}: the file has no CRS; set it in the file")
    rows = []
    for number, shape in enumerate(shapely.from_wkb(wkb)):
        where = f"{name}, feature {number + 1}"
        if shape is None or shape.geom_type != "Point" or shape.is_empty:
            raise ValueError(f"{where}: expected a point, got {'none' if shape is None else shape.geom_type}")
        cells = {str(key): _text(values[number]) for key, values in zip(meta["fields"], columns, strict=True)}
        rows.append(PointRow(where, shape.x, shape.y, cells))
    return rows, str(meta["crs"])


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
