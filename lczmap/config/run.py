"""A city run as a whole, and what its sections demand of each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Self

from pydantic import field_validator, model_validator

from lczmap.config.parts import PRETRAINED, BoundingBox, Map, Model, Simulation, Training
from lczmap.config.section import Name, Section, Sensor
from lczmap.config.sensors import NETWORK, SEASONS, Sentinel1, Sentinel2


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
        if radar.source in NETWORK and radar.channels != "grd4":
            yield f"`sentinel1.source: {radar.source}` has intensities only; set `sentinel1.channels: grd4`"
        if radar.source == "simulate" and radar.channels == "rsnnet9":
            yield "the simulated city has the channels so2sat8 and grd4 only; set one of them as `sentinel1.channels`"
        if radar.source == "slc":
            yield from self._slc_problems()
        else:
            yield from self._slc_only(radar)
        if radar.source not in ("slc", "local") and radar.dem is not None:
            yield f"`sentinel1.dem` is for products on disk and `source: slc`; `{radar.source}` brings geocoded pixels"
        if radar.source == "stac" and radar.calibration != "gamma0":
            yield "STAC archives have terrain-corrected radar as gamma0 only; set `sentinel1.calibration: gamma0`"
        if radar.channels != "grd4" and radar.dates == "mean":
            yield f"the channels {radar.channels} are those of one date; `dates: mean` needs `channels: grd4`"

    def _slc_problems(self) -> Iterator[str]:
        radar = self.sentinel1
        if radar.provider == "local" and radar.archive is None:
            yield "`sentinel1.provider: local` needs `sentinel1.archive`, the folder of your SLC products"
        if radar.calibration != "sigma0":
            yield "`sentinel1.source: slc` makes sigma0, as So2Sat has; set `sentinel1.calibration: sigma0`"
        if radar.backend == "snap" and radar.channels != "so2sat8":
            yield "`sentinel1.backend: snap` makes the channels so2sat8 only; set `sentinel1.backend: python`"

    def _slc_only(self, radar: Sentinel1) -> Iterator[str]:
        for key in ("orbit_file", "backend", "geometry_layers"):
            if getattr(radar, key) != Sentinel1.model_fields[key].default:
                yield f"`sentinel1.{key}` is for `sentinel1.source: slc`; the source is {radar.source}"

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
