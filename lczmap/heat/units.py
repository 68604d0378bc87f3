"""Kelvin or degrees Celsius: what a file says, what its values allow, and when there is no unit at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Unit = Literal["kelvin", "celsius"]
Kind = Literal["air", "surface"]
Values = npt.NDArray[np.float64]

ZERO_C = 273.15  # K
PLAUSIBLE_C: dict[Kind, tuple[float, float]] = {"air": (-90.0, 60.0), "surface": (-100.0, 100.0)}
"""Degrees Celsius. Records of the air: -89.2 and 56.7 (WMO); of the surface as satellites see it: -98.6 (Scambos et
al. 2018, doi:10.1029/2018GL078133) and 80.8 (Zhao et al. 2021, doi:10.1175/BAMS-D-20-0325.1)."""
_NEAR_ZERO = 6.0  # standard deviations, or degrees

_SPELLINGS: dict[str, Unit] = {
    **dict.fromkeys(("k", "kelvin", "degk", "degree_kelvin", "degrees_kelvin"), "kelvin"),
    **dict.fromkeys(("c", "°c", "℃", "celsius", "degc", "deg_c", "degree_celsius", "degrees_celsius"), "celsius"),
}
_FAHRENHEIT = ("f", "°f", "℉", "fahrenheit", "degf", "deg_f", "degrees_fahrenheit")


def option_text(kind: Kind, key: str) -> str:
    """Return how a message names what the user may say of a file: the verb's option, and the configuration's key."""
    return f"`--{kind}-{key}` (`temperature.{kind}.{key}`)"


@dataclass(frozen=True)
class Celsius:
    """Temperatures in degrees Celsius, the unit of the file they came from, and who said so."""

    values: Values
    unit: Unit
    said_by: str
    notes: tuple[str, ...]


def unit_of_text(text: str) -> Unit | None:
    """Return the unit that a tag or a column's name states, such as `K`, `temp_c` or `T [°C]`; None if it does not.

    ValueError for degrees Fahrenheit.
    """
    words = text.strip().lower().replace(" ", "_")
    ends = {words, words.strip("[]()"), *re.findall(r"[\[\(](.+?)[\]\)]$", words), *_tails(words)}
    if ends & set(_FAHRENHEIT):
        raise ValueError(f"{text!r} is in degrees Fahrenheit; expected kelvin or degrees Celsius: convert it first")
    found = {_SPELLINGS[end] for end in ends if end in _SPELLINGS}
    return found.pop() if len(found) == 1 else None


def to_celsius(
    values: Values, *, stated: Unit | None, stated_by: str, asked: Unit | None, kind: Kind, where: str, whole: Values
) -> Celsius:
    """Return temperatures in degrees Celsius after a look at whether they can be that.

    `stated` is what the file says, in its `stated_by`; `asked` what the user says, where the file does not. `whole`
    are all values of the file, of which `values` are those that are used. ValueError for values without a unit or
    outside what was ever measured.
    """
    found = np.concatenate([part[np.isfinite(part)] for part in (whole, values)])  # `whole` may be thinned out
    unit = stated or asked
    if unit is None:
        raise ValueError(
            f"{where}: it does not say whether it is in kelvin or degrees Celsius (values {_span(found)}); say so with "
            f"{option_text(kind, 'unit')}"
        )
    low, high = (limit + (ZERO_C if unit == "kelvin" else 0) for limit in PLAUSIBLE_C[kind])
    if found.size and (found.min() < low or found.max() > high):
        raise ValueError(
            f"{where}: expected {kind} temperatures of {low:g} to {high:g} in {unit}, got values {_span(found)}. "
            f"{_guess(found, unit, kind)}"
        )
    notes = []
    if stated and asked and stated != asked:
        notes.append(f"asked for {asked}, but the file's {stated_by} says {stated}, and its values fit that")
    if not stated and unit == "celsius" and found.size and np.abs(found).max() < _NEAR_ZERO:
        notes.append("all values lie so near to 0 that a part of a standardised file cannot be told from degrees")
    converted = values - ZERO_C if unit == "kelvin" else values
    return Celsius(converted, unit, f"the file's {stated_by}" if stated else "the user", tuple(notes))


def is_standardised(values: Values) -> bool:
    """Say whether finite values (N,) have mean 0 and standard deviation 1, or run from 0 to 1: no temperatures."""
    if values.size < 10:
        return False
    scored = abs(values.mean()) < 0.1 and 0.9 < values.std() < 1.1
    return bool(scored or (values.min() >= 0 and values.max() <= 1))


def refuse_standardised(values: Values, where: str) -> None:
    """Raise ValueError for standardised values, NaN where missing: they have no unit, whatever is said of them."""
    found = values[np.isfinite(values)]
    if is_standardised(found):
        raise ValueError(
            f"{where}: the values have mean {found.mean():.2f}, standard deviation {found.std():.2f} and run "
            f"{_span(found)}: they are standardised and have no unit, so neither kelvin nor degrees Celsius can be "
            "reported; give the file from before that step"
        )


def _tails(words: str) -> set[str]:
    parts = words.split("_")
    return {"_".join(parts[-n:]) for n in (1, 2) if len(parts) > n}


def _span(found: Values) -> str:
    return f"{found.min():.4g} to {found.max():.4g}" if found.size else "none"


def _guess(found: Values, unit: Unit, kind: Kind) -> str:
    other: Unit = "celsius" if unit == "kelvin" else "kelvin"
    low, high = (limit + (ZERO_C if other == "kelvin" else 0) for limit in PLAUSIBLE_C[kind])
    if low <= found.min() and found.max() <= high:
        return f"They would fit {other}: correct the unit"
    return "Declare its nodata value, scale and offset in the file, or correct the values"
