"""What the workflow does once people have assessed a sample of a finished run's maps: dry runs on empty files."""

import os
from pathlib import Path

import pytest
from workflow_runs import PERIOD, city_file, command, plan, succeeded

pytestmark = pytest.mark.workflow

CITY = """
city: a
simulation: {seed: 1}
sentinel1: {use: off}
model: {name: wudapt_rf}
compare: [{name: bp_lcz_eb_cnn, preset: demo}]
"""
RUN = f"results/a/{PERIOD}"
TELLING = ("write_report", "export_kmz", "export_stac", "write_metadata")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with an empty file for each output of a run, all of one age."""
    said = succeeded(plan(tmp_path, "--summary", "--configfile", city_file(tmp_path, CITY)))
    names = [line.split("\t")[0] for line in said.splitlines() if line.startswith(("results/", "resources/"))]
    assert f"{RUN}/report.html" in names
    for path in (tmp_path / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1e9, 1e9))
    return tmp_path


def to_do(folder: Path) -> str:
    return succeeded(plan(folder, "--configfile", folder / "city.yaml"))


def put(folder: Path, name: str) -> None:
    path = folder / RUN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


@pytest.mark.parametrize("name", ["sample/map_accuracy.json", "sample_filtered/map_accuracy.json", "map_accuracy.json"])
def test_an_assessed_sample_is_told_by_the_next_call(finished: Path, name: str) -> None:
    assert "Nothing to be done" in to_do(finished)
    put(finished, name)
    said = to_do(finished)
    assert all(f"rule {rule}:" in said for rule in TELLING)
    assert "rule map_tile:" not in said and "rule assess_map:" not in said
    for verb, place in (("export-kmz", "lcz.kmz"), ("export-stac", "stac_item"), ("write-metadata", "metadata")):
        assert f"--map-accuracy {RUN}/{name}" in command(said, verb, f"{RUN}/exports/{place}")


def test_an_assessed_map_of_a_compared_network_is_told_by_the_report_alone(finished: Path) -> None:
    put(finished, "models/bp_lcz_eb_cnn/sample/map_accuracy.json")
    said = to_do(finished)
    assert "rule write_report:" in said
    assert not any(f"rule {rule}:" in said for rule in TELLING[1:])


def test_a_network_that_is_no_longer_compared_changes_nothing(finished: Path) -> None:
    put(finished, "models/gone/sample/map_accuracy.json")
    assert "Nothing to be done" in to_do(finished)
