"""Where the synthetic product is looked at: seams of bursts and swaths, maps around them, hills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox
from sar.independent_radar import Radar
from sar.synthetic_slc import Bounds

Double = npt.NDArray[np.float64]

CRS = "EPSG:32611"
PIXEL_M = 10.0
PEAK_M = 14.1 / 2 + PIXEL_M / 2
SEAMS = {
    # two bursts of one swath, and the swaths whose seam theirs meets
    "IW1 3|4 at IW2": (("IW1", 3), ("IW1", 4), ("IW1", 3), ("IW2", 3)),
    "IW2 5|6 at IW1": (("IW2", 5), ("IW2", 6), ("IW1", 5), ("IW2", 5)),
    "IW2 2|3 at IW3": (("IW2", 2), ("IW2", 3), ("IW2", 2), ("IW3", 2)),
    "IW3 6|7 at IW2": (("IW3", 6), ("IW3", 7), ("IW2", 7), ("IW3", 7)),
}
TO_MAP = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
TO_LONLAT = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)


def find_product(real_data: Path) -> Path:
    """Return the zip of real annotations that the synthetic product is made of."""
    return next((real_data / "safe").glob("S1A_IW_SLC__*7768.zip"))


def seam_times(radar: Radar, name: str) -> tuple[float, float]:
    """Return image time and range time of where the seams cross."""
    one, other, here, there = SEAMS[name]
    return radar.overlap(one, other)[0], radar.overlap(here, there)[1]


def seam_map(radar: Radar, name: str, size_px: int = 320, height: float = 1500.0) -> GeoBox:
    """Return a map around where the seams cross on ground at one height."""
    return map_at(*radar.place_of(*seam_times(radar, name), height), size_px)


def map_at(lon: float, lat: float, size_px: int) -> GeoBox:
    """Return a square map centred on a place, on whole pixels."""
    x, y = (round(value / PIXEL_M) * PIXEL_M for value in TO_MAP.transform(lon, lat))
    half = size_px // 2 * PIXEL_M
    return GeoBox((size_px, size_px), Affine(PIXEL_M, 0, x - half, 0, -PIXEL_M, y + half), CRS)


def centres(geobox: GeoBox) -> tuple[Double, Double]:
    """Return x and y (rows, cols) of the pixels' centres."""
    cols, rows = np.meshgrid(np.arange(geobox.width) + 0.5, np.arange(geobox.height) + 0.5)
    x, y = geobox.transform @ (cols, rows)
    return x, y


def around(geobox: GeoBox, margin_m: float) -> Bounds:
    """Return a map's bounds and a margin."""
    box = geobox.boundingbox
    return box.left - margin_m, box.bottom - margin_m, box.right + margin_m, box.top + margin_m


def hills(x: Double, y: Double) -> Double:
    """Return heights between 0 and 3000 m with slopes up to 50 %."""
    return 1500 + 1300 * np.sin(x / 4000) * np.cos(y / 5000) + 200 * np.sin((x + y) / 1500)


def locate(power: Double, geobox: GeoBox) -> tuple[Double, Double]:
    """Return the map coordinates (x, y) of the brightest pixels and of the centroid of a point target's power.

    Lines are 14 m apart: two map pixels of 10 m may show the same brightest radar pixel, so its place is their mean. It
    may lie up to half a line and half a map pixel off (PEAK_M); the centroid has no such limit.
    """
    places = np.stack(centres(geobox))
    brightest = power == power.max()
    return places[:, brightest].mean(axis=1), (places * power).sum(axis=(1, 2)) / power.sum()
