"""Which of an archive's scenes a run will fetch: whole passes, the clearest and most complete first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lczmap.scenes.overpass import group_passes, same_track
from lczmap.scenes.sources.source import Found, Request, lonlat_bounds

SAME_MOMENT = timedelta(seconds=10)
SAME_BOUNDS_DEG = 0.1
"""Two processings of one granule state times and bounds that differ by no more; neighbours lie a degree apart."""
MIN_COVERAGE = 0.01
"""Share of the city below which a pass is not worth a date."""


def choose(
    found: Sequence[Found],
    request: Request,
    *,
    max_dates: int | None,
    seasons: Sequence[tuple[int, ...]] = ((),),
    one_orbit: bool = False,
) -> tuple[list[Found], dict[str, int]]:
    """Return what to fetch, by date, and how many were passed over for which reason.

    At most `max_dates` passes (None: all) of each season (months 1..12, empty: all): Sentinel-2 by the clear share of
    the city, as the archive states it, Sentinel-1 by the share alone, then by date. `one_orbit` keeps to the platform
    and relative orbit of the best pass. Of one granule in several processings the last (by id) counts.
    """
    dropped: Counter[str] = Counter()
    kept: list[Found] = []
    for one in _latest(found, dropped):
        reason = _refusal(one, request)
        if reason is None:
            kept.append(one)
        else:
            dropped[reason] += 1
    passes = group_passes(kept)
    shares = {group[0].id: _coverage(group, request) for group in passes}
    worth = [group for group in passes if shares[group[0].id] >= MIN_COVERAGE]
    dropped["showing next to nothing of the city"] = _count(passes) - _count(worth)
    ranked = sorted(worth, key=lambda g: (-round(shares[g[0].id] * (1 - _cloud(g) / 100), 3), g[0].datetime))
    if one_orbit and ranked:
        ranked = [group for group in ranked if same_track(group[0], ranked[0][0])]
    chosen: dict[str, list[Found]] = {}
    for months in seasons:
        chosen |= {g[0].id: g for g in [g for g in ranked if _in_months(g[0], months)][:max_dates]}
    dropped["beyond the dates that are wanted"] = _count(worth) - _count(chosen.values())
    taken = sorted((one for group in chosen.values() for one in group), key=lambda f: (f.datetime, f.id))
    return taken, {reason: count for reason, count in dropped.items() if count}


def _count(groups: Iterable[Sequence[Found]]) -> int:
    return sum(len(group) for group in groups)


def _latest(found: Sequence[Found], dropped: Counter[str]) -> list[Found]:
    """Keep the last processing of each granule."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: f.id, reverse=True):
        if any(_same_granule(one, other) for other in kept):
            dropped["processed again later"] += 1
        else:
            kept.append(one)
    return kept


def _same_granule(one: Found, other: Found) -> bool:
    if (one.sensor, one.platform) != (other.sensor, other.platform):
        return False
    apart = datetime.fromisoformat(one.datetime) - datetime.fromisoformat(other.datetime)
    moved = max(abs(a - b) for a, b in zip(one.bounds, other.bounds, strict=True))
    return abs(apart) <= SAME_MOMENT and moved <= SAME_BOUNDS_DEG


def _refusal(one: Found, request: Request) -> str | None:
    cloudy = one.cloud_cover is not None and one.cloud_cover > request.max_cloud
    in_period = request.start <= one.datetime[:10] <= request.end and _in_months(one, request.months)
    refusals = {
        "of another sensor": one.sensor != request.sensor,
        "outside the period": not in_period,
        "of another orbit direction": request.orbit not in ("any", one.orbit_direction),
        "of another relative orbit": request.relative_orbit not in (None, one.relative_orbit),
        "of another platform": request.platform not in ("any", one.platform),
        f"cloudier than {request.max_cloud:g} %": cloudy,
    }
    return next((reason for reason, applies in refusals.items() if applies), None)


def _in_months(one: Found, months: Sequence[int]) -> bool:
    return not months or int(one.datetime[5:7]) in months


def _coverage(group: Iterable[Found], request: Request) -> float:
    west, south, east, north = lonlat_bounds(request.grid)
    city = shapely.box(west, south, east, north)
    seen = shapely.union_all([_outline(one, west) for one in group])
    return float(city.intersection(seen).area / city.area)


def _outline(one: Found, city_west: float) -> BaseGeometry:
    west, south, east, north = one.bounds
    if one.footprint is not None and west <= east:
        return shapely.make_valid(shape(dict(one.footprint)))
    if west > east:  # across the antimeridian: put it on the city's side
        west, east = (west, east + 360) if city_west > 0 else (west - 360, east)
    return shapely.box(west, south, east, north)


def _cloud(group: Sequence[Found]) -> float:
    known = [one.cloud_cover for one in group if one.cloud_cover is not None]
    return sum(known) / len(known) if known else 0.0
