"""`snakemake reproduce` as people run it, on generated files, which must not pass for a result on So2Sat."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from so2sat.made_so2sat import make_so2sat
from workflow_runs import city_file, plan, snakemake

pytestmark = pytest.mark.workflow

TINY = {
    "eb_cnn": {"network": {"widths": [4, 8], "blocks": [1, 1]}},
    "resnet50": {"network": {"width": 8, "blocks": [1, 1], "group_width": 8}},
}


def target(folder: Path, section: object, *options: str | Path) -> tuple[str | Path, ...]:
    """The arguments of Snakemake for a table."""
    content = {"city": "rehearsal"} if section is None else {"city": "rehearsal", "reproduce": section}
    return ("reproduce", *options, "--configfile", city_file(folder, yaml.safe_dump(content), "table.yaml"))


def run(folder: Path, section: object, *options: str) -> subprocess.CompletedProcess[str]:
    return snakemake(folder, *target(folder, section, *options))


def dry_run(folder: Path, section: object, *options: str) -> subprocess.CompletedProcess[str]:
    return plan(folder, *target(folder, section, *options))


def said_by(result: subprocess.CompletedProcess[str], *, fails: bool = False) -> str:
    said = result.stdout + result.stderr
    assert (result.returncode != 0) is fails, said[-6000:]
    return " ".join(said.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows of a table with two seeds each, from a file in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "my data").mkdir()
    make_so2sat(folder / "my data" / "training.h5", 12, seed=1, cities=["berlin", "rome"])
    said = said_by(run(folder, section(folder), "--set-threads", "run_reproduction=1"))
    assert "| EB-CNN (LEAKY, REHEARSAL) | bp_lcz (LEAKY) | 47, 48 | 79.29 |" in said  # the table on the screen
    return folder


def section(folder: Path) -> dict[str, object]:
    return {
        "table": "bp_lcz_table2",
        "so2sat": str(folder / "my data"),
        "seeds": [47, 48],
        "rows": ["eb_cnn", "resnet50"],
        "shrink": True,
        "options": {"epochs": 1, "optimiser": {"lr": 0.05}},
        "row_options": TINY,
    }


def test_a_table_is_rehearsed_end_to_end(finished: Path) -> None:
    folder = finished / "results" / "reproduce" / "bp_lcz_table2"
    report = (folder / "report.md").read_text()
    assert report.startswith("# BP-LCZ, Table II: REHEARSAL, no figure here is a So2Sat result\n")
    assert "LEAKY: bp_lcz" in report
    confusions = []
    for row in TINY:
        for seed in (47, 48):
            run = folder / row / f"seed{seed}"
            result = json.loads((run / "result.json").read_text())
            assert result["seed"] == seed and result["recipe"]["epochs"] == 1
            # 12 of the rarest class against 2392: 6 each to train, 60 to test
            assert result["data"]["patches"] == {"train": 102, "validation": 0, "test": 60}
            assert "not So2Sat's file" in result["data"]["rehearsal"]
            confusions.append(np.array(result["confusion_matrix"]))
            for name in ("confusion.png", "tsne.png", "training.png", "checkpoint.safetensors"):
                assert (run / name).stat().st_size > 1000
                assert f"{row}/seed47/{name}" in report or name == "checkpoint.safetensors"
    assert all((c.sum(axis=1) == confusions[0].sum(axis=1)).all() for c in confusions)  # all saw the same test patches
    assert len({c.tobytes() for c in confusions}) > 1


def test_fewer_seeds_on_the_command_line_train_nothing_again(finished: Path) -> None:
    said = said_by(dry_run(finished, section(finished), "--config", "reproduce={seeds: [47]}"))
    assert "tabulate_reproduction 1" in said and "run_reproduction" not in said.partition("Job stats")[2]


def test_a_row_that_was_defined_otherwise_is_run_again(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    changed = 0
    for path in (folder / ".snakemake" / "metadata").iterdir():  # as if the table had had another network
        text = path.read_text()
        if path.is_file() and "run-reproduction bp_lcz_table2 eb_cnn" in text:
            path.write_text(text.replace('\\"network\\": \\"eb_cnn\\"', '\\"network\\": \\"older\\"'))
            changed += path.read_text() != text
    assert changed
    said = said_by(dry_run(folder, section(finished)))
    assert "run_reproduction 2" in said.partition("Job stats")[2]  # both seeds of this row, not of the other


def test_official_weights_are_tested_on_the_test_file(real_data: Path, tmp_path: Path) -> None:
    weights = real_data / "pretrained" / "sen2lcz" / "_32_weights.best.hdf5"
    if not weights.is_file():
        pytest.skip(f"no weights at {weights}")
    (tmp_path / "resources" / "pretrained").mkdir(parents=True)
    shutil.copy(weights, tmp_path / "resources" / "pretrained" / "sen2lcz.h5")
    make_so2sat(tmp_path / "testing.h5", 2, seed=2)
    said = said_by(run(tmp_path, {"table": "sen2lcz_official", "so2sat": str(tmp_path), "shrink": True}))
    assert "REHEARSAL" in said and "| 69.37 |" in said
    result = tmp_path / "results" / "reproduce" / "sen2lcz_official" / "sen2lcz" / "seed47" / "result.json"
    assert json.loads(result.read_text())["data"]["patches"] == {"train": 0, "validation": 0, "test": 34}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"table": "zhou_table4", "options": {"epochz": 1}}, "unknown key `epochz`; did you mean `epochs`?"),
        ({"table": "zhou_table4", "so2sat": "/nowhere"}, "needs /nowhere/training.h5, which is not there"),
        (None, "no configuration has a section `reproduce`"),
        ({"table": "tabel"}, "unknown table 'tabel'; known: bp_lcz_table2"),
        ({"table": "zhou_table4", "rows": ["d8"]}, "has no row 'd8'; it has d1"),
        ({"table": "zhou_table4", "seed": [1]}, "unknown key `reproduce.seed`; did you mean `seeds`?"),
        ({"table": "zhou_table4"}, "resources/so2sat/v2/training.h5 is not there. Put or link So2Sat's file there"),
        ({"table": "leave_one_city_out"}, "needs the cities of the patches; set `reproduce.version: v4`"),
    ],
)
def test_what_is_missing_is_one_clear_line(wanted: object, message: str, tmp_path: Path) -> None:
    said = said_by(dry_run(tmp_path, wanted), fails=True)
    assert message in said
    assert "most recent call last" not in said
    assert wanted is None or "Traceback" not in said  # what a target lacks is known later than the configuration


def test_a_download_happens_only_when_it_is_asked_for(tmp_path: Path) -> None:
    said = said_by(dry_run(tmp_path, {"table": "sen2lcz_official", "fetch": True}))
    assert "fetch-so2sat v2 testing" in said and "convert_so2sat" in said


def test_pictures_have_the_palette_of_the_configuration(tmp_path: Path) -> None:
    wish = ("--config", "map={palette: colour_blind}")
    said = said_by(dry_run(tmp_path, {"table": "sen2lcz_official", "fetch": True}, *wish))
    drawn = said.partition("lczmap draw-reproduction")[2].partition("2>&1")[0]
    assert "tsne.png" in drawn and "--palette colour_blind" in drawn
