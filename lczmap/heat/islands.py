"""The heat island of every zone, UHI_LCZx = T_LCZx - T_LCZref, with its uncertainty.

Zhou et al. 2022, eq. 13; the reference is LCZ D there, low plants. Two cases: many neighbouring cells of a raster,
of which whole blocks are drawn (a cell's neighbour says the same again), and few stations, each left out in turn.
Pure arithmetic: no file is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES, code_to_index
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_LEAST_GROUPS = 2
_SAME = 1e-9  # K: a spread that is rounding only
_CHUNK = 200  # draws at a time: memory
_UNKNOWN = (np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Figures:
    """Figures of the 17 classes, by index; NaN where one is not defined.

    `temperature` and `island` are (17, 3): value, low, high of the 95 % interval, in the unit of the temperatures.
    `count` (17,) are the cells or stations, `groups` (17,) the effective number of blocks, or the stations.
    """

    temperature: Values
    island: Values
    count: Counts
    groups: Values


def cell_figures(
    temperature: Values, codes: npt.NDArray[np.integer], blocks: npt.NDArray[np.integer], *, reference: int, seed: int
) -> Figures:
    """Return the figures of cells (N,) with a temperature, a class code 1..17 and a block number from 0.

    Intervals: standard error of the block bootstrap (whole blocks with all their classes are drawn), Student's t
    with the effective number of blocks k, (Σn)² / Σn² of their cells n (Kish 1965), of class or reference, whichever
    is smaller: k - 1 degrees of freedom and the standard error times √(k / (k - 1)). None for k < 2. Percentiles are
    too narrow where a class lies in few blocks (docs/heat.md has the measurement).
    """
    groups = int(blocks.max()) + 1
    place = blocks * NUM_CLASSES + code_to_index(codes)
    counts = np.bincount(place, minlength=groups * NUM_CLASSES).reshape(groups, NUM_CLASSES)
    sums = np.bincount(place, temperature, minlength=groups * NUM_CLASSES).astype(np.float64).reshape(counts.shape)
    draws, shares = np.random.default_rng(seed), np.full(groups, 1 / groups)
    drawn = [_means(draws.multinomial(groups, shares, size=_CHUNK), counts, sums) for _ in range(RESAMPLES // _CHUNK)]
    replicates = np.concatenate(drawn)  # (R, 17)
    value = _means(np.ones((1, groups)), counts, sums)[0]
    effective = counts.sum(axis=0) ** 2 / np.maximum((counts**2).sum(axis=0), 1)
    base = reference - 1
    temperatures = _around(value, replicates, effective)
    differences = value - value[base], replicates - replicates[:, [base]]
    islands = _around(*differences, np.minimum(effective, effective[base]))
    return Figures(temperatures, _zero_reference(islands, reference), counts.sum(axis=0), effective)


def station_figures(values: Values, codes: npt.NDArray[np.integer], *, reference: int) -> Figures:
    """Return the figures of stations: `values` (S, T) at T times, NaN where missing, class `codes` (S,) 1..17.

    Per time step the mean over a class's stations, and the difference of two such means where both exist; then the
    mean over time. Intervals: standard error from leaving out each station in turn (jackknife; for a plain mean the
    usual s / √n), Student's t with the degrees of freedom of Welch and Satterthwaite. None for a single station, or
    for values that agree exactly: thermometers in steps of 0.1 K may, and know no spread.
    """
    temperature, island = (np.full((NUM_CLASSES, 3), np.nan) for _ in range(2))
    count = np.zeros(NUM_CLASSES, np.int64)
    measured = np.isfinite(values).any(axis=1)
    values, codes = values[measured], codes[measured]
    groups = {code: _group(values[codes == code]) for code in np.unique(codes).tolist()}
    for code, one in groups.items():
        count[code - 1] = len(one.left_out)
        temperature[code - 1] = _difference(one, None)
        if reference in groups and code != reference:
            island[code - 1] = _difference(one, groups[reference])
    if reference in groups:
        island[reference - 1, 0] = 0  # by definition
    return Figures(temperature, island, count, count.astype(np.float64))


def _means(draws: npt.NDArray[np.number], counts: Counts, sums: Values) -> Values:
    """Return (R, 17) the class means of drawn blocks; `draws` (R, G) says how often each is drawn."""
    return _ratio(draws @ sums, draws @ counts.astype(np.float64))


def _around(value: Values, replicates: Values, groups: Values) -> Values:
    """Return (17, 3) values (17,) with intervals from their replicates (R, 17) of so many `groups` (17,)."""
    from scipy.special import stdtrit

    out = np.column_stack([value, np.full((NUM_CLASSES, 2), np.nan)])
    for index in np.flatnonzero(np.isfinite(value) & (groups >= _LEAST_GROUPS)):
        drawn, number = replicates[np.isfinite(replicates[:, index]), index], groups[index]
        error = drawn.std(ddof=1) * np.sqrt(number / (number - 1))
        if error <= _SAME:
            continue
        reach = stdtrit(number - 1, (1 + LEVEL) / 2) * error
        out[index, 1:] = value[index] - reach, value[index] + reach
    return out


def _zero_reference(islands: Values, reference: int) -> Values:
    """Return the islands with that of the reference as 0 by definition, without an interval."""
    out = islands.copy()
    if np.isfinite(out[reference - 1, 0]):
        out[reference - 1] = (0.0, np.nan, np.nan)
    return out


@dataclass(frozen=True)
class _Group:
    """A class's `mean` (T,) over its stations, and the means `left_out` (S, T) without each one, NaN where none is.

    `there` (S, T) says which station measured.
    """

    mean: Values
    left_out: Values
    there: npt.NDArray[np.bool_]


def _group(stations: Values) -> _Group:
    """Return the means of stations (S, T)."""
    there = np.isfinite(stations)
    values, number = np.where(there, stations, 0), there.sum(axis=0)
    total = values.sum(axis=0)
    return _Group(_ratio(total, number), _ratio(total - values, number - there), there)


def _difference(one: _Group, other: _Group | None) -> tuple[float, float, float]:
    """Return value, low, high of the mean over time of one class's temperature, or of its difference to another's."""
    from scipy.special import stdtrit

    base = np.zeros(len(one.mean)) if other is None else other.mean
    value = float(_means_over_time(one.mean - base))
    if not np.isfinite(value):
        return _UNKNOWN
    parts = [_jackknife(one, base)]
    if other is not None:
        parts.append(_jackknife(other, one.mean))
    variance = sum(part for part, _ in parts)
    if not variance > _SAME**2:
        return value, np.nan, np.nan
    freedom = variance**2 / sum(part**2 / (number - 1) for part, number in parts)
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
    return value, value - reach, value + reach


def _jackknife(stations: _Group, base: Values) -> tuple[float, int]:
    """Return the variance of mean over time (station mean - base) and the number of stations it is from."""
    used = (stations.there & np.isfinite(base)).any(axis=1)
    number = int(used.sum())
    if number < 2:
        return np.nan, number
    left_out = _means_over_time(stations.left_out[used] - base)
    return float((number - 1) / number * ((left_out - left_out.mean()) ** 2).sum()), number


def _means_over_time(values: Values) -> Values:
    """Return the means over the last axis, of what is finite; NaN where nothing is."""
    there = np.isfinite(values)
    return _ratio(np.where(there, values, 0).sum(axis=-1), there.sum(axis=-1))


def _ratio(total: npt.NDArray[np.number], number: npt.NDArray[np.number]) -> Values:
    """Return total / number, NaN where the number is 0."""
    means: Values = np.divide(total, number, out=np.full(np.shape(number), np.nan), where=number > 0)
    return means
