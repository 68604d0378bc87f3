"""Read configuration files: several cities, environment variables in paths, errors that people can act on."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lczmap.config import (
    Accuracy,
    Adapt,
    AirTemperature,
    BoundingBox,
    Config,
    Map,
    Model,
    OtherMap,
    Reproduce,
    Sentinel1,
    Sentinel2,
    Simulation,
    SurfaceTemperature,
    Temperature,
    Training,
    check_cities,
)

_SECTIONS: dict[str, type[BaseModel]] = {
    "aoi": BoundingBox,
    "sentinel2": Sentinel2,
    "sentinel1": Sentinel1,
    "simulation": Simulation,
    "map": Map,
    "training": Training,
    "model": Model,
    "compare": Model,
    "adapt": Adapt,
    "accuracy": Accuracy,
    "other_maps": OtherMap,
    "temperature": Temperature,
    "air": AirTemperature,
    "surface": SurfaceTemperature,
    "reproduce": Reproduce,
}


def load_configs(
    files: Sequence[Path], *, root: Path, overrides: Mapping[str, Any] | None = None
) -> tuple[Config, ...]:
    """Read the cities of one or more configuration files.

    A file is one city or `cities: [file, …]` (paths relative to `root`, the clone). `overrides` replaces keys in
    every city. ValueError in one paragraph for a missing file, an unknown key, a value out of range, two cities
    that would write the same folder, or cities that cannot learn from each other as they shall.
    """
    configs = [config for file in files for config in _load(file, root, overrides or {})]
    seen: set[tuple[str, str]] = set()
    for config in configs:
        if (config.city, config.period) in seen:
            raise ValueError(f"two configurations describe {config.city} {config.period}; give one another `city` name")
        seen.add((config.city, config.period))
    check_cities(configs)
    return tuple(configs)


def parse_config(content: Mapping[str, Any], origin: str) -> Config:
    """Return one city's configuration; ValueError in one paragraph that starts with its `origin`."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = [_explain(e) for e in error.errors() if not _is_other_branch(e)]
        raise ValueError(f"{origin}: " + "; ".join(problems)) from error


def expand_endpoint(endpoint: str, root: Path) -> str:
    """Return an endpoint's name or address as it is; a catalogue on disk is a path like any other (`expand`)."""
    is_path = "://" not in endpoint and any(c in endpoint for c in "/$.")
    return str(expand(endpoint, root)) if is_path else endpoint


def expand(path: str, root: Path) -> Path:
    """Expand `${NAME}` and `${NAME:-default}` from the environment; relative paths start at `root`."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name, default)
        if found is None:
            raise ValueError(f"the path {path!r} needs the environment variable {name}; set it")
        return found

    expanded = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, path)
    return root / Path(expanded).expanduser()


def _load(file: Path, root: Path, overrides: Mapping[str, Any]) -> Iterator[Config]:
    content = _read_yaml(file)
    if "cities" in content:
        if set(content) != {"cities"} or not isinstance(content["cities"], list):
            raise ValueError(f"{file}: `cities` must be the only key, a list of configuration files")
        for entry in content["cities"]:
            yield from _load(expand(str(entry), root), root, overrides)
        return
    yield parse_config(merge(content, overrides), str(file))


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ValueError(f"configuration {file}: no such file")
    try:
        content = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected keys and values, got {type(content).__name__}")
    return content


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `overrides` replaced, also inside mappings that both have."""
    merged = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _is_other_branch(error: Any) -> bool:
    # pydantic reports both readings of `aoi`; a mapping was never meant as a path
    return bool(error["loc"][:2] == ("aoi", "str") and isinstance(error["input"], dict))


def _explain(error: Any) -> str:
    location = [part for part in error["loc"] if part != "BoundingBox"]
    where = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        return f"unknown key `{where}`" + (f"; did you mean `{close[0]}`?" if close else f", known: {', '.join(known)}")
    message = error["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message}, got {error['input']!r}" if where else message


def _known_keys(location: Sequence[str | int]) -> list[str]:
    section: type[BaseModel] = Config
    for part in location:
        if isinstance(part, str):
            section = _SECTIONS.get(part, section)
    return list(section.model_fields)
