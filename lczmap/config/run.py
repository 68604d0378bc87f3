"""A city run as a whole, and what its sections demand of each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from lczmap.config.networks import network_problems
from lczmap.config.parts import PRETRAINED, SENSORS, BoundingBox, Map, Model, Simulation, Training
from lczmap.config.products import EXPORTS, Accuracy, ExportName, OtherMap, Temperature
from lczmap.config.reproduce import Reproduce
from lczmap.config.section import Name, Section, Sensor
from lczmap.config.sensors import NETWORK, SEASONS, Sentinel1, Sentinel2


def _name_is_model(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


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
    compare: tuple[Annotated[Model, BeforeValidator(_name_is_model, json_schema_input_type=Model | str)], ...] = ()
    """Further networks that map the same city: names, or sections like `model`."""
    accuracy: Accuracy = Accuracy()
    other_maps: tuple[OtherMap, ...] = ()
    """Further LCZ maps of the city that the map is compared with: `name`, `path`, and where needed `band` and `against`
    (`lcz` or `lcz_filtered`: which of our maps)."""
    temperature: Temperature = Temperature()
    exports: tuple[ExportName, ...] = EXPORTS
    """Files for other programs, in `exports/`: docs/outputs.md."""
    allow_level_mismatch: bool = False
    """Let a network see pixels of another processing level or calibration than it was trained on."""
    reproduce: Reproduce | None = None
    """A paper's table to run on So2Sat LCZ42: `snakemake reproduce`. Its keys: docs/reproduction.md."""

    @field_validator("compare", mode="before")
    @classmethod
    def _is_list(cls, value: object) -> object:
        if isinstance(value, (str, dict)):
            raise ValueError("expected a list of networks, such as [gul_s2]")
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
        names = [other.name for other in self.other_maps]
        if len(set(names)) < len(names):
            yield f"`other_maps` has a name twice: {', '.join(names)}; each needs a folder of its own"
        for model in self.models:
            if not model.is_ensemble and not self.sensors_of(model):
                yield f"the network {model.key!r} sees no sensor; `sentinel1.use` is off"
        yield from network_problems(self.models, self.sentinel1, self.sentinel2)
        if self.map.explanation and not any(m.has_text for m in self.models):
            yield (
                f"`map.explanation` needs a network with text (bp_lcz_…), the run has {[m.name for m in self.models]}; "
                "add one, or set it to false"
            )
        if self.training.labels == "teacher":
            yield from self._teacher_problems()
        elif self.training.cities == "own" and not self.has_labels and any(m.is_trained for m in self.models):
            yield (
                f"the network {self.model.name!r} needs training areas: set `training.areas`, or choose a public "
                f"network ({', '.join(PRETRAINED)}) as `model.name`"
            )

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
                if "sentinel-2" in PRETRAINED.get(model.name, ()):
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

    def _teacher_problems(self) -> Iterator[str]:
        training = self.training
        patch_m = 10 * training.patch_px  # pixels of 10 m
        teachers = [m.key for m in self.compare if not any(n.is_trained for n in (m, *self.members_of(m)))]
        if training.cities == "others":
            yield "`training.cities: others` learns from the areas of other cities; set `training.labels: areas`"
        if training.teacher not in teachers:
            yield (
                f"`training.teacher` must be a ready network of `compare` {teachers} (a public one, or one with a "
                f"`checkpoint`), got {training.teacher}"
            )
        if training.gap_m < patch_m:
            yield (
                f"`training.gap_m` keeps taught and tested patches apart: expected at least their width of {patch_m} m "
                f"({training.patch_px} px), got {training.gap_m} m; set `training.gap_m: {patch_m}`"
            )

    @property
    def models(self) -> tuple[Model, ...]:
        """All networks of the run, the main one first."""
        return (self.model, *self.compare)

    @property
    def sees_radar(self) -> bool:
        """True where a network of the run sees Sentinel-1."""
        return any("sentinel-1" in self.sensors_of(m) for m in self.models)

    @property
    def learns_from_radar(self) -> bool:
        """True where a network that the run trains sees Sentinel-1."""
        return any("sentinel-1" in self.sensors_of(m) for m in self.models if m.is_trained)

    @property
    def has_labels(self) -> bool:
        """True where the city has areas of known class, given or those of the simulation, which teach or only test."""
        return self.training.areas is not None or self.sentinel2.source == "simulate"

    @property
    def learns_from_own_areas(self) -> bool:
        """True where the run trains a network on the city's own areas: not where a teacher labels or others teach.

        Fitting a network to the city's pixels (`adapt`) uses no labels.
        """
        own = self.training.labels == "areas" and self.training.cities == "own"
        return own and any(m.is_trained for m in self.models)

    @property
    def tested_split(self) -> Literal["test", "all"]:
        """Which of the city's areas test its maps: the same for all networks of the run, so that figures compare.

        `all` where no network can have learned from them, else those of the split `test`: where the run trains one on
        them, or loads a ready checkpoint, of which it is not known where it learned, nor what it then taught.
        """
        ready = any(m.checkpoint is not None for m in self.models)
        return "test" if ready or self.learns_from_own_areas else "all"

    @property
    def areas_test(self) -> bool:
        """True where areas of the city test its maps: it has some, and `training.test: 0` does not keep them all."""
        return self.has_labels and (self.tested_split == "all" or self.training.test > 0)

    @property
    def needs_test_polygons(self) -> bool:
        """True where the maps are tested on the split `test` of the areas, so that a polygon has to come into it."""
        return self.areas_test and self.tested_split == "test"

    def stack_views(self, sensor: Sensor) -> tuple[str, ...]:
        """Return the names of a sensor's views: the seasons, the radar dates, or one without a name."""
        if sensor == "sentinel-2" and self.sentinel2.season == "four":
            return SEASONS
        if sensor == "sentinel-1" and self.sentinel1.dates == "softmax":
            return tuple(str(number + 1) for number in range(self.sentinel1.max_dates))
        return ("",)

    def sensors_of(self, model: Model) -> tuple[Sensor, ...]:
        """Return what a network sees in this run, an ensemble what its members see."""
        wanted = {s for m in (model, *self.members_of(model)) for s in m.wanted_sensors}
        if self.sentinel1.use == "off":
            wanted -= {"sentinel-1"}
        return tuple(s for s in SENSORS if s in wanted)

    def members_of(self, model: Model) -> tuple[Model, ...]:
        """Return the networks that an ensemble joins; none of another network."""
        return tuple(m for m in self.models if model.is_ensemble and m.key in model.members and not m.is_ensemble)

    def is_public(self, model: Model) -> bool:
        """True for a public network, and for an ensemble with one: what its authors say of it goes with the map."""
        return any(m.is_pretrained for m in (model, *self.members_of(model)))

    @property
    def period(self) -> str:
        """Name of the period's folder, `<start>_<end>`."""
        return f"{self.start}_{self.end}"
