"""What the terrain does to a radar picture: incidence angles, layover and shadow, on the pixels of a map.

Heights are in metres above the WGS84 ellipsoid at the pixels' centres, NaN where unknown. Terrain outside the map is
not known here: give heights with a margin where mountains stand beside the city.
"""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.sar.orbit import OrbitFit
from lczmap.sar.range_doppler import SPEED_OF_LIGHT, check_heights, ground_points, solve

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

LAYOVER = 1
SHADOW = 2
_BLOCK_ROWS = 128  # rows worked on at once: 24 bytes per pixel and vector


def local_incidence(geobox: GeoBox, height: npt.NDArray[np.floating], orbit: OrbitFit) -> Float:
    """Return the angle between the terrain's normal and the direction to the satellite, (rows, cols) in degrees.

    Above 90 where the terrain faces away. The normal is that of central differences over two pixels (one at the map's
    edge). NaN where a height that it needs is.
    """
    check_heights(geobox, height)
    if min(height.shape) < 2:
        raise ValueError(f"expected a map of 2 × 2 pixels or more, got {height.shape}")
    angles = np.empty(height.shape, np.float32)
    for rows in _row_blocks(height.shape[0]):
        around = slice(max(rows.start - 1, 0), min(rows.stop + 1, height.shape[0]))
        points = ground_points(geobox[around, :], height[around])
        down, across = np.gradient(points, axis=1), np.gradient(points, axis=2)  # southward and eastward
        inner = slice(rows.start - around.start, rows.stop - around.start)
        normal = np.cross(down[:, inner], across[:, inner], axis=0)
        angles[rows] = _degrees_between(normal, _look(orbit, points[:, inner])[0])
    return angles


def layover_shadow(geobox: GeoBox, height: npt.NDArray[np.floating], orbit: OrbitFit) -> npt.NDArray[np.uint8]:
    """Return where terrain hides or overlays terrain, (rows, cols): 0 none, 1 layover, 2 shadow, 3 both.

    The map is walked along straight lines in the direction of range, which each pixel lies on one of. Going away from
    the satellite, a pixel whose slant range does not exceed all before it is in layover, and so is one whose slant
    range is not below all behind it: two places share a range. One whose look angle (from nadir) does not exceed all
    before it is in shadow. After W. G. Kropatsch & D. Strobl, "The generation of SAR layover and shadow maps from
    digital elevation models", IEEE TGRS 28(1), 1990. The direction is that at the map's centre; heights are
    interpolated between the rows that a line passes, and borders are good to about a pixel. Where the height is NaN, or
    that of the neighbour which is needed: 0, and no obstacle.
    """
    check_heights(geobox, height)
    slant, look = np.empty(height.shape), np.empty(height.shape)
    for rows in _row_blocks(height.shape[0]):
        to_satellite, satellite = _look(orbit, ground_points(geobox[rows, :], height[rows]))
        slant[rows] = np.linalg.norm(to_satellite, axis=0)
        look[rows] = _degrees_between(to_satellite, satellite)
    across, down = _range_direction(geobox, float(np.nanmean(height)), orbit)
    flags = np.zeros(height.shape, np.uint8)
    if abs(across) >= abs(down):
        _mark(slant, look, down / across, across > 0, flags)
    else:
        flags = np.ascontiguousarray(flags.T)
        _mark(np.ascontiguousarray(slant.T), np.ascontiguousarray(look.T), across / down, down > 0, flags)
        flags = np.ascontiguousarray(flags.T)
    return flags


def _row_blocks(rows: int) -> Iterator[slice]:
    for first in range(0, rows, _BLOCK_ROWS):
        yield slice(first, min(first + _BLOCK_ROWS, rows))


def _look(orbit: OrbitFit, points: Double) -> tuple[Double, Double]:
    """Return the vectors from points (3, ...) to the satellite that sees them, and the satellite's positions."""
    satellite = np.moveaxis(orbit.position(solve(orbit, points)[0]), -1, 0)  # (3, ...)
    return satellite - points, satellite


def _degrees_between(first: Double, second: Double) -> Double:
    length = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    cosine = (first * second).sum(axis=0) / length
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.float64)


def _range_direction(geobox: GeoBox, height: float, orbit: OrbitFit) -> tuple[float, float]:
    """Return the direction away from the satellite at the map's centre, in columns and rows."""
    row, col = geobox.shape[0] // 2, geobox.shape[1] // 2
    part = geobox.pad(1)[row : row + 3, col : col + 3]  # around the centre, whatever the map's size
    range_m = solve(orbit, ground_points(part, np.full((3, 3), height)))[1] * (SPEED_OF_LIGHT / 2)
    across = float(range_m[1, 2] - range_m[1, 0]) / geobox.transform.a**2
    down = float(range_m[2, 1] - range_m[0, 1]) / geobox.transform.e**2
    if not np.isfinite(across + down):
        raise ValueError("expected a map with heights that the satellite passed, got none at its centre")
    return across, down


@numba.njit(cache=True)
def _between_rows(values, place, col):  # type: ignore[no-untyped-def]  # numba arrays
    # linear between the two rows around a fractional row; at the map's edge the row that is there
    above = int(np.floor(place))
    share = place - above
    below = min(above + 1, values.shape[0] - 1)
    above = max(above, 0)
    return values[above, col] + share * (values[below, col] - values[above, col])


@numba.njit(parallel=True, cache=True)
def _mark(slant, look, slope, forward, flags):  # type: ignore[no-untyped-def]  # numba arrays
    # lines in the direction of range: one per row at column 0, `slope` rows per column, the nearest row is marked;
    # `forward`: away from the satellite is toward higher columns
    rows, cols = slant.shape
    reach = int(np.ceil(abs(slope) * cols)) + 1
    for line in numba.prange(rows + 2 * reach):
        farthest, widest = -np.inf, -np.inf
        for step in range(cols):
            col = step if forward else cols - 1 - step
            place = line - reach + slope * col
            row = int(np.floor(place + 0.5))
            if 0 <= row < rows and not np.isnan(_between_rows(slant, place, col)):
                range_m, angle = _between_rows(slant, place, col), _between_rows(look, place, col)
                if range_m <= farthest:
                    flags[row, col] |= LAYOVER
                if angle <= widest:
                    flags[row, col] |= SHADOW
                farthest, widest = max(farthest, range_m), max(widest, angle)
        nearest = np.inf
        for step in range(cols):
            col = cols - 1 - step if forward else step
            place = line - reach + slope * col
            row = int(np.floor(place + 0.5))
            if 0 <= row < rows and not np.isnan(_between_rows(slant, place, col)):
                range_m = _between_rows(slant, place, col)
                if range_m >= nearest:
                    flags[row, col] |= LAYOVER
                nearest = min(nearest, range_m)
