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
    usual s / √n), Student's t with the degrees of freedom of Welch and Satterthwaite. None for a single station.
    """
    temperature, island = (np.full((NUM_CLASSES, 3), np.nan) for _ in range(2))
    count = np.zeros(NUM_CLASSES, np.int64)
    measured = np.isfinite(values).any(axis=1)
    values, codes = values[measured], codes[measured]
    for code in np.unique(codes).tolist():
        one = values[codes == code]
        count[code - 1] = len(one)
        temperature[code - 1] = _difference(one, None)
        if reference in codes:
            island[code - 1] = _difference(one, values[codes == reference])
    return Figures(temperature, _zero_reference(island, reference), count, count.astype(np.float64))


def _means(draws: npt.NDArray[np.number], counts: Counts, sums: Values) -> Values:
    """Return (R, 17) the class means of drawn blocks; `draws` (R, G) says how often each is drawn."""
    number = draws @ counts.astype(np.float64)
    means: Values = np.divide(draws @ sums, number, out=np.full(number.shape, np.nan), where=number > 0)
    return means


def _around(value: Values, replicates: Values, groups: Values) -> Values:
    """Return (17, 3) values (17,) with intervals from their replicates (R, 17) of so many `groups` (17,)."""
    from scipy.special import stdtrit

    out = np.column_stack([value, np.full((NUM_CLASSES, 2), np.nan)])
    for index in np.flatnonzero(np.isfinite(value) & (groups >= _LEAST_GROUPS)):
        drawn, number = replicates[np.isfinite(replicates[:, index]), index], groups[index]
        error = drawn.std(ddof=1) * np.sqrt(number / (number - 1))
        reach = stdtrit(number - 1, (1 + LEVEL) / 2) * error
        out[index, 1:] = value[index] - reach, value[index] + reach
    return out


def _zero_reference(islands: Values, reference: int) -> Values:
    """Return the islands with that of the reference as 0 by definition, without an interval."""
    out = islands.copy()
    if np.isfinite(out[reference - 1, 0]):
        out[reference - 1] = (0.0, np.nan, np.nan)
    return out


def _difference(one: Values, other: Values | None) -> tuple[float, float, float]:
    """Return value, low, high of the mean over time of one class's temperature, or of its difference to another's."""
    from scipy.special import stdtrit

    base = np.zeros(one.shape[1]) if other is None else _average(other)
    value = _mean(_average(one) - base)
    if not np.isfinite(value):
        return _UNKNOWN
    parts = [_jackknife(one, base)]
    if other is not None:
        parts.append(_jackknife(other, _average(one)))
    variance = sum(part for part, _ in parts)
    if not np.isfinite(variance):
        return value, np.nan, np.nan
    if variance == 0:
        return value, value, value
    freedom = variance**2 / sum(part**2 / (number - 1) for part, number in parts)
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
    return value, value - reach, value + reach


def _jackknife(stations: Values, base: Values) -> tuple[float, int]:
    """Return the variance of mean over time (station mean - base) and the number of stations it is from."""
    used = stations[np.isfinite(stations - base).any(axis=1)]
    number = len(used)
    if number < 2:
        return np.nan, number
    left_out = [_mean(_average(np.delete(used, k, axis=0)) - base) for k in range(number)]
    spread = np.array(left_out) - np.mean(left_out)
    return float((number - 1) / number * (spread**2).sum()), number


def _average(stations: Values) -> Values:
    """Return (T,) the mean over stations (S, T), NaN where none measured."""
    there = np.isfinite(stations)
    number = there.sum(axis=0)
    total = np.where(there, stations, 0).sum(axis=0)
    means: Values = np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)
    return means


def _mean(values: Values) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if found.size else np.nan
