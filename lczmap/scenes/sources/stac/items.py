"""What a STAC item says of a scene: pure functions from the item's JSON to `Found`, opening nothing.

Sentinel-1 is taken from terrain-corrected collections only (RTC): linear gamma0, flattened with a terrain model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from lczmap.scenes.catalogue import Sensor, utc_text
from lczmap.scenes.sources.source import ArchiveError, Found
from lczmap.scenes.sources.stac.bands import BandFile, Item, optical_files, radar_files

LOOKS_GRDH_IW = "4.4"  # equivalent number of looks of IW GRDH (ESA Sentinel-1 Product Definition)

_TERRAIN_CORRECTED = re.compile(r"(?:^|[-_.])(?:rtc|nrb)(?:[-_.]|$)", re.IGNORECASE)
_LEVELS = {"S2MSI1C": "L1C", "S2MSI2A": "L2A", "L1C": "L1C", "L2A": "L2A", "L1": "L1C", "L2": "L2A"}


def band_files(found: Found) -> dict[str, BandFile]:
    """Return the files of a found scene by channel (and SCL), as `found_scene` wrote them into its `item`."""
    return {name: BandFile.of(entry) for name, entry in found.item["files"].items()}


def found_scene(item: Item, *, provider: str) -> Found:
    """Return what an item says of a Sentinel-1 or Sentinel-2 scene; ArchiveError names what it leaves unsaid."""
    try:
        return _found(item, provider)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ArchiveError(
            f"STAC item {item.get('id')} of {item.get('collection')}: {reason}; "
            "choose another collection or endpoint, or correct the catalogue"
        ) from error


def sensor_of(item: Item) -> Sensor | None:
    """Return sentinel-1, sentinel-2, or None for anything else."""
    match = re.fullmatch(r"sentinel-([12])[a-z]", _platform(item["properties"]))
    return None if match is None else "sentinel-1" if match.group(1) == "1" else "sentinel-2"


def level_of(item: Item) -> str:
    """Return L1C or L2A: the product type, else the processing level, else the collection's name say it."""
    said = item["properties"]
    for key in ("s2:product_type", "product:type", "processing:level"):
        if str(said.get(key)) in _LEVELS:
            return _LEVELS[str(said[key])]
    match = re.search(r"l1c|l2a", str(item.get("collection")), re.IGNORECASE)
    if match:
        return match.group().upper()
    raise ValueError("neither product type, processing level nor collection say whether it is L1C or L2A")


def is_terrain_corrected(collection: str | None) -> bool:
    """Return whether a Sentinel-1 collection is known, by its name, to be radiometrically terrain-corrected."""
    return bool(collection) and _TERRAIN_CORRECTED.search(str(collection)) is not None


def _found(item: Item, provider: str) -> Found:
    said = item["properties"]
    sensor = sensor_of(item)
    if sensor == "sentinel-2":
        state, files = {"level": level_of(item)}, optical_files(item)
    elif sensor == "sentinel-1":
        state, files = _radar_state(item, provider), radar_files(item)
    else:
        raise ValueError(f"expected platform sentinel-1x or sentinel-2x, got {said.get('platform')!r}")
    direction, orbit, cloud = (said.get(k) for k in ("sat:orbit_state", "sat:relative_orbit", "eo:cloud_cover"))
    return Found(
        id=str(item["id"]),
        sensor=sensor,
        platform=_platform(said),
        datetime=utc_text(datetime.fromisoformat(said.get("datetime") or said["start_datetime"])),
        state=state,
        orbit_direction=str(direction).lower() if direction else None,
        relative_orbit=None if orbit is None else int(orbit),
        cloud_cover=None if cloud is None else float(cloud),
        bounds=_bounds(item["bbox"]),
        footprint=item.get("geometry"),
        item={
            "collection": item.get("collection"),
            "sun": _sun(said),
            "files": {name: asdict(file) for name, file in files.items()},
        },
    )


def _radar_state(item: Item, provider: str) -> dict[str, str]:
    said = item["properties"]
    if not is_terrain_corrected(item.get("collection")):
        raise ValueError("the collection is not known to be terrain-corrected (RTC)")
    looks = said.get("sar:looks_equivalent_number")
    if looks is None and said.get("sar:instrument_mode") != "IW":
        raise ValueError("neither `sar:looks_equivalent_number` nor the mode IW are stated")
    software = said.get("processing:software")
    text = " ".join(f"{name} {version}" for name, version in software.items()) if isinstance(software, dict) else None
    processor = text or said.get("processing:version")
    state = {
        "product": "grd",
        "calibration": "gamma0",
        "noise_removed": "unknown",  # no archive that was looked at documents it
        "looks": LOOKS_GRDH_IW if looks is None else f"{float(looks):g}",
        "provider": provider,
    }
    return state | ({"processor": str(processor)} if processor else {})


def _sun(properties: Mapping[str, Any]) -> tuple[float, float] | None:
    azimuth, elevation = (properties.get(f"view:sun_{key}") for key in ("azimuth", "elevation"))
    if azimuth is not None and elevation is not None:
        return float(azimuth), float(elevation)
    azimuth, zenith = (properties.get(f"s2:mean_solar_{key}") for key in ("azimuth", "zenith"))
    return None if azimuth is None or zenith is None else (float(azimuth), 90.0 - float(zenith))


def _bounds(bbox: Any) -> tuple[float, float, float, float]:
    half = len(bbox) // 2  # four numbers, or six with heights
    return float(bbox[0]), float(bbox[1]), float(bbox[half]), float(bbox[half + 1])


def _platform(properties: Mapping[str, Any]) -> str:
    return str(properties.get("platform")).lower().replace("_", "-").replace(" ", "-")
