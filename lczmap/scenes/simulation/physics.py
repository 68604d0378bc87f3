"""The simulated city's physics: what `physics.yaml` may hold, checked on reading.

Surfaces, classes and radar figures are typical published values (sources in the file), not measurements of a place.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from lczmap.channels import S2_BANDS_L1C
from lczmap.classes import NUM_CLASSES

PHYSICS_FILE = Path(__file__).with_name("physics.yaml")


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"expected a range low, high; got {pair}")
    return pair


def _per_band(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != len(S2_BANDS_L1C):
        raise ValueError(f"expected {len(S2_BANDS_L1C)} bands, got {len(values)}")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Spectrum = Annotated[tuple[float, ...], AfterValidator(_per_band)]
Mixture = dict[str, float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bands(_Strict):
    """The 13 bands and the atmosphere over them; reflectances are fractions, wavelengths micrometres."""

    order: tuple[str, ...]
    wavelength_um: Spectrum
    path: Spectrum
    transmission: Spectrum
    diffuse: Spectrum
    cloud: Spectrum
    noise: float


class Material(_Strict):
    """One surface: reflectance per band, its spreads (sd of ln gain), and sigma0 in dB."""

    reflectance: Spectrum
    spread: float
    object_spread: float
    dries: float
    vv_db: float
    vh_db: float


class ClassGeometry(_Strict):
    """How a Local Climate Zone is built; the fields are explained in physics.yaml."""

    building: Range
    pervious: Range
    height_m: Range
    height_spread: float
    block_m: Range
    aspect: Range
    street_m: Range
    plot_m: Range
    plot_aspect: Range
    fill: Range
    courtyard: bool
    built_share: Range
    round_share: float
    patch_m: Range
    plant_cover: Range
    crown_m: Range
    plant_height_m: Range
    clumping: float
    paved_plants: Range
    texture: float
    texture_m: float
    clutter: float
    road_m: float
    mix_constancy: float
    roofs: Mixture
    paving: Mixture
    streets: Mixture
    ground: Mixture
    plants: Mixture


class Place(_Strict):
    """Where a class lies: share of all districts, distance from the centre, sector in degrees."""

    share: float
    radius: Range
    bearing: Range = (0, 360)


class OpticalDate(_Strict):
    """One Sentinel-2 acquisition; angles in degrees, `dryness` and `clouds` 0..1."""

    datetime: str
    platform: str
    sun_elevation: float
    sun_azimuth: float
    haze: float
    dryness: float
    clouds: float
    offset_dn: int


class RadarPass(_Strict):
    """One Sentinel-1 acquisition; angles in degrees, the picture lies `displacement_m` (east, north) off."""

    datetime: str
    platform: str
    direction: Literal["ascending", "descending"]
    relative_orbit: int
    look_azimuth: float
    displacement_m: tuple[float, float]
    lattice_m: tuple[float, float]


class Radar(_Strict):
    """Figures of the radar simulation; the fields are explained in physics.yaml."""

    resolution_m: float
    noise_db: float
    district_spread_db: float
    wall_gain: float
    wall_floor: float
    wall_angle_deg: float
    wall_spread: float
    wall_cross: Range
    correlation: Range


class Physics(_Strict):
    """All of physics.yaml."""

    bands: Bands
    materials: dict[str, Material]
    classes: dict[int, ClassGeometry]
    layout: dict[int, Place]
    sentinel2: tuple[OpticalDate, ...]
    sentinel1: tuple[RadarPass, ...]
    radar: Radar

    @model_validator(mode="after")
    def _consistent(self) -> Physics:
        codes = list(range(1, NUM_CLASSES + 1))
        if self.bands.order != S2_BANDS_L1C:
            raise ValueError(f"expected the bands {S2_BANDS_L1C}, got {self.bands.order}")
        if sorted(self.classes) != codes or sorted(self.layout) != codes:
            raise ValueError(f"expected the classes 1..{NUM_CLASSES} in `classes` and `layout`")
        for code, geometry in self.classes.items():
            for mixture in (geometry.roofs, geometry.paving, geometry.streets, geometry.ground, geometry.plants):
                unknown = set(mixture) - set(self.materials)
                if unknown:
                    raise ValueError(f"class {code}: unknown materials {sorted(unknown)}")
        return self

    @property
    def material_names(self) -> tuple[str, ...]:
        """Names in the order of the material numbers in the rendered ground."""
        return tuple(self.materials)

    def reflectances(self) -> npt.NDArray[np.float64]:
        """Return (material, band) bottom-of-atmosphere reflectance."""
        return np.array([m.reflectance for m in self.materials.values()])

    def figures(self, field: Literal["spread", "object_spread", "dries", "vv_db", "vh_db"]) -> npt.NDArray[np.float64]:
        """Return one figure of every material, (material,)."""
        return np.array([getattr(m, field) for m in self.materials.values()], dtype=np.float64)


@cache
def load_physics() -> Physics:
    """Read physics.yaml; ValueError names what is wrong with it."""
    with PHYSICS_FILE.open(encoding="utf-8") as text:
        return Physics.model_validate(yaml.safe_load(text))
