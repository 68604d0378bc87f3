"""What every archive offers: search for scenes of a city, say what fetching costs, bring them onto the disk.

A source turns what it finds into `Scene`s whose files lie in one folder, with the archive's own pixels: only the
window around the city is kept, nothing is resampled. After that a fetched scene is like any scene on disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from odc.geo.geobox import GeoBox

from lczmap.grid import Grid
from lczmap.raster import footprint
from lczmap.scenes.catalogue import Scene, Sensor

MARGIN_M = 3000.0
"""What is fetched beyond the city: patches, the search for shifts, and clouds that throw shadows into it (those up to
2.5 km high, where the sun stands above 40 degrees)."""


class ArchiveError(ValueError):
    """An archive did not deliver: the message says what was asked, what came back, and what to do."""


@dataclass(frozen=True)
class Request:
    """What a run asks of an archive.

    `start` and `end` are days (YYYY-MM-DD, both included); `months` (1..12) narrows them, empty means all. `bands`
    are channels by our names: B1..B12 for Sentinel-2, VH and VV for Sentinel-1. `level` (L1C, L2A) is Sentinel-2's,
    `calibration` (sigma0, gamma0) and `relative_orbit` Sentinel-1's. `orbit` is any, ascending or descending,
    `platform` any or such as sentinel-1a. `max_cloud` is in percent of a scene, as the archive states it.
    """

    grid: Grid
    sensor: Sensor
    start: str
    end: str
    bands: tuple[str, ...]
    months: tuple[int, ...] = ()
    level: str = "L1C"
    calibration: str = "sigma0"
    orbit: str = "any"
    relative_orbit: int | None = None
    platform: str = "any"
    max_cloud: float = 100.0


@dataclass(frozen=True)
class Found:
    """One scene that an archive has: enough to choose by, and in `item` what the source needs to fetch it.

    `item` is JSON without credentials or signed addresses, so that it can be written down and used again.
    `bounds` are (west, south, east, north) in degrees; west > east crosses the antimeridian. `footprint` is the
    GeoJSON geometry in degrees, where the archive states one: a swath fills its bounds only in part.
    """

    id: str
    sensor: Sensor
    platform: str
    datetime: str
    state: Mapping[str, str]
    orbit_direction: str | None
    relative_orbit: int | None
    cloud_cover: float | None
    bounds: tuple[float, float, float, float]
    item: Mapping[str, Any] = field(default_factory=dict)
    footprint: Mapping[str, Any] | None = None


class Searchable(Protocol):
    """An archive that can be searched; `name` is for people."""

    name: str

    def search(self, request: Request) -> list[Found]:
        """Return all scenes of the sensor, level and period that touch the city; ArchiveError when it cannot."""
        ...

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Return what fetching these scenes will cost, one sentence for a person."""
        ...


class Source(Searchable, Protocol):
    """An archive of scenes.

    `key` holds what its windows depend on besides the request: another key, another folder.
    """

    key: str

    def fetch(self, found: Found, request: Request, folder: Path) -> Scene | None:
        """Write a scene's window around the city into `folder` and describe it; None where it has no pixel there.

        Every file is complete under its name; files that are there already are kept. ArchiveError after bounded
        retries.
        """
        ...


def clip_lattice(native: GeoBox, grid: Grid, margin_m: float = MARGIN_M) -> GeoBox | None:
    """Return the part of a raster's own pixels that lies around the city, None where it has none there.

    Whole pixels of `native`; the margin is in metres around the city's pixels.
    """
    city = grid.geobox.pad(math.ceil(margin_m / 10))
    west, south, east, north = footprint(city, str(native.crs))
    to_pixel = ~native.transform
    corners = [to_pixel @ corner for corner in ((west, north), (east, north), (west, south), (east, south))]
    cols, rows = [c for c, _ in corners], [r for _, r in corners]
    top, bottom = max(math.floor(min(rows)), 0), min(math.ceil(max(rows)), native.shape[0])
    left, right = max(math.floor(min(cols)), 0), min(math.ceil(max(cols)), native.shape[1])
    if top >= bottom or left >= right:
        return None
    return native[top:bottom, left:right]


def lonlat_bounds(grid: Grid) -> tuple[float, float, float, float]:
    """Return the city's bounds (west, south, east, north) in degrees."""
    return footprint(grid.geobox, "EPSG:4326")
