"""Where Sentinel-1 sees a place, worked out without anything of the code under test.

Facts come from the annotations by the standard library's XML reader, the orbit from the annotated state vectors by
Lagrange interpolation in barycentric form (scipy), zero Doppler by Brent's method (scipy), earth-centred positions from
pyproj. All in float64; times are seconds since midnight (UTC) of the product's day.

Lines and zero-Doppler times: the geolocation grid of an annotation gives, for (line, pixel), a place and its
zero-Doppler time. That time minus the annotated time of the line is (range time − t0) / 2, where t0 is the range time
of the middle of IW2, in all three swaths: measured on every grid point of two products (see test_slc_chain.py). The
processor's bistatic correction is right for the middle of IW2 only, so an image's line follows from zero-Doppler time
minus that term.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from scipy.interpolate import BarycentricInterpolator, RegularGridInterpolator
from scipy.optimize import brentq, fsolve

Double = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

SPEED_OF_LIGHT = 299_792_458.0  # m / s
NODES = 8  # state vectors that an interpolation uses
_TO_EARTH = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


@dataclass(frozen=True)
class SwathFacts:
    """What the VV annotation of a swath says; arrays of bursts are (bursts, lines per burst)."""

    name: str
    lines_per_burst: int
    samples: int
    interval_s: float
    near_range_time_s: float
    rate_hz: float
    burst_time_s: Double
    first_valid: Int
    last_valid: Int
    carrier_hz: float
    steering_rad_s: float
    fm_rate: tuple[tuple[float, float, Double], ...]  # (time, range time t0, polynomial), as annotated
    doppler: tuple[tuple[float, float, Double], ...]

    @property
    def lines(self) -> int:
        return self.lines_per_burst * len(self.burst_time_s)


@dataclass(frozen=True)
class Echo:
    """A place in one burst: line counted within the burst, both as fractions; whole numbers are pixel centres."""

    swath: str
    burst: int
    line: float
    sample: float


@dataclass(frozen=True)
class Radar:
    """The geometry of one product."""

    orbit: BarycentricInterpolator
    swaths: Mapping[str, SwathFacts]
    middle_range_time_s: float  # of IW2
    start: tuple[float, float]  # longitude and latitude somewhere in the image, degrees

    def zero_doppler(self, position: Double) -> tuple[float, float]:
        """Return zero-Doppler time and two-way range time of a place (3,), earth-centred metres."""

        def along(time: float) -> float:
            return float((self.orbit(time) - position) @ self.orbit.derivative(time))

        first, last = self.orbit.xi.min() + 10, self.orbit.xi.max() - 10
        time = float(brentq(along, first, last, xtol=1e-12, rtol=1e-15))
        return time, 2 * float(np.linalg.norm(self.orbit(time) - position)) / SPEED_OF_LIGHT

    def image_time(self, lon: float, lat: float, height: float) -> tuple[float, float]:
        """Return the time that the annotation gives to the line of a place (degrees, m), and its range time."""
        time, range_time = self.zero_doppler(np.array(_TO_EARTH.transform(lon, lat, height)))
        return time - (range_time - self.middle_range_time_s) / 2, range_time

    def echoes(self, time: float, range_time: float) -> list[Echo]:
        """Return all bursts in whose valid pixels a place (see `image_time`) lies."""
        found = []
        for name, swath in self.swaths.items():
            sample = (range_time - swath.near_range_time_s) * swath.rate_hz
            for burst, start in enumerate(swath.burst_time_s):
                line = (time - start) / swath.interval_s
                if 0 <= round(line) < swath.lines_per_burst:
                    first, last = (edge[burst, round(line)] for edge in (swath.first_valid, swath.last_valid))
                    if 0 <= first <= round(sample) <= last:
                        found.append(Echo(name, burst, line, sample))
        return found

    def place_of(self, time: float, range_time: float, height: float) -> tuple[float, float]:
        """Return longitude and latitude (degrees) of the ground at one height that `image_time` maps to these times."""
        swath = self.swaths["IW2"]

        def miss(lonlat: Double) -> Double:
            at = self.image_time(lonlat[0], lonlat[1], height)
            return np.array([(at[0] - time) / swath.interval_s, (at[1] - range_time) * swath.rate_hz])

        found, _, flag, why = fsolve(miss, self.start, xtol=1e-12, full_output=True)
        if flag != 1 and np.abs(miss(found)).max() > 1e-5:
            raise ValueError(f"expected a place on the ground at {time} s, {range_time} s: {why}")
        return float(found[0]), float(found[1])

    def overlap(self, earlier: tuple[str, int], later: tuple[str, int]) -> tuple[float, float]:
        """Return image time and range time of the middle of what two bursts (swath, number) both show."""
        edges = np.array([self._extent(*one) for one in (earlier, later)])  # (burst, (first, last) × (time, range))
        first, last = edges[:, 0].max(axis=0), edges[:, 1].min(axis=0)
        if (first >= last).any():
            raise ValueError(f"expected bursts that overlap, got {earlier} and {later}")
        return float(first[0] + last[0]) / 2, float(first[1] + last[1]) / 2

    def _extent(self, name: str, burst: int) -> Double:
        swath = self.swaths[name]
        lines = np.flatnonzero(swath.first_valid[burst] >= 0)[[0, -1]]
        samples = np.array([swath.first_valid[burst].max(), swath.last_valid[burst].max()])
        time = swath.burst_time_s[burst] + lines * swath.interval_s
        return np.stack([time, swath.near_range_time_s + samples / swath.rate_hz], axis=-1)

    def speed(self, time: float) -> float:
        """Return the satellite's speed in m/s."""
        return float(np.linalg.norm(self.orbit.derivative(time)))


@dataclass(frozen=True)
class Near:
    """The image time and range time around a place, as polynomials of map coordinates and height."""

    centre: Double  # x, y, height in metres
    reach: Double
    powers: Int  # (terms, 3)
    coefficients: Double  # (terms, 2)

    def image(self, x: Double, y: Double, height: Double | float) -> tuple[Double, Double]:
        """Return image time and range time of places in the map's CRS and metres above the ellipsoid."""
        size = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(height))
        steps = [
            _powers((np.asarray(value, np.float64) - centre) / reach, int(self.powers.max()))
            for value, centre, reach in zip((x, y, height), self.centre, self.reach, strict=True)
        ]
        time, range_time = np.zeros(size), np.zeros(size)
        for (i, j, k), (a, b) in zip(self.powers, self.coefficients, strict=True):
            term = steps[0][i] * steps[1][j] * steps[2][k]
            time, range_time = time + a * term, range_time + b * term
        return time, range_time

    def ground(self, time: Double, range_time: Double, height: float) -> tuple[Double, Double]:
        """Return map coordinates x, y of image times and range times over ground at one height."""
        x, y = np.full(np.shape(time), self.centre[0]), np.full(np.shape(time), self.centre[1])
        for _ in range(5):  # Newton's method; slopes by differences over 20 m
            at, east, north = (self.image(x + i, y + j, height) for i, j in ((0, 0), (20, 0), (0, 20)))
            a, b = (east[0] - at[0]) / 20, (north[0] - at[0]) / 20
            c, d = (east[1] - at[1]) / 20, (north[1] - at[1]) / 20
            miss, det = (time - at[0], range_time - at[1]), a * d - b * c
            x, y = x + (d * miss[0] - b * miss[1]) / det, y + (a * miss[1] - c * miss[0]) / det
        return x, y


def read_radar(safe: Path) -> Radar:
    """Read the geometry of an unpacked product."""
    swaths, roots = {}, {}
    for path in sorted((safe / "annotation").glob("*-slc-vv-*.xml")):
        root = ET.parse(path).getroot()  # our own test data
        facts = _swath(root)
        swaths[facts.name], roots[facts.name] = facts, root
    vectors = roots["IW2"].findall("generalAnnotation/orbitList/orbit")
    times = np.array([_seconds(_text(one, "time")) for one in vectors])
    position = np.array([[float(_text(one, f"position/{axis}")) for axis in "xyz"] for one in vectors])
    middle = np.mean([swath.burst_time_s.mean() for swath in swaths.values()])
    used = np.sort(np.argsort(np.abs(times - middle))[:NODES])
    iw2 = swaths["IW2"]
    centre = iw2.near_range_time_s + iw2.samples / 2 / iw2.rate_hz
    grid = roots["IW2"].findall("geolocationGrid/geolocationGridPointList/geolocationGridPoint")
    point = grid[len(grid) // 2]
    start = float(_text(point, "longitude")), float(_text(point, "latitude"))
    return Radar(BarycentricInterpolator(times[used], position[used]), swaths, centre, start)


def near(radar: Radar, crs: str, bounds: tuple[float, float, float, float], heights: tuple[float, float]) -> Near:
    """Fit the image of a part of the map (west, south, east, north) and a range of heights, to 1e-4 pixels."""
    lower, upper = np.array([*bounds[:2], heights[0]]), np.array([*bounds[2:], heights[1]])
    centre, reach = (lower + upper) / 2, np.maximum((upper - lower) / 2, 1.0)
    nodes = np.cos(np.pi * (np.arange(6) + 0.5) / 6)  # of Chebyshev: the fit is even over the whole box
    unit = np.stack(np.meshgrid(nodes, nodes, nodes[::2], indexing="ij"), axis=-1).reshape(-1, 3)
    powers = np.array([(i, j, k) for i in range(5) for j in range(5 - i) for k in range(min(3, 5 - i - j))])
    terms = np.prod(unit[:, None, :] ** powers, axis=-1)
    lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    x, y, height = (unit * reach + centre).T
    exact = np.array([radar.image_time(*at) for at in zip(*lonlat.transform(x, y), height, strict=True)])
    offset = exact.mean(axis=0)
    coefficients = np.linalg.lstsq(terms, exact - offset, rcond=None)[0]
    worst = np.abs(terms @ coefficients + offset - exact).max(axis=0)
    if worst[0] > 1e-4 * 2e-3 or worst[1] > 1e-4 / 64e6:
        raise ValueError(f"expected a fit to 1e-4 pixels, got {worst} s: take a smaller part of the map")
    coefficients[0] += offset  # the first power is the constant
    return Near(centre, reach, powers, coefficients)


def sigma_table(safe: Path, swath: str, polarisation: str) -> RegularGridInterpolator:
    """Return the sigmaNought table of an image as a function of (line, sample), bilinear."""
    path = next((safe / "annotation/calibration").glob(f"calibration-*-{swath.lower()}-slc-{polarisation.lower()}-*"))
    vectors = ET.parse(path).getroot().findall("calibrationVectorList/calibrationVector")
    lines = [float(_text(one, "line")) for one in vectors]
    samples = [_floats(one, "pixel") for one in vectors]
    if any(not np.array_equal(one, samples[0]) for one in samples):
        raise ValueError(f"expected one set of samples in all vectors of {path}")
    return RegularGridInterpolator((lines, samples[0]), np.stack([_floats(one, "sigmaNought") for one in vectors]))


def _swath(root: ET.Element) -> SwathFacts:
    bursts = root.findall("swathTiming/burstList/burst")
    image, product = root.find("imageAnnotation/imageInformation"), root.find("generalAnnotation/productInformation")
    assert image is not None and product is not None
    return SwathFacts(
        _text(root, "adsHeader/swath"),
        int(_text(root, "swathTiming/linesPerBurst")),
        int(_text(root, "swathTiming/samplesPerBurst")),
        float(_text(image, "azimuthTimeInterval")),
        float(_text(image, "slantRangeTime")),
        float(_text(product, "rangeSamplingRate")),
        np.array([_seconds(_text(one, "azimuthTime")) for one in bursts]),
        np.stack([_floats(one, "firstValidSample") for one in bursts]).astype(np.int64),
        np.stack([_floats(one, "lastValidSample") for one in bursts]).astype(np.int64),
        float(_text(product, "radarFrequency")),
        float(np.radians(float(_text(product, "azimuthSteeringRate")))),
        _polynomials(root, "generalAnnotation/azimuthFmRateList/azimuthFmRate", "azimuthFmRatePolynomial"),
        _polynomials(root, "dopplerCentroid/dcEstimateList/dcEstimate", "dataDcPolynomial"),
    )


def _polynomials(root: ET.Element, path: str, field: str) -> tuple[tuple[float, float, Double], ...]:
    return tuple(
        (_seconds(_text(one, "azimuthTime")), float(_text(one, "t0")), _floats(one, field))
        for one in root.findall(path)
    )


def _powers(value: Double, most: int) -> list[Double]:
    powers = [np.ones_like(value)]
    for _ in range(most):
        powers.append(powers[-1] * value)
    return powers


def _text(element: ET.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"expected {path} in <{element.tag}>")
    return text


def _floats(element: ET.Element, path: str) -> Double:
    return np.array([float(word) for word in _text(element, path).split()])


def _seconds(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time - datetime(time.year, time.month, time.day)).total_seconds()
