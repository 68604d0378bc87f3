"""A made city for the tests of heat islands: square zones, and temperatures with known offsets."""

from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.raster import write_cells, write_class_map

GEOBOX = GeoBox((60, 60), Affine(100, 0, 400_000, 0, -100, 5_800_000), "EPSG:32633")
OFFSETS = {2: 4.0, 6: 1.5, 11: -3.0, 14: 0.0}
"""Kelvin above LCZ D, by code."""


def zones_of(size: int = 10) -> np.ndarray:
    """Square zones of `size` cells in four classes, every class in every part of the map."""
    row, col = np.indices(GEOBOX.shape) // size
    return np.array(list(OFFSETS), np.uint8)[(row + 2 * col + row // 2) % 4]


def offsets(codes: np.ndarray) -> np.ndarray:
    return np.vectorize(OFFSETS.get)(codes).astype(float)


def write_city(path: Path, codes: np.ndarray, geobox: GeoBox = GEOBOX) -> Path:
    write_class_map(path, codes.astype(np.uint8), geobox, tags={})
    return path


def write_surface(path: Path, values: np.ndarray, geobox: GeoBox = GEOBOX, **tags: str) -> Path:
    write_cells(path, values.astype(np.float32)[None], geobox, names=[""], nodata=float("nan"), tags=tags)
    return path
