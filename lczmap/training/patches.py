"""The table of labelled patches: one patch per map cell whose centre a training area (or a teacher) labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from lczmap.aoi import to_lonlat
from lczmap.classes import NODATA_CODE, NUM_CLASSES, index_to_code
from lczmap.files import write_json
from lczmap.grid import PATCH_PX, Grid, aoi_cells, check_patch_px
from lczmap.raster import check_grid, read_strips
from lczmap.training.areas import Areas, read_areas
from lczmap.training.counts import PatchCounts, count_patches, count_teacher_patches, no_test_polygon
from lczmap.training.splits import (
    DROPPED,
    SPLITS,
    TEST,
    Half,
    Splits,
    drop_overlapping,
    needed_polygons,
    split_halves,
    split_polygons,
)
from lczmap.vector_file import write_layer

TAUGHT_HALF, TESTED_HALF = 1, 2
"""Area numbers in a teacher's table."""
_STRIP_ROWS = 256  # rows of a teacher's probabilities that are read at once


@dataclass(frozen=True)
class PatchTable:
    """Labelled cells of the map, each (N,): row, column, code 1..17, area (polygon number from 1), split."""

    row: npt.NDArray[np.int64]
    col: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]
    area: npt.NDArray[np.int64]
    split: Splits

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.row)

    def of(self, chosen: npt.NDArray[np.generic] | str) -> PatchTable:
        """Return the rows of one split, or those that a boolean or integer index (…,) chooses."""
        which = self.split == chosen if isinstance(chosen, str) else chosen
        return PatchTable(self.row[which], self.col[which], self.code[which], self.area[which], self.split[which])


def select_patches(
    grid: Grid,
    areas_path: Path,
    out_gpkg: Path,
    out_json: Path,
    *,
    validation: float,
    test: float,
    seed: int,
    patch_px: int = PATCH_PX,
    field: str | None = None,
    must_test: bool = False,
) -> PatchCounts:
    """Write the patches of training areas with their splits (GeoPackage of cell centres), and their counts (JSON).

    A cell inside the AOI belongs to the polygon that holds its centre; cells in polygons of different classes are
    left out and counted. Polygons are split (splits.py), `validation` and `test` are their shares; patches of
    `patch_px` that overlap another split's are kept in the table as `dropped`. ValueError when no cell has a label, and
    where polygons `must_test` and none comes into the split test.
    """
    check_patch_px(patch_px)
    if must_test and test <= 0:
        raise ValueError(f"expected a share `test` above 0 where polygons must test, got {test}; set it to 0.25, say")
    areas = read_areas(areas_path, field=field)
    owner, contested = cells_of_areas(areas.to_crs(grid.crs), grid)
    row, col = np.nonzero(owner >= 0)
    if not row.size:
        raise ValueError(
            f"training areas {areas_path}: no polygon holds the centre of a map cell inside the area of interest; the "
            f"polygons extend over {_extent(areas.polygons, areas.crs)}, the area of interest over "
            f"{_extent([grid.aoi], grid.crs)} (west, south, east, north in degrees); check both files"
        )
    polygon = owner[row, col]
    used = np.unique(polygon)
    split_of = np.full(len(areas.codes), DROPPED, dtype="<U10")
    split_of[used] = split_polygons(areas.codes[used], validation=validation, test=test, seed=seed)
    needed = needed_polygons(validation=validation, test=test)
    if must_test and TEST not in split_of:
        raise ValueError(f"training areas {areas_path}: {no_test_polygon(areas.codes[used], needed)}")
    splits = drop_overlapping(row, col, split_of[polygon], cell_px=grid.cell_px, patch_px=patch_px)
    table = PatchTable(row, col, areas.codes[polygon].astype(np.int64), polygon + 1, splits)
    counts = count_patches(
        table.code,
        table.area,
        table.split,
        before=split_of[polygon],
        contested=contested,
        areas=areas,
        needed=needed,
        is_tested=test > 0,
    )
    _write(out_gpkg, out_json, table, grid, counts)
    return counts


def select_teacher_patches(
    grid: Grid, probabilities_path: Path, out_gpkg: Path, out_json: Path, *, half: Half, gap_m: float = 320.0
) -> PatchCounts:
    """Write every cell that a teacher has mapped: one `half` of the map to learn from, the other to test.

    `probabilities_path` holds the teacher's 17 probabilities on the grid's cells; `code` is its most probable class.
    Taught cells lie at least `gap_m` metres from every tested cell, centre to centre (a patch's width keeps patches
    apart); the cells between are `dropped`. There is no validation split. ValueError for another grid or an empty
    half.
    """
    codes = _teacher_codes(probabilities_path, grid)
    row, col = np.nonzero(codes != NODATA_CODE)
    code = codes[row, col].astype(np.int64)
    splits = split_halves(row, col, shape=grid.cells_shape, half=half, gap_cells=gap_m / grid.cell_m)
    area = np.where(splits == "test", TESTED_HALF, TAUGHT_HALF)
    table = PatchTable(row, col, code, area, splits)
    for split in ("train", "test"):
        if not (splits == split).any():
            raise ValueError(
                f"{probabilities_path}: the teacher left no cell to {split} on with the {half} half taught and a gap "
                f"of {gap_m:g} m; the map has {grid.cells_shape} cells of {grid.cell_m} m: choose another half or gap"
            )
    counts = count_teacher_patches(code, splits)
    _write(out_gpkg, out_json, table, grid, counts)
    return counts


def _teacher_codes(path: Path, grid: Grid) -> npt.NDArray[np.uint8]:
    """Return the most probable class (rows, cols) of a teacher, 0 where a probability is missing."""
    codes = np.full(grid.cells_shape, NODATA_CODE, np.uint8)
    check_grid(path, grid.cell_geobox)
    top = 0
    for strip in read_strips(path, _STRIP_ROWS):  # (17, y, x)
        if len(strip) != NUM_CLASSES:
            raise ValueError(f"{path}: expected {NUM_CLASSES} bands, got {len(strip)}")
        rows = slice(top, top + strip.shape[1])
        known = np.isfinite(strip).all(axis=0)
        codes[rows][known] = index_to_code(strip.argmax(axis=0)[known])
        top = rows.stop
    return codes


def cells_of_areas(areas: Areas, grid: Grid) -> tuple[npt.NDArray[np.int64], int]:
    """Return the polygon (rows, cols) that holds each cell's centre, -1 for none, and how many cells are contested.

    `areas` is in the grid's CRS. Where polygons of one class overlap the first owns the cell; where classes differ
    nobody does. Cells outside the AOI have no owner.
    """
    owner = np.full(grid.cells_shape, -1, np.int64)
    contested = np.zeros(grid.cells_shape, np.bool_)
    for number, polygon in enumerate(areas.polygons):
        for row, col in _cells_inside(polygon, grid):
            first = owner[row, col]
            contested[row, col] |= (first >= 0) & (areas.codes[first] != areas.codes[number])
            owner[row, col] = np.where(first < 0, number, first)
    inside = aoi_cells(grid)
    owner[contested | ~inside] = -1
    return owner, int((contested & inside).sum())


def read_patch_table(path: Path, *, shape: tuple[int, int]) -> PatchTable:
    """Read what `select_patches` wrote; `shape` is the map's rows and columns. ValueError for anything else."""
    import pyogrio  # brings pandas and geopandas, half a second that only reading is worth

    try:
        meta, _, _, columns = pyogrio.raw.read(path, read_geometry=False)
    except pyogrio.errors.DataSourceError as error:
        raise ValueError(f"{path}: not a readable table of patches ({error}); select the patches first") from error
    fields = dict(zip(meta["fields"], columns, strict=True))
    expected = ("row", "col", "code", "area", "split")
    if not set(expected) <= set(fields):
        raise ValueError(f"{path}: expected the columns {expected}, got {tuple(fields)}; select the patches again")
    row, col, code, area = (np.asarray(fields[name], np.int64) for name in expected[:4])
    split = np.asarray(fields["split"], dtype="<U10")
    if row.size and (min(row.min(), col.min()) < 0 or row.max() >= shape[0] or col.max() >= shape[1]):
        raise ValueError(f"{path}: cells outside the map of {shape[0]} × {shape[1]}; select the patches on this grid")
    if unknown := set(split.tolist()) - set(SPLITS):
        raise ValueError(f"{path}: expected the splits {SPLITS}, got {sorted(unknown)}; select the patches again")
    return PatchTable(row, col, code, area, split)


def _cells_inside(polygon: BaseGeometry, grid: Grid) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield the rows and columns of the cells whose centre lies in a polygon, nothing where it is off the grid."""
    west, south, east, north = polygon.bounds
    if not all(map(math.isfinite, (west, south, east, north))):
        return  # too far away for this UTM zone to have coordinates
    rows, cols = grid.cells_shape
    size = grid.cell_m
    first_row, last_row = (_bounded((grid.north - y) / size, rows) for y in (north, south))
    first_col, last_col = (_bounded((x - grid.west) / size, cols) for x in (west, east))
    row, col = np.mgrid[first_row : last_row + 1, first_col : last_col + 1]
    x, y = grid.west + (col + 0.5) * size, grid.north - (row + 0.5) * size
    held = shapely.contains_xy(polygon, x, y)
    yield row[held], col[held]


def _bounded(position: float, length: int) -> int:
    return min(max(math.floor(position), 0), length - 1)


def _extent(geometries: Sequence[BaseGeometry], crs: str) -> str:
    bounds = shapely.total_bounds([to_lonlat(geometry, crs) for geometry in geometries])
    return ", ".join(f"{value:.3f}" for value in bounds)


def _write(out_gpkg: Path, out_json: Path, table: PatchTable, grid: Grid, counts: PatchCounts) -> None:
    x = grid.west + (table.col + 0.5) * grid.cell_m
    y = grid.north - (table.row + 0.5) * grid.cell_m
    write_json(out_json, counts.to_json())
    points = np.asarray(shapely.points(x, y), dtype=object)
    write_layer(out_gpkg, "patches", points, vars(table), kind="Point", crs=grid.crs)
    print(counts.as_text(), flush=True)
