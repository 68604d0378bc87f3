"""What the benchmarks of the co-registration share: a peer, a table row, a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from skimage.registration import phase_cross_correlation

from lczmap.grid import Grid

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]

PIXEL_M = 10
MOST_PX = 3.0  # of the random shifts, each way
HEAD = "| picture | estimator | shifts | median, px | 95 %, px | largest, px | |\n|---|---|---|---|---|---|---|"


def plain_phase(optical: Float, radar: Float) -> tuple[float, float]:
    """Return what scikit-image finds (right, down, pixels) between two intensity pictures (y, x), NaN set to 0."""
    found = phase_cross_correlation(  # type: ignore[no-untyped-call]  # scikit-image has no types
        np.nan_to_num(optical), np.nan_to_num(radar), upsample_factor=100
    )
    shift = found[0]
    return float(shift[1]), float(shift[0])


def error_row(label: str, estimator: str, errors: Sequence[tuple[float, float]], note: str) -> str:
    length = np.hypot(*np.array(errors).T)
    figures = " | ".join(f"{value:.3f}" for value in (np.median(length), np.quantile(length, 0.95), length.max()))
    return f"| {label} | {estimator} | {len(length)} | {figures} | {note} |"


def square_grid(crs: str, west: float, north: float, size_px: int) -> Grid:
    """Return a grid of `size_px` × `size_px` pixels."""
    side = size_px * PIXEL_M
    return Grid(crs, west, north, size_px, size_px, 1, size_px, shapely.box(west, north - side, west + side, north))
