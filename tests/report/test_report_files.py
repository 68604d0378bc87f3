"""Which files of a folder the page tells of, and what it says of broken ones."""

import json
from pathlib import Path

import pytest
from report.fabricated_run import write_run
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.evaluation.sampling import fingerprint
from lczmap.raster import read_class_map
from lczmap.report.accuracy import accuracy_section
from lczmap.report.file_list import files_section
from lczmap.report.json_file import read_record
from lczmap.report.others import changes_section, other_maps
from lczmap.report.quality import areas_quality_section
from lczmap.report.record import timings_section
from lczmap.report.run_folder import RunFolder
from lczmap.report.viewer import class_colors, map_section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a run folder in which earlier configurations left files."""
    folder = write_run(tmp_path)
    for name in (
        "accuracy.json",
        "exports/lcz.kmz",
        "exports/wrf/README.txt",
        "exports/notes.txt",
        "heat/sensors.gpkg",
        "other_maps/global/difference.tif",
        f"../changes/2020-01-01_2020-02-01_to_{folder.name}/change.json",
        "models/other/reliability.md",
        "sample_2/map_accuracy.json",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return folder


def test_files_of_earlier_configurations_are_hidden(folder: Path) -> None:
    made = [folder / "lcz.tif", folder / "exports" / "lcz.kmz"]
    run = RunFolder(folder, folder, made=made)
    assert run.networks() == []
    assert run.json("accuracy.json") is None
    assert [path.name for path in run.found("exports/**/*")] == ["lcz.kmz"]
    assert list(other_maps(run)) == []
    assert changes_section(run) is None
    assert '"planes":["lcz"]' in map_section(run).content
    assert [path.parent.name for path in run.found("sample*/map_accuracy.json")] == ["sample_2"]  # people added it


def test_every_file_is_shown_where_nobody_says_what_the_run_made(folder: Path) -> None:
    run = RunFolder(folder, folder)
    assert run.networks() == ["other"]
    content = files_section(run, folder / "report.html").content
    assert ">exports/lcz.kmz</a></td><td>map, filtered map, legend and outline for Google Earth<" in content
    assert ">exports/wrf/README.txt</a></td><td>the steps from this map to WRF<" in content
    assert ">exports/notes.txt</a></td><td>no file that lczmap writes<" in content
    assert ">heat/sensors.gpkg</a></td><td>proposed places for thermometers, as points<" in content
    assert ">sample_2/map_accuracy.json</a>" in content
    assert "Files of the network other" in content and ">models/other/lcz.tif</a>" in content
    assert f">../changes/2020-01-01_2020-02-01_to_{folder.name}/change.json</a>" in content


def test_a_file_without_its_keys_is_named(folder: Path) -> None:
    colors = class_colors(folder / "lcz.tif")
    run = RunFolder(folder, folder)
    with pytest.raises(ValueError, match=r"accuracy\.json: expected the key 'oa', got none; run again"):
        accuracy_section(run, colors)
    (folder / "accuracy.json").unlink()
    with pytest.raises(ValueError, match=r"map_accuracy\.json: expected the report of `assess`, it lacks codes_sha256"):
        accuracy_section(run, colors)
    of_this_map = {"codes_sha256": fingerprint(*read_class_map(folder / "lcz.tif"))}
    (folder / "sample_2" / "map_accuracy.json").write_text(json.dumps(of_this_map))
    with pytest.raises(ValueError, match=r"map_accuracy\.json: expected the key 'labels'"):
        accuracy_section(RunFolder(folder, folder), colors)
    with pytest.raises(ValueError, match=r"change\.json: expected the key 'changed'"):
        changes_section(run)
    (folder / "other_maps" / "global" / "agreement.json").write_text("{}")
    with pytest.raises(ValueError, match=r"agreement\.json: expected the key 'what'"):
        list(other_maps(run))
    (folder / "area_quality.json").write_text("[]")
    with pytest.raises(ValueError, match=r"area_quality\.json: expected a JSON object, got list"):
        areas_quality_section(run)


def test_a_key_that_lacks_deep_inside_names_the_file_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"labels": [{"used": 1}]}))
    record = read_record(tmp_path / "a.json")
    assert record["labels"][0]["used"] == 1
    assert record.get("none") is None
    with pytest.raises(ValueError, match=r"a\.json: expected the key 'drawn', got used"):
        record["labels"][0]["drawn"]


def test_options_that_name_nothing_are_refused(folder: Path) -> None:
    out = folder / "report.html"
    (folder / "accuracy.json").unlink()
    for option, message in (("--checkpoint", "nope.json: no such file"), ("--made", "it among the files of --made")):
        result = CliRunner().invoke(app, ["write-report", str(folder), str(out), option, str(folder / "nope.tif")])
        assert isinstance(result.exception, ValueError)
        assert message in str(result.exception)
    assert not out.exists()


def test_stacks_of_all_tiles_are_named_once(folder: Path) -> None:
    out, counted = folder / "report.html", "Pixels with none have no class"
    for broken in ("accuracy.json", "sample_2/map_accuracy.json"):
        (folder / broken).unlink()
    for options, known in (([], False), (["--stack", "s2_summer.tif"], False), (["--stack", "s2.tif"], True)):
        made = ["--made", str(folder / "lcz.tif"), "--made", str(folder / "scenes.json"), *options]
        result = CliRunner().invoke(app, ["write-report", str(folder), str(out), *made], catch_exceptions=False)
        assert result.exit_code == 0
        assert (counted in out.read_text()) is known


def test_times_say_that_steps_without_a_measurement_are_left_out(folder: Path, tmp_path: Path) -> None:
    step = tmp_path / "benchmarks" / "mosaic_map"
    step.mkdir(parents=True)
    (step / f"paint_{folder.name}.tsv").write_text("s\tmax_rss\n2.5\t-\n")
    (step / f"paint_{folder.name}_stopped.tsv").write_text("")
    content = timings_section(RunFolder(folder, tmp_path / "benchmarks")).content
    assert "steps without a measurement are not listed" in content
    assert '<td class="number">1</td><td class="number">2.5</td><td class="number">0</td>' in content
