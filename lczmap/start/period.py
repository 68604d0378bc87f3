"""The period of a new city where its starter names none: the last season in which scenes are worth most."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from lczmap.scenes.seasons import TROPIC_DEG, months_of

_WARM = {True: (5, 9), False: (11, 3)}
"""First and last month of the warm season, by whether a place lies in the north."""


@dataclass(frozen=True)
class Period:
    """First and last day (ISO 8601), why these, and what a person should think of first, None for nothing."""

    start: str
    end: str
    why: str
    mind: str | None = None


def default_period(latitude: float, today: date) -> Period:
    """Return the last whole season before `today` for a place at `latitude` (degrees, the equator is north).

    Beyond the tropics it is the warm one, with leaves and without snow: May to September in the north, November to
    March in the south. Within them it is the drier half-year by the rule of thumb of `months_of`: November to April
    in the north, May to October in the south, as clouds hide the ground in the other. ValueError beyond the poles.
    """
    (dry,) = months_of("dry", latitude)
    where = f"{abs(latitude):.1f}° {'N' if latitude >= 0 else 'S'}"
    if abs(latitude) <= TROPIC_DEG:
        start, end = _last(dry[0], dry[-1], today)
        mind = (
            f"mind: {where} lies in the tropics; {_month(dry[0])} to {_month(dry[-1])} is their drier half-year by a "
            "rule of thumb that is wrong near the equator and under some monsoons: where the city's dry season is "
            "another, set it with --start and --end, or in the file"
        )
        return Period(start, end, f"the last whole drier half-year of the tropics at {where}, a rule of thumb", mind)
    start, end = _last(*_WARM[latitude >= 0], today)
    return Period(start, end, f"the last whole warm season at {where}")


def chosen_period(start: str | None, end: str | None, latitude: float, today: date) -> Period:
    """Return the period that a person named, or `default_period` where none is; ValueError for half of one."""
    if start is None and end is None:
        return default_period(latitude, today)
    if start is None or end is None:
        given, missing = ("--end", "--start") if start is None else ("--start", "--end")
        raise ValueError(f"{given} without {missing}: give both, or none for the last warm season (dry in the tropics)")
    return Period(start, end, "as it was asked for")


def _last(first: int, last: int, today: date) -> tuple[str, str]:
    """Return the first and last day of the latest whole run of months `first` to `last`; it may span a new year."""
    year = today.year
    while (end := date(year, last, calendar.monthrange(year, last)[1])) >= today:
        year -= 1
    start = date(year - (first > last), first, 1)
    return start.isoformat(), end.isoformat()


def _month(number: int) -> str:
    return calendar.month_name[number]
