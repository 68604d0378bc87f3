"""The sections of a city run beside its sensors: place, simulation, map, training, networks."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from lczmap.channels import channel_sensor, input_channels
from lczmap.config.section import Name, Section, Sensor

PRETRAINED: dict[str, tuple[Sensor, ...]] = {
    "gul_s2": ("sentinel-2",),
    "gul_s1": ("sentinel-1",),
    "sen2lcz": ("sentinel-2",),
}
"""Networks whose weights are public, and what they see: they need no training areas."""
ENSEMBLE = "ensemble"
"""`model.name` of the mean of other networks."""
FOREST = "wudapt_rf"
"""`model.name` of the random forest."""
ARCHITECTURES = (
    *("bp_lcz_eb_cnn", "bp_lcz_eb_cnn_large", "bp_lcz_exvit", "cnn_yoo", "convnext_tiny", "densenet121", "eb_cnn"),
    *("eb_cnn_large", "exvit", "fusion", "gul_s1", "gul_s2", "lcznet", "mscnn", "resnet50", "resnext50", "rsnnet"),
    *("sen2lcz", FOREST, ENSEMBLE),
)
"""All that `model.name` can be: the networks of `lczmap list-models`, and the ensemble."""
WITHOUT_PRIOR = ("gul_s1", "gul_s2")
"""Public networks whose authors do not say how frequent the classes were that they were trained on."""
SENSORS: tuple[Sensor, ...] = ("sentinel-1", "sentinel-2")


def _known_input(value: str | None) -> str | None:
    if value is not None:
        input_channels(value)
    return value


def _known_architecture(value: str) -> str:
    if value not in ARCHITECTURES:
        close = difflib.get_close_matches(value, ARCHITECTURES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(ARCHITECTURES)}"
        raise ValueError(f"unknown network; {hint}")
    return value


InputName = Annotated[str | None, AfterValidator(_known_input)]


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
    explanation: bool = False
    """Also write explanation.tif: how well each band group agrees with the mapped class's text, the cosine -1..1 of
    the group's features and its prompt. Of networks with text (`bp_lcz_…`)."""
    crs: Annotated[str | None, Field(pattern=r"^EPSG:32[67]\d\d$")] = None
    """A UTM zone, such as EPSG:32633, for a city near the border of two zones; null: the zone of its centre."""
    palette: Literal["official", "colour_blind"] = "official"
    """Colours of the classes in maps, their legends and all pictures."""


class Training(Section):
    """Where a network learns its classes."""

    labels: Literal["areas", "teacher"] = "areas"
    """`areas`: polygons of known class; `teacher`: the class probabilities of another network (distillation)."""
    areas: str | None = None
    """Training areas: WUDAPT KML/KMZ, GeoPackage, GeoJSON or shapefile. The simulated city brings its own. Where no
    network learns from them they all test the map."""
    field: str | None = None
    """Attribute that holds the class, where the file has several candidates."""
    cities: Literal["own", "others"] = "own"
    """`own`: a city's networks learn from its own areas; `others`: from those of all other cities of one call, and the
    city's own areas all test (leave one city out)."""
    patch_px: int = Field(default=32, ge=8, le=48, multiple_of=2)
    """Width of the patches in 10 m pixels: 32 as in So2Sat LCZ42, 48 as RSNNet and LCZNet see."""
    validation: float = Field(default=0.15, ge=0, lt=0.5)
    """Share of each class's polygons that is kept for validation."""
    test: float = Field(default=0.25, ge=0, lt=0.5)
    """Share of each class's polygons that is kept for the accuracy report, where a network learns from the others. 0:
    every polygon teaches, as for the final map of the LCZ Generator (with `validation: 0` too, else some validate), and
    the run has no accuracy report. Above 0 a run stops before training where no class has enough polygons."""
    teacher: Name | None = None
    """With labels `teacher`: which network of `compare` teaches."""
    half: Literal["west", "east", "north", "south"] = "west"
    """With labels `teacher`: the half of the city that is taught; the other half tests."""
    gap_m: int = Field(default=320, ge=0)
    """With labels `teacher`: distance between taught and tested cells in metres; a patch's width (320 for 32 px) keeps
    patches apart."""
    seed: int = Field(default=47, ge=0)
    """Seed of the split and of the training (47: Lan et al., BP-LCZ)."""


class Adapt(Section):
    """How a network is fitted to the city's own pixels before it maps them; no labels are needed."""

    batch_norm: bool = False
    """Take the statistics of batch normalisation from the city's pixels."""
    prior: Literal["trained", "em"] = "trained"
    """`em`: estimate the classes' shares in the city (Saerens et al. 2002) and weigh the probabilities by them;
    `trained`: leave them as the network learned them."""


class Model(Section):
    """One network."""

    name: Annotated[Name, AfterValidator(_known_architecture)] = "bp_lcz_eb_cnn"
    """Architecture; `lczmap list-models` names them. `ensemble`: the mean of `members`."""
    id: Name | None = None
    """Name of its folder; defaults to `name`. Needed where one architecture is used twice."""
    preset: Name | None = None
    """Training recipe: a file name in lczmap/training/presets without .yaml."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset to replace."""
    sensors: tuple[Sensor, ...] = ("sentinel-1", "sentinel-2")
    """What the network sees."""
    input: InputName = None
    """A named selection of channels, D1 to D7 of Zhou et al. (2022), which replaces `sensors`: D1 radar, D2 optical, D3
    to D7 both. Radar but VH and VV needs `sentinel1.channels: rsnnet9`."""
    members: tuple[Name, ...] = ()
    """With the name `ensemble`: the networks of this run, by their folder names, whose probabilities are averaged."""
    adapt: Adapt = Adapt()
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
    def is_ensemble(self) -> bool:
        """True for the mean of other networks."""
        return self.name == ENSEMBLE

    @property
    def is_trained(self) -> bool:
        """True where the run trains it."""
        return not self.is_pretrained and not self.is_ensemble and self.checkpoint is None

    @property
    def is_adapted(self) -> bool:
        """True where it is fitted to the city; gul_s1 always is: its authors normalise by each scene's statistics."""
        return self.name == "gul_s1" or self.adapt != Adapt()

    @property
    def has_text(self) -> bool:
        """True for the networks that compare band groups with text."""
        return self.name.startswith("bp_lcz_")

    @property
    def wanted_sensors(self) -> tuple[Sensor, ...]:
        """What it sees where its scenes exist, Sentinel-1 first; nothing for an ensemble, whose members see."""
        if self.is_ensemble:
            return ()
        if self.is_pretrained:
            return PRETRAINED[self.name]
        if self.input is None:
            return self.sensors
        return tuple(s for s in SENSORS if s in {channel_sensor(c) for c in input_channels(self.input)})
