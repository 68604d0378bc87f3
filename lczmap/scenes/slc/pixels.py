"""From an SLC product to channels on map pixels, block by block: pure of files but for the product and the heights.

As the makers of So2Sat LCZ42 did with ESA SNAP: calibrated complex amplitudes, covariance and speckle filter on the
radar's own pixels, then one range-Doppler geocoding that takes the nearest radar pixel for all channels at once. The
raw complex signal of TOPS bursts turns by several cycles from line to line, so it is never interpolated, and a measured
shift enters the geocoding instead of moving pixels afterwards.

Differences from SNAP: the filter runs inside each burst, before bursts are joined (the cut lies some 60 lines inside
valid data, so no window is cut), and heights are interpolated bilinearly. The window of one burst is in memory at a
time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import MultiPoint, Polygon, box

from lczmap.sar.burst import BurstTable, burst_table
from lczmap.sar.calibrate import sigma0_amplitude
from lczmap.sar.geocode import Placement, gather, place, radar_windows
from lczmap.sar.orbit import OrbitFit
from lczmap.sar.profiles import MARGIN_PX, radar_layers
from lczmap.sar.safe import SlcProduct, Swath
from lczmap.sar.terrain import layover_shadow, local_incidence
from lczmap.scenes.slc.terrain import read_heights

Float = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]
Window = tuple[slice, slice]

BLOCK_PX = 3072
"""The map is geocoded in blocks of at most so many pixels on each side."""
CHUNK_PX = 4096
"""A burst's channels are made for so many samples at a time."""
GEOMETRY_LAYERS = ("local_incidence", "layover_shadow")
"""Degrees between terrain and line of sight; 0 none, 1 layover, 2 shadow, 3 both."""
_BEYOND_M = 20_000.0  # terrain of 8 km at the steepest incidence moves an image by less beyond its outline
_NEIGHBOURS_PX = 200  # mountains so far from a block throw layover and shadow into it


@dataclass(frozen=True)
class Terrain:
    """What the map shows: `heights` is the file of ellipsoidal heights; what lies at x is shown at x + `shift_m`."""

    heights: Path
    shift_m: tuple[float, float] = (0.0, 0.0)

    def seen(self, part: GeoBox) -> GeoBox:
        """Return where that lies which is shown on the pixels `part`."""
        east, north = self.shift_m
        return GeoBox(part.shape, Affine.translation(-east, -north) @ part.transform, part.crs)


def geocoded_parts(
    product: SlcProduct, orbit: OrbitFit, target: GeoBox, names: tuple[str, ...], terrain: Terrain
) -> Iterator[tuple[Window, Float]]:
    """Yield ((rows, cols), (channel, y, x)) of the map `target`, block by block, where the product shows anything."""
    table, outline = burst_table(product.swaths), _outline(product, target)
    for rows, cols in blocks((target.height, target.width), BLOCK_PX):
        part = target[rows, cols]
        if not outline.intersects(box(*part.boundingbox)):
            continue
        seen = terrain.seen(part)
        placement = place(seen, read_heights(terrain.heights, seen), orbit, table)
        pixels = _gathered(product, table, placement, names)
        if np.isfinite(pixels).any():
            yield (rows, cols), pixels


def geometry_parts(orbit: OrbitFit, target: GeoBox, terrain: Terrain) -> Iterator[tuple[Window, Float]]:
    """Yield ((rows, cols), (layer, y, x)) of `GEOMETRY_LAYERS` on the map `target`, NaN where heights are unknown."""
    for rows, cols in blocks((target.height, target.width), BLOCK_PX):
        around = terrain.seen(target[rows, cols].pad(_NEIGHBOURS_PX))
        heights = read_heights(terrain.heights, around)
        layers = np.stack([local_incidence(around, heights, orbit), layover_shadow(around, heights, orbit)])
        layers[:, np.isnan(heights)] = np.nan
        yield (rows, cols), layers[:, _NEIGHBOURS_PX:-_NEIGHBOURS_PX, _NEIGHBOURS_PX:-_NEIGHBOURS_PX]


def blocks(shape: tuple[int, int], most: int) -> Iterator[Window]:
    """Cut (rows, cols) into equal blocks of at most `most` pixels on each side, row by row."""
    rows, cols = (np.linspace(0, size, math.ceil(size / most) + 1).round().astype(int) for size in shape)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            yield slice(int(top), int(bottom)), slice(int(left), int(right))


def _gathered(product: SlcProduct, table: BurstTable, placement: Placement, names: tuple[str, ...]) -> Float:
    out = np.full((len(names), *placement.burst.shape), np.nan, np.float32)
    for entry, window in radar_windows(placement).items():
        _gather_burst(product, table, placement, entry, window, names, out)
    return out


def _gather_burst(
    product: SlcProduct,
    table: BurstTable,
    placement: Placement,
    entry: int,
    window: Window,
    names: tuple[str, ...],
    out: Float,
) -> None:
    """Fill `out` where a burst serves the map: its window is read once and made into channels in chunks of samples."""
    swath = product.swaths[table.swaths[table.swath[entry]]]
    burst = swath.bursts[table.number[entry]]
    lines = _with_margin(window[0], burst.first_valid_line, burst.last_valid_line + 1)
    samples = _with_margin(window[1], 0, swath.samples)
    rows = slice(burst.first_line + lines.start, burst.first_line + lines.stop)
    valid = _valid(burst.first_valid[lines], burst.last_valid[lines], samples)
    amplitudes = _amplitudes(product, swath, rows, samples, valid)
    for first in range(samples.start, samples.stop, CHUNK_PX):
        inner = slice(first - samples.start, min(first + CHUNK_PX, samples.stop) - samples.start)
        left = max(inner.start - MARGIN_PX, 0)
        chunk = slice(left, inner.stop + MARGIN_PX)
        layers = radar_layers(amplitudes["VH"][:, chunk], amplitudes["VV"][:, chunk], names)
        kept = layers[:, :, inner.start - left : inner.stop - left]
        gather(kept, lines.start, first, placement, entry, out)


def _amplitudes(
    product: SlcProduct, swath: Swath, rows: slice, samples: slice, valid: npt.NDArray[np.bool_]
) -> dict[str, Complex]:
    """Return calibrated VH and VV of image rows and samples, NaN where there are no data.

    That is outside the `valid` pixels (rows, samples), and where both polarisations are 0: one alone may be, over calm
    water it often is.
    """
    digital = {name: product.read(swath.name, name, rows, samples) for name in ("VH", "VV")}
    missing = ~valid | ((digital["VH"] == 0) & (digital["VV"] == 0))
    amplitudes = {
        name: sigma0_amplitude(numbers, product.calibration(swath.name, name), rows, samples)
        for name, numbers in digital.items()
    }
    for amplitude in amplitudes.values():
        amplitude[missing] = np.nan
    return amplitudes


def _with_margin(window: slice, first: int, stop: int) -> slice:
    return slice(max(window.start - MARGIN_PX, first), min(window.stop + MARGIN_PX, stop))


def _valid(first: npt.NDArray[np.int32], last: npt.NDArray[np.int32], samples: slice) -> npt.NDArray[np.bool_]:
    at = np.arange(samples.start, samples.stop)
    return np.asarray((at >= first[:, None]) & (at <= last[:, None]) & (first[:, None] >= 0))


def may_show(product: SlcProduct, target: GeoBox) -> bool:
    """Say whether a product may have pixels on a map."""
    return bool(_outline(product, target).intersects(box(*target.boundingbox)))


def _outline(product: SlcProduct, target: GeoBox) -> Polygon:
    to_map = pyproj.Transformer.from_crs("EPSG:4326", str(target.crs), always_xy=True)
    places = [to_map.transform(s.points.longitude, s.points.latitude) for s in product.swaths.values()]
    x, y = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError(f"{product.path}: the product lies too far from {target.crs}; take one over the city")
    return MultiPoint(np.stack([x, y], axis=-1)).convex_hull.buffer(_BEYOND_M)
