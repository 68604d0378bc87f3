"""What an LCZ map is: its grid, the numbering of its classes, their areas, its tags and the files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from lczmap.classes import Numbering, class_values, find_numbering, to_codes
from lczmap.evaluation.cell_areas import CellAreas
from lczmap.raster import RasterHeader, footprint, read_header, read_strips

SIDECARS = (".aux.xml", ".ovr", ".msk")
"""Endings that GDAL adds to a raster's whole name."""
STYLES = (".qml", ".clr", ".sld", ".lyrx")
"""Endings that replace a raster's own."""
SOFTWARE_TAG = "TIFFTAG_SOFTWARE"

_STRIP_ROWS = 512


@dataclass(frozen=True)
class ClassCount:
    """Cells and area of one class on a map; `area_km2` is NaN where the map has no CRS."""

    code: int
    cells: int
    area_km2: float


@dataclass(frozen=True)
class MapInfo:
    """A class map: its header, the numbering found, nodata cells, and the classes that occur.

    `lonlat` is west, south, east, north in degrees, None without a CRS. `area_basis` says what areas are: of the plane
    of the CRS where that is true to `MAX_AREA_ERROR`, else of the ellipsoid.
    """

    path: Path
    header: RasterHeader
    numbering: Numbering
    nodata_cells: int
    classes: tuple[ClassCount, ...]
    area_basis: str
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
    areas = CellAreas(header.crs, header.transform, header.shape)
    cells, area = np.zeros(256, np.int64), np.zeros(256)
    top = 0
    for (strip,) in read_strips(path, _STRIP_ROWS, band=band):
        values = class_values(strip, header.nodata, where)
        of_cell = areas.of_rows_km2(top, top + len(strip))  # (rows, parts)
        for value in np.unique(values):
            in_part = np.add.reduceat(values == value, areas.starts, axis=1, dtype=np.int64)  # (rows, parts)
            cells[value] += in_part.sum()
            area[value] += (in_part * of_cell).sum(where=in_part > 0)
        top += len(strip)
    found = np.flatnonzero(cells[1:]).astype(np.uint8) + 1
    numbering = find_numbering(found.tolist(), where)
    codes = to_codes(found, numbering)
    classes = [ClassCount(int(c), int(cells[v]), float(area[v])) for c, v in zip(codes, found, strict=True)]
    return MapInfo(
        path=path,
        header=header,
        numbering=numbering,
        nodata_cells=int(cells[0]),
        classes=tuple(classes),
        area_basis=areas.basis,
        lonlat=_lonlat(header),
        sidecars=_sidecars(path),
    )


def _lonlat(header: RasterHeader) -> tuple[float, float, float, float] | None:
    if header.crs is None:
        return None
    return footprint(GeoBox(header.shape, header.transform, header.crs), "EPSG:4326")


def _sidecars(path: Path) -> tuple[str, ...]:
    beside = [path.with_name(path.name + ending) for ending in SIDECARS] + [path.with_suffix(e) for e in STYLES]
    return tuple(p.name for p in beside if p.is_file())
