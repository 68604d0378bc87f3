"""Which radar pixel shows each pixel of a map, and bringing radar pixels onto the map.

Range-Doppler geocoding over a height model: each map pixel's centre at its height gives a zero-Doppler time and a
range time (`lczmap.sar.range_doppler`), these a burst, line and sample (`lczmap.sar.burst`, with the bistatic term).
The nearest radar pixel is taken: complex amplitudes of TOPS bursts turn by several cycles from line to line, so no
interpolation of them means anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.sar.burst import BurstTable, serve
from lczmap.sar.orbit import OrbitFit
from lczmap.sar.range_doppler import (
    check_heights,
    ground_points,
    position_on,
    row_of_nodes,
    solve,
    surface_nodes,
    zero_doppler,
)

__all__ = ["Placement", "gather", "ground_points", "place", "radar_windows", "solve"]

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """The nearest radar pixel of each map pixel, arrays (rows, cols); all -1 where no burst shows it."""

    burst: npt.NDArray[np.int16]
    """Entry of the `BurstTable`."""
    line: npt.NDArray[np.int32]
    """Line within the burst."""
    sample: npt.NDArray[np.int32]
    """Sample of the subswath's image."""


def place(geobox: GeoBox, height: npt.NDArray[np.floating], orbit: OrbitFit, table: BurstTable) -> Placement:
    """Return which radar pixel shows each pixel of a north-up map.

    `height` (rows, cols) in metres above the WGS84 ellipsoid at the pixels' centres, NaN where unknown: no radar pixel
    then. The result does not depend on how a map is cut into blocks. To show elsewhere what lies at x, translate the
    map (and read the heights of the translated map).
    """
    check_heights(geobox, height)
    nodes = surface_nodes(geobox, orbit)
    placement = Placement(
        np.empty(height.shape, np.int16), np.empty(height.shape, np.int32), np.empty(height.shape, np.int32)
    )
    found = (placement.burst, placement.line, placement.sample)
    path = (orbit.coefficients, orbit.centre_s, orbit.half_s)
    _place(np.ascontiguousarray(height, np.float64), *nodes, *path, table.bistatic_range_time_s, *table.kernel, *found)
    return placement


def radar_windows(placement: Placement) -> dict[int, tuple[slice, slice]]:
    """Return by entry of the table, in order, the (lines, samples) of the burst that the map takes pixels from."""
    entries = int(placement.burst.max(initial=-1)) + 1
    reach = np.empty((entries, 4), np.int32)  # first and last line, first and last sample
    reach[:, 0::2], reach[:, 1::2] = np.iinfo(np.int32).max, -1
    _reach(placement.burst, placement.line, placement.sample, reach)
    return {
        entry: (slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1))
        for entry, (top, bottom, left, right) in enumerate(reach)
        if bottom >= 0
    }


def gather(layers: Float, first_line: int, first_sample: int, placement: Placement, entry: int, out: Float) -> None:
    """Copy radar pixels of one burst into a map `out` (n, rows, cols) where that burst serves.

    `layers` (n, lines, samples) is a window of the burst `entry` of the table, its first pixel line `first_line` of
    the burst and sample `first_sample`. Map pixels of other bursts or outside the window keep their values.
    """
    if layers.ndim != 3 or out.shape != (layers.shape[0], *placement.burst.shape):
        expected = (layers.shape[0], *placement.burst.shape)
        raise ValueError(
            f"expected layers (n, lines, samples) and a map of {expected}, got {layers.shape}, {out.shape}"
        )
    _gather(layers, first_line, first_sample, placement.burst, placement.line, placement.sample, entry, out)


@numba.njit(parallel=True, cache=True)
def _place(  # type: ignore[no-untyped-def]  # numba arrays
    height, values, row0, col0, coefficients, centre, half, bistatic, swath, windows, timing, first, last,
    burst, lines, samples,
):  # fmt: skip
    rows, cols = height.shape
    for row in numba.prange(rows):
        along = row_of_nodes(values, row0 + row)
        entry = -1
        for col in range(cols):
            x, y, z, guess = position_on(along, col0 + col, float(height[row, col]))
            time, range_time = zero_doppler(coefficients, centre, half, x, y, z, guess)
            line_time = time - 0.5 * (range_time - bistatic)
            entry, line, sample = serve(line_time, range_time, entry, swath, windows, timing, first, last)
            burst[row, col], lines[row, col], samples[row, col] = entry, line, sample


@numba.njit(cache=True)
def _reach(burst, lines, samples, reach):  # type: ignore[no-untyped-def]  # numba arrays
    rows, cols = burst.shape
    for row in range(rows):
        for col in range(cols):
            entry = burst[row, col]
            if entry >= 0:
                reach[entry, 0] = min(reach[entry, 0], lines[row, col])
                reach[entry, 1] = max(reach[entry, 1], lines[row, col])
                reach[entry, 2] = min(reach[entry, 2], samples[row, col])
                reach[entry, 3] = max(reach[entry, 3], samples[row, col])


@numba.njit(parallel=True, cache=True)
def _gather(layers, first_line, first_sample, burst, lines, samples, entry, out):  # type: ignore[no-untyped-def]  # numba arrays
    count, height, width = layers.shape
    rows, cols = burst.shape
    for row in numba.prange(rows):
        for col in range(cols):
            if burst[row, col] == entry:
                line, sample = lines[row, col] - first_line, samples[row, col] - first_sample
                if 0 <= line < height and 0 <= sample < width:
                    for layer in range(count):
                        out[layer, row, col] = layers[layer, line, sample]
