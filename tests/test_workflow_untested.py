"""Runs whose areas cannot test the map: `training.test: 0`, and too few polygons for a test."""

from pathlib import Path

import pytest
from workflow_runs import PERIOD, command, planned

pytestmark = pytest.mark.workflow

UNTESTED = """
city: whole
sentinel1: {use: off}
training: {test: 0}
model: {name: wudapt_rf}
compare: [gul_s2]
---
city: ready
sentinel1: {use: off}
training: {test: 0}
model: {name: exvit, checkpoint: READY}
---
city: public
sentinel1: {use: off}
training: {test: 0}
model: {name: gul_s2}
---
city: taught
sentinel1: {use: off}
training: {labels: teacher, teacher: gul_s2, test: 0}
model: {name: eb_cnn}
compare: [gul_s2]
"""
TESTED = """
city: own
sentinel1: {use: off}
model: {name: wudapt_rf}
---
city: student
sentinel1: {use: off}
training: {labels: teacher, teacher: exvit}
model: {name: eb_cnn}
compare: [{name: exvit, checkpoint: READY}]
---
city: public
sentinel1: {use: off}
model: {name: gul_s2}
"""
LEFT_OUT = """
city: left
simulation: {seed: 1}
sentinel1: {use: off}
training: {cities: others}
model: {name: eb_cnn}
compare: [{name: exvit, checkpoint: READY}]
---
city: other
simulation: {seed: 2}
sentinel1: {use: off}
training: {test: 0}
model: {name: eb_cnn}
"""


def dry_run(folder: Path, text: str) -> str:
    ready = folder / "ready.safetensors"
    for path in (ready, ready.with_suffix(".json")):
        path.write_text("{}")
    return planned(folder, text.replace("READY", str(ready)))


def inputs_of_training(said: str, city: str) -> str:
    """The inputs of the one training of a city's network."""
    jobs = [part.split("output:") for part in said.split("rule train_model:")[1:]]
    (found,) = (job[0] for job in jobs if f"results/{city}/" in job[1].split("\n")[0])
    return found


@pytest.fixture(scope="module")
def untested(tmp_path_factory: pytest.TempPathFactory) -> str:
    return dry_run(tmp_path_factory.mktemp("untested"), UNTESTED)


@pytest.mark.parametrize("city", ["whole", "ready"])
def test_a_run_that_keeps_no_area_for_the_test_is_made_without_accuracy(untested: str, city: str) -> None:
    folder = f"results/{city}/{PERIOD}"
    for name in ("accuracy.json", "accuracy.png", "confusion.png", "calibration.png"):
        assert f"{folder}/{name}" not in untested and f"{folder}/models/gul_s2/{name}" not in untested
    for verb, made in (
        ("check-areas", "area_quality.json"),
        ("write-report", "report.html"),
        ("export-kmz", "exports/lcz.kmz"),
        ("export-stac", "exports/stac_item.json"),
        ("write-metadata", "exports/metadata.json"),
    ):
        assert "--accuracy" not in command(untested, verb, f" {folder}/{made}")
    assert "--must-test" not in untested


def test_a_forest_is_drawn_anew_where_no_area_was_kept_for_the_test(untested: str) -> None:
    drawn = command(untested, "bootstrap-accuracy", f" results/whole/{PERIOD}/bootstraps.json")
    assert f"--retrain results/whole/{PERIOD}/tiles" in drawn
    assert f"results/whole/{PERIOD}/bootstraps.json" in command(untested, "write-report", f"results/whole/{PERIOD}")
    for other in (f"whole/{PERIOD}/models/gul_s2", f"ready/{PERIOD}"):
        assert f"results/{other}/bootstraps.json" not in untested


@pytest.mark.parametrize("city", ["public", "taught"])
def test_all_areas_test_where_no_network_learned_from_them_whatever_is_kept(untested: str, city: str) -> None:
    assert "--split all" in command(untested, "assess-map", f" results/{city}/{PERIOD}/accuracy.json")


def test_too_few_polygons_stop_a_run_before_a_network_is_trained(tmp_path: Path) -> None:
    said = dry_run(tmp_path, TESTED)
    assert "--must-test" in command(said, "select-patches", f" results/own/{PERIOD}/patches.gpkg")
    assert "--must-test" not in command(said, "select-patches", f" results/public/{PERIOD}/patches.gpkg")
    assert "--must-test" not in command(said, "select-patches", f" results/student/{PERIOD}/patches.gpkg")
    # the teacher is a ready network: the areas' test split judges it and its student
    assert "--must-test" in command(said, "select-patches", f" results/student/{PERIOD}/reference.gpkg")
    assert f"results/student/{PERIOD}/reference.gpkg" in inputs_of_training(said, "student")
    assert "reference.gpkg" not in inputs_of_training(said, "own")


def test_the_areas_of_a_left_out_city_are_known_to_test_before_its_network_is_trained(tmp_path: Path) -> None:
    said = dry_run(tmp_path, LEFT_OUT)
    assert "--must-test" in command(said, "select-patches", f" results/left/{PERIOD}/patches.gpkg")
    assert "--must-test" not in command(said, "select-patches", f" results/other/{PERIOD}/patches.gpkg")
    inputs = inputs_of_training(said, "left")
    assert f"results/left/{PERIOD}/patches.gpkg" in inputs and f"results/other/{PERIOD}/patches.gpkg" in inputs
