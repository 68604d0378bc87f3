"""Where on Earth map pixels lie, and when and how far away a satellite saw them.

A point is seen at its zero-Doppler time, the time at which the line of sight is perpendicular to the satellite's
Earth-fixed velocity; its range time is the two-way delay at that time (J. C. Curlander, "Location of spaceborne SAR
imagery", IEEE TGRS 20(3), 1982; UZH-S1-GC-AD, "Guide to Sentinel-1 Geocoding"). Solved by Newton's method in float64.

Positions are Earth-centred (WGS84) in metres, heights above the WGS84 ellipsoid, times seconds since the orbit's epoch.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.sar.orbit import OrbitFit

Double = npt.NDArray[np.float64]

SPEED_OF_LIGHT = 299_792_458.0  # m / s
SEMI_MAJOR_M = 6_378_137.0  # WGS84
ECCENTRICITY_2 = 6.694_379_990_141e-3  # WGS84, squared

NODE_PX = 8
"""Every so many pixels a map's position is worked out; between, the ellipsoid is 0.3 mm lower than it should be."""
_HIGH_M = 1000.0  # nodes are solved at this height as well, for first guesses
_CLOSE_S = 1e-5  # a Newton step as short as this leaves an error below 1e-12 s: it shrinks as the square
_MOST_STEPS = 20  # 2 to 5 are enough anywhere on Earth


class Nodes(NamedTuple):
    """A map's surface at nodes every `NODE_PX` pixels, at places that do not depend on where a map is cut.

    `values` (node rows, node cols, 8): position on the ellipsoid (3), its upward normal (3), zero-Doppler time there
    and how it changes per metre of height. Pixel (row, col) lies `row0` + row and `col0` + col pixels after the first.
    """

    values: Double
    row0: int
    col0: int


def ground_points(geobox: GeoBox, height: npt.NDArray[np.floating]) -> Double:
    """Return Earth-centred positions (3, rows, cols) in metres of a map's pixel centres at heights (rows, cols).

    NaN where the height is NaN. Within 1 mm for pixels up to 10 m.
    """
    check_heights(geobox, height)
    nodes = surface_nodes(geobox, None)
    points = np.empty((3, *height.shape))
    _ground(np.ascontiguousarray(height, np.float64), nodes.values, nodes.row0, nodes.col0, points)
    return points


def solve(orbit: OrbitFit, points: Double) -> tuple[Double, Double]:
    """Return zero-Doppler time (s since epoch) and two-way range time (s) of positions (3, ...), each (...).

    NaN where a position is NaN, lies left of the track (Sentinel-1 looks right) or is passed outside the orbit's time.
    """
    flat = np.ascontiguousarray(points, np.float64).reshape(3, -1)
    times = np.empty((2, flat.shape[1]))
    _solve(flat, orbit.coefficients, orbit.centre_s, orbit.half_s, times)
    return times[0].reshape(points.shape[1:]), times[1].reshape(points.shape[1:])


def check_heights(geobox: GeoBox, height: npt.NDArray[np.floating]) -> None:
    """Raise ValueError unless `height` has the size of the map."""
    if height.shape != geobox.shape:
        raise ValueError(f"expected heights of {tuple(geobox.shape)} pixels, as the map, got {height.shape}")


def surface_nodes(geobox: GeoBox, orbit: OrbitFit | None) -> Nodes:
    """Return the nodes of a north-up map; without `orbit` their times are NaN."""
    transform = geobox.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise ValueError(f"expected a map whose rows run north to south, got the transform {tuple(transform)[:6]}")
    (x, col0), (y, row0) = (
        _node_places(transform.c, transform.a, geobox.width),
        _node_places(transform.f, transform.e, geobox.height),
    )
    to_lonlat = pyproj.Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(*np.meshgrid(x, y))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise ValueError(f"expected a map that {geobox.crs} can show, got bounds {tuple(geobox.boundingbox)}")
    surface, normal = _on_ellipsoid(lon, lat)
    values = np.full((*lon.shape, 8), np.nan)
    values[..., :3], values[..., 3:6] = np.moveaxis(surface, 0, -1), np.moveaxis(normal, 0, -1)
    if orbit is not None:
        low, high = (solve(orbit, surface + h * normal)[0] for h in (0.0, _HIGH_M))
        values[..., 6], values[..., 7] = low, (high - low) / _HIGH_M
    return Nodes(values, row0, col0)


def _node_places(origin: float, pixel: float, size: int) -> tuple[Double, int]:
    """Return the nodes' coordinates along one axis, and how many pixels after the first node pixel 0 lies."""
    offset = round(origin / pixel) % NODE_PX
    count = (offset + size - 1) // NODE_PX + 2
    first = offset - 0.5  # pixels from the first node to the map's edge
    return origin + pixel * (np.arange(count, dtype=np.float64) * NODE_PX - first), offset


def _on_ellipsoid(lon: Double, lat: Double) -> tuple[Double, Double]:
    """Return positions on the ellipsoid and upward normals, each (3, ...), of degrees."""
    lam, phi = np.radians(lon), np.radians(lat)
    normal = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    surface = SEMI_MAJOR_M / np.sqrt(1 - ECCENTRICITY_2 * normal[2] ** 2) * normal
    surface[2] *= 1 - ECCENTRICITY_2
    return surface, normal


@numba.njit(cache=True)
def row_of_nodes(values, row):  # type: ignore[no-untyped-def]  # numba array
    """Return the nodes' values (node cols, 8) along a row of pixels counted from the first node."""
    above, share = row // NODE_PX, (row % NODE_PX) / NODE_PX
    return values[above] + (values[above + 1] - values[above]) * share


@numba.njit(cache=True, inline="always")
def between(along, node, value, share):  # type: ignore[no-untyped-def]  # numba array
    """Return one of the 8 values between a node and the next."""
    return along[node, value] + (along[node + 1, value] - along[node, value]) * share


@numba.njit(cache=True)
def position_on(along, col, height):  # type: ignore[no-untyped-def]  # numba array
    """Return a position (x, y, z) at a column of pixels counted from the first node, and a guess of its time.

    `along` from `row_of_nodes`, `height` in metres.
    """
    node, share = col // NODE_PX, (col % NODE_PX) / NODE_PX
    x = between(along, node, 0, share) + height * between(along, node, 3, share)
    y = between(along, node, 1, share) + height * between(along, node, 4, share)
    z = between(along, node, 2, share) + height * between(along, node, 5, share)
    guess = between(along, node, 6, share) + height * between(along, node, 7, share)
    return x, y, z, guess


@numba.njit(cache=True, error_model="numpy")
def zero_doppler(path, centre, half, x, y, z, guess):  # type: ignore[no-untyped-def]  # numba array
    """Return zero-Doppler time and two-way range time of a point from a first guess of its time; NaN: see `solve`.

    `path` are the orbit's coefficients. With d from the point to the satellite and v its velocity, d · v = 0 is
    solved. The range is that before the last step, where it has its minimum: 4e-9 m too long at most.
    """
    u = (guess - centre) / half
    for _ in range(_MOST_STEPS):
        px = py = pz = vx = vy = vz = ax = ay = az = 0.0  # position, slope, half the curvature, per u
        for power in range(path.shape[1] - 1, -1, -1):
            ax, ay, az = ax * u + vx, ay * u + vy, az * u + vz
            vx, vy, vz = vx * u + px, vy * u + py, vz * u + pz
            px, py, pz = px * u + path[0, power], py * u + path[1, power], pz * u + path[2, power]
        dx, dy, dz = px - x, py - y, pz - z
        along = dx * vx + dy * vy + dz * vz
        change = vx * vx + vy * vy + vz * vz + 2.0 * (dx * ax + dy * ay + dz * az)
        step = -along / change
        u += step
        if abs(step) * half < _CLOSE_S:
            # v × position points to the right of the track, d from the point to the satellite
            left = dx * (vy * pz - vz * py) + dy * (vz * px - vx * pz) + dz * (vx * py - vy * px)
            if left > 0.0 or abs(u) > 1.0:
                break
            range_m = np.sqrt(dx * dx + dy * dy + dz * dz)
            return centre + half * u, 2.0 * range_m / SPEED_OF_LIGHT
        if not abs(u) < 10.0:  # NaN as well
            break
    return np.nan, np.nan


@numba.njit(parallel=True, cache=True)
def _ground(height, values, row0, col0, points):  # type: ignore[no-untyped-def]  # numba arrays
    rows, cols = height.shape
    for row in numba.prange(rows):
        along = row_of_nodes(values, row0 + row)
        for col in range(cols):
            x, y, z, _ = position_on(along, col0 + col, float(height[row, col]))
            points[0, row, col], points[1, row, col], points[2, row, col] = x, y, z


@numba.njit(parallel=True, cache=True)
def _solve(points, coefficients, centre, half, times):  # type: ignore[no-untyped-def]  # numba arrays
    for i in numba.prange(points.shape[1]):
        time, range_time = zero_doppler(coefficients, centre, half, points[0, i], points[1, i], points[2, i], centre)
        times[0, i], times[1, i] = time, range_time
