"""The search of a run: which scenes of a source a city, period, level and channel set can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pyproj

from lczmap.aoi import LONLAT
from lczmap.channels import S2_10
from lczmap.grid import Grid
from lczmap.raster import footprint, lattice
from lczmap.scenes.catalogue import Scene, Sensor, radar_assets, select
from lczmap.scenes.clouds import CloudMethod
from lczmap.scenes.overpass import measure_usable
from lczmap.views import PIXEL_STATE


@dataclass(frozen=True)
class Wish:
    """Which scenes a run can use.

    Sentinel-2: this `level`, inside `start`..`end` (days, both included). Sentinel-1 (unless `s1_channels` is None):
    the same period, the `orbit` direction (any, ascending, descending), the `relative_orbit`, able to deliver the
    channel set; where `radar_optional`, finding none is no error. `platforms` narrows both, `months` (1..12)
    Sentinel-2; empty means all.
    """

    start: str
    end: str
    level: str
    s1_channels: str | None
    orbit: str = "any"
    relative_orbit: int | None = None
    platforms: tuple[str, ...] = ()
    months: tuple[int, ...] = ()
    radar_optional: bool = False

    def describe(self) -> dict[str, str]:
        """Return what was asked for, as text by key."""
        return {key: str(value) for key, value in asdict(self).items() if value not in (None, (), False)}


def find_scenes(
    archive: Sequence[Scene], grid: Grid, wish: Wish, *, city: str, cloud_method: CloudMethod = "auto"
) -> list[Scene]:
    """Return the scenes of `archive` that a run can use, by sensor and date, with their usable share of the city.

    ValueError when nothing remains: it names city, period, what was asked and why each scene was passed over, or
    both extents when the city lies outside.
    """
    sensors: tuple[Sensor, ...] = ("sentinel-2",) if wish.s1_channels is None else ("sentinel-2", "sentinel-1")
    found: list[Scene] = []
    for sensor in sensors:
        try:
            found += _of_sensor(archive, grid, wish, sensor, city, cloud_method)
        except NoSceneError as error:
            if sensor == "sentinel-2" or not wish.radar_optional:
                raise
            print(f"warning: {error}; the map is made without Sentinel-1 (`sentinel1.use: preferred`)", flush=True)
    return found


def check_scenes(trained: Mapping[str, Mapping[str, str]], scenes: Sequence[Scene], network: str) -> None:
    """Refuse scenes in another state than a ready network was trained on, before anything is made of them.

    `trained` is the checkpoint's state by sensor. Looks are checked on the stack: averaging changes them.
    """
    for scene in scenes:
        keys = set(PIXEL_STATE) - {"looks"}
        wanted = {key: value for key, value in trained.get(scene.sensor, {}).items() if key in keys}
        found = {key: scene.state.get(key, "nothing") for key in wanted}
        if found != wanted:
            raise ValueError(
                f"the network {network} was trained on {scene.sensor} pixels of {wanted}, scene {scene.id} is {found}: "
                "use scenes of that state, another network, or `allow_level_mismatch: true` at a loss of quality"
            )


class NoSceneError(ValueError):
    """No scene of a sensor can be used."""


def _of_sensor(
    archive: Sequence[Scene], grid: Grid, wish: Wish, sensor: Sensor, city: str, cloud_method: CloudMethod
) -> list[Scene]:
    asked = f"level {wish.level}" if sensor == "sentinel-2" else f"channels {wish.s1_channels}, orbit {wish.orbit}"
    search = f"city {city}, {wish.start}..{wish.end}, {sensor} {asked}"
    kept, dropped = select(
        archive,
        start=wish.start,
        end=wish.end,
        sensor=sensor,
        level=wish.level if sensor == "sentinel-2" else None,
        orbit=wish.orbit if sensor == "sentinel-1" else "any",
        relative_orbit=wish.relative_orbit if sensor == "sentinel-1" else None,
        platforms=tuple(p for p in wish.platforms if p.startswith(sensor)),
        months=wish.months if sensor == "sentinel-2" else (),
    )
    complete = [s for s in kept if _delivers(s, wish.s1_channels)]
    dropped |= {"without the channels": len(kept) - len(complete)}
    _require(complete, search, sensor, archive, dropped)
    touching = [s for s in complete if _touches(s, grid)]
    if not touching:
        raise NoSceneError(_outside(search, complete, grid))
    usable = measure_usable(touching, grid, method=cloud_method)
    shown = [s for s in usable if s.usable_fraction]
    dropped |= {"outside the city": len(complete) - len(touching), "all cloud or nodata": len(touching) - len(shown)}
    _require(shown, search, sensor, archive, dropped)
    return shown


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
        remedy += ", or map without radar (`sentinel1.use: preferred` or `off`)"
    raise NoSceneError(f"{search}: no scene found among {total} of this sensor ({reasons}); {remedy}")
