"""The description of the data set: complete where it can be, silent where nobody knows."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TinyRun, make_run
from typer.testing import CliRunner

from lczmap.classes import CLASSES
from lczmap.cli import app
from lczmap.exports.facts import NOT_MEASURED, read_facts
from lczmap.exports.metadata import Publication, write_metadata
from lczmap.files import write_json

# Croissant format specification 1.0, "Required", and what it requires of a FileObject
REQUIRED = {"@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished"}
REQUIRED_OF_FILES = {"@type", "@id", "name", "contentUrl", "contentSize", "encodingFormat", "sha256"}
PUBLICATION = Publication(
    "Ada Lovelace", "https://creativecommons.org/licenses/by/4.0/", "https://example.org", "2026-01-31"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("metadata"), sensors="sentinel-1 sentinel-2")


def described(run: TinyRun, out: Path, publication: Publication | None = None) -> dict[str, Any]:
    write_metadata(run.facts, run.grid, [run.lcz, run.confidence], out, publication=publication)
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def content(run: TinyRun) -> dict[str, Any]:
    return described(run, run.folder / "exports" / "metadata.json")


def test_croissant_is_claimed_only_when_all_that_it_requires_is_there(
    run: TinyRun, content: dict[str, Any], tmp_path: Path
) -> None:
    assert "conformsTo" not in content
    assert set(content).isdisjoint({"license", "creator", "url", "datePublished"})
    whole = described(run, tmp_path / "metadata.json", PUBLICATION)
    assert set(whole) >= REQUIRED
    assert whole["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert whole["creator"] == {"@type": "Person", "name": "Ada Lovelace"}
    assert whole["license"].endswith("by/4.0/") and whole["datePublished"] == "2026-01-31"


def test_files_have_size_and_checksum(run: TinyRun, content: dict[str, Any]) -> None:
    assert [f["name"] for f in content["distribution"]] == ["lcz.tif", "confidence.tif"]
    for entry in content["distribution"]:
        assert set(entry) >= REQUIRED_OF_FILES
        path = (run.folder / "exports" / entry["contentUrl"]).resolve()
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["contentSize"] == f"{path.stat().st_size} B"


def test_every_term_of_croissant_is_in_the_context(content: dict[str, Any]) -> None:
    """Terms without an entry would be read as schema.org's, which knows none of these."""
    croissant = {"recordSet", "field", "key", "data", "dataType", "conformsTo"}
    assert croissant <= set(content["@context"])
    (classes,) = content["recordSet"]
    assert [f["@id"] for f in classes["field"]] == list(classes["data"][0])
    assert [row["classes/code"] for row in classes["data"]] == [c.code for c in CLASSES]


def test_sources_are_credited_under_their_own_terms(content: dict[str, Any]) -> None:
    weights, *scenes = content["isBasedOn"]
    assert weights["identifier"] == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    assert [s["name"] for s in scenes] == ["Copernicus Sentinel-1 data", "Copernicus Sentinel-2 data"]
    assert [s["identifier"] for s in scenes] == [["S1A_IW_GRDH_20200610"], ["S2A_MSIL1C_20200604"]]
    assert content["creditText"] == "Contains modified Copernicus Sentinel data 2020."
    assert all("Legal_Notice" in s["license"] for s in scenes)


def test_only_what_the_files_hold_is_listed_as_measured(run: TinyRun, content: dict[str, Any], tmp_path: Path) -> None:
    assert [v["name"] for v in content["variableMeasured"]] == ["Local Climate Zone", "confidence", "entropy"]
    write_metadata(run.facts, run.grid, [run.lcz], tmp_path / "metadata.json")
    alone = json.loads((tmp_path / "metadata.json").read_text())
    assert [v["name"] for v in alone["variableMeasured"]] == ["Local Climate Zone"]


def test_place_and_time_are_those_of_the_run(content: dict[str, Any]) -> None:
    assert content["temporalCoverage"] == "2020-06-01/2020-09-30"
    south, west, north, east = map(float, content["spatialCoverage"]["geo"]["box"].split())
    assert (south, west, north, east) == pytest.approx((59.799, 17.597, 59.822, 17.652), abs=0.002)


def test_the_accuracy_is_that_of_polygons_or_not_measured(run: TinyRun, content: dict[str, Any]) -> None:
    sentence = (
        "Accuracy on reference polygons (test split by polygon): overall accuracy 0.500 (95 % interval 0.400 to 0.625)"
    )
    assert sentence in content["description"]
    assert (
        "97 cells of 26 polygons" in content["description"]
        and "no estimate for the whole map" in content["description"]
    )
    assert NOT_MEASURED in read_facts(run.folder / "run.json").description


def test_a_description_says_why_no_area_tested_the_map(tmp_path: Path) -> None:
    folder = make_run(tmp_path).folder
    record = json.loads((folder / "run.json").read_text())
    why = "Every training area was used for training (`training.test: 0`)."
    write_json(folder / "run.json", record | {"untested": why})
    assert f"{NOT_MEASURED} {why} Contains" in read_facts(folder / "run.json").description
    write_json(folder / "run.json", {key: value for key, value in record.items() if key != "untested"})
    assert f"{NOT_MEASURED} Contains" in read_facts(folder / "run.json").description  # of an earlier version


def test_both_maps_have_their_own_accuracy_the_filtered_one_first(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "of the map before the filter (lcz.tif), on 97 cells" in run.facts.description
    measured = json.loads((run.folder / "accuracy.json").read_text())
    figure = {"value": 0.6, "low": None, "high": None}
    (run.folder / "accuracy.json").write_text(
        json.dumps(measured | {"filtered": {"oa": figure, "aa": figure, "cells": 95, "polygons": 25}})
    )
    assert (
        "(test split by polygon): overall accuracy 0.600, average accuracy 0.600 of the filtered map "
        "(lcz_filtered.tif), on 95 cells of 25 polygons; overall accuracy 0.500 (95 % interval 0.400 to 0.625), "
        "average accuracy 0.500 (95 % interval 0.400 to 0.625) of the map before the filter (lcz.tif), on 97 cells of "
        "26 polygons. These figures"
    ) in run.facts.description
    (run.folder / "accuracy.json").write_text(json.dumps(measured | {"filtered": {"oa": figure}}))
    with pytest.raises(ValueError, match=r"accuracy\.json: expected the JSON that `assess-map` writes"):
        str(run.facts)


def test_a_simulated_run_is_based_on_no_sentinel_data(tmp_path: Path) -> None:
    text = json.dumps(described(make_run(tmp_path, simulated=True), tmp_path / "metadata.json"))
    assert "shows no real place" in text and "Copernicus" not in text


def test_a_record_of_another_kind_is_refused(run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`record-run` makes it"):
        read_facts(tmp_path / "run.json")
    with pytest.raises(ValueError, match="missing lczmap, attribution"):
        read_facts(run.folder / "accuracy.json")
    record = json.loads((run.folder / "run.json").read_text())
    for text in (
        "[1",
        json.dumps(record | {"networks": []}),
        json.dumps(record | {"scenes": 3}),
        json.dumps([*record]),
    ):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ValueError, match=r"run\.json: expected the JSON that `record-run` writes"):
            read_facts(tmp_path / "run.json")
    accuracy = json.loads((run.folder / "accuracy.json").read_text())
    for wrong in (0.5, {"value": 0.5}, {"value": "high", "low": None}):
        (tmp_path / "accuracy.json").write_text(json.dumps(accuracy | {"oa": wrong}))
        with pytest.raises(ValueError, match=r"accuracy\.json: expected the JSON that `assess-map` writes"):
            read_facts(run.folder / "run.json", tmp_path / "accuracy.json")


def test_the_verb_says_what_is_still_to_be_given(run: TinyRun, tmp_path: Path) -> None:
    arguments = [run.folder / "run.json", run.folder.parent / "grid.json", tmp_path / "metadata.json", run.lcz]
    result = CliRunner().invoke(app, ["write-metadata", *map(str, arguments), "--creator", "Ada Lovelace"])
    assert result.exit_code == 0, result.output
    assert "once you add --license, --url, --date" in result.output
