"""A small country as Sentinel-1 would see it: ground cover, a steep mountain, speckle with the sensor's bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sar.independent_radar import Near, Radar
from sar.synthetic_slc import Bounds, Painting, Place

Complex = npt.NDArray[np.complex128]
Double = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

BANDWIDTH_SHARE = (327 / 486.5, 56.5 / 64.35)  # of azimuth and range: processed bandwidth by sampling rate, IW1
NOISE = 10 ** (-2.5)  # noise-equivalent sigma0, -25 dB
PLAIN_M = 1200.0
_FACET_M = 3.0


@dataclass(frozen=True)
class Cover:
    """Backscatter of a kind of ground: sigma0 of VH and VV in dB, their coherence and phase difference (degrees)."""

    name: str
    vh_db: float
    vv_db: float
    coherence: float
    phase: float

    def c2(self) -> tuple[float, float, float, float]:
        """Return C11, Re C12, Im C12, C22."""
        c11, c22 = 10 ** (self.vh_db / 10), 10 ** (self.vv_db / 10)
        c12 = self.coherence * np.sqrt(c11 * c22) * np.exp(1j * np.radians(self.phase))
        return c11, c12.real, c12.imag, c22


COVERS = (
    Cover("fields", -18, -11, 0.2, 0),
    Cover("forest", -13, -8, 0.1, 0),
    Cover("water", -29, -20, 0.1, 0),
    Cover("city", -9, 0, 0.6, 60),
    Cover("soil", -22, -13, 0.3, -90),
)


def cover(x: Double, y: Double, centre: tuple[float, float]) -> Int:
    """Return which of COVERS lies at places: parcels of 400 m, a round lake, a city of blocks and streets."""
    east, north = x - centre[0], y - centre[1]
    parcel = (np.floor(east / 400) * 7 + np.floor(north / 400) * 3) % 5
    kinds = np.where(parcel < 2, 0, np.where(parcel < 4, 1, 4))
    kinds = np.where(np.hypot(east + 1300, north + 1300) < 700, 2, kinds)
    blocks = (np.abs(east - 1200) < 900) & (np.abs(north + 1200) < 900)
    streets = (np.mod(east, 200) < 40) | (np.mod(north, 200) < 40)
    return np.where(blocks, np.where(streets, 4, 3), kinds).astype(np.int64)


def mountain(x: Double, y: Double, centre: tuple[float, float]) -> Double:
    """Return heights: a plain, and a mountain of 1000 m whose slopes reach 58°, steeper than any line of sight."""
    away = np.hypot(x - centre[0], y - centre[1] - 1000)
    return PLAIN_M + 1000 * np.exp(-((away / 380) ** 2) / 2)


def paint_country(radar: Radar, model: Near, where: Sequence[Place], bounds: Bounds, seed: int) -> list[Painting]:
    """Paint all that the radar sees of the country around bounds: every facet of 3 m sends its power back."""
    time, range_time, power = _facets(model, bounds)
    rng = np.random.default_rng(seed)
    done = []
    for place in where:
        swath = radar.swaths[place.swath]
        line = (time - swath.burst_time_s[place.burst]) / swath.interval_s - place.lines.start
        sample = (range_time - swath.near_range_time_s) * swath.rate_hz - place.samples.start
        size = place.lines.stop - place.lines.start, place.samples.stop - place.samples.start
        c2 = np.stack([_collect(line, sample, element, size) for element in power])
        c2[[0, 3]] += NOISE
        first, second = (circular(rng, size) for _ in range(2))
        vv = np.sqrt(c2[3]) * first
        rest = c2[0] - (c2[1] ** 2 + c2[2] ** 2) / c2[3]
        done.append(Painting(place, (c2[1] + 1j * c2[2]) / c2[3] * vv + np.sqrt(rest) * second, vv))
    return done


def circular(rng: np.random.Generator, size: tuple[int, int]) -> Complex:
    """Return circular Gaussian noise of mean power 1 and the sensor's bandwidth in azimuth and range."""
    white = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    spectrum = np.fft.fft2(white)
    for axis, share in enumerate(BANDWIDTH_SHARE):
        inside = np.abs(np.fft.fftfreq(size[axis])) <= share / 2
        spectrum *= inside[:, None] if axis == 0 else inside
    noise = np.fft.ifft2(spectrum)
    return np.asarray(noise / np.sqrt(np.mean(np.abs(noise) ** 2)))


def _facets(model: Near, bounds: Bounds) -> tuple[Double, Double, Double]:
    """Return image time, range time (n,) and power (4, n) of the facets, in shares of a radar pixel's on flat ground.

    Rays are parallel within the scene: a facet is hidden when one before it reaches above its ray. A facet sends as
    much as the radar sees of its area.
    """
    west, south, east, north = bounds
    middle = (west + east) / 2, (south + north) / 2
    reach = 0.65 * max(east - west, north - south)  # turned by up to 13°
    probe = np.array([middle[0], middle[0] + 100, middle[0]]), np.array([middle[1], middle[1], middle[1] + 100])
    time, range_time = model.image(*probe, PLAIN_M)
    slant = np.diff(range_time[[0, 1]]), range_time[2] - range_time[0]
    away = np.array([slant[0][0], slant[1]]) * 299_792_458.0 / 2 / 100  # slant metres for each metre east, north
    sine = float(np.hypot(*away))
    east_away, north_away = away / sine
    steps = np.arange(-reach, reach, _FACET_M)
    along, across = np.meshgrid(steps, steps, indexing="ij")
    x = middle[0] + across * east_away - along * north_away
    y = middle[1] + across * north_away + along * east_away
    height = mountain(x, y, middle)
    cosine = np.sqrt(1 - sine**2)
    ray = height + across * cosine / sine
    seen = ray >= np.maximum.accumulate(ray, axis=1)
    rise = np.gradient(height, _FACET_M, axis=1)
    facing = np.maximum(1 + rise * sine / cosine, 0)
    lines, ranges = model.image(x, y, height)
    share = _FACET_M**2 / _pixel_area(time, range_time)
    kinds = cover(x, y, middle)
    table = np.array([one.c2() for one in COVERS]).T  # (4, covers)
    return lines[seen], ranges[seen], table[:, kinds[seen]] * (facing * share)[seen]


def _pixel_area(time: Double, range_time: Double) -> float:
    # ground area of one radar pixel in m², from how times change over 100 m east and north
    lines, samples = np.diff(time[[0, 1]])[0], time[2] - time[0]
    turned = lines * (range_time[2] - range_time[0]) - samples * (range_time[1] - range_time[0])
    return float(2.0555563e-3 / 64_345_238.12571428 / abs(turned) * 100**2)


def _collect(line: Double, sample: Double, power: Double, size: tuple[int, int]) -> Double:
    """Return the sum of powers on radar pixels, each facet shared among the four pixels around it."""
    total = np.zeros(size[0] * size[1])
    top, left = np.floor(line).astype(np.int64), np.floor(sample).astype(np.int64)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - (line - top)) * np.abs(1 - right - (sample - left))
            row, col = top + down, left + right
            inside = (row >= 0) & (row < size[0]) & (col >= 0) & (col < size[1])
            total += np.bincount((row * size[1] + col)[inside], (share * power)[inside], minlength=total.size)
    return total.reshape(size)
