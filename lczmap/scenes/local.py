"""Scenes on disk: a folder of rasters described by an archive.yaml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lczmap.configfiles import expand
from lczmap.files import write_text
from lczmap.scenes.catalogue import Asset, Scene, Sensor, Unit, check_asset, file_on_disk, utc_text

ARCHIVE_NAME = "archive.yaml"
_STATE_VALUES: dict[Sensor, dict[str, tuple[str, ...] | None]] = {  # None: any text
    "sentinel-2": {"level": ("L1C", "L2A")},
    "sentinel-1": {
        "product": ("grd", "slc"),
        "calibration": ("sigma0", "gamma0", "beta0"),
        "noise_removed": ("true", "false", "unknown"),
        "looks": None,
        "polarimetry": None,
        "terrain": ("dem", "grid heights"),
        "orbit": ("POEORB", "RESORB", "product"),
        "orbit_file": None,
        "heights": None,
        "processor": None,
        "provider": None,
    },
}
_STATE_REQUIRED: dict[Sensor, tuple[str, ...]] = {
    "sentinel-2": ("level",),
    "sentinel-1": ("product", "calibration", "noise_removed", "looks"),
}


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, (int, float)) else value


Text = Annotated[str, BeforeValidator(_text)]  # YAML reads `false` and `4.4` as bool and float
Transform = tuple[float, float, float, float, float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Defaults(_Strict):
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    unit: Unit | None = None
    crs: str | None = None
    transform: Transform | None = None


class _AssetEntry(_Defaults):
    path: str
    band: int = Field(default=1, ge=1)


class _MaskEntry(_AssetEntry):
    values: tuple[int, ...] | None = Field(default=None, min_length=1)


class _Sun(_Strict):
    azimuth: float = Field(ge=0, le=360)
    elevation: float = Field(ge=-90, le=90)


class _Orbit(_Strict):
    direction: Literal["ascending", "descending"] | None = None
    relative: int | None = Field(default=None, ge=1, le=175)


class _SceneEntry(_Strict):
    id: Text
    sensor: Sensor
    platform: str
    datetime: datetime
    state: dict[str, Text]
    orbit: _Orbit = _Orbit()
    defaults: _Defaults = _Defaults()
    assets: dict[str, _AssetEntry] = Field(min_length=1)
    cloud: _MaskEntry | None = None
    sun: _Sun | None = None


class _Archive(_Strict):
    root: str = "."
    scenes: list[_SceneEntry]


def read_archive(path: Path) -> list[Scene]:
    """Read the scenes that an archive.yaml (or the folder that holds one) describes.

    Files are looked for under `root` (environment variables expanded), relative to the yaml. ValueError naming
    file, scene, expected and actual for an unknown key, channel, unit or state, a missing file, an id used twice.
    """
    file = path / ARCHIVE_NAME if path.is_dir() else path
    archive = _parse(file)
    root = expand(archive.root, file.parent).resolve()
    twice = [name for name, count in Counter(s.id for s in archive.scenes).items() if count > 1]
    if twice:
        raise ValueError(f"{file}: the scene id {twice[0]!r} is used more than once; ids must be unique")
    scenes = []
    for entry in archive.scenes:
        try:
            scenes.append(_scene(entry, root))
        except ValueError as error:
            raise ValueError(f"{file}: scene {entry.id}: {error}") from error
    return scenes


def write_archive(path: Path, scenes: Sequence[Scene]) -> None:
    """Describe scenes as archive.yaml; `read_archive` returns them again. Files below its folder get relative paths."""
    write_text(
        path, yaml.safe_dump({"scenes": [_entry(scene, path.parent.resolve()) for scene in scenes]}, sort_keys=False)
    )


def _entry(scene: Scene, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": scene.id,
        "sensor": scene.sensor,
        "platform": scene.platform,
        "datetime": scene.datetime,
        "state": dict(scene.state),
        "orbit": {"direction": scene.orbit_direction, "relative": scene.relative_orbit},
        "assets": {name: _asset_entry(asset, folder) for name, asset in scene.assets.items()},
    }
    if scene.cloud is not None:
        entry["cloud"] = _asset_entry(scene.cloud, folder)
    if scene.sun is not None:
        entry["sun"] = {"azimuth": scene.sun[0], "elevation": scene.sun[1]}
    return entry


def _asset_entry(asset: Asset, folder: Path) -> dict[str, Any]:
    default = Asset(path="")
    given = {key: value for key, value in asdict(asset).items() if value != getattr(default, key) or key == "unit"}
    path = Path(asset.path)
    if not asset.path.startswith("/vsi") and path.resolve().is_relative_to(folder):
        path = path.resolve().relative_to(folder)
    return {**given, "path": path.as_posix()} | {k: list(v) for k, v in given.items() if isinstance(v, tuple)}


def _parse(file: Path) -> _Archive:
    if not file.is_file():
        raise ValueError(f"archive {file}: no such file; expected an {ARCHIVE_NAME} or a folder with one")
    try:
        content = yaml.safe_load(file.read_text())
        return _Archive.model_validate(content)
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not valid YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        problems = "; ".join(_explain(problem, content) for problem in error.errors())
        raise ValueError(f"{file}: {problems}") from error


def _explain(problem: Any, content: Any) -> str:
    where = list(problem["loc"])
    label = ""
    if where[:1] == ["scenes"] and len(where) > 1:
        scene = content["scenes"][where[1]]
        name = scene.get("id") if isinstance(scene, dict) else None
        label, where = f"scene {name or f'number {where[1] + 1}'}: ", where[2:]
    key = ".".join(str(part) for part in where)
    if problem["type"] == "extra_forbidden":
        return f"{label}unknown key `{key}`"
    if problem["type"] == "missing":
        return f"{label}`{key}` is missing"
    return f"{label}`{key or 'archive'}`: {problem['msg']}, got {problem['input']!r}"


def _scene(entry: _SceneEntry, root: Path) -> Scene:
    _check_state(entry.sensor, entry.state)
    assets = {name: _asset(name, asset, entry.defaults, root) for name, asset in entry.assets.items()}
    for name, asset in assets.items():
        check_asset(entry.sensor, name, asset.unit)
    return Scene(
        id=entry.id,
        sensor=entry.sensor,
        platform=entry.platform,
        datetime=utc_text(entry.datetime),
        state=dict(entry.state),
        orbit_direction=entry.orbit.direction,
        relative_orbit=entry.orbit.relative,
        assets=assets,
        cloud=None if entry.cloud is None else _asset("cloud", entry.cloud, _cloud_defaults(entry.defaults), root),
        sun=None if entry.sun is None else (entry.sun.azimuth, entry.sun.elevation),
    )


def _asset(name: str, entry: _AssetEntry, defaults: _Defaults, root: Path) -> Asset:
    # keys of the asset win over the scene's defaults
    given = {**defaults.model_dump(exclude_unset=True), **entry.model_dump(exclude_unset=True)}
    stated = given.pop("path")
    inner = file_on_disk(stated)  # a zip file's path may be relative as well
    path = stated.replace(f"{{{inner}}}", f"{{{root / inner}}}") if inner != stated else str(root / stated)
    if not Path(file_on_disk(path)).is_file():
        raise ValueError(f"{name}: {path}: no such file")
    if given.get("unit") is None:
        raise ValueError(f"{name}: `unit` is missing ({', '.join(get_args(Unit))})")
    return Asset(path=path, **given)


def _cloud_defaults(defaults: _Defaults) -> _Defaults:
    # a mask shares the scene's georeference, not its scale
    return _Defaults(unit="linear", **defaults.model_dump(exclude_unset=True, include={"crs", "transform"}))


def _check_state(sensor: Sensor, state: Mapping[str, str]) -> None:
    known = _STATE_VALUES[sensor]
    for key, value in state.items():
        allowed = known.get(key)
        if key not in known or (allowed is not None and value not in allowed):
            expected = "one of " + ", ".join(allowed or known)
            raise ValueError(f"state of {sensor}: expected {expected}, got `{key}: {value}`")
    missing = [key for key in _STATE_REQUIRED[sensor] if key not in state]
    if missing:
        raise ValueError(f"state of {sensor}: {', '.join(missing)} missing")
    if "looks" in state and not _is_positive(state["looks"]):
        raise ValueError(f"state of {sensor}: expected looks above 0, got {state['looks']!r}")


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
