"""What an LCZ map is: its grid, the numbering of its classes, their areas, its tags and the files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.classes import NUM_CLASSES, wudapt_to_code
from lczmap.raster import RasterHeader, footprint, read_header, read_strips

Numbering = Literal["1..17", "1..10 and 101..107", "1..10 (either numbering)"]

SIDECARS = (".aux.xml", ".ovr", ".msk")
"""Endings that GDAL adds to a raster's whole name."""
STYLES = (".qml", ".clr", ".sld", ".lyrx")
"""Endings that replace a raster's own."""
SOFTWARE_TAG = "TIFFTAG_SOFTWARE"
MAX_VALUES = 256

_STRIP_ROWS = 512


@dataclass(frozen=True)
class ClassCount:
    """Cells and area of one class on a map; `area_km2` on the ellipsoid where the CRS is in degrees."""

    code: int
    cells: int
    area_km2: float


@dataclass(frozen=True)
class MapInfo:
    """A class map: its header, the numbering found, nodata cells, and the classes that occur.

    `lonlat` is west, south, east, north in degrees, None without a CRS; `pixel_km2` of the middle row.
    """

    path: Path
    header: RasterHeader
    numbering: Numbering
    nodata_cells: int
    classes: tuple[ClassCount, ...]
    lonlat: tuple[float, float, float, float] | None
    sidecars: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """True where the map says that lczmap made it."""
        return self.header.tags.get(SOFTWARE_TAG, "").startswith("lczmap")


def read_info(path: Path, *, band: int = 1) -> MapInfo:
    """Read what a class map is, strip by strip; ValueError when its band holds anything but LCZ codes."""
    header = read_header(path)
    if not 1 <= band <= len(header.names):
        raise ValueError(f"{path}: expected a band from 1 to {len(header.names)}, got {band}")
    areas = _row_areas_km2(header)
    cells: dict[int, int] = {}
    area: dict[int, float] = {}
    top = 0
    for (strip,) in read_strips(path, _STRIP_ROWS, band=band):
        for value, in_row in _count(path, header, band, strip):
            cells[value] = cells.get(value, 0) + int(in_row.sum())
            area[value] = area.get(value, 0.0) + float(in_row @ areas[top : top + len(strip)])
        top += len(strip)
    found = [value for value in cells if value > 0]
    numbering = find_numbering(found, f"{path}, band {band} ({header.names[band - 1] or 'unnamed'})")
    codes = wudapt_to_code(np.array(found, np.int64)) if "101" in numbering else np.array(found, np.int64)
    classes = [ClassCount(int(c), cells[v], area[v]) for c, v in sorted(zip(codes.tolist(), found, strict=True))]
    return MapInfo(path, header, numbering, cells.get(0, 0), tuple(classes), _lonlat(header), _sidecars(path))


def find_numbering(values: list[int], where: str) -> Numbering:
    """Return the numbering that these values above 0 are of; ValueError, naming `where`, when they are of none."""
    allowed, older = set(range(1, NUM_CLASSES + 1)), {*range(1, 11), *range(101, 108)}
    found = set(values)
    if found <= set(range(1, 11)):
        return "1..10 (either numbering)"
    if found <= allowed:
        return "1..17"
    if found <= older:
        return "1..10 and 101..107"
    strange = sorted(found - allowed - older) or sorted(found)
    shown = ", ".join(map(str, strange[:8])) + (" …" if len(strange) > 8 else "")
    raise ValueError(
        f"{where}: expected LCZ classes 1..17, or 1..10 and 101..107, found {shown}; is it another band's turn "
        "(--band), or no LCZ map?"
    )


def _count(
    path: Path, header: RasterHeader, band: int, strip: npt.NDArray[np.generic]
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield each value of a strip (y, x), 0 for nodata, and how often each row holds it; ValueError for fractions."""
    numbers = strip.astype(np.float64)
    missing = ~np.isfinite(numbers) | (numbers <= 0)
    if header.nodata is not None:
        missing |= numbers == header.nodata
    numbers[missing] = 0
    values = np.unique(numbers)
    if len(values) > MAX_VALUES or (values != np.floor(values)).any():
        name = header.names[band - 1] or "unnamed"
        raise ValueError(
            f"{path}, band {band} ({name}): expected LCZ classes as whole numbers, found {values[-1]:g} among "
            f"{len(values)} values of {header.dtypes[band - 1]}; it is no class map: name the band that is (--band)"
        )
    for value in values:
        yield int(value), np.asarray((numbers == value).sum(axis=1), np.int64)


def _row_areas_km2(header: RasterHeader) -> npt.NDArray[np.float64]:
    """Return the area of a cell of each row in km²; NaN without a CRS."""
    rows, transform = header.shape[0], header.transform
    if header.crs is None:
        return np.full(rows, np.nan)
    crs = pyproj.CRS(header.crs)
    if not crs.is_geographic:
        unit = crs.axis_info[0].unit_conversion_factor
        return np.full(rows, abs(transform.a * transform.e - transform.b * transform.d) * unit**2 / 1e6)
    return np.array([_cell_area_km2(crs.get_geod(), transform, row) for row in range(rows)])


def _cell_area_km2(geod: pyproj.Geod | None, transform: Affine, row: int) -> float:
    lon, lat = zip(*(transform @ corner for corner in ((0, row), (1, row), (1, row + 1), (0, row + 1))), strict=True)
    area, _ = (geod or pyproj.Geod(ellps="WGS84")).polygon_area_perimeter(lon, lat)
    return float(abs(area)) / 1e6


def _lonlat(header: RasterHeader) -> tuple[float, float, float, float] | None:
    if header.crs is None:
        return None
    return footprint(GeoBox(header.shape, header.transform, header.crs), "EPSG:4326")


def _sidecars(path: Path) -> tuple[str, ...]:
    beside = [path.with_name(path.name + ending) for ending in SIDECARS] + [path.with_suffix(e) for e in STYLES]
    return tuple(p.name for p in beside if p.is_file())
