"""A network of thermometers for a map: how many for each zone, and where.

Numbers follow the area (largest remainder). Places lie inside their zone, away from its border, where the air has
run over ground of one kind, and far from each other. Everything is decided by the map: no chance, no seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.heat.zones import BORDER_M, Metres, Zones
from lczmap.shares import apportion

LEAST_CLEARANCE_M = 100.0
"""Where a class has no place 200 m from its border, places from here on are taken and flagged."""
SPACING_M = 500.0
"""Nearest distance of two sensors."""
REACH_M = 3000.0
"""Places farther than this from the border of their zone count as equally far, unless more clearance is asked for."""
WATER = 17
"""Code of water, which gets no sensor: temperatures at screen level are measured over land."""


@dataclass(frozen=True)
class Sensors:
    """Proposed places, each (N,): `row`, `col` of the cell, class `code`, `rank` within the class from 1.

    `clearance_m` is the distance from the border of the zone, REACH_M or the clearance asked for at most.
    `wanted` (17,) is each class's share of the sensors by area; `reasons` say, by code, why a class of the map got
    fewer, or none.
    """

    row: npt.NDArray[np.int64]
    col: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    clearance_m: Metres
    wanted: npt.NDArray[np.int64]
    reasons: dict[int, str]


def propose(zones: Zones, sensors: int, *, clearance_m: float = BORDER_M) -> Sensors:
    """Return places for at most `sensors` thermometers, in proportion to the area of the classes that have room.

    Within a class, the first place is the one farthest from the border; each further one has the largest product of
    distance to the border and to the class's nearest sensor. ValueError for no sensor, or a map without room for any.
    """
    if sensors < 1:
        raise ValueError(f"expected at least 1 sensor, got {sensors}")
    cells = zones.cells
    inside_m = zones.clearance_m(reach_m=max(REACH_M, clearance_m))
    largest = np.array([inside_m[zones.codes == code].max(initial=0) for code in range(1, NUM_CLASSES + 1)])
    least = min(LEAST_CLEARANCE_M, clearance_m)
    is_land = np.arange(1, NUM_CLASSES + 1) != WATER
    if not cells[is_land].any():
        raise ValueError("expected a map with land, it has water only, where no thermometer is put")
    has_room = (largest >= least) & is_land
    if not has_room.any():
        best = np.floor(largest[is_land].max())
        raise ValueError(
            f"no zone of the map has a place {least:g} m from its border (the best has {best:.0f} m): a thermometer "
            "would measure several zones; filter the map (lcz_filtered.tif), or say `--clearance` "
            "(`temperature.clearance_m`) with that or less"
        )
    areas = np.where(has_room, cells, 0)
    wanted = apportion(areas, sensors)
    found: list[tuple[int, int, int, int]] = []
    for code in (np.argsort(largest, kind="stable") + 1).tolist():  # the classes with the least room choose first
        if wanted[code - 1]:
            taken = [(row, col) for row, col, *_ in found]
            places = _places(zones, inside_m, code, int(wanted[code - 1]), (clearance_m, least), taken)
            found += [(row, col, code, rank) for rank, (row, col) in enumerate(places, 1)]
    row, col, code, rank = np.array(sorted(found, key=lambda place: (place[2], place[3])), np.int64).T
    placed = np.bincount(code, minlength=NUM_CLASSES + 1)[1:]
    reasons = _reasons(cells, areas, largest, least, placed, sensors)
    return Sensors(row, col, code, rank, inside_m[row, col], wanted, reasons)


def _enough_for(index: int, areas: npt.NDArray[np.int64], more_than: int) -> int:
    """Return the least number of seats, above `more_than`, of which an area of those (N,) gets one."""
    shares = areas.sum() / areas[index]
    first = max(more_than + 1, int(shares / np.count_nonzero(areas)))  # for fewer, its remainder is none of the largest
    return next(number for number in range(first, int(np.ceil(shares)) + 1) if apportion(areas, number)[index])


def _places(
    zones: Zones, inside_m: Metres, code: int, number: int, enough: tuple[float, float], taken: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return up to `number` cells of a class, first those with the full clearance, then those with the least."""
    clearance_m, least_m = enough
    chosen: list[tuple[int, int]] = []
    for low, high in ((clearance_m, np.inf), (least_m, clearance_m)):
        is_candidate = (zones.codes == code) & (inside_m >= low) & (inside_m < high)
        row, col = np.nonzero(is_candidate)
        clearance = inside_m[row, col]
        away = partial(_nearest_m, row, col, zones.cell_m)
        own, any_class = away(chosen), away(taken + chosen)
        while row.size and len(chosen) < number:
            score = np.where(any_class >= SPACING_M, clearance * np.minimum(own, 1e9), -1)
            best = int(score.argmax())  # the northernmost, then westernmost of equals
            if score[best] < 0:
                break
            place = int(row[best]), int(col[best])
            chosen.append(place)
            step = away([place])
            own, any_class = np.minimum(own, step), np.minimum(any_class, step)
    return chosen


def _nearest_m(
    row: npt.NDArray[np.intp], col: npt.NDArray[np.intp], cell_m: float, places: list[tuple[int, int]]
) -> npt.NDArray[np.float64]:
    """Return (N,) distances of cells to the nearest of some places, infinite without any."""
    nearest = np.full(row.shape, np.inf)
    for r, c in places:
        np.minimum(nearest, np.hypot(row - r, col - c) * cell_m, out=nearest)
    return nearest


def _reasons(
    cells: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
    largest: npt.NDArray[np.float32],
    least: float,
    placed: npt.NDArray[np.int64],
    sensors: int,
) -> dict[int, str]:
    reasons = {}
    wanted = apportion(areas, sensors)
    for c in CLASSES:
        if not cells[c.index]:
            continue
        if c.code == WATER:
            reasons[c.code] = "water gets none: air temperature is measured over land"
        elif largest[c.index] < least:
            reasons[c.code] = (
                f"no cell is {least:g} m or more from the border of its zone; the innermost is {largest[c.index]:.0f} m"
            )
        elif not wanted[c.index]:
            enough = _enough_for(c.index, areas, sensors)
            reasons[c.code] = f"its area is too small a share for one of {sensors}; {enough} would give it one"
        elif placed[c.index] < wanted[c.index]:
            reasons[c.code] = (
                f"room for {placed[c.index]} of {wanted[c.index]}: sensors stand {SPACING_M:g} m or more apart"
            )
    return reasons
