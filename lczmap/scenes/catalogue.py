"""The scenes of a run: one vocabulary for every source, and the frozen list in scenes.json.

A source only has to say which file, band, scale and unit holds which channel; everything after it (clouds,
co-registration, stacks) reads `Scene` and nothing else. No raster is opened here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from lczmap.channels import CHANNEL_SETS, S2_BANDS_L1C, channel_kind, channel_set
from lczmap.files import sha256, write_json

Sensor = Literal["sentinel-1", "sentinel-2"]
Unit = Literal["reflectance", "linear", "amplitude", "dB", "ratio", "degree"]

S1_CHANNELS = tuple(dict.fromkeys(c for s in CHANNEL_SETS.values() if s.sensor == "sentinel-1" for c in s.channels))
"""All radar channels that a scene may bring."""
_ASSETS: dict[Sensor, tuple[str, ...]] = {"sentinel-1": S1_CHANNELS, "sentinel-2": S2_BANDS_L1C}
_UNITS: dict[str, tuple[Unit, ...]] = {
    "complex": ("amplitude",),
    "intensity": ("linear", "dB"),
    "covariance": ("linear",),
    "ratio": ("ratio",),
    "angle": ("degree",),
}


@dataclass(frozen=True)
class Asset:
    """One channel in one file: value = DN · `scale` + `offset` in `unit`; dB becomes linear power on reading.

    `nodata`, `crs` and `transform` (a, b, c, d, e, f) replace what the file says of itself.
    Reflectance of processing baseline 04.00 and later has the offset -0.1 (ESA Sentinel-2 product specification).
    """

    path: str
    band: int = 1
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    unit: Unit = "linear"
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    values: tuple[int, ...] | None = None
    """Of a mask only: the values that mean "not clear", such as classes of a scene classification; None: above 0."""


@dataclass(frozen=True)
class Scene:
    """One acquisition of one sensor.

    `datetime` is ISO 8601 in UTC; `assets` maps channels (channels.py) to files; where `cloud` exists, its values
    above 0 are cloud or shadow. `usable_fraction` is the share of the city's cells that the scene shows
    (Sentinel-2: without cloud), None until it has been measured. `sun` is the (azimuth clockwise from north,
    elevation) of the sun in degrees, where it is known.
    """

    id: str
    sensor: Sensor
    platform: str
    datetime: str
    state: Mapping[str, str]
    orbit_direction: str | None
    relative_orbit: int | None
    assets: Mapping[str, Asset]
    cloud: Asset | None = None
    usable_fraction: float | None = None
    sun: tuple[float, float] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All files of the scene on disk, each once; a raster inside a zip file counts as that file."""
        assets = [*self.assets.values(), *([self.cloud] if self.cloud else [])]
        return tuple(dict.fromkeys(file_on_disk(asset.path) for asset in assets))


@dataclass(frozen=True)
class Catalogue:
    """What a run uses: what was asked for, and the scenes."""

    search: Mapping[str, str]
    scenes: tuple[Scene, ...]
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Size in bytes and sha256 of every file, by path; filled by `write_catalogue`."""

    def of(self, sensor: Sensor) -> tuple[Scene, ...]:
        """Return the scenes of one sensor."""
        return tuple(s for s in self.scenes if s.sensor == sensor)


def file_on_disk(path: str) -> str:
    """Return the file that holds a raster: the zip file of a GDAL path `/vsizip/{zip file}/…`, else the path itself."""
    inside = re.match(r"/vsizip/\{(.+?)\}/", path)
    return inside.group(1) if inside else path


def check_asset(sensor: Sensor, name: str, unit: str) -> None:
    """Raise ValueError unless a scene of `sensor` may have a channel `name` in `unit`."""
    if name not in _ASSETS[sensor]:
        raise ValueError(f"unknown channel {name!r} of {sensor}; known: {', '.join(_ASSETS[sensor])}")
    units = ("reflectance",) if sensor == "sentinel-2" else _UNITS[channel_kind(name)]
    if unit not in units:
        raise ValueError(f"channel {name} of {sensor}: expected unit {' or '.join(units)}, got {unit!r}")


def radar_assets(scene: Scene, name: str) -> tuple[str, ...]:
    """Return the assets of a Sentinel-1 scene that the channel set `name` is made from.

    `so2sat8` needs its eight channels. `grd4` takes intensities where they exist, else the complex amplitudes they
    are the power of; filtered intensities where they exist, else it filters them itself. ValueError names what is
    missing.
    """
    wanted = channel_set(name).channels
    if name == "grd4":
        wanted = tuple(a for pol in ("VH", "VV") for a in _intensity_assets(scene, pol))
        filtered = ("VH_lee", "VV_lee")
        wanted += filtered if set(filtered) <= set(scene.assets) else ()
    missing = [channel for channel in wanted if channel not in scene.assets]
    if missing:
        raise ValueError(f"scene {scene.id}: {name} needs {list(wanted)}, {missing} missing among {list(scene.assets)}")
    return wanted


def select(
    scenes: Iterable[Scene],
    *,
    start: str,
    end: str,
    sensor: Sensor,
    level: str | None = None,
    orbit: str = "any",
    relative_orbit: int | None = None,
    platforms: Sequence[str] = (),
    months: Sequence[int] = (),
) -> tuple[list[Scene], dict[str, int]]:
    """Keep the scenes of a sensor, period (`start`, `end`: days, both included), level, orbit, platform, months.

    None, `any` and an empty sequence keep all. Returns them by date, and how many were dropped for which reason (an
    empty result is for the caller to report).
    """
    kept: list[Scene] = []
    dropped: Counter[str] = Counter()
    for scene in sorted((s for s in scenes if s.sensor == sensor), key=lambda s: (s.datetime, s.id)):
        refusals = {
            "outside the period": not start <= scene.datetime[:10] <= end,
            "outside the season": bool(months) and int(scene.datetime[5:7]) not in months,
            "of another level": level is not None and scene.state.get("level") != level,
            "of another orbit direction": orbit not in ("any", scene.orbit_direction),
            "of another relative orbit": relative_orbit not in (None, scene.relative_orbit),
            "of another platform": bool(platforms) and scene.platform not in platforms,
        }
        reason = next((reason for reason, applies in refusals.items() if applies), None)
        if reason is None:
            kept.append(scene)
        else:
            dropped[reason] += 1
    return kept, dict(dropped)


def utc_text(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, `2020-06-04T05:46:39Z`; one without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Freeze a search as JSON with size and sha256 of every file; complete under its name, or not there."""
    files = {name: Path(name) for scene in catalogue.scenes for name in scene.files}
    content = {
        "search": dict(catalogue.search),
        "scenes": [asdict(scene) for scene in catalogue.scenes],
        "files": {name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for name, file in files.items()},
    }
    write_json(path, content)


def read_catalogue(path: Path) -> Catalogue:
    """Read scenes.json; ValueError when a file that it froze is gone or has another size."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run `find-scenes` first")
    try:
        content = json.loads(path.read_text())
        scenes = tuple(_scene(entry) for entry in content["scenes"])
        catalogue = Catalogue(content["search"], scenes, content["files"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a scene list of this version ({error!r}); run `find-scenes` again") from error
    for name, known in catalogue.files.items():
        size = Path(name).stat().st_size if Path(name).is_file() else None
        if size != known["bytes"]:
            found = "no such file" if size is None else f"{size} bytes"
            raise ValueError(
                f"{path}: {name} had {known['bytes']} bytes when the scenes were found, now: {found}; "
                "bring it back or run `find-scenes` again"
            )
    return catalogue


def _intensity_assets(scene: Scene, polarisation: str) -> Sequence[str]:
    parts = (f"{polarisation}_re", f"{polarisation}_im")
    return parts if polarisation not in scene.assets and set(parts) <= set(scene.assets) else (polarisation,)


def _asset(entry: Mapping[str, Any]) -> Asset:
    lists = {key: None if entry[key] is None else tuple(entry[key]) for key in ("transform", "values")}
    asset = Asset(**{**entry, **lists})
    if asset.unit not in get_args(Unit):
        raise TypeError(f"unknown unit {asset.unit!r}")
    return asset


def _scene(entry: Mapping[str, Any]) -> Scene:
    assets = {name: _asset(asset) for name, asset in entry["assets"].items()}
    cloud = None if entry["cloud"] is None else _asset(entry["cloud"])
    sun = None if entry["sun"] is None else tuple(entry["sun"])
    return Scene(**{**entry, "assets": assets, "cloud": cloud, "sun": sun})
