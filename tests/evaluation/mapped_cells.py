"""A map of 8 × 10 cells and a table of its labelled patches, for the tests of the evaluation."""

from pathlib import Path

import geopandas
import numpy as np
from shapely.geometry import Point, box

from lczmap.grid import Grid
from lczmap.raster import write_class_map, write_probabilities

GRID = Grid("EPSG:32633", 300_000.0, 5_800_000.0, 100, 80, 10, 40, box(300_000, 5_799_200, 301_000, 5_800_000))


def write_patches(path: Path, rows: list[tuple[int, int, int, int, str]]) -> None:
    row, col, code, area, split = zip(*rows, strict=True)
    table = {"row": row, "col": col, "code": code, "area": area, "split": split}
    points = [Point(GRID.west + 100 * c + 50, GRID.north - 100 * r - 50) for r, c in zip(row, col, strict=True)]
    geopandas.GeoDataFrame(table, geometry=points, crs=GRID.crs).to_file(path)


def write_maps(folder: Path, codes: np.ndarray, confidence: float = 0.8) -> tuple[Path, Path]:
    probabilities = np.full((17, *codes.shape), (1 - confidence) / 16, np.float32)
    rows, cols = np.nonzero(codes)
    probabilities[codes[rows, cols] - 1, rows, cols] = confidence
    probabilities[:, codes == 0] = np.nan
    lcz, out = folder / "lcz.tif", folder / "probabilities.tif"
    write_class_map(lcz, codes, GRID.cell_geobox, tags={})
    whole = (slice(0, codes.shape[0]), slice(0, codes.shape[1]))
    write_probabilities(out, iter([(whole, probabilities)]), GRID.cell_geobox, tags={})
    return lcz, out
