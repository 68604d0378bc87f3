"""Draw each district's own fabric within its class's ranges: streets, plots, buildings, surfaces, plants.

The surface fractions come first (Stewart & Oke 2012); building sizes follow from them, so that a district's plan area
adds up whatever its streets are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from lczmap.scenes.simulation.physics import ClassGeometry, Mixture, Physics, Range

PALETTE_SIZE = 64  # entries of a mixture: shares are rounded to 1/64
ROOFS, PAVING, STREETS, GROUND, PLANTS = range(5)
"""Rows of a district's palettes."""
CROWN_SPACING = 1.35  # distance between possible crown centres, in crown radii
_MAX_FILL = 0.98
_TILT_SHARE = 0.3  # districts differ in colour by this share of their difference in brightness
_MAX_HEIGHT_M = 120.0  # the rendered height is stored in half metres, one byte

_FIELDS = (
    *("cos", "sin", "street_m", "block_u", "block_v", "plots_u", "plots_v", "fill_u", "fill_v", "ring_m"),
    *("built_share", "round_share", "height_m", "height_spread", "patch_m", "pervious_share", "plant_density"),
    *("crown_m", "plant_height_m", "clumping", "paved_plants", "texture", "texture_m", "clutter", "road_m"),
)
FABRIC = np.dtype([(name, np.float32) for name in _FIELDS])
"""One district as the renderer takes it; lengths in metres, `cos`/`sin` of the direction of its streets."""


@dataclass(frozen=True)
class Districts:
    """All districts; `fabric` (n,) of dtype FABRIC, `palettes` (n, 5, 64) material numbers.

    `bearing` (n,) is the direction of the streets in radians, anticlockwise from east.
    `gain` and `tilt` (n, material) are ln brightness and its slope over wavelength, `radar_db` (n,) an offset.
    """

    fabric: npt.NDArray[np.void]
    palettes: npt.NDArray[np.uint8]
    bearing: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    tilt: npt.NDArray[np.float64]
    radar_db: npt.NDArray[np.float64]


def draw_districts(
    district_class: npt.NDArray[np.uint8], physics: Physics, *, river_sections: int, seed: int
) -> Districts:
    """Draw the fabric of every district; `district_class` (n,) holds class codes 1..17.

    The last `river_sections` districts are one river: they share one fabric and one water.
    """
    rng = np.random.default_rng([seed, 2])
    count = len(district_class)
    bearing = rng.uniform(0, math.pi, count)
    fabric = np.zeros(count, FABRIC)
    palettes = np.zeros((count, 5, PALETTE_SIZE), np.uint8)
    names = physics.material_names
    for number, code in enumerate(district_class):
        geometry = physics.classes[int(code)]
        fabric[number] = _draw_fabric(geometry, bearing[number], rng)
        for kind, mixture in enumerate(
            (geometry.roofs, geometry.paving, geometry.streets, geometry.ground, geometry.plants)
        ):
            palettes[number, kind] = _draw_palette(mixture, geometry.mix_constancy, names, rng)
    spread = physics.figures("spread")
    shape = (count, len(names))
    drawn = Districts(
        fabric,
        palettes,
        bearing,
        rng.normal(0, spread, shape),
        rng.normal(0, _TILT_SHARE * spread, shape),
        rng.normal(0, physics.radar.district_spread_db, count),
    )
    source = np.minimum(np.arange(count), count - river_sections)
    return Districts(*(getattr(drawn, field.name)[source] for field in fields(drawn)))


def ring_depth(length_u: float, length_v: float, cover: float) -> float:
    """Return how deep buildings around a block's edge reach so that they cover the share `cover` of the block."""
    total = length_u + length_v
    return (total - math.sqrt(max(total**2 - 4 * cover * length_u * length_v, 0))) / 4


def _draw_fabric(g: ClassGeometry, bearing: float, rng: np.random.Generator) -> tuple[float, ...]:
    def draw(limits: Range) -> float:
        return float(rng.uniform(*limits))

    street, block_u = draw(g.street_m), draw(g.block_m)
    block_v = block_u * draw(g.aspect)
    inner_u, inner_v = block_u - street, block_v - street
    inner_share = inner_u * inner_v / (block_u * block_v)
    plot_u = draw(g.plot_m)
    plots_u = max(1, round(inner_u / plot_u))
    plots_v = max(1, round(inner_v / (plot_u * draw(g.plot_aspect))))
    building, pervious, built_share = draw(g.building), draw(g.pervious), draw(g.built_share)
    fill_u, fill_v, ring = 0.0, 0.0, 0.0
    if building > 0 and built_share > 0:
        round_loss = 1 - (1 - math.pi / 4) * g.round_share  # a round building covers π/4 of its box
        cover = min(building / (inner_share * built_share * round_loss), 0.95)
        if g.courtyard:
            ring = ring_depth(inner_u, inner_v, cover)
        fill_u = draw(g.fill)
        fill_v = cover / fill_u
        if fill_v > _MAX_FILL:
            fill_u, fill_v = min(cover / _MAX_FILL, _MAX_FILL), _MAX_FILL
    open_share = max(inner_share - building, 1e-3)
    crown = draw(g.crown_m)
    values = {
        "cos": math.cos(bearing),
        "sin": math.sin(bearing),
        "street_m": street,
        "block_u": block_u,
        "block_v": block_v,
        "plots_u": plots_u,
        "plots_v": plots_v,
        "fill_u": fill_u,
        "fill_v": fill_v,
        "ring_m": ring,
        "built_share": built_share,
        "round_share": g.round_share,
        "height_m": min(draw(g.height_m), _MAX_HEIGHT_M),
        "height_spread": g.height_spread,
        "patch_m": draw(g.patch_m),
        "pervious_share": min(pervious / open_share, 1.0),
        "plant_density": crown_density(draw(g.plant_cover)),
        "crown_m": crown,
        "plant_height_m": draw(g.plant_height_m),
        "clumping": g.clumping,
        "paved_plants": draw(g.paved_plants),
        "texture": g.texture,
        "texture_m": g.texture_m,
        "clutter": g.clutter,
        "road_m": g.road_m,
    }
    return tuple(values[name] for name in _FIELDS)


def crown_density(cover: float) -> float:
    """Return the share of possible crown places to fill so that crowns cover the share `cover` of the ground.

    Crowns overlap at random: cover = 1 - exp(-density · π / spacing²), at most one crown a place.
    """
    return min(-math.log(max(1 - cover, 1e-3)) * CROWN_SPACING**2 / math.pi, 1.0)


def _draw_palette(
    mixture: Mixture, constancy: float, names: tuple[str, ...], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    weights = rng.gamma(np.array([w * constancy for w in mixture.values()]), 1.0) + 1e-300
    ends = np.cumsum(weights) / weights.sum()
    picks = np.searchsorted(ends, (np.arange(PALETTE_SIZE) + 0.5) / PALETTE_SIZE)
    numbers = np.array([names.index(name) for name in mixture], dtype=np.uint8)
    return numbers[np.minimum(picks, len(numbers) - 1)]
