"""A labelled sample in what leaves the run: its accuracy is told of the map that was sampled, and of no other."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from labelled_sample import assess_map
from tiny_run import TinyRun, make_run
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.exports.facts import NOT_MEASURED
from lczmap.exports.map_accuracy import read_map_accuracies
from lczmap.raster import write_class_map

SENTENCE = (
    "Map accuracy of lcz.tif, estimated from a probability sample: overall accuracy 1.000 (95 % interval 1.000 to"
)


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    made = make_run(tmp_path)
    filtered = np.where(made.codes == 1, 2, made.codes).astype(np.uint8)
    write_class_map(made.folder / "lcz_filtered.tif", filtered, made.grid.cell_geobox, tags={})
    return made


def call(verb: str, run: TinyRun, *options: Path | str) -> tuple[str, str]:
    """Return what a verb wrote of a run, as text, and what it said."""
    folder, out = run.folder, run.folder / "exports" / "out.kmz"
    if verb == "export-kmz":
        arguments = [run.lcz, out, "--filtered", folder / "lcz_filtered.tif", "--run", folder / "run.json"]
    else:
        arguments = [folder / "run.json", folder.parent / "grid.json", out, run.lcz, folder / "lcz_filtered.tif"]
    said = CliRunner().invoke(app, [verb, *map(str, arguments), *map(str, options)], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    if verb == "export-kmz":
        with zipfile.ZipFile(out) as archive:
            return archive.read("doc.kml").decode(), said.output
    return out.read_text(encoding="utf-8"), said.output


VERBS = ("export-kmz", "export-stac", "write-metadata")


@pytest.mark.parametrize("verb", VERBS)
def test_the_measured_accuracy_goes_with_the_map(verb: str, run: TinyRun) -> None:
    assert NOT_MEASURED in call(verb, run)[0]
    result = assess_map(run.lcz)
    text, _ = call(verb, run, "--map-accuracy", result)
    assert SENTENCE in text and NOT_MEASURED not in text
    both, _ = call(verb, run, "--map-accuracy", result, "--accuracy", run.folder / "accuracy.json")
    assert both.index(SENTENCE) < both.index("Accuracy on reference polygons")


@pytest.mark.parametrize("verb", VERBS)
def test_the_accuracy_of_an_earlier_map_is_left_out_aloud(verb: str, run: TinyRun) -> None:
    result = assess_map(run.lcz)
    write_class_map(run.lcz, run.codes[::-1].copy(), run.grid.cell_geobox, tags={})
    text, said = call(verb, run, "--map-accuracy", result)
    assert NOT_MEASURED in text and "probability sample" not in text
    assert f"{result}: assesses none of lcz.tif, lcz_filtered.tif" in said


@pytest.mark.parametrize("verb", VERBS[1:])
def test_the_result_is_listed_once_and_only_where_it_is_of_the_map(verb: str, run: TinyRun) -> None:
    result = assess_map(run.lcz)
    content = json.loads(call(verb, run, result, "--map-accuracy", result)[0])
    listed = content["assets"] if verb == "export-stac" else {f["@id"]: f for f in content["distribution"]}
    address = listed["map_accuracy"]["href" if verb == "export-stac" else "contentUrl"]
    assert address == "../sample/map_accuracy.json"
    write_class_map(run.lcz, run.codes[::-1].copy(), run.grid.cell_geobox, tags={})
    assert "map_accuracy.json" not in call(verb, run, result)[0]


def test_the_unfiltered_map_and_the_larger_sample_come_first(run: TinyRun) -> None:
    filtered = assess_map(run.folder / "lcz_filtered.tif", run.folder / "sample_filtered", per_class=5)
    small = assess_map(run.lcz, run.folder / "sample_1", per_class=2)
    large = assess_map(run.lcz, run.folder / "sample_2", per_class=4)
    maps = [run.lcz, run.folder / "lcz_filtered.tif"]
    found = read_map_accuracies([filtered, small, large], maps)
    assert [one.path for one in found] == [large, small, filtered]
    assert [one.map_name for one in found] == ["lcz.tif", "lcz.tif", "lcz_filtered.tif"]


def test_a_part_of_the_map_is_called_a_part(run: TinyRun) -> None:
    text, _ = call("write-metadata", run, "--map-accuracy", assess_map(run.lcz, untold=1))
    share = 1 - np.mean(run.codes[run.codes > 0] == 1)
    assert f"These figures cover {share:.1%} of the mapped area." in text


def test_a_file_that_is_no_result_is_named(run: TinyRun) -> None:
    wrong = run.folder / "map_accuracy.json"
    wrong.write_text("{}")
    with pytest.raises(ValueError, match=r"map_accuracy\.json: expected the report of `assess`, it lacks"):
        call("export-stac", run, "--map-accuracy", wrong)
    wrong.unlink()
    result = json.loads(assess_map(run.lcz).read_text())
    wrong.write_text(json.dumps(result | {"oa": {"value": "high", "low": None}}))
    with pytest.raises(ValueError, match=r"map_accuracy\.json: expected the JSON that `assess` writes"):
        call("export-stac", run, "--map-accuracy", wrong)
    with pytest.raises(ValueError, match="give --run as well"):
        CliRunner().invoke(
            app, ["export-kmz", str(run.lcz), "out.kmz", "--map-accuracy", str(wrong)], catch_exceptions=False
        )
