"""From Sentinel Hub's catalogue to scenes: one `Found` for each pass of one satellite. Pure.

The Process API makes one picture of all granules or slices within a time interval, so a scene is the interval of a
pass. Platform, orbit direction and relative orbit are what the catalogue states; where it names the mission only
("sentinel-1"), the platform is the mission identifier that starts the product's name (S1C_…). Where it states no
relative orbit there is none: names of Sentinel-1C and 1D do not follow the old formulas.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lczmap.scenes.catalogue import utc_text
from lczmap.scenes.overpass import group_passes
from lczmap.scenes.sources.source import ArchiveError, Found, Request

AROUND_S = 10.0
"""How far the interval of a pass reaches beyond the first and last sensing time that the catalogue states."""
LOOKS = "4.4"
"""Equivalent number of looks of IW GRD in high resolution (ESA, Sentinel-1 Product Specification)."""

Bounds = tuple[float, float, float, float]


def passes(items: Iterable[Mapping[str, Any]], request: Request, *, provider: str) -> list[Found]:
    """Return one Found for each pass in the catalogue's items, by time.

    Radar other than IW with VV and VH is left out. Two satellites that fly in tandem, whose granules of one pass
    interleave in time, cannot be told apart by a time interval: they are left out with a warning. ArchiveError for
    an item that is not as documented.
    """
    pixels = state(request, provider=provider)
    each = {item.get("id"): item for item in items}.values()  # two halves of a box may share some
    found = [_found(item, request, pixels) for item in each if _is_wanted(item)]
    groups = group_passes(found)
    merged = [_merge(group, _margin(group, groups)) for group in groups]
    apart = [one for one in merged if one.item["from"] <= one.item["to"]]
    if len(apart) < len(merged):
        mixed = ", ".join(one.id for one in merged if one not in apart)
        warnings.warn(f"Sentinel Hub cannot tell apart satellites flying in tandem, left out: {mixed}", stacklevel=2)
    return apart


def union(boxes: Sequence[Bounds]) -> Bounds:
    """Return the bounds around bounds in degrees; west > east crosses the antimeridian, on both sides."""
    crosses = any(west > east for west, _, east, _ in boxes) or _spread(boxes) > 180

    def wests(value: float) -> float:
        return value + 360 if crosses and value < 0 else value

    west, east = min(wests(box[0]) for box in boxes), max(wests(box[2]) for box in boxes)
    return _wrap(west), min(box[1] for box in boxes), _wrap(east), max(box[3] for box in boxes)


def _spread(boxes: Sequence[Bounds]) -> float:
    return max(box[2] for box in boxes) - min(box[0] for box in boxes)


def _wrap(longitude: float) -> float:
    return longitude - 360 if longitude > 180 else longitude


def _is_wanted(item: Mapping[str, Any]) -> bool:
    # the search asks for this already; a server that ignores the filter is not trusted
    properties = item.get("properties", {})
    polarisations = properties.get("sar:polarizations", ["VV", "VH"])
    return (
        properties.get("sar:instrument_mode", "IW") == "IW"
        and properties.get("s1:polarization", "DV") == "DV"
        and {"VV", "VH"} <= set(polarisations)
    )


def _found(item: Mapping[str, Any], request: Request, pixels: Mapping[str, str]) -> Found:
    try:
        properties, name = item["properties"], str(item["id"])
        cloud, orbit = properties.get("eo:cloud_cover"), properties.get("sat:relative_orbit")
        direction = properties.get("sat:orbit_state")
        west, south, east, north = (float(value) for value in item["bbox"])
        return Found(
            id=name,
            sensor=request.sensor,
            platform=_platform(properties.get("platform"), name),
            datetime=_instant(properties["datetime"]).isoformat(),
            state=pixels,
            orbit_direction=None if direction is None else str(direction).lower(),
            relative_orbit=None if orbit is None else int(orbit),
            cloud_cover=None if cloud is None else float(cloud),
            bounds=(west, south, east, north),
            footprint=item.get("geometry"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(
            f"Sentinel Hub's catalogue: item {item.get('id')}: expected datetime, bbox and platform, got {error!r}; "
            "the service may have changed: choose another source and report this"
        ) from error


def state(request: Request, *, provider: str) -> dict[str, str]:
    """Return how the pixels of this request are made.

    Thermal noise is removed from all Sentinel-1 products, and terrain corrected by a DEM (documented by the service).
    """
    if request.sensor == "sentinel-2":
        return {"level": request.level}
    return {
        "product": "grd",
        "calibration": request.calibration,
        "noise_removed": "true",
        "looks": LOOKS,
        "terrain": "dem",
        "provider": provider,
    }


def _merge(group: Sequence[Found], margin: timedelta) -> Found:
    first, last = _instant(group[0].datetime), _instant(group[-1].datetime)
    clouds = [one.cloud_cover for one in group if one.cloud_cover is not None]
    short = group[0].platform.replace("sentinel-", "S").upper()
    item = {
        "from": (first - margin).isoformat(),
        "to": (last + margin).isoformat(),
        "products": [one.id for one in group],
    }
    return replace(
        group[0],
        id=f"{short}_{group[0].state.get('level', 'GRD')}_{first:%Y%m%dT%H%M%S}",
        datetime=utc_text(first),
        cloud_cover=sum(clouds) / len(clouds) if clouds else None,
        bounds=union([one.bounds for one in group]),
        item=item,
    )


def _margin(group: Sequence[Found], groups: Sequence[Sequence[Found]]) -> timedelta:
    """Return half the time to the nearest other pass, at most `AROUND_S`; negative where they interleave."""
    first, last = _instant(group[0].datetime), _instant(group[-1].datetime)
    gaps = [
        max(first - _instant(other[-1].datetime), _instant(other[0].datetime) - last)
        for other in groups
        if other is not group
    ]
    half = min(gaps, default=timedelta(days=1)) * 0.49
    # an empty interval says that the passes cannot be told apart
    return min(half, timedelta(seconds=AROUND_S)) if half > timedelta(0) else -timedelta(days=1)


def _platform(stated: object, name: str) -> str:
    if isinstance(stated, str) and re.fullmatch(r"sentinel-[12][a-z]", stated.lower()):
        return stated.lower()
    match = re.match(r"S([12])([A-Z])_", name)
    if match is None:
        raise ValueError(f"platform {stated!r} of {name}")
    return f"sentinel-{match[1]}{match[2].lower()}"


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
