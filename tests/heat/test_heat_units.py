from pathlib import Path

import numpy as np
import pytest

from lczmap.heat.units import Celsius, is_standardised, refuse_standardised, to_celsius, unit_of_text


def convert(values: list[float], **how: object) -> Celsius:
    array = np.array(values)
    said = {"stated": None, "stated_by": "", "asked": None, "kind": "air", "where": "t.csv", "whole": array}
    return to_celsius(array, **(said | how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("K", "kelvin"),
        ("Kelvin", "kelvin"),
        ("temp_k", "kelvin"),
        ("LST [K]", "kelvin"),
        ("degC", "celsius"),
        ("T (°C)", "celsius"),
        ("t2m_celsius", "celsius"),
        ("air temperature deg_c", "celsius"),
        ("temperature", None),
        ("week", None),
        ("", None),
    ],
)
def test_unit_is_read_from_tags_and_names(text: str, unit: str | None) -> None:
    assert unit_of_text(text) == unit


def test_fahrenheit_is_refused() -> None:
    with pytest.raises(ValueError, match="Fahrenheit"):
        unit_of_text("temp_f")


def test_kelvin_becomes_celsius() -> None:
    result = convert([273.15, 300.0], stated="kelvin", stated_by="unit")
    np.testing.assert_allclose(result.values, [0.0, 26.85])
    assert (result.unit, result.said_by) == ("kelvin", "the file's unit")


def test_what_the_user_says_counts_where_the_file_is_silent() -> None:
    assert convert([20.0, 21.0], asked="celsius").said_by == "the user"


def test_missing_unit_is_asked_for() -> None:
    with pytest.raises(
        ValueError, match=r"does not say whether.*values 290 to 300.*`--air-unit` \(`temperature.air.unit`\)"
    ):
        convert([290.0, 300.0])


def test_wrong_unit_is_noticed_and_the_right_one_named() -> None:
    with pytest.raises(ValueError, match=r"-90 to 60 in celsius, got values 290 to 300. They would fit kelvin"):
        convert([290.0, 300.0], asked="celsius")
    with pytest.raises(ValueError, match=r"183.15 to 333.15 in kelvin.*They would fit celsius"):
        convert([20.0, 30.0], stated="kelvin", stated_by="unit")


def test_undeclared_nodata_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"values -9999 to 21.*nodata"):
        convert([20.0, 21.0, -9999.0], asked="celsius")


def test_file_that_contradicts_the_user_is_believed_and_says_so() -> None:
    result = convert([20.0, 21.0], stated="celsius", stated_by="tag 'units'", asked="kelvin")
    assert "asked for kelvin, but the file's tag 'units' says celsius" in result.notes[0]


def test_standardised_values_have_no_unit() -> None:
    scores = np.random.default_rng(0).normal(size=400)
    for values in (scores, (scores - scores.min()) / np.ptp(scores)):
        assert is_standardised(values)
        with pytest.raises(ValueError, match=r"t.tif: .*standardised and have no unit, so neither kelvin nor"):
            refuse_standardised(values, "t.tif")


def test_winter_temperatures_around_zero_are_not_standardised() -> None:
    assert not is_standardised(np.random.default_rng(0).normal(0.5, 2.0, 400))
    result = convert(np.linspace(-2, 5, 50).tolist(), asked="celsius")
    assert "cannot be told from degrees" in result.notes[0]


def test_standardised_raster_of_berlin_is_refused_in_any_unit(real_data: Path, tmp_path: Path) -> None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from lczmap.heat.rasters import read_temperatures

    path = real_data / "training_areas" / "berlin" / "Berlin_lst_final.tif"
    geobox = GeoBox((20, 20), Affine(100, 0, 383_000, 0, -100, 5_817_000), "EPSG:32633")
    for unit in ("kelvin", "celsius", None):
        with pytest.raises(ValueError, match=r"mean 0.00, standard deviation 1.0.*neither kelvin nor degrees Celsius"):
            read_temperatures(path, geobox, kind="surface", unit=unit, time="2018-07-20 10:05")
