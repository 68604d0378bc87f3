"""The section `temperature` of a city's file, and the messages that name its keys."""

from pathlib import Path

import pytest

from lczmap.config import Config
from lczmap.config.products import Temperature
from lczmap.configfiles import load_configs
from lczmap.heat.rows import BLOCK_M
from lczmap.heat.zones import BORDER_M


def load(folder: Path, temperature: str) -> Config:
    (folder / "city.yaml").write_text(f"city: c\ntemperature: {temperature}\n")
    (config,) = load_configs([folder / "city.yaml"], root=folder)
    return config


def test_air_and_surface_have_units_bands_and_times_of_their_own(tmp_path: Path) -> None:
    text = "{air: {path: a.csv, unit: celsius, column: T}, surface: {path: s.tif, unit: kelvin, band: 2}}"
    found = load(tmp_path, text).temperature
    assert (found.air.path, found.air.unit, found.air.band, found.air.column) == ("a.csv", "celsius", None, "T")
    assert (found.surface.path, found.surface.unit, found.surface.band) == ("s.tif", "kelvin", 2)


def test_a_path_alone_is_enough(tmp_path: Path) -> None:
    found = load(tmp_path, "{air: a.csv, surface: null}").temperature
    assert (found.air.path, found.air.unit, found.surface.path) == ("a.csv", None, None)


def test_a_time_may_be_written_as_yaml_has_it(tmp_path: Path) -> None:
    found = load(tmp_path, "{surface: {path: s.tif, time: 2024-07-20T10:05:00}}").temperature
    assert found.surface.time == "2024-07-20T10:05:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{unit: kelvin}", r"unknown key `temperature\.unit`"),
        ("{surface: {path: s.tif, column: T}}", r"unknown key `temperature\.surface\.column`, known: path, unit, band"),
        ("{air: {path: a.csv, unitt: kelvin}}", r"unknown key `temperature\.air\.unitt`; did you mean `unit`\?"),
        ("{air: {unit: celsius}}", r"`temperature\.air`: `unit` is said of a file; expected its `path` too, got"),
        ("{least_confidence: 2}", r"`temperature\.least_confidence`: .*less than or equal to 1, got 2"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, text)


def test_distances_of_the_configuration_are_those_of_the_verbs() -> None:
    assert (Temperature().border_m, Temperature().clearance_m, Temperature().block_m) == (BORDER_M, BORDER_M, BLOCK_M)
