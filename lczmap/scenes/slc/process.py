"""A Sentinel-1 SLC product becomes a scene: radar channels on the city's 10 m pixels, in one GeoTIFF."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from odc.geo.geobox import GeoBox

from lczmap.channels import channel_kind, channel_set
from lczmap.files import scratch_folder, sha256
from lczmap.grid import PIXEL_M, Grid
from lczmap.raster import lattice, read_tags, write_parts
from lczmap.sar.profiles import profile_state
from lczmap.sar.safe import SlcProduct, open_slc
from lczmap.scenes.catalogue import Asset, Scene, Unit
from lczmap.scenes.slc.flight import Flight, flight_of
from lczmap.scenes.slc.pixels import GEOMETRY_LAYERS, Terrain, geocoded_parts, geometry_parts, may_show
from lczmap.scenes.slc.snap import Orbit, run_snap
from lczmap.scenes.sources.source import MARGIN_M

PROCESSING = 1
"""Raised when the same products give other pixels, so that those made before are not used again."""
_UNITS: dict[str, Unit] = {
    "complex": "amplitude",
    "intensity": "linear",
    "covariance": "linear",
    "ratio": "ratio",
    "angle": "degree",
}
_SNAP_ORBITS: dict[str, Orbit] = {"POEORB": "precise", "RESORB": "restituted", "product": "product"}


@dataclass(frozen=True)
class SlcOptions:
    """How a product is processed.

    `channels` names the channel set; `terrain` has the heights and the shift that pixels are placed by; `backend` is
    this package or ESA SNAP; with `geometry_layers` a second GeoTIFF has incidence angles, layover and shadow.
    """

    channels: str
    terrain: Terrain
    backend: Literal["python", "snap"] = "python"
    geometry_layers: bool = False


def process_slc(path: Path, grid: Grid, folder: Path, orbit: Path | None, options: SlcOptions) -> Scene | None:
    """Make the channels of a product (SAFE folder or zip) around the city; None where it shows nothing of it.

    One GeoTIFF in `folder`, linear sigma0 (power, or amplitude for complex parts), NaN where missing, on the city's
    pixels and MARGIN_M around them; one made before with the same options is kept. `orbit` is an EOF file that covers
    the product, None for the product's own state vectors. ValueError for an incomplete product, an orbit of another
    satellite or time, and where SNAP is asked for and fails.
    """
    target = grid.geobox.pad(math.ceil(MARGIN_M / PIXEL_M))
    with scratch_folder(folder) as scratch:
        product = open_slc(path, scratch)
        flown = flight_of(product, orbit)
        file = folder / f"{product.id}_{_fingerprint(product, flown, options)}.tif"
        if not _is_made(file, target) and not _make(product, flown, target, file, options):
            return None
        layers = geometry_file(file)
        if options.geometry_layers and not _is_made(layers, target):
            write_parts(layers, geometry_parts(flown.fit, target, options.terrain), target, names=GEOMETRY_LAYERS)
    return _scene(product, flown, file, options)


def written_channels(name: str) -> tuple[str, ...]:
    """Return what is written for a channel set: its channels, and the intensities that shifts are measured by."""
    channels = channel_set(name).channels
    if any(channel_kind(channel) == "complex" for channel in channels):
        return channels
    return tuple(dict.fromkeys([*channels, *channel_set("grd4").channels]))


def geometry_file(file: Path) -> Path:
    """Return where the geometry layers of a scene's channels lie."""
    return file.with_name(f"{file.stem}_geometry.tif")


def _is_made(file: Path, target: GeoBox) -> bool:
    return file.is_file() and lattice(file) == target


def _make(product: SlcProduct, flown: Flight, target: GeoBox, file: Path, options: SlcOptions) -> bool:
    """Write the channels; False where the product shows nothing of the map."""
    terrain = options.terrain
    if options.backend == "snap":
        if not may_show(product, target):
            return False
        made = run_snap(
            product.path,
            target,
            file.parent,
            orbit=_SNAP_ORBITS[flown.source],
            heights=terrain.heights,
            channels=options.channels,
            shift_m=terrain.shift_m,
        )
        made.replace(file)
        return True
    names = written_channels(options.channels)
    parts = geocoded_parts(product, flown.fit, target, names, terrain)
    first = next(parts, None)
    if first is None:
        return False
    tags = {"processor": product.processor, "orbit_file": flown.name, "heights": terrain.heights.name}
    write_parts(file, chain([first], parts), target, names=names, tags=tags)
    return True


def _scene(product: SlcProduct, flown: Flight, file: Path, options: SlcOptions) -> Scene:
    made = read_tags(file)  # SNAP takes orbit files of its own
    state = {
        **profile_state(options.channels),
        "terrain": "dem",
        "orbit": flown.source,
        "orbit_file": made["orbit_file"],
        "heights": _heights(options.terrain.heights),
        "processor": made["processor"],
    }
    names = written_channels(options.channels)
    assets = {name: Asset(str(file), band=i + 1, unit=_UNITS[channel_kind(name)]) for i, name in enumerate(names)}
    return Scene(
        id=product.id,
        sensor="sentinel-1",
        platform=product.platform,
        datetime=product.datetime,
        state=state,
        orbit_direction=product.orbit_direction,
        relative_orbit=product.relative_orbit,
        assets=assets,
    )


def _heights(file: Path) -> str:
    """Return the model and geoid of a height file, for people."""
    tags = read_tags(file)
    return ", ".join(tags.get(key, "unknown") for key in ("source", "geoid"))


def _fingerprint(product: SlcProduct, flown: Flight, options: SlcOptions) -> str:
    """Return a name for what the pixels depend on: product, orbit, heights, options, and this package's method."""
    files = [product.path] if product.path.is_file() else [product.path / name for name in product.safe.sizes]
    product_stamp = [str(product.path), sorted(product.safe.sizes.items()), max(f.stat().st_mtime_ns for f in files)]
    terrain = options.terrain
    placed = [flown.fit.coefficients.tolist(), sha256(terrain.heights), terrain.shift_m]
    what = [PROCESSING, options.channels, options.backend, product_stamp, placed]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
