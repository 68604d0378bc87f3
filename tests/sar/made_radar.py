"""A radar made up for tests: a circular orbit over a turning Earth, a map under its right side, bursts that show it."""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.sar.orbit import StateVectors, fit_orbit
from lczmap.sar.safe import Burst, Swath, SwathPoints

Double = npt.NDArray[np.float64]

EPOCH = datetime(2020, 5, 11)
MID_S = 100.0  # the satellite passes the middle of the map about then
EARTH_TURNS_RAD_S = 7.292_115e-5
ORBIT_RADIUS_M = 7_071_000.0
ORBIT_TURNS_RAD_S = np.sqrt(3.986_004_418e14 / ORBIT_RADIUS_M**3)
INCLINATION = np.radians(98.18)


def positions(time: Double) -> Double:
    """Return Earth-fixed positions (n, 3) at times (n,): at MID_S descending, at 38 degrees north."""
    u = np.radians(180 - 38) + ORBIT_TURNS_RAD_S * (time - MID_S)
    x, y, z = np.cos(u), np.sin(u) * np.cos(INCLINATION), np.sin(u) * np.sin(INCLINATION)
    turn = EARTH_TURNS_RAD_S * (time - MID_S)
    return ORBIT_RADIUS_M * np.stack([x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn), z], -1)


def velocities(time: Double) -> Double:
    return (positions(time + 1e-2) - positions(time - 1e-2)) / 2e-2


def vectors() -> StateVectors:
    time = np.arange(0.0, 201.0, 10.0)
    return StateVectors(EPOCH, time, positions(time), velocities(time), "product")


ORBIT = fit_orbit(vectors(), MID_S - 15, MID_S + 15)


def map_under(size_px: tuple[int, int], *, side: int = 1, pixel_m: float = 10.0, turned: bool = False) -> GeoBox:
    """Return a map (rows, cols) some 560 km right (side 1) or left (-1) of the track: incidence near 42 degrees.

    In UTM, or `turned` by a right angle: polar stereographic, true to scale there, rows run west to east.
    """
    at, moves = positions(np.array([MID_S]))[0], velocities(np.array([MID_S]))[0]
    right = np.cross(moves, at)
    angle = np.radians(5.0)
    ground = 6.371e6 * (np.cos(angle) * at / np.linalg.norm(at) + side * np.sin(angle) * right / np.linalg.norm(right))
    lon, lat, _ = pyproj.Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True).transform(*ground)
    crs = f"EPSG:{32601 + int((lon + 180) // 6)}"
    if turned:
        crs = f"+proj=stere +lat_0=90 +lat_ts={lat:.6f} +lon_0={lon - 90:.6f} +datum=WGS84 +units=m"
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    rows, cols = size_px
    west, north = (round(v / pixel_m) * pixel_m for v in (x - cols * pixel_m / 2, y + rows * pixel_m / 2))
    return GeoBox(size_px, Affine(pixel_m, 0, west, 0, -pixel_m, north), crs)


def swath(
    name: str,
    starts: list[float],
    near_range_time_s: float,
    *,
    lines: int = 40,
    samples: int = 60,
    valid_lines: tuple[int, int] = (2, 37),
    valid_samples: tuple[int, int] = (5, 54),
    interval_s: float = 1.0,
    rate_hz: float = 1.0,
) -> Swath:
    """Return a subswath with bursts that start at `starts`; valid lines and samples are first and last, included."""
    inside = (np.arange(lines) >= valid_lines[0]) & (np.arange(lines) <= valid_lines[1])
    first, last = (np.where(inside, sample, -1).astype(np.int32) for sample in valid_samples)
    bursts = tuple(Burst(i, start, i * lines, first, last) for i, start in enumerate(starts))
    # line 0 at its own time: the bistatic term is 0 at near range
    point = SwathPoints(*(np.array([v]) for v in (0.0, 0.0, starts[0], near_range_time_s, 0.0, 0.0, 0.0, 38.0)))
    size = lines * len(starts)
    return Swath(name, lines, samples, size, interval_s, near_range_time_s, rate_hz, bursts, point)
