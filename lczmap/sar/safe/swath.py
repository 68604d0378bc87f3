"""One swath of a Sentinel-1 SLC product: its bursts, its timing, its geolocation grid.

Times are seconds since the product's epoch. Lines and samples count from 0, whole numbers are pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Double = npt.NDArray[np.float64]

_SAME_TIMING = 1e-9  # relative; 50 microseconds at the end of a day, a fortieth of a line


@dataclass(frozen=True)
class Burst:
    """One burst; its line i is row `first_line` + i of the swath's image.

    `number` is its place in the annotation's list, from 0; `azimuth_time` the zero-Doppler time of its first line, as
    annotated. `first_valid` and `last_valid` (lines_per_burst,) are the first and the last valid sample of each line,
    the last included, both -1 in a line without any.
    """

    number: int
    azimuth_time: float
    first_line: int
    first_valid: npt.NDArray[np.int32]
    last_valid: npt.NDArray[np.int32]

    @property
    def first_valid_line(self) -> int:
        """The first line with valid samples; 0 in a burst without any."""
        return int(np.argmax(self.first_valid >= 0))

    @property
    def last_valid_line(self) -> int:
        """The last line with valid samples, included; -1 in a burst without any."""
        valid = np.flatnonzero(self.first_valid >= 0)
        return int(valid[-1]) if valid.size else -1


@dataclass(frozen=True)
class SwathPoints:
    """Points of the annotation's geolocation grid, arrays (n,).

    `line` and `pixel` of the swath's image, `azimuth_time` (s), two-way `range_time_s`, degrees, heights in metres
    above the WGS84 ellipsoid, incidence from the vertical in degrees.
    """

    line: Double
    pixel: Double
    azimuth_time: Double
    range_time_s: Double
    longitude: Double
    latitude: Double
    height: Double
    incidence: Double


@dataclass(frozen=True)
class Swath:
    """One swath, "IW1" to "IW3"; its image has `lines` × `samples` pixels, burst below burst.

    Line i of a burst was seen at its `azimuth_time` + i · `azimuth_interval_s`; sample j at the two-way range time
    `near_range_time_s` + j / `range_sampling_rate_hz`.
    """

    name: str
    lines_per_burst: int
    samples: int
    lines: int
    azimuth_interval_s: float
    near_range_time_s: float
    range_sampling_rate_hz: float
    bursts: tuple[Burst, ...]
    points: SwathPoints

    @property
    def start_s(self) -> float:
        """Time of the first line."""
        return self.bursts[0].azimuth_time

    @property
    def stop_s(self) -> float:
        """Time of the last line."""
        return self.bursts[-1].azimuth_time + (self.lines_per_burst - 1) * self.azimuth_interval_s


def common(vh: Swath, vv: Swath, name: str) -> Swath:
    """Return the swath that two polarisations share; what is valid is valid in both.

    ValueError, which begins with `name`, when they differ in size or timing.
    """
    (vh_size, vh_timing), (vv_size, vv_timing) = _geometry(vh), _geometry(vv)
    if vh_size != vv_size:
        raise ValueError(
            f"{name}: expected VH and VV of {vv.name} of one size, got (bursts, lines per burst, samples) "
            f"{vh_size} and {vv_size}; get the product again"
        )
    if not np.allclose(vh_timing, vv_timing, rtol=_SAME_TIMING, atol=0):
        raise ValueError(f"{name}: expected VH and VV of {vv.name} of one timing, got two; get the product again")
    return replace(vv, bursts=tuple(_both(*pair) for pair in zip(vh.bursts, vv.bursts, strict=True)))


def _geometry(swath: Swath) -> tuple[tuple[int, int, int], Double]:
    across = (swath.azimuth_interval_s, swath.near_range_time_s, swath.range_sampling_rate_hz)
    timing = np.array([*across, *(burst.azimuth_time for burst in swath.bursts)])
    return (len(swath.bursts), swath.lines_per_burst, swath.samples), timing


def _both(a: Burst, b: Burst) -> Burst:
    first, last = np.maximum(a.first_valid, b.first_valid), np.minimum(a.last_valid, b.last_valid)
    missing = (a.first_valid < 0) | (b.first_valid < 0) | (first > last)
    return replace(b, first_valid=np.where(missing, -1, first), last_valid=np.where(missing, -1, last))
