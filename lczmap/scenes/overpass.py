"""Overpasses: the scenes that one satellite took of a city in one go.

Archives cut a pass into granules (Sentinel-2, 110 km) or slices (Sentinel-1, 25 s) that overlap. A city on a border
needs several of them, and they are one date: one vote in a composite, one shift, one radar picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lczmap.grid import Grid
from lczmap.scenes.catalogue import Scene, Sensor
from lczmap.scenes.clouds import CloudMethod, cloud_mask, read_asset
from lczmap.views import described

EDGE_PX = 6
"""Reach of cubic convolution of 20 m pixels, and of the speckle filter, in 10 m pixels."""
REPEAT = timedelta(days=12)
"""Sentinel-1 flies over the same track again after this time (ESA, Sentinel-1 mission guide)."""
SAME_PASS = timedelta(minutes=10)
"""Scenes of one platform and orbit that lie no further apart are one pass; the next one comes after 99 minutes."""


@dataclass(frozen=True)
class Overpass:
    """Scenes of one pass, by time; where they overlap the first that shows a pixel counts."""

    scenes: tuple[Scene, ...]

    @property
    def id(self) -> str:
        """Name of the pass: the id of its first scene."""
        return self.scenes[0].id

    @property
    def datetime(self) -> str:
        """Start of the first scene, ISO 8601 in UTC."""
        return self.scenes[0].datetime

    @property
    def usable_fraction(self) -> float | None:
        """Share of the city that the pass shows clearly, None until measured."""
        return self.scenes[0].usable_fraction


class Acquired(Protocol):
    """What has been acquired by a satellite: a scene, or one that an archive has."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def platform(self) -> str: ...  # noqa: D102
    @property
    def datetime(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def orbit_direction(self) -> str | None: ...  # noqa: D102
    @property
    def relative_orbit(self) -> int | None: ...  # noqa: D102


A = TypeVar("A", bound=Acquired)


def overpasses(scenes: Sequence[Scene], sensor: Sensor) -> list[Overpass]:
    """Group the scenes of a sensor into passes, by time."""
    return [Overpass(tuple(group)) for group in group_passes([s for s in scenes if s.sensor == sensor])]


def group_passes(items: Sequence[A]) -> list[list[A]]:
    """Group what one platform took from one orbit within `SAME_PASS`; groups and members by time."""
    groups: list[list[A]] = []
    for item in sorted(items, key=lambda i: (_pass_key(i), i.datetime, i.id)):
        last = groups[-1][-1] if groups else None
        if last is not None and _pass_key(last) == _pass_key(item) and _time(item) - _time(last) <= SAME_PASS:
            groups[-1].append(item)
        else:
            groups.append([item])
    return sorted(groups, key=lambda group: (group[0].datetime, group[0].id))


def measure_usable(scenes: Sequence[Scene], grid: Grid, *, method: CloudMethod = "auto") -> list[Scene]:
    """Return the scenes with `usable_fraction`: what their pass shows of the city's cells, without cloud.

    All scenes of a pass carry the same share; a scene that adds no cell with data is left out.
    """
    measured: dict[str, Scene] = {}
    sensors: tuple[Sensor, ...] = ("sentinel-2", "sentinel-1")
    for sensor in sensors:
        for one in overpasses(scenes, sensor):
            seen = {scene.id: _cells_with_data(scene, grid) for scene in one.scenes}
            shown = [scene for scene in one.scenes if seen[scene.id].any()]
            clear = np.zeros(grid.cells_shape, np.bool_)
            for scene in shown:
                cloudy = scene.sensor == "sentinel-2" and cloud_mask(scene, grid.cell_geobox, grid, method=method)
                clear |= seen[scene.id] & ~np.asarray(cloudy)
            measured |= {scene.id: replace(scene, usable_fraction=float(clear.mean())) for scene in shown}
    return [measured[scene.id] for scene in scenes if scene.id in measured]


def same_track(one: Acquired, other: Acquired) -> bool:
    """Say whether two passes are of one platform and relative orbit, so that they see the city alike.

    Where an archive does not state the relative orbit, the time of day within the `REPEAT` cycle tells tracks apart.
    """
    if (one.platform, one.orbit_direction) != (other.platform, other.orbit_direction):
        return False
    if one.relative_orbit is not None and other.relative_orbit is not None:
        return one.relative_orbit == other.relative_orbit
    apart = (_time(one) - _time(other)) % REPEAT
    return min(apart, REPEAT - apart) <= SAME_PASS


def seams(shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Say which of several overlapping scenes of a pass shows each pixel: (scene, y, x) → (y, x), -1 where none does.

    The first scene that shows a pixel counts; but the `EDGE_PX` outermost pixels of a scene, where interpolation had
    only one side to lean on, come last.
    """
    from scipy import ndimage

    inner = np.stack([ndimage.binary_erosion(one, iterations=EDGE_PX, border_value=1) for one in shown])
    order = np.concatenate([inner, shown])  # (2 · scene, y, x)
    chosen = np.argmax(order, axis=0) % len(shown)
    return np.where(shown.any(axis=0), chosen, -1)


def _cells_with_data(scene: Scene, grid: Grid) -> npt.NDArray[np.bool_]:
    first = next(iter(scene.assets.values()))
    return np.asarray(np.isfinite(read_asset(first, grid.cell_geobox, "nearest")))


def _pass_key(item: Acquired) -> tuple[str, str, str, str]:
    # scenes of another level or calibration never mix
    state = str(sorted(described(item.state).items()))
    return (item.platform, str(item.relative_orbit), str(item.orbit_direction), state)


def _time(item: Acquired) -> datetime:
    return datetime.fromisoformat(item.datetime)
