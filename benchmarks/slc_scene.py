"""What the pictures of the SLC steps are drawn from: a synthetic product, processed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from sar.independent_radar import Radar, near, read_radar
from sar.synthetic_country import PLAIN_M, circular, mountain, paint_country
from sar.synthetic_scene import CRS, TO_LONLAT, TO_MAP, around, centres, seam_map, seam_times
from sar.synthetic_slc import Painting, Place, blob, places, unpack_annotations, write_safe

from lczmap.channels import channel_set
from lczmap.raster import write_cells
from lczmap.sar.burst import BurstTable, burst_table
from lczmap.sar.calibrate import sigma0_amplitude
from lczmap.sar.geocode import Placement, place
from lczmap.sar.safe import SlcProduct, open_slc
from lczmap.scenes.slc.flight import Flight, flight_of
from lczmap.scenes.slc.pixels import Terrain, geocoded_parts

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

SEAM = "IW1 3|4 at IW2"
SIZE_PX = 512
MARGIN_M = 300.0
COLUMN = Place("IW1", 1, slice(0, 1497), slice(10_000, 10_512))  # a whole burst, for its spectrum
RATIO = 0.5 * np.exp(1j * np.radians(40))  # VH / VV of the point targets


@dataclass(frozen=True)
class Target:
    """A point target on the map: metres, height above the ellipsoid, the bursts that see it, VV power on `geobox`."""

    x: float
    y: float
    height: float
    bursts: str
    geobox: GeoBox
    power: Double


@dataclass(frozen=True)
class View:
    """All that the pictures are drawn from."""

    radar: Radar
    product: SlcProduct
    flight: Flight
    table: BurstTable
    geobox: GeoBox
    height: Double
    windows: Sequence[Place]
    placement: Placement
    channels: dict[str, Float]

    def digital(self, window: Place, polarisation: str) -> tuple[npt.NDArray[np.complex64], slice]:
        """Return the digital numbers of a window, and its rows in the image."""
        first = window.burst * self.radar.swaths[window.swath].lines_per_burst
        rows = slice(first + window.lines.start, first + window.lines.stop)
        return self.product.read(window.swath, polarisation, rows, window.samples), rows

    def sigma0(self, window: Place, polarisation: str) -> npt.NDArray[np.complex64]:
        """Return calibrated amplitudes of a window."""
        digital, rows = self.digital(window, polarisation)
        table = self.product.calibration(window.swath, polarisation)
        return sigma0_amplitude(digital, table, rows, window.samples)


def make_view(source: Path, folder: Path) -> View:
    """Paint, write and process a product of the annotations in `source` (zip)."""
    annotations = unpack_annotations(source, folder / "annotations")
    radar = read_radar(annotations)
    geobox = seam_map(radar, SEAM, SIZE_PX, PLAIN_M)
    bounds = around(geobox, MARGIN_M)
    model = near(radar, CRS, bounds, (0.0, 3000.0))
    windows = places(radar, model, bounds, (PLAIN_M,))
    paintings = paint_country(radar, model, windows, bounds, seed=1)
    product = open_slc(write_safe(annotations, folder, [*paintings, *_column()]))
    flight, table = flight_of(product, None), burst_table(product.swaths)
    height = mountain(*centres(geobox), middle(geobox))
    names = tuple(dict.fromkeys([*channel_set("so2sat8").channels, *channel_set("rsnnet9").channels]))
    pixels = np.full((len(names), *geobox.shape), np.nan, np.float32)
    padded = geobox.pad(10)
    heights = write_heights(folder / "heights.tif", mountain(*centres(padded), middle(geobox)), padded)
    for (rows, cols), part in geocoded_parts(product, flight.fit, geobox, names, Terrain(heights)):
        pixels[:, rows, cols] = part
    placement = place(geobox, height, flight.fit, table)
    channels = dict(zip(names, pixels, strict=True))
    return View(radar, product, flight, table, geobox, height, windows, placement, channels)


def middle(geobox: GeoBox) -> tuple[float, float]:
    """Return x and y of a map's centre."""
    west, south, east, north = around(geobox, 0.0)
    return (west + east) / 2, (south + north) / 2


def _column() -> list[Painting]:
    rng = np.random.default_rng(2)
    size = COLUMN.lines.stop - COLUMN.lines.start, COLUMN.samples.stop - COLUMN.samples.start
    vv = 0.5 * circular(rng, size)
    return [Painting(COLUMN, RATIO * vv, vv)]


def write_heights(path: Path, height: Double, geobox: GeoBox) -> Path:
    """Write a height model; returns its path."""
    write_cells(path, height[None].astype(np.float32), geobox, names=("height",), nodata=np.nan)
    return path


def make_targets(view: View) -> list[Target]:
    """Process point targets, each in a product of its own: where three bursts meet, and elsewhere."""
    crossing = seam_times(view.radar, SEAM)
    places_of = [(h, TO_MAP.transform(*view.radar.place_of(*crossing, h))) for h in (0.0, 800.0, 1600.0, 3000.0)]
    x, y = middle(view.geobox)
    places_of += [(2200.0, (x + 302, y + 1502)), (400.0, (x - 604, y - 1498)), (2600.0, (x + 1203, y + 996))]
    places_of += [(1200.0, (x - 1401, y - 402))]
    return [_target(view, *place_on_map, height) for height, place_on_map in places_of]


def _target(view: View, x: float, y: float, height: float) -> Target:
    echoes = view.radar.echoes(*view.radar.image_time(*TO_LONLAT.transform(x, y), height))
    painting = [blob(view.radar, echo, vv=60, ratio=RATIO, width_px=(1.0, 3.5)) for echo in echoes]
    geobox = GeoBox((24, 24), Affine(10, 0, round(x / 10) * 10 - 120, 0, -10, round(y / 10) * 10 + 120), CRS)
    power = np.zeros(geobox.shape)
    with tempfile.TemporaryDirectory() as name:
        product = open_slc(write_safe(view.product.path, Path(name), painting))
        around_it = geobox.pad(10)
        heights = write_heights(Path(name) / "heights.tif", np.full(around_it.shape, height), around_it)
        for (rows, cols), part in geocoded_parts(product, view.flight.fit, geobox, ("VV",), Terrain(heights)):
            power[rows, cols] = np.nan_to_num(part[0])
    return Target(x, y, height, ", ".join(f"{echo.swath} {echo.burst}" for echo in echoes), geobox, power)
