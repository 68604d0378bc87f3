"""Where a place on the map lies in a Sentinel-1 ground-range image: the annotation's geolocation grid, inverted.

Every point of that grid says which ground (longitude, latitude, height above the WGS84 ellipsoid) is at which line
and pixel, at what slant range and incidence. The points lie at terrain height, so in hills neither line nor pixel is a
smooth function of position. Their slant range is reduced to the ellipsoid along the vertical, where

    R(h)² = R(0)² − 2·h·u + h²,   u = R(0)·cos(incidence)

holds exactly; R(0), u and line are then smooth, and polynomials of map coordinates hold them. On the way back the same
formula raises a place to its height, and the annotation's own conversion turns slant range into pixels. To first order
this moves a target of height h by h / tan(incidence) towards near range. Line moves a little with height as well: the
plane of an image line passes (nearly) through the Earth's centre, the vertical does not. That rate is estimated from
the points; in plains, which do not show it, it is what the ellipsoid lets expect.

A re-implementation from geometry: no orbit, no atmosphere, no layover; not the range-Doppler method of ESA SNAP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev, polynomial
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from scipy.ndimage import map_coordinates

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]

DEGREE = 5
MAX_RESIDUAL_PX = 0.3  # at the grid's own points; 0.06 px was the largest at points left out, in a scene of the Alps
_HEIGHT_NODE_M = (
    320.0  # the grid's own heights are interpolated on nodes this far apart; its points lie 13..20 km apart
)
_LINE_NOISE_PX = 0.002
_LINE_PER_M = 1.5e-4  # how far the rate of line with height may lie from what the ellipsoid lets expect
_FLATTENING = 1 / 298.257223563  # of the WGS84 ellipsoid


@dataclass(frozen=True)
class GridPoints:
    """Points of the annotation's geolocation grid, arrays (n,).

    Heights are metres above the ellipsoid, incidence (from the vertical) in degrees, slant range in metres.
    """

    line: Double
    pixel: Double
    longitude: Double
    latitude: Double
    height: Double
    incidence: Double
    slant_range: Double


@dataclass(frozen=True)
class GroundRange:
    """Conversion of slant range to image pixels: record i is the polynomial Σ c[k]·(R − `start`[i])^k in metres.

    `line` (n,) is the image line of each record, ascending, `coefficients` (n, k).
    """

    line: Double
    start: Double
    coefficients: Double
    spacing_m: float

    def pixel(self, line: Double, slant_range: Double) -> Double:
        """Return the image pixel of slant ranges (metres) at image lines; any shape, the same for both.

        Linear in time between two records, beyond the first and last theirs. (The points of the annotation's grid
        follow the nearest record instead. That would cut the image into strips of a second, which nobody reports.)
        """
        place = np.interp(line, self.line, np.arange(self.line.size))
        pixel = np.zeros(np.shape(line))
        for i in range(int(place.min()), math.ceil(place.max()) + 1):
            weight = np.maximum(1 - np.abs(place - i), 0)
            here = weight > 0
            metres = polynomial.polyval(slant_range[here] - self.start[i], self.coefficients[i])
            pixel[here] += weight[here] * metres
        return pixel / self.spacing_m


@dataclass(frozen=True)
class Locator:
    """Finds places, given in the map coordinates it was fitted in, in an image; made by `fit_locator`."""

    centre: tuple[float, float]
    half: tuple[float, float]
    line: Double
    line_per_m: float
    slant_range: Double
    up: Double
    ground_range: GroundRange
    points: tuple[Double, Double, Double]
    """x, y and height of the geolocation grid's points."""

    def position(self, x: Double, y: Double, height: npt.NDArray[np.floating]) -> tuple[Double, Double]:
        """Return image line and pixel (rows, cols) of the places at columns `x`, rows `y`; `height` (rows, cols).

        Whole numbers are pixel centres. Heights are metres above the ellipsoid.
        """
        line, slant_range = self.seen(x, y, height)
        return line, self.ground_range.pixel(line, slant_range)

    def seen(self, x: Double, y: Double, height: npt.NDArray[np.floating]) -> tuple[Double, Double]:
        """Return image line and slant range in metres, as `position` does with the pixel."""
        u, v = (x - self.centre[0]) / self.half[0], (y - self.centre[1]) / self.half[1]
        line = chebyshev.chebgrid2d(v, u, self.line) + self.line_per_m * height
        ground = chebyshev.chebgrid2d(v, u, self.slant_range)
        up = chebyshev.chebgrid2d(v, u, self.up)
        return line, np.sqrt(ground**2 - 2 * height * up + height**2)

    def grid_heights(self, x: Double, y: Double) -> Double:
        """Return the heights (rows, cols) that the geolocation grid has at columns `x`, rows `y`.

        Linear between its points; outside of them the nearest point's.
        """
        nodes = [_nodes(axis) for axis in (y, x)]
        at = np.stack(np.meshgrid(nodes[1], nodes[0]), axis=-1)  # (rows, cols, 2)
        places, heights = np.stack(self.points[:2], axis=-1), self.points[2]
        coarse = LinearNDInterpolator(places, heights, rescale=True)(at)
        coarse = np.where(np.isnan(coarse), NearestNDInterpolator(places, heights, rescale=True)(at), coarse)
        steps = [(axis - node[0]) / _HEIGHT_NODE_M for axis, node in zip((y, x), nodes, strict=True)]
        return np.asarray(map_coordinates(coarse, np.meshgrid(*steps, indexing="ij"), order=1, mode="nearest"))


def fit_locator(points: GridPoints, x: Double, y: Double, ground_range: GroundRange) -> Locator:
    """Fit the geolocation grid; `x`, `y` (n,) are its points' map coordinates (metres, such as in a UTM zone).

    ValueError when the grid has too few points, or its own points are missed by more than 0.3 pixel.
    """
    if points.line.size < 2 * (DEGREE + 1) * (DEGREE + 2) // 2:
        raise ValueError(f"expected a geolocation grid of at least 42 points, got {points.line.size}")
    centre = float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2
    half = float(np.ptp(x)) / 2, float(np.ptp(y)) / 2
    basis = _basis((x - centre[0]) / half[0], (y - centre[1]) / half[1])
    up_here = points.slant_range * np.cos(np.radians(points.incidence))
    ground = np.sqrt(points.slant_range**2 + 2 * points.height * up_here + points.height**2)
    line, line_per_m = _fit_line(basis, points, _expected_rate(points, x, y))
    locator = Locator(
        centre,
        half,
        _coefficients(line),
        line_per_m,
        _coefficients(_solve(basis, ground)),
        _coefficients(_solve(basis, up_here + points.height)),
        ground_range,
        (x, y, points.height),
    )
    _check(locator, points)
    return locator


def residuals(locator: Locator, points: GridPoints, x: Double, y: Double) -> tuple[Double, Double]:
    """Return (line, pixel), what the locator says minus what the points (n,) at map coordinates x, y say.

    The points' pixels are those of their slant range at their line.
    """
    seen = [locator.seen(x[i : i + 1], y[i : i + 1], points.height[i : i + 1, None]) for i in range(x.size)]
    line, slant_range = (np.array([place[axis][0, 0] for place in seen]) for axis in (0, 1))
    to_pixel = locator.ground_range.pixel
    return line - points.line, to_pixel(points.line, slant_range) - to_pixel(points.line, points.slant_range)


def resample(power: Float, line: Double, pixel: Double) -> Float:
    """Interpolate (rows, cols) bilinearly at fractional row `line` and column `pixel`, each (y, x).

    NaN is missing: it takes no weight, and where it would have more than half of it the result is NaN, as it is
    outside the image.
    """
    valid = np.isfinite(power)
    at = np.stack([line, pixel])
    weight = map_coordinates(valid.astype(np.float32), at, order=1, mode="constant", cval=0.0)
    total = map_coordinates(np.where(valid, power, np.float32(0)), at, order=1, mode="constant", cval=0.0)
    out = np.full(line.shape, np.nan, np.float32)
    np.divide(total, weight, out=out, where=weight >= 0.5)
    return out


def _basis(u: Double, v: Double) -> Double:
    # terms up to the total degree, (n, terms); v (rows) first, as in `chebgrid2d(v, u, …)`
    full = chebyshev.chebvander2d(v, u, [DEGREE, DEGREE]).reshape(-1, DEGREE + 1, DEGREE + 1)
    return np.asarray(full[:, _terms()])


def _terms() -> npt.NDArray[np.bool_]:
    degree = np.arange(DEGREE + 1)
    return np.asarray(degree[:, None] + degree[None] <= DEGREE)


def _coefficients(terms: Double) -> Double:
    table = np.zeros((DEGREE + 1, DEGREE + 1))
    table[_terms()] = terms
    return table


def _solve(design: Double, values: Double) -> Double:
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0])


def _expected_rate(points: GridPoints, x: Double, y: Double) -> float:
    # lines per metre of height: the vertical leans by f·sin(2·latitude) to the north of the radius
    to_north = _solve(np.column_stack([x - x.mean(), y - y.mean(), np.ones(x.size)]), points.line)[1]
    lean = _FLATTENING * np.sin(2 * np.radians(points.latitude)).mean()
    return float(to_north * lean)


def _fit_line(basis: Double, points: GridPoints, expected: float) -> tuple[Double, float]:
    # one row more holds the rate with height near the expected one, as far as the points do not show it
    scaled = points.height / 1000
    near_expected = np.zeros(basis.shape[1] + 1)
    near_expected[-1] = _LINE_NOISE_PX / (_LINE_PER_M * 1000)
    design = np.vstack([np.column_stack([basis, scaled]), near_expected])
    solution = _solve(design, np.append(points.line - expected * points.height, 0.0))
    return solution[:-1], expected + float(solution[-1]) / 1000


def _check(locator: Locator, points: GridPoints) -> None:
    worst = [float(np.abs(r).max()) for r in residuals(locator, points, *locator.points[:2])]
    if not max(worst) <= MAX_RESIDUAL_PX:
        raise ValueError(
            f"the geolocation grid is not smooth: its own points are missed by up to {worst[0]:.2f} lines and "
            f"{worst[1]:.2f} pixels, expected at most {MAX_RESIDUAL_PX}; get the product again"
        )


def _nodes(axis: Double) -> Double:
    # whole multiples of the node spacing, so that blocks of one map share nodes
    first, last = np.floor(axis.min() / _HEIGHT_NODE_M), np.ceil(axis.max() / _HEIGHT_NODE_M)
    return np.asarray(np.arange(first, last + 2) * _HEIGHT_NODE_M)
