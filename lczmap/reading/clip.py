"""Cut an LCZ map of any origin to an area: the global map, one of the LCZ Generator, one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lczmap.aoi import LONLAT, bbox_aoi, parse_bbox, read_aoi, unwrapped
from lczmap.classes import PaletteName, palette_of
from lczmap.provenance import own_tags
from lczmap.raster import (
    cells_inside,
    lattice,
    read_classes_onto,
    read_header,
    turned,
    write_class_map,
)
from lczmap.reading.header import check_crs

RASTERS = (".tif", ".tiff", ".vrt")
"""Endings of an area that is the ground of a map."""
MOST_CELLS = 2_000_000_000
"""Cells that are cut out at most; each takes a few bytes of memory."""
EDGE_CELLS = 1e-6
"""Less than this beyond a cell's edge is rounding."""

Resampling = Literal["nearest", "majority"]


@dataclass(frozen=True)
class CutArea:
    """An area in longitude and latitude; of an outline, cells whose centre lies outside it are left without class.

    `path` is the file that it was read from, `ground` the lattice of a raster whose ground it is.
    """

    area: BaseGeometry
    is_outline: bool
    name: str
    path: Path | None = None
    ground: GeoBox | None = None


@dataclass(frozen=True)
class Cut:
    """What was written: its cells, and the share of the area's cells that have a class."""

    geobox: GeoBox
    share: float

    @property
    def crs_name(self) -> str:
        """The CRS as EPSG:… where it has a number, else its name."""
        crs = pyproj.CRS(str(self.geobox.crs))
        number = crs.to_epsg()
        return crs.name if number is None else f"EPSG:{number}"


def parse_area(text: str) -> CutArea:
    """Read west,south,east,north in degrees, the name of a raster, or that of a polygon file; ValueError otherwise."""
    bounds = parse_bbox(text)
    if bounds is not None:
        return CutArea(bbox_aoi(bounds), False, "the box")
    path = Path(text)
    if path.suffix.lower() not in RASTERS:
        return CutArea(read_aoi(path), True, path.name, path)
    check_crs(path, read_header(path))
    ground = lattice(path)
    box = ground.boundingbox
    area = bbox_aoi((box.left, box.bottom, box.right, box.top), str(ground.crs))
    return CutArea(area, False, path.name, path, ground)


def clip_map(
    map_path: Path,
    area: CutArea,
    out_path: Path,
    *,
    like: Path | None = None,
    resampling: Resampling = "nearest",
    palette: PaletteName | None = None,
    band: int = 1,
) -> Cut:
    """Write the part of an LCZ map that an area covers, in the format of lcz.tif.

    Its cells are the map's own in its own CRS, not resampled; with `like` all those of that map, each with the class at
    its centre or, by `majority`, the most frequent one in it, where its centre lies in the area. Codes become 1..17;
    tags name the source.
    Memory holds what is cut out. ValueError for a map without a CRS, with anything but LCZ classes, or without a class
    in the area, and for an area too large.
    """
    if resampling == "majority" and like is None:
        raise ValueError("--resampling majority needs --like: without it no cell is resampled")
    if out_path.resolve() in {path.resolve() for path in (map_path, like, area.path) if path is not None}:
        raise ValueError(f"{out_path}: is read here; give the part another name")
    header = read_header(map_path)
    check_crs(map_path, header)
    own = lattice(map_path)
    if like is None:
        geobox = _own_cells(own, area, map_path)
    else:
        check_crs(like, read_header(like))
        geobox = lattice(like)
    masks = area.is_outline or (like is not None and area.ground != geobox)
    outside = ~cells_inside(_in_crs(area, geobox), geobox) if masks else None
    mode: Literal["nearest", "mode"] = "mode" if resampling == "majority" else "nearest"
    codes, numbering = read_classes_onto(map_path, geobox, band=band, resampling=mode)
    if outside is not None:
        codes[outside] = 0
    cells = codes.size - (0 if outside is None else int(outside.sum()))
    classified = int(np.count_nonzero(codes))
    _check_found(cells, classified, area, like or map_path, map_path)
    source = f"{map_path.name} band {band} ({numbering})"
    how = {} if like is None else {"LCZMAP_RESAMPLED_FROM": f"{source} by {resampling} onto {like.name}"}
    tags = {**own_tags(header.tags), "LCZMAP_CLIPPED_FROM": f"{source} to {area.name}", **how}
    tags.pop("LCZMAP_GAPS", None)  # the share of the whole run's area
    write_class_map(out_path, codes, geobox, tags=tags, palette=palette or palette_of(header.tags))
    return Cut(geobox, classified / cells)


def _check_found(cells: int, classified: int, area: CutArea, grid_path: Path, map_path: Path) -> None:
    """Raise ValueError where no cell's centre lies in the area, or none there has a class."""
    if not cells:
        raise ValueError(
            f"{grid_path}: no centre of a cell lies in {area.name} ({_degrees(area.area)}); give an area on its ground"
        )
    if not classified:
        raise ValueError(
            f"{map_path}: has no class in {area.name} ({_degrees(area.area)}); compare it with the map's area: "
            f"lczmap info {map_path}"
        )


def _own_cells(own: GeoBox, area: CutArea, path: Path) -> GeoBox:
    """Return the cells of a map that touch an area, also across the antimeridian; ValueError for none or too many."""
    to_cell = ~own.transform
    corners = shapely.get_coordinates(shapely.transform(_in_crs(area, own), lambda xy: _moved(to_cell, xy)))
    first = np.floor(corners.min(axis=0) + EDGE_CELLS).astype(int)  # column, row
    last = np.ceil(corners.max(axis=0) - EDGE_CELLS).astype(int)
    reached = []
    for place in turned(own):
        begin = np.round(to_cell @ (place.transform.c, place.transform.f)).astype(int)
        end = begin + np.array([own.shape[1], own.shape[0]])
        part = np.maximum(first, begin), np.minimum(last, end)
        if (part[0] < part[1]).all():
            reached.append(part)
    if not reached:
        raise ValueError(
            f"{path}: does not reach {area.name} ({_degrees(area.area)}); compare it with the map's area: "
            f"lczmap info {path}"
        )
    (left, top), (right, bottom) = np.min([p[0] for p in reached], axis=0), np.max([p[1] for p in reached], axis=0)
    rows, cols = int(bottom - top), int(right - left)
    if rows * cols > MOST_CELLS:
        raise ValueError(
            f"{path}: expected an area of at most {MOST_CELLS:,} cells, {area.name} has {rows * cols:,}; cut a smaller "
            "one, or use --like with a coarser map"
        )
    return GeoBox((rows, cols), own.transform @ Affine.translation(int(left), int(top)), own.crs)


def _moved(transform: Affine, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return np.column_stack([a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f])


def _in_crs(cut: CutArea, geobox: GeoBox) -> BaseGeometry:
    """Return an area in the CRS of a raster; in degrees its longitudes run on across the antimeridian."""
    area = cut.area
    in_degrees = geobox.crs is not None and geobox.crs.geographic
    if cut.ground is not None and cut.ground.crs == geobox.crs and not in_degrees:
        return cut.ground.extent.geom  # through degrees and back, straight edges would bend out of their cells
    to_map = pyproj.Transformer.from_crs(LONLAT, str(geobox.crs), always_xy=True)
    west, _, east, _ = area.bounds

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x, y = to_map.transform(xy[:, 0], xy[:, 1])
        return np.column_stack([unwrapped(x, (west + east) / 2) if in_degrees else x, y])

    moved = shapely.transform(shapely.segmentize(area, 0.02), move)  # long edges bend
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise ValueError(f"expected an area that {geobox.crs} can hold, got {_degrees(area)}")
    return moved


def _degrees(area: BaseGeometry) -> str:
    west, south, east, north = area.bounds
    return f"{west:.3f} to {east:.3f}° E, {south:.3f} to {north:.3f}° N"
