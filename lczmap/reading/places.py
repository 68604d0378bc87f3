"""The class of a map at places, with what is known of it there: confidence, and how far the zone reaches."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.aoi import unwrapped
from lczmap.classes import CLASSES, class_values, find_numbering, to_codes
from lczmap.evaluation.map_accuracy_files import MAIN_MAPS
from lczmap.files import write_text
from lczmap.heat.stations import STATION
from lczmap.heat.zones import place_clearance_m
from lczmap.mapping.confidence import CONFIDENCE_BANDS
from lczmap.point_table import check_place_crs, find_column, read_points
from lczmap.raster import RasterHeader, lattice, read_at, read_header, read_windows, square_pixel_m
from lczmap.reading.header import check_crs

REACH_M = 1000.0
"""Farther than this from a place no border is looked for."""
COLUMNS = ("place", "lon", "lat", "state", "code", "label", "class", *CONFIDENCE_BANDS, "clearance_m")
State = Literal["class", "no class", "outside the map"]
Metres = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Places by name, at `x` and `y` (N,) in `crs`; x is to the east, or a longitude in degrees."""

    names: tuple[str, ...]
    x: Metres
    y: Metres
    crs: str


@dataclass(frozen=True)
class PlaceClass:
    """What a map says of a place at `lon` and `lat` in degrees; `code` is 0 unless the state is `class`.

    `confidence` and `entropy` are 0..1, None without confidence.tif. `clearance_m` is the distance to the nearest
    ground of another class or without one, at most the reach; None where it was not measured.
    """

    name: str
    lon: float
    lat: float
    state: State
    code: int = 0
    confidence: float | None = None
    entropy: float | None = None
    clearance_m: float | None = None


@dataclass(frozen=True)
class _Cell:
    """A place on a raster: row and column counted in cells from its corner, 0.5 is the first cell's centre."""

    row: float
    col: float

    def window(self, reach: int, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns up to `reach` cells away, as far as there are any."""
        row, col = int(self.row), int(self.col)
        rows = slice(max(row - reach, 0), min(row + reach + 1, shape[0]))
        return rows, slice(max(col - reach, 0), min(col + reach + 1, shape[1]))


def read_table(path: Path, *, crs: str | None = None) -> Places:
    """Read places from a CSV (lon and lat, or x and y in `crs`) or from the points of a vector file.

    They are called by a column such as `place`, `station` or `name`, else by their row. ValueError as `read_points`.
    """
    if not path.is_file():
        raise ValueError(f"places {path}: no such file; give a CSV with lon and lat, or points in a vector file")
    rows, own_crs = read_points(path, what="places", crs=crs)
    for row in rows:
        if not np.isfinite([row.x, row.y]).all():
            raise ValueError(f"{row.where}: expected a place, got the coordinates {row.x}, {row.y}")
    column = find_column(list(rows[0].cells), ("place", *STATION))
    names = tuple(row.cells[column] if column else str(number) for number, row in enumerate(rows, 1))
    return Places(names, np.array([row.x for row in rows]), np.array([row.y for row in rows]), own_crs)


def parse_place(text: str, *, crs: str | None = None) -> Places:
    """Read one place, `LON,LAT` in degrees or `X,Y` in `crs`; ValueError for anything else."""
    try:
        x, y = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(f"--at: expected LON,LAT in degrees, or X,Y with --crs, got {text!r}") from error
    if not np.isfinite([x, y]).all():
        raise ValueError(f"--at: expected a place, got {text!r}")
    check_place_crs(crs or "EPSG:4326", "--crs")
    return Places((text,), np.array([x]), np.array([y]), crs or "EPSG:4326")


def classes_at(
    map_path: Path, places: Places, *, confidence: Path | None = None, reach_m: float = REACH_M, band: int = 1
) -> tuple[list[PlaceClass], tuple[str, ...]]:
    """Return what an LCZ map of either numbering says of places, in their order, and notes on what it does not say.

    `confidence` is confidence.tif on the cells of the map; without it the one beside lcz.tif or lcz_filtered.tif is
    taken, if any: beside a map of another name it may be another map's. A place on the border of two cells belongs to
    the south-eastern one. Only the surroundings of places are read. ValueError for a map without a CRS, with anything
    but LCZ classes, or a confidence.tif of other cells.
    """
    header = read_header(map_path)
    _check_map(map_path, header, band)
    geobox, notes = lattice(map_path), []
    cells = _cells(geobox, places)
    try:
        cell_m = square_pixel_m(geobox, map_path)
    except ValueError as error:
        cell_m = None
        notes.append(f"no distance to the zone's border: {error}")
    inside = [cell for cell in cells if cell is not None]
    found = iter(_codes(map_path, header, inside, cell_m, reach_m, band))
    beside = confidence or _beside(map_path)
    if beside is None:
        notes.append(f"no confidence of {map_path.name} is known; name its confidence.tif with --confidence")
    sure = iter(_confidences(beside, geobox, inside))
    lonlat = pyproj.Transformer.from_crs(places.crs, "EPSG:4326", always_xy=True).transform(places.x, places.y)
    listed = []
    for name, lon, lat, cell in zip(places.names, *lonlat, cells, strict=True):
        if cell is None:
            listed.append(PlaceClass(name, float(lon), float(lat), "outside the map"))
            continue
        (code, clearance), likely = next(found), next(sure)
        if code:
            listed.append(PlaceClass(name, float(lon), float(lat), "class", code, *likely, clearance))
        else:
            listed.append(PlaceClass(name, float(lon), float(lat), "no class"))
    return listed, tuple(notes)


def write_places(path: Path, found: Sequence[PlaceClass]) -> None:
    """Write COLUMNS as CSV, a row for each place; what is not known is an empty cell."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place in found:
        lcz = CLASSES[place.code - 1] if place.code else None
        said = ("", "", "") if lcz is None else (lcz.code, lcz.label, lcz.name)
        likely = [_number(value, 4) for value in (place.confidence, place.entropy)]
        where = _number(place.lon, 6), _number(place.lat, 6)
        writer.writerow((place.name, *where, place.state, *said, *likely, _number(place.clearance_m, 1)))
    write_text(path, text.getvalue())


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _check_map(path: Path, header: RasterHeader, band: int) -> None:
    check_crs(path, header)
    if not 1 <= band <= len(header.names):
        raise ValueError(f"{path}: expected a band from 1 to {len(header.names)}, got {band}")


def _cells(geobox: GeoBox, places: Places) -> list[_Cell | None]:
    """Return where places lie on a raster, None for those outside; east of 180° longitudes may run on."""
    to_map = pyproj.Transformer.from_crs(places.crs, str(geobox.crs), always_xy=True)
    x, y = to_map.transform(places.x, places.y)
    if geobox.crs is not None and geobox.crs.geographic:
        box = geobox.boundingbox
        with np.errstate(invalid="ignore"):  # inf, PROJ's answer beyond a CRS
            x = unwrapped(np.asarray(x), (box.left + box.right) / 2)
    rows, cols = geobox.shape
    cells: list[_Cell | None] = []
    for place in zip(x, y, strict=True):
        col, row = ~geobox.transform @ place
        on_map = 0 <= row < rows and 0 <= col < cols  # False also for what PROJ cannot place
        cells.append(_Cell(float(row), float(col)) if on_map else None)
    return cells


def _codes(
    path: Path, header: RasterHeader, cells: Sequence[_Cell], cell_m: float | None, reach_m: float, band: int
) -> list[tuple[int, float | None]]:
    """Return code and clearance of cells of a map; the numbering is that of all that was read around them."""
    reach = 0 if cell_m is None else int(np.ceil(reach_m / cell_m)) + 1
    where = f"{path}, band {band} ({header.names[band - 1] or 'unnamed'})"
    windows = [cell.window(reach, header.shape) for cell in cells]
    values: list[np.uint8] = []
    clearances: list[float | None] = []
    seen: set[int] = set()
    for cell, (rows, cols), numbers in zip(cells, windows, read_windows(path, windows, band=band), strict=True):
        around = class_values(numbers, header.nodata, where)
        row, col = cell.row - rows.start, cell.col - cols.start
        values.append(around[int(row), int(col)])
        seen.update(np.unique(around).tolist())
        if cell_m is None or not values[-1]:
            clearances.append(None)
        else:
            clearances.append(place_clearance_m(around, row, col, cell_m, reach_m=reach_m))
    codes = to_codes(np.array(values, np.uint8), find_numbering(seen, where))
    return list(zip(codes.tolist(), clearances, strict=True))


def _beside(map_path: Path) -> Path | None:
    path = map_path.with_name("confidence.tif")
    return path if map_path.name in MAIN_MAPS and path.is_file() else None


def _confidences(path: Path | None, geobox: GeoBox, cells: Sequence[_Cell]) -> list[tuple[float | None, float | None]]:
    """Return the bands CONFIDENCE_BANDS of each cell; None without a file and where it has no data."""
    if path is None:
        return [(None, None)] * len(cells)
    names = read_header(path).names
    if not set(CONFIDENCE_BANDS) <= set(names) or lattice(path) != geobox:
        raise ValueError(
            f"{path}: expected the bands {' and '.join(CONFIDENCE_BANDS)} on the cells of the map, got "
            f"{', '.join(names)} on {lattice(path).shape[0]} × {lattice(path).shape[1]} cells; name the map's own with "
            "--confidence"
        )
    rows, cols = (np.array([int(at) for at in places]) for places in ([c.row for c in cells], [c.col for c in cells]))
    values = read_at(path, rows, cols)[[names.index(name) for name in CONFIDENCE_BANDS]]
    return [(_finite(first), _finite(second)) for first, second in values.T]


def _finite(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
