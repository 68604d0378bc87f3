"""The command line's own promises: one paragraph for bad input, an exit code, nothing half-written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.cli.app import read_grid
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


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"pixel_m": 10, "aoi": 3}', '{"pixel_m": 10, "aoi": {"type": "Cube"}}']
)
def test_a_file_that_is_no_grid_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(ValueError, match=r"grid\.json: expected the grid that `define-grid` writes"):
        read_grid(tmp_path / "grid.json")


def test_every_architecture_that_a_config_can_name_is_listed() -> None:
    names = RUNNER.invoke(app, ["list-models"]).stdout.split()
    assert {"bp_lcz_eb_cnn", "eb_cnn", "gul_s2", "sen2lcz", "wudapt_rf"} <= set(names)


def test_training_hears_of_further_cities_channels_and_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lczmap.channels import INPUTS
    from lczmap.training import train

    heard: dict[str, Any] = {}
    monkeypatch.setattr(train, "train_model", lambda **arguments: heard.update(arguments))
    grids = [tmp_path / f"{name}.json" for name in "ab"]
    for grid, west in zip(grids, (9.0, 12.0), strict=True):
        RUNNER.invoke(app, ["define-grid", str(grid), "--aoi", f"{west},38.65,{west + 0.1},38.7"])
    wanted = "--name rsnnet --stack s2.tif --input D2 --patch-px 48 --devices 2 --strategy ddp_spawn"
    command = ["train-model", str(grids[0]), "a.gpkg", "a", "out.safetensors", *wanted.split()]
    further = ["--further-grid", str(grids[1]), "--further-patches", "b.gpkg", "--further-tiles", "b"]
    assert RUNNER.invoke(app, [*command, *further]).exit_code == 0
    assert [c.grid for c in heard["cities"]] == [Grid.from_json(grid.read_text()) for grid in grids]
    assert [(c.patches_gpkg.name, c.tiles_dir.name) for c in heard["cities"]] == [("a.gpkg", "a"), ("b.gpkg", "b")]
    assert (heard["channels"], heard["patch_px"], heard["views"]) == (INPUTS["D2"], 48, [{"sentinel-2": "s2.tif"}])
    assert heard["hardware"] == train.Hardware(devices=2, strategy="ddp_spawn")
    lonely = RUNNER.invoke(app, [*command, *further[:4]])
    assert "expected --further-grid, --further-patches and --further-tiles equally often" in str(lonely.exception)


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
