"""The command line's own promises: one paragraph for bad input, an exit code, nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.grid import Grid

RUNNER = CliRunner()


def lczmap(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lczmap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_a_mistake_is_one_paragraph_and_leaves_no_file(tmp_path: Path) -> None:
    result = lczmap("define-grid", "grid.json", "--aoi", "none.geojson", cwd=tmp_path)
    assert result.returncode != 0
    assert result.stderr.startswith("lczmap: area of interest none.geojson: no such file")
    assert "Traceback" not in result.stderr and result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_is_there_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCZMAP_TRACEBACK", "1")
    result = lczmap("define-grid", "grid.json", "--aoi", "none.geojson", cwd=tmp_path)
    assert "Traceback" in result.stderr


def test_a_box_west_of_greenwich_is_an_area(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["define-grid", str(tmp_path / "grid.json"), "--aoi", "-9.25,38.65,-9.05,38.85"])
    assert result.exit_code == 0
    assert Grid.from_json((tmp_path / "grid.json").read_text()).crs == "EPSG:32629"


def test_a_missing_grid_is_named(tmp_path: Path) -> None:
    result = lczmap(
        "classify-tile", "grid.json", "a.safetensors", "p.tif", "s2.tif", "--tile", "r000c000", cwd=tmp_path
    )
    assert result.returncode != 0
    assert "grid.json" in result.stderr and "Traceback" not in result.stderr


def test_every_architecture_that_a_config_can_name_is_listed() -> None:
    names = RUNNER.invoke(app, ["list-models"]).stdout.split()
    assert {"bp_lcz_eb_cnn", "eb_cnn", "gul_s2", "sen2lcz", "wudapt_rf"} <= set(names)


def test_every_rule_runs_a_verb_of_its_name() -> None:
    import re

    rules = Path(__file__).parent.parent / "workflow" / "rules"
    text = "\n".join(path.read_text() for path in rules.glob("*.smk"))
    verbs = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    pairs = re.findall(r"^rule (\w+):.*?python -m lczmap ([\w-]+)", text, flags=re.DOTALL | re.MULTILINE)
    assert len(pairs) >= 15
    for rule, verb in pairs:
        assert rule.replace("_", "-") == verb
        assert verb in verbs


def test_no_verb_imports_torch_before_it_needs_it() -> None:
    code = "import sys, lczmap.cli; sys.exit('torch' in sys.modules or 'rasterio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
