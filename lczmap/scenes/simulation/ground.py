"""Render the ground of the simulated city at 2.5 m: material, brightness and height of every pixel.

Each pixel is evaluated on its own from its district's fabric: street, building, yard or field, and the plants above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from lczmap.scenes.simulation.districts import (
    CROWN_SPACING,
    GROUND,
    PALETTE_SIZE,
    PAVING,
    PLANTS,
    ROOFS,
    STREETS,
    Districts,
)
from lczmap.scenes.simulation.noise import fractal_noise, normal, uniform

PIXEL_M = 2.5
HEIGHTS_PER_M = 2.0  # heights are stored in half metres
GAIN_STEPS = 64.0  # gains are stored as 128 + 64·ln(gain)
BOUNCE_STEPS = 32.0  # and those of walls as 128 + 32·ln(gain)
BUILDING, PLANT = 1, 2
"""Kinds of objects that rise above the ground; 0 is the ground."""


@dataclass(frozen=True)
class Ground:
    """The city's surface, (row, col) at 2.5 m.

    `district` is the district's number, `material` the material's number, `gain` a byte of ln brightness, `height`
    half metres above the ground, `kind` 0 ground, 1 building, 2 plant, `bounce` a byte of ln wall brightness of the
    building (128 elsewhere).
    """

    district: npt.NDArray[np.uint16]
    material: npt.NDArray[np.uint8]
    gain: npt.NDArray[np.uint8]
    height: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.uint8]
    bounce: npt.NDArray[np.uint8]


def render_ground(
    district: npt.NDArray[np.uint16],
    border_m: npt.NDArray[np.uint8],
    districts: Districts,
    object_spread: npt.NDArray[np.float64],
    *,
    wall_spread: float,
    half_m: float,
    seed: int,
) -> Ground:
    """Render every pixel of `district`; `object_spread` (material,) is the sd of ln gain between objects."""
    layers = [np.empty(district.shape, np.uint8) for _ in range(5)]
    _render(
        district,
        border_m,
        districts.fabric,
        districts.palettes,
        object_spread,
        wall_spread,
        half_m,
        seed + 101,
        *layers,
    )
    return Ground(district, *layers)


@njit(cache=True)
def _building(d, block_i, block_j, inner_u, inner_v, length_u, length_v, seed):  # type: ignore[no-untyped-def]  # numba record
    """Return (True on a building, the two numbers of the plot) at a place within a block."""
    plot_u, plot_v = length_u / d.plots_u, length_v / d.plots_v
    i, j = math.floor(inner_u / plot_u), math.floor(inner_v / plot_v)
    key_i, key_j = block_i * 64 + i, block_j * 64 + j
    if d.fill_u == 0 or uniform(seed, key_i, key_j, 1) >= d.built_share:
        return False, key_i, key_j
    if d.ring_m > 0:
        edge = min(inner_u, length_u - inner_u, inner_v, length_v - inner_v)
        return edge < d.ring_m, key_i, key_j
    grow_u = min(d.fill_u * (1 + 0.18 * (2 * uniform(seed, key_i, key_j, 2) - 1)), 1.0)
    grow_v = min(d.fill_v * (1 + 0.18 * (2 * uniform(seed, key_i, key_j, 3) - 1)), 1.0)
    shift_u = (1 - grow_u) * 0.7 * (uniform(seed, key_i, key_j, 4) - 0.5)
    shift_v = (1 - grow_v) * 0.7 * (uniform(seed, key_i, key_j, 5) - 0.5)
    du = abs(inner_u / plot_u - i - 0.5 - shift_u) * 2 / grow_u
    dv = abs(inner_v / plot_v - j - 0.5 - shift_v) * 2 / grow_v
    if uniform(seed, key_i, key_j, 6) < d.round_share:
        return du * du + dv * dv < 1, key_i, key_j
    return du < 1 and dv < 1, key_i, key_j


@njit(cache=True)
def _plant(d, east, north, paved, seed):  # type: ignore[no-untyped-def]  # numba record
    """Return (True under a crown, the crown's lattice place) for pervious or paved ground."""
    if d.plant_density <= 0:
        return False, 0, 0
    step = d.crown_m * CROWN_SPACING
    x, y = east / step, north / step
    clump = 1.0
    if d.clumping > 0:
        clump = max(1 + 1.8 * d.clumping * fractal_noise(seed + 31, east / 55, north / 55), 0.0)
    density = d.plant_density * clump * (d.paved_plants if paved else 1.0)
    for i in range(math.floor(x) - 1, math.floor(x) + 2):
        for j in range(math.floor(y) - 1, math.floor(y) + 2):
            if uniform(seed, i, j, 21) >= density:
                continue
            dx = (i + 0.1 + 0.8 * uniform(seed, i, j, 22) - x) * step
            dy = (j + 0.1 + 0.8 * uniform(seed, i, j, 23) - y) * step
            if dx * dx + dy * dy < (d.crown_m * (0.75 + 0.5 * uniform(seed, i, j, 24))) ** 2:
                return True, i, j
    return False, 0, 0


@njit(cache=True)
def _patch(size_m, u, v, seed):  # type: ignore[no-untyped-def]  # numba scalars
    """Return the number of the yard or field: strips along the streets, cut into pieces of unequal length."""
    j = math.floor(v / size_m)
    length = size_m * (0.6 + 1.2 * uniform(seed, j, 0, 19))
    return math.floor(u / length + uniform(seed, j, 1, 19)), j


@njit(cache=True)
def _pick(palette, share):  # type: ignore[no-untyped-def]  # numba array row
    return palette[int(share * PALETTE_SIZE)]


@njit(cache=True)
def _byte(value: float) -> int:
    return int(min(max(value, 0.0), 255.0) + 0.5)


@njit(parallel=True, cache=True)
def _render(  # type: ignore[no-untyped-def]  # numba records
    district,
    border_m,
    fabric,
    palettes,
    object_spread,
    wall_spread,
    half_m,
    seed,
    material,
    gain,
    height,
    kind,
    bounce,
):
    size = district.shape[0]
    for row in prange(size):
        for col in range(size):
            number = int(district[row, col])
            d = fabric[number]
            own = seed + 7919 * number
            east, north = (col + 0.5) * PIXEL_M - half_m, half_m - (row + 0.5) * PIXEL_M
            # streets bend gently
            bent_e = east + 14 * fractal_noise(seed + 3, east / 260, north / 260)
            bent_n = north + 14 * fractal_noise(seed + 5, east / 260, north / 260)
            u, v = d.cos * bent_e + d.sin * bent_n, d.cos * bent_n - d.sin * bent_e
            block_i, block_j = math.floor(u / d.block_u), math.floor(v / d.block_v)
            inner_u = u - block_i * d.block_u - d.street_m
            inner_v = v - block_j * d.block_v - d.street_m
            is_street = inner_u < 0 or inner_v < 0 or 2 * border_m[row, col] < d.road_m
            patch_i, patch_j = _patch(d.patch_m, u, v, own)
            built, key_i, key_j = False, patch_i, patch_j
            if not is_street:
                built, plot_i, plot_j = _building(
                    d, block_i, block_j, inner_u, inner_v, d.block_u - d.street_m, d.block_v - d.street_m, own
                )
            metres, what, wall = 0.0, 0, 0.0
            if built:
                key_i, key_j = plot_i, plot_j
                number_of_material = _pick(palettes[number, ROOFS], uniform(own, key_i, key_j, 8))
                metres = max(d.height_m * math.exp(d.height_spread * normal(own, key_i, key_j, 9)), 2.0)
                what, wall = BUILDING, wall_spread * normal(own, key_i, key_j, 10)
            else:
                paved = is_street or uniform(own, patch_i, patch_j, 11) >= d.pervious_share
                grown, crown_i, crown_j = _plant(d, east, north, paved, own)
                if grown:
                    key_i, key_j = crown_i, crown_j
                    stand = uniform(own, patch_i, patch_j, 13) if d.clumping < 0.25 else uniform(own, key_i, key_j, 13)
                    number_of_material = _pick(palettes[number, PLANTS], stand)
                    metres = d.plant_height_m * (0.65 + 0.7 * uniform(own, key_i, key_j, 14))
                    what = PLANT
                elif is_street:
                    key_i, key_j = 0, 0
                    number_of_material = _pick(palettes[number, STREETS], uniform(own, block_i, block_j, 15))
                else:
                    layer = PAVING if paved else GROUND
                    number_of_material = _pick(palettes[number, layer], uniform(own, patch_i, patch_j, 16))
            brightness = object_spread[number_of_material] * normal(own, key_i, key_j, 17)
            brightness += d.texture * 2 * fractal_noise(own + 41, east / d.texture_m, north / d.texture_m)
            brightness += d.clutter * normal(own, col // 2, row // 2, 18)
            material[row, col] = number_of_material
            gain[row, col] = _byte(128 + GAIN_STEPS * brightness)
            height[row, col] = _byte(HEIGHTS_PER_M * metres)
            kind[row, col] = what
            bounce[row, col] = _byte(128 + BOUNCE_STEPS * wall)
