"""From a run's folder to a sample, and from labels to the report."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.classes import CLASSES
from lczmap.cli import app
from lczmap.evaluation.map_accuracy import assess
from lczmap.evaluation.map_accuracy_files import find_assessed
from lczmap.evaluation.sample_files import Allocation, sample
from lczmap.evaluation.sampling import read_design
from lczmap.raster import read_class_map, write_cells, write_class_map

RUNNER = CliRunner()
UTM = "EPSG:32633"
WEST, NORTH = 400_000.0, 5_800_000.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 × 30 cells, half class 6, half D with one cell of water, and a picture of its ground."""
    folder = tmp_path_factory.mktemp("run")
    codes = np.full((20, 30), 6, np.uint8)
    codes[:, 15:] = 14
    codes[0, 29] = 17
    write_class_map(folder / "lcz.tif", codes, GeoBox(codes.shape, Affine(100, 0, WEST, 0, -100, NORTH), UTM), tags={})
    picture = np.full((3, 200, 300), 90, np.uint8)
    grid = GeoBox((200, 300), Affine(10, 0, WEST, 0, -10, NORTH), UTM)
    write_cells(folder / "rgb.tif", picture, grid, names=["red", "green", "blue"], nodata=0)
    return folder


@pytest.fixture(scope="module")
def sampled(run: Path) -> Path:
    said = RUNNER.invoke(app, ["sample", str(run), "--per-class", "20", "--seed", "3"])
    assert said.exit_code == 0, said.output
    assert f"lczmap assess {run / 'sample'} labels_….csv\n" in said.output
    assert "41 cells of 600" in said.output and "LCZ G: Water                     1 of 1" in said.output
    return run / "sample"


def label(sampled: Path, path: Path, name: str, change: dict[int, str], last: int = 41) -> Path:
    """Label the first `last` cells as the map does, except for `change` {cell: class}."""
    design = read_design(sampled / "design.json")
    codes, _ = read_class_map(sampled.parent / "lcz.tif")
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["sample", "cell", "class", "sure", "comment", "labeller"])
        for cell, code in enumerate(codes[design.row, design.col][:last], start=1):
            word = change.get(cell, CLASSES[code - 1].label)
            if word:
                rows.writerow([design.sample_id, cell, word, "yes", "", name])
    return path


def cells_of(sampled: Path, code: int) -> list[int]:
    design = read_design(sampled / "design.json")
    codes, _ = read_class_map(sampled.parent / "lcz.tif")
    return (np.flatnonzero(codes[design.row, design.col] == code) + 1).tolist()


def test_the_folder_for_labelling_does_not_tell_what_the_map_says(sampled: Path) -> None:
    meta, _, geometry, columns = pyogrio.raw.read(sampled / "sample.gpkg")
    assert list(meta["fields"]) == ["cell", "row", "col", "longitude", "latitude"] and meta["crs"] == UTM
    assert columns[0].tolist() == list(range(1, 42)) and len(geometry) == 41
    page = (sampled / "labelling.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert set(data) == {"sample", "cell_m", "context_m", "classes", "views", "cells", "pictures"}
    assert (data["views"], len(data["pictures"][0])) == (["Natural colour"], 41)
    assert "http" not in re.sub(r"https://(earth\.google\.com|www\.openstreetmap\.org)/|http-equiv", "", page)


def test_the_squares_lie_on_the_drawn_cells(sampled: Path) -> None:
    import shapely

    _, _, geometry, columns = pyogrio.raw.read(sampled / "sample.gpkg")
    west, south, east, north = shapely.bounds(shapely.from_wkb(geometry)).T
    assert np.array_equal(west, WEST + 100 * columns[2]) and np.array_equal(north, NORTH - 100 * columns[1])
    assert set(east - west) == set(north - south) == {100.0}


def test_a_second_sample_does_not_overwrite_the_first(run: Path, sampled: Path) -> None:
    with pytest.raises(ValueError, match="there is a sample already"):
        sample(run, None, Allocation(50), seed=1)
    with pytest.raises(ValueError, match=r"lcz_filtered\.tif: no such map"):
        sample(run, None, Allocation(50), seed=1, filtered=True)
    with pytest.raises(ValueError, match="name the filtered map itself"):
        sample(run / "lcz.tif", None, Allocation(50), seed=1, filtered=True)


def test_labels_become_accuracies_and_areas(sampled: Path, tmp_path: Path) -> None:
    """Of 20 cells of class 6 five are D, of 20 of D one is 6; 300, 299 and 1 cells of 0.01 km²."""
    six, low_plants = cells_of(sampled, 6), cells_of(sampled, 14)
    wrong = dict.fromkeys(six[:5], "D") | {low_plants[0]: "6"}
    labels = label(sampled, tmp_path / "ana.csv", "Ana", wrong)
    out = tmp_path / "accuracy.json"
    said = RUNNER.invoke(app, ["assess", str(sampled), str(labels), "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert "Map accuracy, estimated from a probability sample (41 of 41 cells)" in said.output
    report = json.loads(out.read_text())
    assert report["what"] == "map accuracy, estimated from a probability sample"
    assert report["codes_sha256"] == read_design(sampled / "design.json").codes_sha256
    assert report["oa"]["value"] == pytest.approx((300 * 0.75 + 299 * 0.95 + 1) / 600, abs=1e-6)
    entry = {c["label"]: c for c in report["classes"]}
    assert set(entry) == {"6", "D", "G"}
    assert entry["6"]["ua"]["value"] == pytest.approx(0.75)
    assert entry["6"]["pa"]["value"] == pytest.approx(225 / (225 + 299 / 20), abs=1e-6)
    assert entry["6"]["mapped_km2"] == pytest.approx(3.0)
    assert entry["6"]["area_km2"]["value"] == pytest.approx((225 + 299 / 20) / 100, abs=1e-5)
    assert entry["G"]["ua"] == {"value": 1.0, "se": 0.0, "low": 1.0, "high": 1.0}  # its only cell is labelled
    assert report["labels"]["response_rate"] == 1.0 and report["assessed_share"] == 1.0
    assert any("one labeller only" in warning for warning in report["warnings"])


def test_what_labellers_dispute_is_left_out_until_somebody_decides(sampled: Path, tmp_path: Path) -> None:
    six = cells_of(sampled, 6)
    ana = label(sampled, tmp_path / "ana.csv", "Ana", {six[0]: "5", six[1]: "?"})
    ben = label(sampled, tmp_path / "ben.csv", "Ben", {six[2]: "5", six[1]: "?"})
    report = assess(sampled, [ana, ben], tmp_path / "out.json")
    assert report["labels"] | {"response_rate": 0} == {
        "drawn": 41, "used": 38, "cannot_tell": 1, "disputed": 2, "disputed_cells": sorted([six[0], six[2]]),
        "adjudicated": 0, "skipped": 0, "not_reached": 0, "response_rate": 0,
    }  # fmt: skip
    assert report["labeller_agreement"][0]["cells"] == 40
    assert report["labeller_agreement"][0]["agreement"] == pytest.approx(38 / 40)
    text = " ".join(report["warnings"])
    assert f"labelling.html#{min(six[0], six[2])},{max(six[0], six[2])}" in text and "only 93% of the cells" in text
    judge = label(sampled, tmp_path / "judge.csv", "both", {six[2]: "5"})
    settled = assess(sampled, [ana, ben], tmp_path / "out.json", adjudicated=judge)
    assert (settled["labels"]["used"], settled["labels"]["adjudicated"]) == (40, 2)
    assert settled["counts"]["cells"][4, 5] == 1  # reference 5, map 6


def test_stopping_early_is_a_smaller_sample_and_passing_over_is_not(sampled: Path, tmp_path: Path) -> None:
    labels = label(sampled, tmp_path / "ana.csv", "Ana", {2: ""}, last=30)
    report = assess(sampled, [labels], tmp_path / "out.json")
    assert (report["labels"]["skipped"], report["labels"]["not_reached"]) == (1, 11)
    assert report["labels"]["response_rate"] == pytest.approx(29 / 30)
    assert any("1 cells were passed over" in warning for warning in report["warnings"])


def test_a_class_without_enough_labels_is_left_out_with_words(sampled: Path, tmp_path: Path) -> None:
    labels = label(sampled, tmp_path / "ana.csv", "Ana", {cells_of(sampled, 17)[0]: "?"})
    report = assess(sampled, [labels], tmp_path / "out.json")
    assert report["assessed_share"] == pytest.approx(599 / 600)
    assert any("LCZ G: Water (0)" in w and "rest of the map" in w for w in report["warnings"])
    json.loads((tmp_path / "out.json").read_text(), parse_constant=pytest.fail)  # no NaN in the file


def test_a_map_made_anew_or_filtered_is_refused(run: Path, sampled: Path, tmp_path: Path) -> None:
    labels = label(sampled, tmp_path / "ana.csv", "Ana", {})
    codes, geobox = read_class_map(run / "lcz.tif")
    write_class_map(tmp_path / "retagged.tif", codes, geobox, tags={"LCZMAP_NETWORK": "same classes"})
    assess(sampled, [labels], tmp_path / "out.json", map_path=tmp_path / "retagged.tif")
    codes[5, 5] = 2
    write_class_map(tmp_path / "lcz_filtered.tif", codes, geobox, tags={})
    with pytest.raises(ValueError, match="not the map that the sample was drawn from"):
        assess(sampled, [labels], tmp_path / "out.json", map_path=tmp_path / "lcz_filtered.tif")
    with pytest.raises(ValueError, match="name it with --map"):
        assess(sampled, [labels], tmp_path / "out.json", map_path=tmp_path / "gone.tif")


def test_only_an_earlier_result_is_overwritten(sampled: Path, tmp_path: Path) -> None:
    labels, out = label(sampled, tmp_path / "ana.csv", "Ana", {}), tmp_path / "map_accuracy.json"
    for _ in range(2):
        assess(sampled, [labels], out)
    for text, found in (('{"what": "accuracy on reference polygons"}', "'accuracy on reference"), ("[]", "something")):
        out.write_text(text)
        with pytest.raises(ValueError, match=rf"there is a file already, and it holds {found}.*map_accuracy\.json"):
            assess(sampled, [labels], out)
        assert out.read_text() == text


def test_the_result_lies_where_the_report_looks_unless_a_file_is_named(sampled: Path, tmp_path: Path) -> None:
    ana, ben = (label(sampled, tmp_path / f"{name}.csv", name, {}) for name in ("ana", "ben"))
    before = ben.read_text()
    for folder in (sampled, sampled / "design.json"):
        said = RUNNER.invoke(app, ["assess", str(folder), str(ana), str(ben)], catch_exceptions=False)
        assert said.exit_code == 0
        assert f"{sampled / 'map_accuracy.json'}: the report of the run shows it when it is made again" in said.output
        assert find_assessed(sampled.parent) == [sampled / "map_accuracy.json"]
        (sampled / "map_accuracy.json").unlink()
    named = ["assess", str(sampled), str(ana), "--out", str(tmp_path / "elsewhere.json")]
    assert "called map_accuracy.json beside the map or in a folder sample* there" in RUNNER.invoke(app, named).output
    assert find_assessed(sampled.parent) == [] and ben.read_text() == before


def test_label_files_are_not_overwritten_when_they_are_named_as_the_result(sampled: Path, tmp_path: Path) -> None:
    ana, ben = (label(sampled, tmp_path / f"{name}.csv", name, {}) for name in ("ana", "ben"))
    before = ben.read_text()
    with pytest.raises(ValueError, match="expected the name of a JSON file"):
        assess(sampled, [ana], ben)
    assert ben.read_text() == before
    with pytest.raises(ValueError, match=r"map_accuracy\.json: no such file.*is written goes after --out"):
        assess(sampled, [ana, tmp_path / "map_accuracy.json"], tmp_path / "out.json")
