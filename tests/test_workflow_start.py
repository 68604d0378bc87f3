"""How soon a dry run answers. `make test` runs this file alone, because other tests would take the time measured."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow_runs import ROOT, snakemake, succeeded

pytestmark = pytest.mark.workflow


def seconds_of_a_dry_run(folder: Path) -> float:
    started = time.monotonic()
    succeeded(snakemake(folder, "-n"))
    return time.monotonic() - started


def test_a_dry_run_answers_within_five_seconds(tmp_path: Path) -> None:
    times = [seconds_of_a_dry_run(tmp_path) for _ in range(3)]
    assert min(times) < 5, times


def test_parsing_the_workflow_does_not_import_torch_and_reads_its_outline_without_pandas() -> None:
    modules = "lczmap.configfiles, lczmap.config.recipes, lczmap.reproduce.tables, lczmap.grid, lczmap.aoi"
    code = f"import sys, pathlib, {modules}; lczmap.aoi.read_aoi(pathlib.Path('config/aoi/demo.geojson')); "
    code += "sys.exit(' '.join({'torch', 'pandas'} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
