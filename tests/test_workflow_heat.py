"""What the workflow asks about temperatures, and that its pictures have the palette of the map."""

from pathlib import Path

import pytest
from workflow_runs import PERIOD, city_file, command, plan, planned, refused

pytestmark = pytest.mark.workflow

CITY = """
city: a
simulation: {{seed: 1}}
sentinel1: {{use: off}}
map: {{palette: colour_blind}}
model: {{name: wudapt_rf}}
compare: [{{name: wudapt_rf, id: second}}]
temperature:
  air: {{path: "{folder}/my stations.csv", unit: celsius, column: "T 2m"}}
  surface: {{path: "{folder}/lst.tif", unit: kelvin, band: 2, time: 2024-07-20T10:05Z}}
  border_m: 50
  least_confidence: 0.4
  sensors: 9
  clearance_m: 60
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("heat")
    for name in ("my stations.csv", "lst.tif"):
        (folder / name).touch()  # a dry run opens none
    pictures = ("heat/heat.png", "heat/sensors.png", "accuracy.png", "models/second/confusion.png")
    wanted = [f"results/a/{PERIOD}/{name}" for name in pictures]
    return planned(folder, CITY.format(folder=folder), *wanted)


def test_each_file_has_its_own_unit_band_and_time(said: str) -> None:
    measured = command(said, "measure-heat", "heat.json")
    assert "my stations.csv' --air-unit celsius --air-column 'T 2m' --surface " in measured
    assert "--surface-unit kelvin --surface-band 2 --surface-time 2024-07-20T10:05" in measured
    assert "--air-band" not in measured and "--air-time" not in measured


def test_distances_and_confidence_are_those_of_the_configuration(said: str) -> None:
    measured = command(said, "measure-heat", "heat.json")
    assert "--border 50.0 --block 2000.0 " in measured
    assert f"--confidence results/a/{PERIOD}/confidence.tif --least-confidence 0.4" in measured
    assert "--sensors 9 --clearance 60.0" in command(said, "propose-sensors", "sensors.json")


def test_accuracy_pictures_of_all_networks_have_the_palette_of_the_maps(said: str) -> None:
    for output in (f" results/a/{PERIOD}/accuracy.png", f" results/a/{PERIOD}/models/second/accuracy.png"):
        assert "--palette colour_blind" in command(said, "draw-accuracy", output)


def test_a_path_with_an_unknown_variable_is_named_when_the_file_is_read(tmp_path: Path) -> None:
    city = city_file(tmp_path, "city: a\ntemperature: {air: '${NO_SUCH_FOLDER}/a.csv'}\n")
    assert "needs the environment variable NO_SUCH_FOLDER" in refused(plan(tmp_path, "--configfile", city))
