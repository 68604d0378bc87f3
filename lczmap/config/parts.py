"""The sections of a city run beside its sensors: place, simulation, map, training, networks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lczmap.config.section import Name, Section, Sensor

PRETRAINED = ("gul_s2", "sen2lcz")
"""Networks whose weights are public: they need no training areas."""


class BoundingBox(Section):
    """An area of interest as a box."""

    bbox: tuple[float, float, float, float]
    """West, south, east, north in units of `crs`."""
    crs: str = "EPSG:4326"
    """Coordinate reference system of the box."""


class Simulation(Section):
    """The demo city; used when a source is `simulate`."""

    seed: int = Field(default=1, ge=0)
    """Seed of the simulated city."""
    size_m: int = Field(default=12_000, ge=3_000, le=20_000, multiple_of=200)
    """Width and height of the simulated city in metres."""


class Map(Section):
    """The map."""

    pixel_size_m: int = Field(default=100, ge=10, multiple_of=10)
    """Pixel size of the map in metres, a multiple of 10: one patch is classified per map pixel."""
    tile_px: int = Field(default=2000, ge=100)
    """Width of a processing block in 10 m pixels; the map does not depend on it."""


class Training(Section):
    """Where a network learns its classes."""

    labels: Literal["areas", "teacher"] = "areas"
    """`areas`: polygons of known class; `teacher`: the class probabilities of another network (distillation)."""
    areas: str | None = None
    """Training areas: WUDAPT KML/KMZ, GeoPackage, GeoJSON or shapefile. The simulated city brings its own."""
    field: str | None = None
    """Attribute that holds the class, where the file has several candidates."""
    validation: float = Field(default=0.15, ge=0, lt=0.5)
    """Share of each class's polygons that is kept for validation."""
    test: float = Field(default=0.25, ge=0, lt=0.5)
    """Share of each class's polygons that is kept for the accuracy report."""
    teacher: Name | None = None
    """With labels `teacher`: which network of `compare` teaches."""
    half: Literal["west", "east", "north", "south"] = "west"
    """With labels `teacher`: the half of the city that is taught; the other half tests."""
    gap_m: int = Field(default=320, ge=0)
    """With labels `teacher`: distance between taught and tested cells in metres; 320 keeps patches apart."""
    seed: int = Field(default=47, ge=0)
    """Seed of the split and of the training (47: Lan et al., BP-LCZ)."""


class Model(Section):
    """One network."""

    name: Name = "bp_lcz_eb_cnn"
    """Architecture; `lczmap list-models` names them."""
    id: Name | None = None
    """Name of its folder; defaults to `name`. Needed where one architecture is used twice."""
    preset: Name | None = None
    """Training recipe: a file name in lczmap/training/presets without .yaml."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset to replace."""
    sensors: tuple[Sensor, ...] = ("sentinel-1", "sentinel-2")
    """What the network sees."""
    checkpoint: str | None = None
    """A trained checkpoint of ours (.safetensors) to load instead of training."""
    weights: str | None = None
    """A public network's weight file (Keras HDF5) that is already on disk; else it is downloaded."""

    @property
    def key(self) -> str:
        """Name of its folder."""
        return self.id or self.name

    @property
    def is_pretrained(self) -> bool:
        """True for the public networks."""
        return self.name in PRETRAINED

    @property
    def is_trained(self) -> bool:
        """True where the run trains it."""
        return not self.is_pretrained and self.checkpoint is None
