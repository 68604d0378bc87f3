"""The plan of the simulated city: districts, their classes, a river through them.

Districts are the cells of a jittered lattice of sites with warped borders. Classes are dealt to sites by the shortest
total distance to places drawn from the class's usual position in a city, so shares hold and the plan stays plausible.
Coordinates are metres east and north of the city's centre; rows run north to south.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange
from scipy.optimize import linear_sum_assignment

from lczmap.scenes.simulation.noise import fractal_noise
from lczmap.scenes.simulation.physics import Place

WATER = 17
RIVER_SECTIONS_PER_CITY = 12
RIVER_HALF_WIDTH_M = 140.0
_SHORTEST_SECTION_M = 600.0  # twice the width of the river: room for one training area
_FAR = 1e6  # cost that keeps a guaranteed district out of the margin and the river
_UINT8_MAX = 255


@dataclass(frozen=True)
class Plan:
    """Sites (rows, cols, 2) in metres east, north; `district_class` (n,) gives the class code of every district.

    Districts 0 .. rows*cols-1 are the sites in row order, the river's sections follow.
    `river` is (offset, amplitude_1, wave_1, phase_1, amplitude_2, wave_2, phase_2), metres and radians.
    """

    seed: int
    spacing_m: float
    sites: npt.NDArray[np.float64]
    river: tuple[float, ...]
    section_m: float
    river_sections: int
    district_class: npt.NDArray[np.uint8]


def site_spacing(size_m: float) -> float:
    """Return the distance between sites: 600 m in the full city, closer in a small one so that all classes fit."""
    return float(np.clip(size_m / 10.5, 310, 600))


def make_plan(size_m: float, half_m: float, places: dict[int, Place], *, minimum: int, seed: int) -> Plan:
    """Lay out districts for a city of `size_m`, drawn out to `half_m` from its centre.

    Every class gets at least `minimum` districts inside the city, away from its edge and from the river, or as many
    as there is room for (water has the river).
    """
    rng = np.random.default_rng([seed, 1])
    spacing = site_spacing(size_m)
    jitter = float(np.interp(spacing, (310, 380, 600), (0.06, 0.12, 0.25)))  # small districts stay compact
    sites = _sites(half_m, spacing, jitter, rng)
    river = _river(size_m, rng)
    flat = sites.reshape(-1, 2)
    inside = (np.abs(flat).max(axis=1) < size_m / 2 - 0.33 * spacing) & (
        np.abs(_river_distance(flat, river)) > RIVER_HALF_WIDTH_M + 0.33 * spacing
    )
    classes = _deal_classes(flat, inside, size_m, places, minimum, rng)
    section_m = max(size_m / RIVER_SECTIONS_PER_CITY, _SHORTEST_SECTION_M)
    sections = math.ceil(2 * half_m / section_m)
    return Plan(seed, spacing, sites, river, section_m, sections, np.r_[classes, np.full(sections, WATER, np.uint8)])


def map_districts(plan: Plan, half_m: float, pixel_m: float) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Return each pixel's district number and its distance in metres (at most 255) to the next district's border."""
    size = round(2 * half_m / pixel_m)
    district = np.empty((size, size), np.uint16)
    border_m = np.empty((size, size), np.uint8)
    first_section = plan.sites.shape[0] * plan.sites.shape[1]
    _map_districts(
        plan.seed,
        plan.sites,
        plan.spacing_m,
        np.array(plan.river),
        plan.section_m,
        first_section,
        float(half_m),
        float(pixel_m),
        district,
        border_m,
    )
    return district, border_m


def _sites(half_m: float, spacing: float, jitter: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    count = math.ceil(2 * half_m / spacing) + 4  # two beyond each edge, so that every pixel has its neighbours
    axis = (np.arange(count) - (count - 1) / 2) * spacing
    east, north = np.meshgrid(axis, axis)
    east[::2] += spacing / 2  # every other row is shifted: districts have about six neighbours
    return np.stack([east, north], axis=-1) + rng.uniform(-jitter, jitter, (count, count, 2)) * spacing


def _river(size_m: float, rng: np.random.Generator) -> tuple[float, ...]:
    offset = rng.choice([-1, 1]) * rng.uniform(0.10, 0.20) * size_m
    waves = rng.uniform(0.55, 0.8) * size_m, rng.uniform(0.2, 0.3) * size_m
    amplitudes = 0.05 * size_m, 0.012 * size_m
    phases = rng.uniform(0, 2 * math.pi, 2)
    return (offset, amplitudes[0], waves[0], phases[0], amplitudes[1], waves[1], phases[1])


def _river_distance(xy: npt.NDArray[np.float64], river: tuple[float, ...]) -> npt.NDArray[np.float64]:
    course = np.array([_river_course(x, np.array(river)) for x in xy[:, 0]])
    return np.asarray(xy[:, 1] - course)


def _deal_classes(
    sites: npt.NDArray[np.float64],
    inside: npt.NDArray[np.bool_],
    size_m: float,
    places: dict[int, Place],
    minimum: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    guaranteed, others = _quotas(int(inside.sum()), len(sites), places, minimum)
    codes = np.r_[guaranteed, others]
    turn = rng.uniform(0, 360)
    wanted = np.array([_draw_place(places[code], size_m / 2, turn, rng) for code in codes])
    cost = np.square(sites[:, None] - wanted[None]).sum(axis=-1) / size_m**2
    cost[np.ix_(~inside, np.arange(len(codes)) < len(guaranteed))] += _FAR
    rows, columns = linear_sum_assignment(cost)
    classes = np.zeros(len(sites), np.uint8)
    classes[rows] = codes[columns]
    return classes


def _quotas(
    inside: int, total: int, places: dict[int, Place], minimum: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the class codes dealt to districts inside the city, and those of the remaining districts."""
    shares = np.array([places[code].share for code in sorted(places)]) / sum(p.share for p in places.values())
    room = min(minimum, inside // (len(shares) - 1))
    floor = np.array([0 if code == WATER else room for code in sorted(places)])
    counts = np.maximum(np.floor(shares * inside).astype(int), floor)
    while counts.sum() > inside:  # rounding up the rare classes took too much from the frequent ones
        counts[int(np.argmax(counts - floor))] -= 1
    codes = np.array(sorted(places), dtype=np.uint8)
    rest = total - int(counts.sum())
    picks = np.searchsorted(np.cumsum(shares), (np.arange(rest) + 0.5) / rest)
    return np.repeat(codes, counts), codes[np.minimum(picks, len(codes) - 1)]


def _draw_place(place: Place, half_m: float, turn: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    radius = math.sqrt(rng.uniform(place.radius[0] ** 2, place.radius[1] ** 2)) * half_m
    bearing = math.radians(rng.uniform(*place.bearing) + turn)
    return np.array([radius * math.sin(bearing), radius * math.cos(bearing)])


@njit(cache=True)
def _river_course(east: float, river: npt.NDArray[np.float64]) -> float:
    wide = river[1] * math.sin(2 * math.pi * east / river[2] + river[3])
    narrow = river[4] * math.sin(2 * math.pi * east / river[5] + river[6])
    return float(river[0] + wide + narrow)


@njit(cache=True)
def _river_slope(east: float, river: npt.NDArray[np.float64]) -> float:
    rise = _river_course(east + 5, river) - _river_course(east - 5, river)
    return float(rise / 10)


@njit(cache=True)
def _nearest_two(east: float, north: float, sites: npt.NDArray[np.float64], spacing: float) -> tuple[int, float]:
    """Return the nearest site and the distance to the border with the second nearest."""
    rows, cols = sites.shape[0], sites.shape[1]
    row, col = round(north / spacing + (rows - 1) / 2), round(east / spacing + (cols - 1) / 2)
    best, first, second, second_site = 0, 1e18, 1e18, 0
    for i in range(max(row - 2, 0), min(row + 3, rows)):
        for j in range(max(col - 2, 0), min(col + 3, cols)):
            squared = (sites[i, j, 0] - east) ** 2 + (sites[i, j, 1] - north) ** 2
            if squared < first:
                second, second_site = first, best
                first, best = squared, i * cols + j
            elif squared < second:
                second, second_site = squared, i * cols + j
    de = sites[best // cols, best % cols, 0] - sites[second_site // cols, second_site % cols, 0]
    dn = sites[best // cols, best % cols, 1] - sites[second_site // cols, second_site % cols, 1]
    return best, (second - first) / (2 * math.sqrt(de * de + dn * dn) + 1e-9)


@njit(parallel=True, cache=True)
def _map_districts(
    seed: int,
    sites: npt.NDArray[np.float64],
    spacing: float,
    river: npt.NDArray[np.float64],
    section_m: float,
    first_section: int,
    half_m: float,
    pixel_m: float,
    district: npt.NDArray[np.uint16],
    border_m: npt.NDArray[np.uint8],
) -> None:
    size = district.shape[0]
    for row in prange(size):
        for col in range(size):
            east, north = (col + 0.5) * pixel_m - half_m, half_m - (row + 0.5) * pixel_m
            # wide bends of the whole plan, then irregular borders
            x, y = east / (3.5 * spacing), north / (3.5 * spacing)
            warped_e = east + 0.4 * spacing * fractal_noise(seed + 11, x, y)
            warped_n = north + 0.4 * spacing * fractal_noise(seed + 17, x, y)
            x, y = east / (0.5 * spacing), north / (0.5 * spacing)
            warped_e += 0.06 * spacing * fractal_noise(seed + 23, x, y)
            warped_n += 0.06 * spacing * fractal_noise(seed + 29, x, y)
            across = (warped_n - _river_course(warped_e, river)) / math.sqrt(1 + _river_slope(warped_e, river) ** 2)
            bank = abs(across) - RIVER_HALF_WIDTH_M
            if bank < 0:
                number, border = first_section + int((east + half_m) / section_m), -bank
            else:
                number, border = _nearest_two(warped_e, warped_n, sites, spacing)
                border = min(border, bank)
            district[row, col] = number
            border_m[row, col] = min(int(border), _UINT8_MAX)
