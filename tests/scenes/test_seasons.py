import pytest

from lczmap.scenes.seasons import in_months, months_of, season_names


def test_all_is_one_composite_of_every_month():
    assert months_of("all", 50) == ((),)
    assert season_names("all") == ("all",)


@pytest.mark.parametrize(("latitude", "months"), [(52.5, (6, 7, 8)), (0.0, (6, 7, 8)), (-33.9, (12, 1, 2))])
def test_local_summer_is_the_hemispheres(latitude, months):
    assert months_of("local_summer", latitude) == (months,)


@pytest.mark.parametrize(
    ("latitude", "first"),
    [(19.1, 11), (-15.8, 5), (37.0, 5), (-33.9, 11), (23.5, 11), (-23.5, 5), (23.6, 5)],
    ids=["Mumbai", "Brasilia", "Seville", "Cape Town", "tropic", "southern tropic", "beyond"],
)
def test_dry_is_the_low_sun_in_the_tropics_and_the_high_sun_beyond(latitude, first):
    (months,) = months_of("dry", latitude)
    assert months[0] == first
    assert len(set(months)) == 6


def test_four_seasons_begin_with_the_local_spring():
    assert season_names("four") == ("spring", "summer", "autumn", "winter")
    assert months_of("four", 48.0) == ((3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 1, 2))
    assert months_of("four", -48.0) == ((9, 10, 11), (12, 1, 2), (3, 4, 5), (6, 7, 8))


@pytest.mark.parametrize("latitude", [60, 10, 0, -10, -60])
def test_four_seasons_share_the_year_and_hold_the_local_summer(latitude):
    seasons = months_of("four", latitude)
    assert sorted(month for months in seasons for month in months) == list(range(1, 13))
    assert seasons[1] == months_of("local_summer", latitude)[0]


@pytest.mark.parametrize("season", ["all", "local_summer", "dry", "four"])
def test_every_composite_has_a_name(season):
    assert len(season_names(season)) == len(months_of(season, 10.0))


def test_a_season_may_run_over_the_new_year():
    (summer,) = months_of("local_summer", -30)
    dates = ["2023-11-30", "2023-12-01", "2024-02-29T23:59:59Z", "2024-03-01"]
    assert [in_months(date, summer) for date in dates] == [False, True, True, False]
    assert all(in_months(date, ()) for date in dates)


def test_unknown_seasons_and_latitudes_are_refused():
    with pytest.raises(ValueError, match="local_summer, dry or four, got 'wet'"):
        months_of("wet", 10)
    with pytest.raises(ValueError, match="latitude"):
        months_of("all", 91)
