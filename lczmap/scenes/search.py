"""The search of a run: which scenes of a source a city, period, level and channel set can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyproj

from lczmap.aoi import LONLAT
from lczmap.channels import S2_10
from lczmap.grid import Grid
from lczmap.raster import footprint, lattice
from lczmap.scenes.catalogue import Scene, Sensor, radar_assets, select
from lczmap.scenes.clouds import CloudMethod, measure_usable


def find_scenes(
    *,
    archive: Sequence[Scene],
    city: str,
    start: str,
    end: str,
    level: str,
    s1_channels: str | None,
    orbit: str,
    grid: Grid,
    cloud_method: CloudMethod = "auto",
) -> list[Scene]:
    """Return the scenes of `archive` that a run uses, by sensor and date, with their usable share of the city.

    Sentinel-2: this `level`, inside `start`..`end` (days, both included), on the grid. Sentinel-1 (unless
    `s1_channels` is None): the same period, the `orbit` direction (`any`, `ascending`, `descending`), able to
    deliver the channel set. ValueError when nothing remains: it names city, period, what was asked and why each
    scene was passed over, or both extents when the city lies outside.
    """
    asked: list[tuple[Sensor, str | None, str, str]] = [("sentinel-2", level, "any", f"level {level}")]
    if s1_channels is not None:
        asked.append(("sentinel-1", None, orbit, f"channels {s1_channels}, orbit {orbit}"))
    found: list[Scene] = []
    for sensor, wanted_level, direction, wish in asked:
        kept, dropped = select(archive, start=start, end=end, sensor=sensor, level=wanted_level, orbit=direction)
        complete = [s for s in kept if _delivers(s, s1_channels)]
        dropped |= {"without the channels": len(kept) - len(complete)}
        search = f"city {city}, {start}..{end}, {sensor} {wish}"
        _require(complete, search, sensor, archive, dropped)
        touching = [s for s in complete if _touches(s, grid)]
        if not touching:
            raise ValueError(_outside(search, complete, grid))
        usable = measure_usable(touching, grid, method=cloud_method)
        shown = [s for s in usable if s.usable_fraction]
        dropped |= {"outside the city": len(complete) - len(touching), "all cloud or nodata": len(usable) - len(shown)}
        _require(shown, search, sensor, archive, dropped)
        found += shown
    return found


def _delivers(scene: Scene, s1_channels: str | None) -> bool:
    if scene.sensor == "sentinel-2":
        return set(S2_10.channels) <= set(scene.assets)
    try:
        radar_assets(scene, str(s1_channels))
    except ValueError:
        return False
    return True


def _bounds(scene: Scene, crs: str) -> tuple[float, float, float, float]:
    asset = next(iter(scene.assets.values()))
    return footprint(lattice(asset.path, crs=asset.crs, transform=asset.transform), crs)


def _touches(scene: Scene, grid: Grid) -> bool:
    west, south, east, north = _bounds(scene, grid.crs)
    box = grid.geobox.boundingbox
    return bool(west < box.right and east > box.left and south < box.top and north > box.bottom)


def _outside(search: str, scenes: Sequence[Scene], grid: Grid) -> str:
    corners = [_bounds(scene, LONLAT) for scene in scenes]
    wests, souths, easts, norths = zip(*corners, strict=True)
    scene_box = (min(wests), min(souths), max(easts), max(norths))
    to_lonlat = pyproj.Transformer.from_crs(grid.crs, LONLAT, always_xy=True)
    city_box = to_lonlat.transform_bounds(*grid.geobox.boundingbox)
    boxes = [f"{w:.3f}..{e:.3f} E, {s:.3f}..{n:.3f} N" for w, s, e, n in (city_box, scene_box)]
    return (
        f"{search}: the area of interest ({boxes[0]}) lies outside all {len(scenes)} scenes ({boxes[1]}); "
        "choose scenes of this place, or check the coordinates and the CRS of the area"
    )


def _require(
    scenes: Sequence[Scene], search: str, sensor: Sensor, archive: Sequence[Scene], dropped: Mapping[str, int]
) -> None:
    if scenes:
        return
    total = sum(scene.sensor == sensor for scene in archive)
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "none in the archive"
    remedy = "extend the period or the archive"
    if sensor == "sentinel-1":
        remedy += ", or map without radar (`sentinel1.use: off`)"
    raise ValueError(f"{search}: no scene found among {total} of this sensor ({reasons}); {remedy}")
