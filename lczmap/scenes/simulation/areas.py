"""Draw training areas inside the simulated districts, as an expert would, and write them as a WUDAPT KML file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from lczmap.classes import CLASSES

Lonlat = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

MARGIN_M = 20.0  # kept to the border of the district's class
MIN_HALF_WIDTH_M = 100.0  # areas are at least 200 m wide (Zhou et al. 2022)
GAPS_M = (320.0, 160.0, 40.0, 0.0)
"""Distances between areas, tried in this order: from 320 m on no patch of one touches a patch of the other."""
_CORNERS = 12
_SHORTEST_REACH_M = 1.06 * MIN_HALF_WIDTH_M  # from the centre to a corner: the sides between corners come closer


@dataclass(frozen=True)
class TrainingArea:
    """One polygon: class code and its corners (n, 2) in metres east and north of the city's centre, not closed."""

    code: int
    corners: npt.NDArray[np.float64]


def draw_areas(
    district: npt.NDArray[np.integer],
    border_m: npt.NDArray[np.uint8],
    district_class: npt.NDArray[np.uint8],
    *,
    pixel_m: float,
    half_m: float,
    city_half_m: float,
    max_half_width_m: float,
    per_class: int,
    seed: int,
) -> tuple[TrainingArea, ...]:
    """Draw up to `per_class` areas of every class, each in a district of its own, spread over the city.

    `district` and its distance `border_m` to the next district's border are (row, col) of the square ±`half_m`;
    areas lie within ±`city_half_m` and reach at most
    `max_half_width_m` from their centre, so that they leave room between them. Areas keep the largest of
    GAPS_M between each other that still leaves the class the number it can have.
    """
    rng = np.random.default_rng([seed, 5])
    candidates = _candidates(district, border_m, district_class, pixel_m, half_m, city_half_m, max_half_width_m, rng)
    chosen: list[TrainingArea] = []
    by_class = {c.code: [a for a in candidates if a.code == c.code] for c in CLASSES}
    for gap in GAPS_M:
        # in turns, the class with the fewest first: no class takes the room of another
        waiting = {code for code in by_class if by_class[code]}
        while waiting:
            code = min(waiting, key=lambda c: (sum(a.code == c for a in chosen), c))
            if sum(a.code == code for a in chosen) >= per_class:
                waiting.discard(code)
                continue
            fitting = [a for a in by_class[code] if _clear(a, chosen, gap)]
            if not fitting:
                waiting.discard(code)
                continue
            chosen.append(fitting[rng.integers(len(fitting))])
            by_class[code] = [a for a in by_class[code] if a is not chosen[-1]]
    return tuple(sorted(chosen, key=lambda a: a.code))


def write_kml(areas: tuple[TrainingArea, ...], roi: npt.NDArray[np.float64], to_lonlat: Lonlat, *, title: str) -> str:
    """Return the WUDAPT level-0 training template: a folder with the ROI and 17 folders 1..10, A..G of polygons.

    `roi` (n, 2) and the areas' corners are turned into longitude and latitude by `to_lonlat`.
    """
    folders = []
    for lcz in CLASSES:
        placemarks = [
            _placemark(f"{lcz.label}-{number}", to_lonlat(area.corners))
            for number, area in enumerate((a for a in areas if a.code == lcz.code), start=1)
        ]
        folders.append(
            f"<Folder><name>{lcz.label}</name><description>{escape(lcz.name)}</description>\n"
            + "".join(placemarks)
            + "</Folder>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>{escape(title)}</name>\n<Folder><name>{escape(title)}</name>\n"
        "<description>Simulated city: these places do not exist.</description>\n"
        + _placemark("ROI", to_lonlat(roi))
        + "".join(folders)
        + "</Folder></Document></kml>\n"
    )


def _candidates(
    district: npt.NDArray[np.integer],
    border_m: npt.NDArray[np.uint8],
    district_class: npt.NDArray[np.uint8],
    pixel_m: float,
    half_m: float,
    city_half_m: float,
    max_half_width_m: float,
    rng: np.random.Generator,
) -> list[TrainingArea]:
    margin = max(round((half_m - city_half_m) / pixel_m), 1)
    codes = district_class[district].astype(np.int16)
    codes[:margin], codes[-margin:], codes[:, :margin], codes[:, -margin:] = 0, 0, 0, 0
    room = _distance_to_other(codes) * pixel_m - MARGIN_M
    # in the middle of its own district, also where the neighbour is of the same class
    score = np.where(room < _SHORTEST_REACH_M, -1, np.minimum(room, max_half_width_m) + border_m)
    areas = []
    for number in np.unique(district):
        rows, cols = np.nonzero((district == number) & (codes > 0))
        if len(rows) == 0:
            continue
        best = int(np.argmax(score[rows, cols]))
        if score[rows[best], cols[best]] < 0:
            continue
        corners = _outline(codes, rows[best], cols[best], pixel_m, max_half_width_m, rng)
        centre = np.array([cols[best] * pixel_m - half_m, half_m - rows[best] * pixel_m])
        areas.append(TrainingArea(int(district_class[number]), centre + corners))
    return areas


def _distance_to_other(codes: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Return, in pixels, how far each pixel is from the nearest one of another class."""
    distance = np.zeros(codes.shape)
    for code in np.unique(codes[codes > 0]):
        own = codes == code
        distance[own] = distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1][own]
    return distance


def _outline(
    codes: npt.NDArray[np.int16],
    row: int,
    col: int,
    pixel_m: float,
    max_half_width_m: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return corners relative to the centre, metres east and north: as far as the class reaches in each direction."""
    angles = (np.arange(_CORNERS) + rng.uniform(-0.1, 0.1, _CORNERS)) * 2 * math.pi / _CORNERS
    steps = np.arange(1, math.ceil((max_half_width_m + MARGIN_M) / pixel_m) + 1)
    reaches = []
    for angle in angles:
        rows = np.clip(np.rint(row - steps * math.sin(angle)).astype(int), 0, codes.shape[0] - 1)
        cols = np.clip(np.rint(col + steps * math.cos(angle)).astype(int), 0, codes.shape[1] - 1)
        outside = np.nonzero(codes[rows, cols] != codes[row, col])[0]
        free = (outside[0] if len(outside) else len(steps)) * pixel_m - MARGIN_M
        reaches.append(max(min(free, max_half_width_m * rng.uniform(0.85, 1.0)), _SHORTEST_REACH_M))
    # neighbouring corners differ little, so that no spike leaves the class between two rays
    smooth = np.minimum(reaches, (np.roll(reaches, 1) + np.roll(reaches, -1)) / 2 + 60)
    return np.stack([smooth * np.cos(angles), smooth * np.sin(angles)], axis=1)


def _clear(area: TrainingArea, others: list[TrainingArea], gap: float) -> bool:
    """Tell whether the area's box and those of all others are `gap` metres apart in east or north."""
    low, high = area.corners.min(axis=0) - gap, area.corners.max(axis=0) + gap
    return all(bool(np.any(o.corners.max(axis=0) < low) or np.any(o.corners.min(axis=0) > high)) for o in others)


def _placemark(name: str, lonlat: npt.NDArray[np.float64]) -> str:
    ring = " ".join(f"{lon:.8f},{lat:.8f},0" for lon, lat in [*lonlat, lonlat[0]])
    return (
        f"<Placemark><name>{name}</name><Polygon><tessellate>1</tessellate><outerBoundaryIs><LinearRing>"
        f"<coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>\n"
    )
