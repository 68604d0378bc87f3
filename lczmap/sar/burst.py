"""Which burst of which subswath shows a point, and at which line and sample.

Two consecutive bursts of a subswath share some 120 valid lines, two subswaths some 500 valid samples. A point in such
an overlap is taken from one of them: bursts change in the middle of the lines that both have (mid time), subswaths in
the middle of the samples that both have (mid range), as ESA SNAP joins them. Where the burst chosen so has no valid
pixel there but another one has (the subswaths begin and end at different times), that other one serves.

Bistatic term. The products are focused as if the satellite stood still between pulse and echo, corrected in bulk for
the middle of the subswath IW2: the line of a point lies at its zero-Doppler time minus half of the two-way delay that
it has more than the middle of IW2 (UZH-S1-GC-AD, "Guide to Sentinel-1 Geocoding", residual bistatic correction; for
IW2 as reference see Gisinger et al., IEEE TGRS 2021, 10.1109/TGRS.2020.3036257). Sign, factor one half and IW2 as
reference of all three subswaths are measured on the geolocation grids of two products (IPF 003.20 and 003.31). What
Gisinger et al. add on top, a constant of each subswath below 0.3 lines (echo windows opening some pulses late), is not
part of those grids and not applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lczmap.sar.safe import Burst, Swath

Double = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

_BISTATIC_SWATH = "IW2"


@dataclass(frozen=True)
class BurstTable:
    """Bursts of all subswaths: arrays (n,), ordered by range, then by time; an "entry" is a place in them.

    Times are seconds since the product's epoch, along the lines of the image (see `line_time`), ranges two-way
    seconds. Within a subswath the serving times of its bursts follow each other without a gap, and so do the serving
    ranges of the subswaths.
    """

    swaths: tuple[str, ...]
    """Names of the subswaths, near range first."""
    swath: Int16
    """Place of the entry's subswath in `swaths`."""
    number: Int16
    """The burst's `Burst.number` in its subswath."""
    azimuth_time: Double
    """Time of line 0."""
    azimuth_interval_s: Double
    near_range_time_s: Double
    """Two-way time of sample 0."""
    range_sampling_rate_hz: Double
    first_valid: Int32
    """First valid sample of each line, (n, lines); lines without any have first 0 and last -1."""
    last_valid: Int32
    """Last valid sample of each line (included), (n, lines)."""
    serving_time: Double
    """From and to (excluded), (n, 2)."""
    serving_range: Double
    """From and to (excluded), (n, 2)."""
    bistatic_range_time_s: float
    """Two-way time at which the bistatic term is zero: the middle of IW2."""

    def line_time(self, azimuth_time: Double, range_time: Double) -> Double:
        """Return the time of the image line that shows a point of this zero-Doppler and two-way range time."""
        return azimuth_time - 0.5 * (range_time - self.bistatic_range_time_s)

    @property
    def kernel(self) -> tuple[Int16, Double, Double, Int32, Int32]:
        """What `serve` needs: swath, serving (n, 4), timing (n, 4), first_valid, last_valid."""
        timing = (self.azimuth_time, self.azimuth_interval_s, self.near_range_time_s, self.range_sampling_rate_hz)
        serving_windows = np.hstack([self.serving_time, self.serving_range])
        return self.swath, serving_windows, np.stack(timing, axis=1), self.first_valid, self.last_valid


def burst_table(swaths: Mapping[str, Swath]) -> BurstTable:
    """Return the table of the bursts of any subswaths of one product; products cut to some bursts are fine.

    Bursts without a valid line are left out; ValueError when none is left.
    """
    ordered = sorted(swaths.values(), key=lambda swath: swath.near_range_time_s)
    bursts = [(s, b) for s in ordered for b in _usable(s)]
    if not bursts:
        raise ValueError(f"expected bursts with valid lines in {', '.join(swaths) or 'the subswaths'}, found none")
    lines = max(swath.lines_per_burst for swath, _ in bursts)
    valid = [_valid_samples(burst, lines) for _, burst in bursts]
    ordered = [s for s in ordered if any(s is used for used, _ in bursts)]
    time = np.array([burst.azimuth_time for _, burst in bursts])
    interval = np.array([swath.azimuth_interval_s for swath, _ in bursts])
    near = np.array([swath.near_range_time_s for swath, _ in bursts])
    rate = np.array([swath.range_sampling_rate_hz for swath, _ in bursts])
    index = np.array([ordered.index(swath) for swath, _ in bursts], np.int16)
    first, last = (np.stack(which) for which in zip(*valid, strict=True))
    return BurstTable(
        swaths=tuple(swath.name for swath in ordered),
        swath=index,
        number=np.array([burst.number for _, burst in bursts], np.int16),
        azimuth_time=time,
        azimuth_interval_s=interval,
        near_range_time_s=near,
        range_sampling_rate_hz=rate,
        first_valid=first,
        last_valid=last,
        serving_time=_mid_times(index, time, interval, last >= 0),
        serving_range=_mid_ranges(index, near, rate, first, last),
        bistatic_range_time_s=_bistatic_range_time(swaths),
    )


def serving(table: BurstTable, line_time: Double, range_time: Double) -> Int16:
    """Return the entry that serves each point (any shape), -1 where no burst has a valid pixel or a time is NaN.

    `line_time` as `BurstTable.line_time` gives it, `range_time` two-way seconds.
    """
    times, ranges = np.broadcast_arrays(np.asarray(line_time, np.float64), np.asarray(range_time, np.float64))
    return _serving(times.ravel(), ranges.ravel(), *table.kernel).reshape(times.shape)


def _usable(swath: Swath) -> list[Burst]:
    usable = [burst for burst in swath.bursts if ((burst.first_valid >= 0) & (burst.last_valid >= 0)).any()]
    return sorted(usable, key=lambda burst: burst.azimuth_time)


def _valid_samples(burst: Burst, lines: int) -> tuple[Int32, Int32]:
    """Return first and last valid sample (lines,), padded at the end to the longest burst of the table."""
    first, last = np.zeros(lines, np.int32), np.full(lines, -1, np.int32)
    valid = np.flatnonzero((burst.first_valid >= 0) & (burst.last_valid >= 0))
    first[valid], last[valid] = burst.first_valid[valid], burst.last_valid[valid]
    return first, last


def _mid_times(swath: Int16, time: Double, interval: Double, valid: npt.NDArray[np.bool_]) -> Double:
    """Return serving times (n, 2): bursts change in the middle of the valid lines that both have."""
    start = time + valid.argmax(axis=1) * interval
    stop = time + (valid.shape[1] - 1 - valid[:, ::-1].argmax(axis=1)) * interval
    times = np.tile([-np.inf, np.inf], (swath.size, 1))
    for entry in range(1, swath.size):
        if swath[entry] == swath[entry - 1]:
            times[entry - 1, 1] = times[entry, 0] = (stop[entry - 1] + start[entry]) / 2
    return times


def _mid_ranges(swath: Int16, near: Double, rate: Double, first: Int32, last: Int32) -> Double:
    """Return serving ranges (n, 2): subswaths change in the middle of the samples that all bursts of both have."""
    valid = last >= 0
    nearest = near + np.where(valid, first, 0).max(axis=1) / rate
    farthest = near + np.where(valid, last, np.iinfo(np.int32).max).min(axis=1) / rate
    ranges = np.tile([-np.inf, np.inf], (swath.size, 1))
    for far_swath in range(1, int(swath.max()) + 1):
        before, after = swath == far_swath - 1, swath == far_swath
        ranges[before, 1] = ranges[after, 0] = (farthest[before].min() + nearest[after].max()) / 2
    return ranges


def _bistatic_range_time(swaths: Mapping[str, Swath]) -> float:
    """Return the two-way time of the middle of IW2.

    Without IW2 in the product it follows from the geolocation grids of the others, whose times differ from those of
    their lines by the bistatic term: good to 1e-6 s (measured), or half a line's thousandth.
    """
    if (swath := swaths.get(_BISTATIC_SWATH)) is not None:
        return swath.near_range_time_s + (swath.samples - 1) / 2 / swath.range_sampling_rate_hz
    references = []
    for swath in swaths.values():
        start = np.array([burst.azimuth_time for burst in swath.bursts])
        burst = np.clip(swath.points.line // swath.lines_per_burst, 0, start.size - 1).astype(int)
        lines = swath.points.line - burst * swath.lines_per_burst
        ahead = swath.points.azimuth_time - (start[burst] + lines * swath.azimuth_interval_s)
        references.append(swath.points.range_time_s - 2 * ahead)
    if not np.size(found := np.concatenate(references)):
        raise ValueError(f"expected {_BISTATIC_SWATH} or a geolocation grid, found {', '.join(swaths)} without points")
    return float(np.median(found))


@numba.njit(parallel=True, cache=True)
def _serving(
    times: Double, ranges: Double, swath: Int16, windows: Double, timing: Double, first: Int32, last: Int32
) -> Int16:
    entries = np.empty(times.size, np.int16)
    for point in numba.prange(times.size):
        entries[point] = serve(times[point], ranges[point], -1, swath, windows, timing, first, last)[0]
    return entries


@numba.njit(cache=True)
def serve(
    time: float,
    range_time: float,
    hint: int,
    swath: Int16,
    windows: Double,
    timing: Double,
    first: Int32,
    last: Int32,
) -> tuple[int, int, int]:
    """Return entry, line and sample (nearest) of one point, (-1, -1, -1) where there is none; `hint`: a likely entry.

    The entry whose serving window holds the point; else, of those that have it, one of the nearest subswath, there
    the one whose serving time holds the point, else the first.
    """
    if hint >= 0 and _serves_range(range_time, hint, windows) and _serves_time(time, hint, windows):
        line, sample = _pixel(time, range_time, hint, timing)
        if _is_valid(line, sample, hint, first, last):
            return hint, line, sample
    home = -1
    for entry in range(swath.size):
        if _serves_range(range_time, entry, windows):
            home = swath[entry]
            break
    chosen, least = -1, 1000
    for entry in range(swath.size):
        away = 2 * abs(swath[entry] - home) + (0 if _serves_time(time, entry, windows) else 1)
        if away < least:
            line, sample = _pixel(time, range_time, entry, timing)
            if _is_valid(line, sample, entry, first, last):
                chosen, least = entry, away
    if chosen < 0:
        return -1, -1, -1
    line, sample = _pixel(time, range_time, chosen, timing)
    return chosen, line, sample


@numba.njit(cache=True)
def _serves_time(time: float, entry: int, windows: Double) -> bool:
    return windows[entry, 0] <= time < windows[entry, 1]  # type: ignore[no-any-return]  # numba scalar


@numba.njit(cache=True)
def _serves_range(range_time: float, entry: int, windows: Double) -> bool:
    return windows[entry, 2] <= range_time < windows[entry, 3]  # type: ignore[no-any-return]  # numba scalar


@numba.njit(cache=True)
def _pixel(time: float, range_time: float, entry: int, timing: Double) -> tuple[int, int]:
    # nearest line and sample, -1 far before the image, where a whole number could overflow
    line = (time - timing[entry, 0]) / timing[entry, 1]
    sample = (range_time - timing[entry, 2]) * timing[entry, 3]
    if not (-0.5 <= line < 1e6 and -0.5 <= sample < 1e6):
        return -1, -1
    return int(line + 0.5), int(sample + 0.5)


@numba.njit(cache=True)
def _is_valid(line: int, sample: int, entry: int, first: Int32, last: Int32) -> bool:
    return 0 <= line < first.shape[1] and first[entry, line] <= sample <= last[entry, line]  # type: ignore[no-any-return]  # numba scalar
