"""What an LCZ map is: its grid, the numbering of its classes, their areas, its tags and the files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.classes import Numbering, class_values, find_numbering, to_codes
from lczmap.raster import RasterHeader, footprint, read_header, read_strips

SIDECARS = (".aux.xml", ".ovr", ".msk")
"""Endings that GDAL adds to a raster's whole name."""
STYLES = (".qml", ".clr", ".sld", ".lyrx")
"""Endings that replace a raster's own."""
SOFTWARE_TAG = "TIFFTAG_SOFTWARE"

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
    where = f"{path}, band {band} ({header.names[band - 1] or 'unnamed'})"
    areas = _row_areas_km2(header)
    cells, area = np.zeros(256, np.int64), np.zeros(256)
    top = 0
    for (strip,) in read_strips(path, _STRIP_ROWS, band=band):
        values = class_values(strip, header.nodata, where)
        for value in np.unique(values):
            in_row = (values == value).sum(axis=1)
            cells[value] += in_row.sum()
            area[value] += in_row @ areas[top : top + len(strip)]
        top += len(strip)
    found = np.flatnonzero(cells[1:]).astype(np.uint8) + 1
    numbering = find_numbering(found.tolist(), where)
    codes = to_codes(found, numbering)
    classes = [ClassCount(int(c), int(cells[v]), float(area[v])) for c, v in zip(codes, found, strict=True)]
    return MapInfo(path, header, numbering, int(cells[0]), tuple(classes), _lonlat(header), _sidecars(path))


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
