"""What a city run computes: every key with its type, unit and default. Nothing here says how or where to run.

configfiles.py reads it from YAML. Snakemake needs it when it parses, so this module imports pydantic only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

PRETRAINED = ("gul_s2", "sen2lcz")
"""Networks whose weights are public: they need no training areas."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Platform = Annotated[str, Field(pattern=r"^(any|sentinel-[12][a-z])$")]
Sensor = Literal["sentinel-1", "sentinel-2"]
SEASONS = ("spring", "summer", "autumn", "winter")
NETWORK = ("stac", "sentinelhub", "gcs")
"""Sources that fetch scenes."""


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BoundingBox(Section):
    """An area of interest as a box."""

    bbox: tuple[float, float, float, float]
    """West, south, east, north in units of `crs`."""
    crs: str = "EPSG:4326"
    """Coordinate reference system of the box."""


def _plain_address(value: str | None) -> str | None:
    """Refuse an address with a user, password or query: it would stand in logs and in run.json."""
    parts = urlsplit(value or "")
    if parts.username or parts.password or (parts.scheme and parts.query):
        raise ValueError("expected an address without user, password and query; credentials come from the environment")
    return value


Address = Annotated[str | None, AfterValidator(_plain_address)]


class Sentinel2(Section):
    """Multispectral scenes."""

    source: Literal["simulate", "local", "stac", "sentinelhub", "gcs"] = "simulate"
    """Where scenes come from: `simulate` (the demo city), `local` (your disk), `stac`, `sentinelhub` or `gcs` (Google's
    public L1C bucket); docs/data.md."""
    archive: str | None = None
    """With `local`: an archive.yaml, a folder of SAFE products, or a So2Sat GUL folder."""
    endpoint: Address = None
    """With a network source: an endpoint's name or address; the default needs no account, except Sentinel Hub's."""
    collection: str | None = None
    """With `stac`: the collection, where the endpoint's usual one is not meant."""
    bucket: Address = None
    """With `gcs`: the address of a mirror of the bucket."""
    level: Literal["L1C", "L2A"] = "L1C"
    """Processing level: L1C is top-of-atmosphere reflectance, L2A surface reflectance."""
    platform: Platform = "any"
    """Satellite, such as sentinel-2b."""
    season: Literal["all", "local_summer", "dry", "four"] = "all"
    """Which months of the period count; `four` makes four composites and averages their class probabilities."""
    max_cloud: float = Field(default=60, ge=0, le=100)
    """Network sources: the cloudiest scene that is fetched, in percent as the archive states it."""
    max_dates: int = Field(default=12, ge=1, le=60)
    """Network sources: how many dates are fetched, the clearest ones, of each season."""
    cloud_mask: Literal["auto", "source", "s2cloudless", "none"] = "auto"
    """`source`: the mask that came with the scene; `auto`: that one, else s2cloudless."""
    composite: Literal["median", "medoid", "best_pixel"] = "median"
    """How the clear dates of a pixel become one value."""
    upsampling: Literal["cubic", "nearest"] = "cubic"
    """How 20 m bands are brought to 10 m: cubic convolution as in So2Sat GUL, or nearest as in RSNNet."""


class Sentinel1(Section):
    """Radar scenes."""

    use: Literal["required", "preferred", "off"] = "required"
    """`preferred` maps without radar where no scene is found, and says so; `off` maps from Sentinel-2 alone."""
    source: Literal["simulate", "local", "stac", "sentinelhub"] = "simulate"
    """Where scenes come from: `simulate`, `local`, `stac` or `sentinelhub`; docs/data.md."""
    archive: str | None = None
    """With `local`: as for sentinel2; may be the same."""
    endpoint: Address = None
    """As for sentinel2."""
    collection: str | None = None
    """As for sentinel2."""
    channels: Literal["so2sat8", "grd4"] = "so2sat8"
    """`so2sat8`: the eight complex and filtered channels of So2Sat; `grd4`: VH and VV intensities, also filtered."""
    calibration: Literal["sigma0", "gamma0"] = "sigma0"
    """What a source that can choose delivers; Planetary Computer has gamma0 only."""
    remove_noise: bool = True
    """SAFE products: subtract the thermal noise that the product states."""
    dem: str | None = None
    """SAFE products: a height model (metres above the WGS84 ellipsoid) to place pixels by."""
    geoid_m: float = 0.0
    """What to add to the heights of `dem`, where they count from sea level: the geoid's height at the city."""
    orbit: Literal["any", "ascending", "descending"] = "any"
    """Orbit direction of the pass that is used."""
    relative_orbit: int | None = Field(default=None, ge=1, le=175)
    """Relative orbit of the pass that is used."""
    platform: Platform = "any"
    """Satellite, such as sentinel-1c."""
    dates: Literal["single", "mean", "softmax"] = "single"
    """`single`: one pass, as networks expect; `mean`: mean power of passes of one orbit (more looks); `softmax`: each
    of `max_dates` passes is classified, the probabilities are averaged."""
    max_dates: int = Field(default=3, ge=1, le=12)
    """How many passes are fetched, or geocoded from products on disk; also how many `mean` and `softmax` use."""

    @field_validator("use", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false


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


class Config(Section):
    """One city run."""

    city: Name = "demo"
    """Name of the city: folder name, lower case."""
    aoi: str | BoundingBox = "config/aoi/demo.geojson"
    """Area of interest: a polygon file (GeoJSON, GeoPackage, KML, shapefile; any CRS) or {bbox: [...], crs: ...}."""
    start: date = date(2024, 5, 1)
    """First day of the period."""
    end: date = date(2024, 9, 30)
    """Last day of the period."""
    sentinel2: Sentinel2 = Sentinel2()
    sentinel1: Sentinel1 = Sentinel1()
    simulation: Simulation = Simulation()
    map: Map = Map()
    training: Training = Training()
    model: Model = Model()
    compare: tuple[Model, ...] = ()
    """Further networks that map the same city: names, or sections like `model`."""
    allow_level_mismatch: bool = False
    """Let a network see pixels of another processing level or calibration than it was trained on."""

    @field_validator("compare", mode="before")
    @classmethod
    def _names_are_models(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return tuple({"name": item} if isinstance(item, str) else item for item in value)
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.end < self.start:
            yield f"expected `end` on or after `start`, got {self.start} and {self.end}"
        yield from self._source_problems()
        for model in self.models:
            if not self.sensors_of(model):
                yield f"the network {model.key!r} sees no sensor; `sentinel1.use` is off"
        keys = [m.key for m in self.models]
        if len(set(keys)) != len(keys):
            yield f"two networks share a name in {keys}; give one of them an `id`"
        if any(m.is_trained for m in self.models):
            yield from self._label_problems()

    def _source_problems(self) -> Iterator[str]:
        sections: dict[str, Sentinel1 | Sentinel2] = {"sentinel2": self.sentinel2}
        if self.sees_radar:
            sections["sentinel1"] = self.sentinel1
            yield from self._radar_problems()
        for name, section in sections.items():
            if section.source == "local" and section.archive is None:
                yield f"`{name}.source: local` needs `{name}.archive`, your scenes' archive.yaml or folder"
        if len({section.source == "simulate" for section in sections.values()}) > 1:
            yield (
                "one sensor is simulated and the other is real; set both sources, or `sentinel1.use: off` to map "
                "without radar"
            )
        if self.sentinel2.source == "gcs" and self.sentinel2.level != "L1C":
            yield "`sentinel2.source: gcs` holds L1C only; set `sentinel2.level: L1C`, or another source"
        if self.sentinel2.level == "L2A" and not self.allow_level_mismatch:
            for model in self.models:
                if model.is_pretrained:
                    yield (
                        f"the public network {model.name!r} was trained on L1C (top-of-atmosphere reflectance) and "
                        "`sentinel2.level` is L2A (surface reflectance): use a source of L1C, such as `gcs`, or accept "
                        "a worse map by `allow_level_mismatch: true` (docs/accuracy.md says how much worse)"
                    )

    def _radar_problems(self) -> Iterator[str]:
        radar = self.sentinel1
        if radar.source in NETWORK and radar.channels == "so2sat8":
            yield f"`sentinel1.source: {radar.source}` has intensities only; set `sentinel1.channels: grd4`"
        if radar.source == "stac" and radar.calibration != "gamma0":
            yield "STAC archives have terrain-corrected radar as gamma0 only; set `sentinel1.calibration: gamma0`"
        if radar.channels == "so2sat8" and radar.dates == "mean":
            yield "the channels so2sat8 hold complex amplitudes of one date; `dates: mean` needs `channels: grd4`"

    def _label_problems(self) -> Iterator[str]:
        if self.training.labels == "teacher":
            teachers = [m.key for m in self.compare if not m.is_trained]
            if self.training.teacher not in teachers:
                yield f"`training.teacher` must be a ready network of `compare` {teachers}, got {self.training.teacher}"
        elif self.training.areas is None and self.sentinel2.source != "simulate":
            yield (
                f"the network {self.model.name!r} needs training areas: set `training.areas`, or choose a public "
                f"network ({', '.join(PRETRAINED)}) as `model.name`"
            )

    @property
    def models(self) -> tuple[Model, ...]:
        """All networks of the run, the main one first."""
        return (self.model, *self.compare)

    @property
    def sees_radar(self) -> bool:
        """True where a network of the run sees Sentinel-1."""
        return any(self.sensors_of(m) != ("sentinel-2",) for m in self.models)

    def stack_views(self, sensor: Sensor) -> tuple[str, ...]:
        """Return the names of a sensor's views: the seasons, the radar dates, or one without a name."""
        if sensor == "sentinel-2" and self.sentinel2.season == "four":
            return SEASONS
        if sensor == "sentinel-1" and self.sentinel1.dates == "softmax":
            return tuple(str(number + 1) for number in range(self.sentinel1.max_dates))
        return ("",)

    def sensors_of(self, model: Model) -> tuple[Sensor, ...]:
        """Return what a network sees in this run; the public networks see Sentinel-2 alone."""
        if model.is_pretrained:
            return ("sentinel-2",)
        return tuple(s for s in model.sensors if s != "sentinel-1" or self.sentinel1.use != "off")

    @property
    def period(self) -> str:
        """Name of the period's folder, `<start>_<end>`."""
        return f"{self.start}_{self.end}"
