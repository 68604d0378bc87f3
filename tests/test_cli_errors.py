"""What the operating system refuses is one paragraph as well: the file, the reason, what to do."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError

from lczmap.cli.errors import os_error_text
from lczmap.provenance import map_tags
from lczmap.raster import write_class_map

GEOBOX = GeoBox((256, 256), Affine(100, 0, 400_000, 0, -100, 5_800_000), "EPSG:32633")


def lczmap(*arguments: str | Path, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lczmap", *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, text=True, check=False, cwd=cwd, **streams)  # type: ignore[call-overload,no-any-return]


def is_one_paragraph(result: subprocess.CompletedProcess[str]) -> bool:
    text = result.stderr
    return result.returncode == 1 and text.startswith("lczmap: ") and text.count("\n") == 1


def random_map(path: Path) -> None:
    write_class_map(path, np.random.default_rng(1).integers(1, 18, GEOBOX.shape).astype(np.uint8), GEOBOX, tags={})


def test_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    report = tmp_path / "results/berlin/2024/models/rf/accuracy.json"
    result = lczmap("tabulate-accuracy", "table.md", report, cwd=tmp_path)
    assert is_one_paragraph(result), result.stderr
    assert f"{report}: No such file or directory" in result.stderr and "check the name" in result.stderr
    result = lczmap("draw-shifts", "shifts.json", "shifts.png", cwd=tmp_path)
    assert is_one_paragraph(result) and "shifts.json" in result.stderr, result.stderr
    assert sorted(tmp_path.iterdir()) == []


def test_a_checkpoint_without_its_description_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"a\.json: no such file; .*\.json of the same name beside it"):
        map_tags(tmp_path / "a.safetensors")
    for text in ("{", "[]", '{"name": "x"}'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ValueError, match=r"a\.json: expected the description of a checkpoint"):
            map_tags(tmp_path / "a.safetensors")


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    result = lczmap("define-grid", "out/grid.json", "--aoi", "13,52,13.1,52.1", cwd=tmp_path)
    assert is_one_paragraph(result) and "out: " in result.stderr and "a file stands where" in result.stderr
    result = lczmap("define-grid", "out/deeper/grid.json", "--aoi", "13,52,13.1,52.1", cwd=tmp_path)
    assert is_one_paragraph(result) and "a file stands where" in result.stderr, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_that_takes_no_more_is_one_paragraph_and_leaves_no_file(tmp_path: Path) -> None:
    random_map(tmp_path / "lcz.tif")
    before = sorted(tmp_path.iterdir())

    def few_bytes() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = lczmap("filter-map", "lcz.tif", "filtered.tif", cwd=tmp_path, preexec_fn=few_bytes)
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert result.stderr.splitlines()[-1].startswith("lczmap: "), result.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = lczmap("list-models", cwd=tmp_path, stdout=full)
    assert is_one_paragraph(result) and "No space left on device" in result.stderr, result.stderr


def test_a_reader_that_goes_away_is_no_error_to_print(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        result = lczmap("list-models", cwd=tmp_path, stdout=closed)
    assert result.stderr == ""
    assert result.returncode == 1


def test_the_traceback_of_a_refusal_is_there_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCZMAP_TRACEBACK", "1")
    result = lczmap("tabulate-accuracy", "table.md", "results/b/2024/models/rf/accuracy.json", cwd=tmp_path)
    assert "Traceback" in result.stderr


def test_the_text_names_both_files_of_a_rename_and_what_gdal_says() -> None:
    two = OSError(errno.EXDEV, os.strerror(errno.EXDEV), "a", None, "b")
    assert os_error_text(two).startswith("a and b: Invalid cross-device link")
    assert os_error_text(OSError(errno.ENOSPC, "No space left on device", "m.tif")).endswith(
        "m.tif: No space left on device; make room on that disk, or write elsewhere"
    )
    assert os_error_text(RasterioIOError("m.tif: write failed\nat row 3")).startswith("m.tif: write failed at row 3")
    assert os_error_text(OSError()) == "OSError, of which the system says no more"


def test_a_class_map_that_was_cut_off_is_one_paragraph(tmp_path: Path) -> None:
    random_map(tmp_path / "lcz.tif")
    whole = (tmp_path / "lcz.tif").read_bytes()
    (tmp_path / "lcz.tif").write_bytes(whole[: len(whole) // 2])
    result = lczmap("info", "lcz.tif", cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("lczmap: lcz.tif: ")
