"""What the workflow does about training areas and the accuracy report; pictures from the command line."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from workflow_runs import PERIOD, command, planned

from lczmap.cli import app
from lczmap.evaluation.records import write_report
from lczmap.evaluation.resampling import bootstrap_figures

pytestmark = pytest.mark.workflow

CITIES = """
city: a
simulation: {seed: 1}
training: {cities: others}
sentinel1: {use: off}
model: {name: wudapt_rf}
---
city: b
simulation: {seed: 2}
sentinel1: {use: off}
training: {field: my class}
accuracy: {bootstraps: 7}
model: {name: wudapt_rf, options: {trees: 3}}
compare: [{name: bp_lcz_eb_cnn, preset: demo}]
---
city: c
simulation: {seed: 3}
sentinel1: {use: off}
model: {name: wudapt_rf}
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("assessment")
    wanted = [f"results/a/{PERIOD}/accuracy.png", f"results/b/{PERIOD}/accuracy.png"]
    wanted += [f"results/b/{PERIOD}/models/bp_lcz_eb_cnn/confusion.png", f"results/a/{PERIOD}/area_quality.csv"]
    return planned(folder, CITIES, *wanted)


def test_areas_are_checked_on_the_scenes_before_a_training_on_them(said: str) -> None:
    checked = command(said, "check-areas", f"results/b/{PERIOD}/area_quality.json")
    assert "--field 'my class'" in checked and f"results/b/{PERIOD}/tiles/r000c000/s2.tif" in checked
    assert "s1.tif" not in checked
    # the inputs of each training, by what it writes
    parts = [part.split("output:") for part in said.split("rule train_model:")[1:]]
    inputs = {part[1].split("/models/")[0].strip(): part[0] for part in parts}
    assert f"results/b/{PERIOD}/area_quality.json" in inputs[f"results/b/{PERIOD}"]
    assert "area_quality" not in inputs[f"results/a/{PERIOD}"]  # it learns from others' areas


def test_a_forest_is_trained_anew_and_of_a_network_the_test_polygons_are_drawn(said: str) -> None:
    forest = command(said, "bootstrap-accuracy", f" results/b/{PERIOD}/bootstraps.json")
    assert f"--retrain results/b/{PERIOD}/tiles" in forest and "--stack s2.tif --threads " in forest
    assert "--map" not in forest
    assert """--options '{"trees": 3}'""" in forest
    network = command(said, "bootstrap-accuracy", f"results/b/{PERIOD}/models/bp_lcz_eb_cnn/bootstraps.json")
    folder = f"results/b/{PERIOD}/models/bp_lcz_eb_cnn"
    assert f"--map {folder}/lcz.tif --split test --threads 1 --count 7" in network and "--retrain" not in network


def test_all_polygons_are_drawn_for_a_network_that_learned_elsewhere(said: str) -> None:
    left_out = command(said, "bootstrap-accuracy", f" results/a/{PERIOD}/bootstraps.json")
    assert f"--map results/a/{PERIOD}/lcz.tif --split all" in left_out and "--retrain" not in left_out


LABELLED = """
city: public
sentinel1: {use: off}
model: {name: gul_s2}
compare: [sen2lcz]
---
city: mixed
sentinel1: {use: off}
model: {name: gul_s2}
compare: [wudapt_rf, {name: ensemble, members: [gul_s2, wudapt_rf]}]
---
city: taught
sentinel1: {use: off}
training: {labels: teacher, teacher: gul_s2, field: my class}
model: {name: eb_cnn}
compare: [gul_s2, wudapt_rf]
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dry run of three cities with areas: nothing learns from them, one network does, a teacher labels instead."""
    folder = tmp_path_factory.mktemp("labelled")
    return planned(folder, LABELLED)


def split_and_table(said: str, place: str) -> list[str]:
    """The table and the split that the two rules on a map's accuracy take."""
    found = []
    for verb, name in (("assess-map", "accuracy.json"), ("bootstrap-accuracy", "bootstraps.json")):
        words = command(said, verb, f" results/{place}/{name}").split()
        found += [words[words.index("--split") + 1], *(Path(w).name for w in words if w.endswith("gpkg"))]
    return found


def test_all_areas_test_the_maps_of_public_networks(labelled: str) -> None:
    for place in (f"public/{PERIOD}", f"public/{PERIOD}/models/sen2lcz"):
        assert split_and_table(labelled, place) == ["all", "patches.gpkg"] * 2
    assert f"results/public/{PERIOD}/area_quality.json" in command(labelled, "check-areas", "results/public/")


def test_networks_are_tested_on_the_same_polygons_as_the_one_that_learned(labelled: str) -> None:
    for place in (f"mixed/{PERIOD}", f"mixed/{PERIOD}/models/ensemble"):
        assert split_and_table(labelled, place) == ["test", "patches.gpkg"] * 2
    assert "--split test" in command(labelled, "assess-map", f"results/mixed/{PERIOD}/models/wudapt_rf/accuracy.json")


def test_all_areas_test_the_maps_of_a_teacher_and_its_students(labelled: str) -> None:
    for place in (f"taught/{PERIOD}", *(f"taught/{PERIOD}/models/{name}" for name in ("gul_s2", "wudapt_rf"))):
        assert split_and_table(labelled, place) == ["all", "reference.gpkg"] * 2
    reference = command(labelled, "select-patches", f"results/taught/{PERIOD}/reference.gpkg")
    assert "resources/simulation/taught/training_areas.kml" in reference and "--field 'my class'" in reference
    taught = command(labelled, "select-patches", f"results/taught/{PERIOD}/patches.gpkg")
    assert f"models/gul_s2/probabilities.tif results/taught/{PERIOD}/patches.gpkg" in taught
    assert "--teacher-half" in taught
    learned = command(labelled, "train-model", f"results/taught/{PERIOD}/models/wudapt_rf/checkpoint.safetensors")
    assert f"results/taught/{PERIOD}/patches.gpkg" in learned and "reference" not in learned
    checked = command(labelled, "check-areas", f"results/taught/{PERIOD}/area_quality.json")
    assert "resources/simulation/taught/training_areas.kml" in checked
    agreement = command(labelled, "assess-agreement", f" results/taught/{PERIOD}/agreement.json")
    assert f"results/taught/{PERIOD}/patches.gpkg" in agreement


def test_three_pictures_are_drawn_from_the_two_reports(tmp_path: Path) -> None:
    confusions = np.random.default_rng(0).integers(0, 9, (5, 17, 17))
    labels = [*map(str, range(1, 11)), *"ABCDEFG"]
    figures = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("oa", "aa", "oau", "oabu", "oaw", "ece")}
    bins = [{"low": 0.0, "high": 1.0, "cells": 3, "confidence": 0.6, "accuracy": 0.4}]
    classes = [{"f1": 0.5} for _ in labels]
    write_report(tmp_path / "accuracy.json", {**figures, "classes": classes, "calibration": bins})
    drawn = {"protocol": "Drawn.", "polygons": dict.fromkeys(labels, 3), **bootstrap_figures(confusions)}
    write_report(tmp_path / "bootstraps.json", drawn)
    names = ("accuracy.json", "bootstraps.json", "accuracy.png", "confusion.png", "calibration.png")
    paths = [str(tmp_path / name) for name in names]
    result = CliRunner().invoke(app, ["draw-accuracy", *paths, "--title", "demo"], catch_exceptions=False)
    assert result.exit_code == 0
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in paths[2:])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
