"""The configuration file of a new city, as text that a person goes on editing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

Source = Literal["gcs", "stac", "sentinelhub", "local"]
SOURCES: tuple[Source, ...] = ("gcs", "stac", "sentinelhub", "local")


@dataclass(frozen=True)
class Choices:
    """What a person chose; None and the empty string leave the default."""

    city: str
    aoi: str | Mapping[str, Any]
    start: str
    end: str
    source: Source = "gcs"
    radar: bool = False
    areas: str | None = None
    pixel_size_m: int = 100
    crs: str | None = None


def city_settings(choices: Choices) -> dict[str, Any]:
    """Return the keys of the city's file; a city without training areas is mapped by the public network gul_s2."""
    settings: dict[str, Any] = {
        "city": choices.city,
        "aoi": choices.aoi,
        "start": choices.start,
        "end": choices.end,
        "sentinel2": _optical(choices.source),
        "sentinel1": _radar(choices),
    }
    place = {"pixel_size_m": choices.pixel_size_m} if choices.pixel_size_m != 100 else {}
    if place or choices.crs:
        settings["map"] = {**place, **({"crs": choices.crs} if choices.crs else {})}
    if choices.areas:
        settings["training"] = {"areas": choices.areas}
        settings["model"] = {"name": "bp_lcz_eb_cnn"} if choices.radar else _optical_network()
        settings["compare"] = ["wudapt_rf"] if choices.radar else [{"name": "wudapt_rf", "sensors": ["sentinel-2"]}]
    else:
        settings["model"] = {"name": "gul_s2"}
        if settings["sentinel2"]["level"] != "L1C":
            settings["allow_level_mismatch"] = True  # the public networks learned from L1C
    return settings


def city_text(settings: Mapping[str, Any], comment: Sequence[str]) -> str:
    """Return the file's text: comment lines, then the keys in their order."""
    header = "".join(f"# {' '.join(line.split())}\n" for line in comment)  # a name from outside stays a comment
    schema = "# yaml-language-server: $schema=../schema.json\n"
    lines = [_line(key, value) for key, value in settings.items()]
    return schema + header + "".join(lines)


def _line(key: str, value: object) -> str:
    # sections on one line each, as in config/cities/
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, width=1000)
    return f"{key}: {text.rstrip().removesuffix('...').rstrip()}\n"


def _optical(source: Source) -> dict[str, Any]:
    # STAC archives have Level-2A; the public networks and gcs want Level-1C
    level = "L2A" if source == "stac" else "L1C"
    extra = {"archive": "FOLDER_OR_ARCHIVE_YAML"} if source == "local" else {"max_cloud": 30, "max_dates": 6}
    return {"source": source, "level": level, **extra}


def _radar(choices: Choices) -> dict[str, Any]:
    if not choices.radar:
        return {"use": "off"}
    source = "local" if choices.source == "local" else "stac" if choices.source == "gcs" else choices.source
    archive = {"archive": "FOLDER_OR_ARCHIVE_YAML"} if source == "local" else {}
    calibration = {"calibration": "gamma0"} if source == "stac" else {}
    return {"source": source, "channels": "grd4", **calibration, **archive}


def _optical_network() -> dict[str, Any]:
    return {"name": "bp_lcz_eb_cnn", "sensors": ["sentinel-2"]}
