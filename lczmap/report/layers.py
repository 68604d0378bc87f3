"""The map of the page as bytes: classes, confidence and the five most probable classes of every cell.

A map of more than MAX_CELLS cells is shown coarser: blocks of cells, classes by the most frequent one, other values
by their mean. Rasters are read in strips, so memory holds no whole probability map.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.raster import read_strips

Bytes = npt.NDArray[np.uint8]

MAX_CELLS = 1_000_000
"""Cells that a page shows at most: 100 km × 100 km at 100 m."""
TOP = 5
"""Classes whose probability a page holds for each cell."""
STEPS = 200
"""A value 0..1 is stored in steps of 0.5 %."""
MISSING = 255
"""Stored for a value that is missing."""
_STRIP_VALUES = 20_000_000  # numbers that a strip holds: 80 MB of float32


def coarsening(shape: tuple[int, int], *, max_cells: int = MAX_CELLS) -> int:
    """Return how many cells on a side make one that is shown, at least 1."""
    factor = 1
    while math.ceil(shape[0] / factor) * math.ceil(shape[1] / factor) > max_cells:
        factor += 1
    return factor


def shown_classes(path: Path, shape: tuple[int, int], factor: int) -> Bytes:
    """Return the codes 0..17 of a class map (`shape` cells) as shown: a block's most frequent class, ties to the lower.

    A block of which more than half has no class is 0.
    """
    return np.concatenate([_most_frequent(block[0], factor) for block in _blocks(path, shape, factor, 1)])


def shown_values(path: Path, shape: tuple[int, int], factor: int, *, band: int) -> Bytes:
    """Return one band of values 0..1 as steps 0..200, 255 where it is NaN: the mean of a block's values."""
    strips = _blocks(path, shape, factor, 1, band=band)
    return np.concatenate([_steps(_mean(block, factor))[0] for block in strips])


def shown_probabilities(path: Path, shape: tuple[int, int], factor: int) -> tuple[Bytes, Bytes]:
    """Return the five most probable codes (5, y, x) of every cell, the first first, and their probabilities as steps.

    Code 0 and step 255 where a cell has no probabilities.
    """
    codes, steps = [], []
    for block in _blocks(path, shape, factor, NUM_CLASSES):
        mean = _mean(block, factor)  # (17, y, x)
        order = np.argsort(-mean, axis=0, kind="stable")[:TOP]
        missing = np.isnan(mean).any(axis=0)
        codes.append(np.where(missing, 0, order + 1).astype(np.uint8))
        steps.append(np.where(missing, MISSING, _steps(np.take_along_axis(mean, order, axis=0))))
    return np.concatenate(codes, axis=1), np.concatenate(steps, axis=1).astype(np.uint8)


def packed(planes: list[Bytes]) -> str:
    """Return planes (y, x) one after another, deflated (zlib, RFC 1950), as base64 text."""
    return base64.b64encode(zlib.compress(b"".join(plane.tobytes() for plane in planes), 9)).decode("ascii")


def _blocks(
    path: Path, shape: tuple[int, int], factor: int, bands: int, *, band: int | None = None
) -> Iterator[npt.NDArray[np.generic]]:
    """Yield strips (band, y, x) of whole blocks; ValueError for a raster of another size or number of bands."""
    rows = max(1, _STRIP_VALUES // (bands * shape[1] * factor)) * factor
    height = 0
    for strip in read_strips(path, rows, band=band):
        if strip.shape[2] != shape[1] or (band is None and strip.shape[0] != bands):
            raise ValueError(f"{path}: expected {bands} bands {shape[1]} cells wide, got {strip.shape}; run again")
        height += strip.shape[1]
        yield strip
    if height != shape[0]:
        raise ValueError(f"{path}: expected {shape[0]} rows as in the grid, got {height}; run again")


def _padded(strip: npt.NDArray[np.generic], factor: int, fill: float) -> npt.NDArray[np.generic]:
    """Return (band, y, x) with its last rows and columns filled up to whole blocks: (band, y, f, x, f)."""
    bands, height, width = strip.shape
    extra = ((0, 0), (0, -height % factor), (0, -width % factor))
    whole = np.pad(strip, extra, constant_values=fill) if factor > 1 else strip
    return whole.reshape(bands, whole.shape[1] // factor, factor, whole.shape[2] // factor, factor)


def _most_frequent(codes: npt.NDArray[np.generic], factor: int) -> Bytes:
    if factor == 1:
        return codes.astype(np.uint8)
    inside = _padded(np.ones((1, *codes.shape), bool), factor, 0)[0].sum(axis=(1, 3))
    blocks = _padded(codes[None], factor, 0)[0]
    counts = np.stack([(blocks == code).sum(axis=(1, 3)) for code in range(1, NUM_CLASSES + 1)])
    mapped = 2 * counts.sum(axis=0) >= inside
    return np.where(mapped, counts.argmax(axis=0) + 1, 0).astype(np.uint8)


def _mean(strip: npt.NDArray[np.generic], factor: int) -> npt.NDArray[np.float32]:
    values = strip.astype(np.float32, copy=False)
    if factor == 1:
        return values
    blocks = _padded(values, factor, np.nan)
    present = ~np.isnan(blocks)
    count = present.sum(axis=(2, 4))
    total = np.where(present, blocks, 0).sum(axis=(2, 4))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _steps(values: npt.NDArray[np.float32]) -> Bytes:
    rounded = np.rint(np.clip(values, 0, 1) * STEPS)
    return np.where(np.isnan(values), MISSING, rounded).astype(np.uint8)
