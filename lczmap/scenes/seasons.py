"""Seasons: which months of the year a composite takes its scenes from. Pure rules of the calendar and the latitude.

Months are a filter on dates, so a season may run over the new year. Where the year's wet and dry months fall is
a rule of thumb here, without a climate data set: check it against the city's climate before relying on it.
"""

from __future__ import annotations

from typing import Literal

Season = Literal["all", "local_summer", "dry", "four"]
Months = tuple[int, ...]

TROPIC_DEG = 23.5
"""Latitude of the tropics: within them the sun's half-year is the rainy one, further out often the drier one."""
_QUARTERS: tuple[Months, ...] = ((3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 1, 2))
_NAMES = ("spring", "summer", "autumn", "winter")
_MAY_TO_OCTOBER: Months = (5, 6, 7, 8, 9, 10)
_NOVEMBER_TO_APRIL: Months = (11, 12, 1, 2, 3, 4)


def months_of(season: Season, latitude: float) -> tuple[Months, ...]:
    """Return the months (1..12) of each composite that a season asks for; () means every month.

    `latitude` is in degrees, north positive; the equator counts as north.

    - `all`: one composite of the whole period.
    - `local_summer`: June to August in the north, December to February in the south. Near the equator this is no
      summer, only the same quarter of the year as in the rest of the hemisphere.
    - `dry`: a rule of thumb without a climate data set. Within the tropics the half-year of the low sun (November to
      April in the north, May to October in the south), as the rains follow the sun; beyond them the half-year of
      the high sun, which is the dry one of Mediterranean climates and elsewhere at least the one without snow. It is
      wrong for places with two rainy seasons, near the equator, and for monsoon climates beyond the tropics.
    - `four`: four composites: local spring, summer, autumn and winter, named by `season_names`, as the seasons of
      So2Sat LCZ42 (Zhu et al. 2020): March to May is spring in the north and autumn in the south.

    ValueError for an unknown season or a latitude beyond the poles.
    """
    if not -90 <= latitude <= 90:
        raise ValueError(f"expected a latitude of -90..90 degrees, got {latitude}")
    is_north = latitude >= 0
    if season == "all":
        return ((),)
    if season == "local_summer":
        return (_local_quarters(is_north)[_NAMES.index("summer")],)
    if season == "dry":
        is_low_sun = abs(latitude) <= TROPIC_DEG
        return (_NOVEMBER_TO_APRIL if is_north == is_low_sun else _MAY_TO_OCTOBER,)
    if season == "four":
        return _local_quarters(is_north)
    raise ValueError(f"expected the season all, local_summer, dry or four, got {season!r}")


def season_names(season: Season) -> tuple[str, ...]:
    """Return the names of the composites of `months_of`, in its order: words fit for file names."""
    return _NAMES if season == "four" else (season,)


def in_months(datetime: str, months: Months) -> bool:
    """Tell whether an ISO 8601 date falls in one of `months`; any does where `months` is empty."""
    return not months or int(datetime[5:7]) in months


def _local_quarters(is_north: bool) -> tuple[Months, ...]:
    # spring, summer, autumn, winter; the south is half a year apart
    return _QUARTERS if is_north else (*_QUARTERS[2:], *_QUARTERS[:2])
