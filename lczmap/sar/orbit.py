"""Where the satellite is: state vectors from orbit files or products, and a smooth curve through them.

Everything is Earth-fixed (positions in metres, velocities in m/s), times are seconds since an epoch in UTC. Orbit files
(EOF) are those of ESA's precise orbit determination: AUX_POEORB, some three weeks after the day, and AUX_RESORB, some
hours after (ESA, "Sentinels POD Service File Format Specifications", GMES-GSEG-EOPG-FS-10-0075; read in real files).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Double = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

MARGIN_VECTORS = 4
"""State vectors that a fit needs before the first and after the last moment."""
FILE_LIMITS = (0.01, 0.1)
"""A fit that misses a position (m) or a velocity (m/s) of an orbit file by more is refused; good files are met within
0.03 mm and 0.04 mm/s, and velocities in a frame that does not turn with the Earth differ by 500 m/s."""
PRODUCT_LIMITS = (0.5, 0.5)
"""The same for a product's own vectors, which may be predicted: two real products are met within 0.6 mm and 10 mm/s."""

_UNITS = {"X": "m", "Y": "m", "Z": "m", "VX": "m/s", "VY": "m/s", "VZ": "m/s"}
_RADIUS_M = (6.8e6, 7.4e6)  # Sentinel-1 flies at 693 km


@dataclass(frozen=True)
class StateVectors:
    """Positions and velocities of a satellite, in order of time.

    `time` (n,) seconds since `epoch` (naive UTC), `position` (n, 3) metres and `velocity` (n, 3) m/s, Earth-fixed.
    `source` is "product", "POEORB" or "RESORB", `platform` such as sentinel-1a ("" where nobody says), `name` what to
    call them in messages. `nominal` (n,) is False where a file itself calls a vector degraded; None: nobody says.
    """

    epoch: datetime
    time: Double
    position: Double
    velocity: Double
    source: str
    platform: str = ""
    name: str = "the state vectors"
    nominal: Bool | None = None


@dataclass(frozen=True)
class OrbitFit:
    """Positions as a polynomial in u = (t - centre_s) / half_s, low order first.

    `coefficients` is (3, degree + 1) in metres; good for times from `centre_s` - `half_s` to `centre_s` + `half_s`.
    """

    centre_s: float
    half_s: float
    coefficients: Double

    def position(self, time: npt.ArrayLike) -> Double:
        """Return positions (..., 3) in metres at `time` (...) seconds since the epoch."""
        return self._evaluate(self.coefficients, time)

    def velocity(self, time: npt.ArrayLike) -> Double:
        """Return velocities (..., 3) in m/s at `time` (...) seconds since the epoch."""
        orders = np.arange(1, self.coefficients.shape[1])
        return self._evaluate(self.coefficients[:, 1:] * orders / self.half_s, time)

    def _evaluate(self, coefficients: Double, time: npt.ArrayLike) -> Double:
        u = (np.asarray(time, np.float64)[..., None] - self.centre_s) / self.half_s
        value = np.zeros((*u.shape[:-1], 3))
        for column in coefficients.T[::-1]:
            value = value * u + column  # (..., 3)
        return value


def parse_eof(text: bytes, name: str, epoch: datetime, *, platform: str | None = None) -> StateVectors:
    """Read an orbit file (POEORB or RESORB); times become seconds since `epoch` (naive UTC).

    ValueError, naming the file and the element, for anything but complete, ordered, Earth-fixed vectors in UTC; and
    for another satellite than `platform` (such as sentinel-1a) where that is given. A day of 9361 vectors takes half a
    second.
    """
    # the package that reads products describes their orbits with the classes of this module
    from lczmap.sar.safe import parse_xml

    root = parse_xml(text, name)
    kind = _stated(root, "File_Type", name)
    source = {"AUX_POEORB": "POEORB", "AUX_RESORB": "RESORB"}.get(kind)
    if source is None:
        raise ValueError(f"{name}: expected File_Type AUX_POEORB or AUX_RESORB, found {kind!r}")
    for element, expected in (("Ref_Frame", "EARTH_FIXED"), ("Time_Reference", "UTC")):
        if (found := _stated(root, element, name)) != expected:
            raise ValueError(f"{name}: expected {element} {expected}, found {found!r}")
    mission = _stated(root, "Mission", name).lower()
    if platform is not None and mission != platform.lower():
        raise ValueError(f"{name}: this orbit is of {mission}, the product of {platform}; give the orbit of {platform}")
    time, state, nominal = _read_vectors(root, name, epoch)
    return _checked(StateVectors(epoch, time, state[:, :3], state[:, 3:], source, mission, name, nominal))


def covering(vectors: StateVectors, start_s: float, stop_s: float) -> StateVectors:
    """Return the vectors from 4 before `start_s` to 4 after `stop_s` (seconds since the epoch), for a fit.

    ValueError unless there are so many on both sides, and none of them is degraded.
    """
    before = int(np.searchsorted(vectors.time, start_s, side="right"))
    after = int(np.searchsorted(vectors.time, stop_s, side="left"))
    if before < MARGIN_VECTORS or vectors.time.size - after < MARGIN_VECTORS:
        have = _period(vectors.epoch, vectors.time[0], vectors.time[-1])
        raise ValueError(
            f"{vectors.name}: this orbit is known for {have}, but {_period(vectors.epoch, start_s, stop_s)} is asked "
            f"for, with {MARGIN_VECTORS} state vectors before and after; give the orbit file of that time, or use the "
            "product's own orbit (`orbit_file: product`)"
        )
    kept = slice(before - MARGIN_VECTORS, after + MARGIN_VECTORS)
    if vectors.nominal is not None and not vectors.nominal[kept].all():
        raise ValueError(
            f"{vectors.name}: state vectors around {_period(vectors.epoch, start_s, stop_s)} are not of quality "
            "NOMINAL; use another orbit file, or the product's own orbit (`orbit_file: product`)"
        )
    time, position, velocity = vectors.time[kept], vectors.position[kept], vectors.velocity[kept]
    return replace(vectors, time=time, position=position, velocity=velocity, nominal=None)


def fit_orbit(vectors: StateVectors, start_s: float, stop_s: float, *, degree: int = 5) -> OrbitFit:
    """Fit a polynomial to the positions around `start_s` .. `stop_s` (seconds since the epoch), least squares.

    The fit takes 4 vectors beyond either end, so that the ends of the period are as good as its middle. ValueError
    when there are too few of them, or when it misses one by more than `FILE_LIMITS` or `PRODUCT_LIMITS` allow: then the
    vectors contradict each other, jump, or lie too far apart. Vectors 10 s apart, some 28 s long, degree 5: against
    Lagrange interpolation through 8 of them within 0.03 mm (measured).
    """
    used = covering(vectors, start_s, stop_s)
    if used.time.size <= degree:
        raise ValueError(f"{used.name}: a fit of degree {degree} needs {degree + 1} vectors, found {used.time.size}")
    centre, half = (used.time[0] + used.time[-1]) / 2, (used.time[-1] - used.time[0]) / 2
    series = chebyshev.chebfit((used.time - centre) / half, used.position, degree)  # (degree + 1, 3)
    powers = series.T @ _powers_of_u(degree)  # (3, degree + 1)
    fit = OrbitFit(float(centre), float(half), powers)
    away_m = float(np.linalg.norm(fit.position(used.time) - used.position, axis=1).max())
    away_m_s = float(np.linalg.norm(fit.velocity(used.time) - used.velocity, axis=1).max())
    limit_m, limit_m_s = PRODUCT_LIMITS if used.source == "product" else FILE_LIMITS
    if not (away_m <= limit_m and away_m_s <= limit_m_s):
        raise ValueError(
            f"{used.name}: the state vectors of {_period(used.epoch, used.time[0], used.time[-1])} do not lie on a "
            f"smooth orbit: a fit misses them by {away_m:.3g} m and {away_m_s:.3g} m/s, expected at most "
            f"{limit_m:g} m and {limit_m_s:g} m/s; use another orbit file"
        )
    return fit


def _powers_of_u(degree: int) -> Double:
    """Return (degree + 1, degree + 1): row n holds the powers that make up Chebyshev's polynomial n."""
    powers = np.zeros((degree + 1, degree + 1))
    for n in range(degree + 1):
        powers[n, : n + 1] = chebyshev.cheb2poly(np.eye(n + 1)[n])
    return powers


def _read_vectors(root: Element, name: str, epoch: datetime) -> tuple[Double, Double, Bool]:
    """Return times (n,) in seconds, states (n, 6) and what is nominal (n,) as the file lists them."""
    block = root.find("Data_Block/List_of_OSVs")
    vectors = [] if block is None else block.findall("OSV")
    if block is None or block.get("count") != str(len(vectors)) or not vectors:
        stated = None if block is None else block.get("count")
        raise ValueError(f"{name}: expected count={stated} state vectors, found {len(vectors)}; fetch the file again")
    try:
        time = np.array([_utc(vector.findtext("UTC", "")) for vector in vectors], "datetime64[us]")
        state = np.array([list(_numbers(vector)) for vector in vectors])
    except ValueError as error:
        raise ValueError(f"{name}: a state vector cannot be read: {error}") from error
    nominal = np.array([vector.findtext("Quality", "NOMINAL") == "NOMINAL" for vector in vectors])
    return (time - np.datetime64(epoch, "us")) / np.timedelta64(1, "s"), state, nominal


def _utc(text: str) -> str:
    if not re.fullmatch(r"UTC=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", text):
        raise ValueError(f"expected UTC=YYYY-MM-DDThh:mm:ss, found {text!r}")
    return text[4:]


def _numbers(vector: Element) -> Iterator[float]:
    for axis, unit in _UNITS.items():
        element = vector.find(axis)
        if element is None or element.get("unit") != unit:
            raise ValueError(f"expected {axis} in {unit} at {vector.findtext('UTC')}")
        yield float(element.text or "")


def _checked(vectors: StateVectors) -> StateVectors:
    radius = np.linalg.norm(vectors.position, axis=1)
    if not (np.isfinite(vectors.time).all() and (np.diff(vectors.time) > 0).all()):
        raise ValueError(f"{vectors.name}: expected state vectors in order of time, each time once")
    if not (np.isfinite(vectors.velocity).all() and ((radius > _RADIUS_M[0]) & (radius < _RADIUS_M[1])).all()):
        raise ValueError(f"{vectors.name}: expected numbers, and positions {_RADIUS_M} m from the Earth's centre")
    return vectors


def _stated(root: Element, element: str, name: str) -> str:
    text = root.findtext(f".//{element}")
    if text is None:
        raise ValueError(f"{name}: expected an orbit file, found no {element}")
    return text.strip()


def _period(epoch: datetime, start_s: float, stop_s: float) -> str:
    texts = [(epoch + timedelta(seconds=float(s))).isoformat(timespec="seconds") for s in (start_s, stop_s)]
    return " to ".join(texts)
