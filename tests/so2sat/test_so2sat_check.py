import hashlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from so2sat.made_so2sat import make_so2sat, write_so2sat
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.so2sat import files
from lczmap.so2sat.cache import open_cache
from lczmap.so2sat.check import check_file
from lczmap.so2sat.files import KnownFile

RUNNER = CliRunner()
COUNTS = {"training": (3,) * 17, "validation": (2, *(1,) * 16), "testing": (1,) * 17}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("so2sat")
    for seed, (name, counts) in enumerate(COUNTS.items()):
        make_so2sat(folder / f"{name}.h5", counts, seed=seed, cities=["cairo", "lisbon"])
    return folder


@pytest.fixture(autouse=True)
def small_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = [KnownFile("v2", name, counts) for name, counts in COUNTS.items()]
    known[0] = replace(known[0], md5=hashlib.md5((folder / "training.h5").read_bytes()).hexdigest())
    for module in ("files", "check"):
        monkeypatch.setattr(f"lczmap.so2sat.{module}.KNOWN_FILES", tuple(known))


def test_a_report_says_what_is_there(folder: Path) -> None:
    text = check_file(folder / "validation.h5").text()
    assert "validation.h5: 18 patches, chunks of 16; the size of v2 validation" in text
    assert "classes: 1 2, 2 1," in text and "cities: 2: cairo, lisbon" in text


def test_the_published_file_is_known_by_its_md5(folder: Path, tmp_path: Path) -> None:
    report = check_file(folder / "training.h5", version="v2", md5=True)
    assert "the MD5 of v2 training" in report.text()
    changed = tmp_path / "training.h5"
    changed.write_bytes((folder / "training.h5").read_bytes())
    with h5py.File(changed, "a") as file:
        file["sen1"][0, 0, 0, 0] += 1
    with pytest.raises(ValueError, match=r"expected the MD5 .* of v2 training, got .*; download it again"):
        check_file(changed, version="v2", md5=True)


def test_validation_and_testing_swapped_are_noticed(folder: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "testing.h5"
    swapped.write_bytes((folder / "validation.h5").read_bytes())
    with pytest.raises(ValueError, match=r"has 18 patches, as validation of So2Sat, not 17 of testing"):
        check_file(swapped)


def test_another_number_of_patches_is_not_the_published_file(tmp_path: Path) -> None:
    make_so2sat(tmp_path / "training.h5", 4)
    assert check_file(tmp_path / "training.h5").known_as == ()
    with pytest.raises(ValueError, match="expected the 51 patches of v2 training, got 68"):
        check_file(tmp_path / "training.h5", version="v2")


def test_digital_numbers_are_not_reflectance(tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    write_so2sat(path, np.zeros((1, 32, 32, 8)), np.full((1, 32, 32, 10), 1200.0), [0])
    with pytest.raises(ValueError, match=r"expected reflectance in sen2 .*got 1200 .*digital numbers"):
        check_file(path)


def test_missing_values_and_empty_radar_are_remarked(tmp_path: Path) -> None:
    sen2 = np.full((2, 32, 32, 10), 0.1)
    sen2[1, 0, 0, :2] = np.nan
    write_so2sat(tmp_path / "own.h5", np.zeros((2, 32, 32, 8)), sen2, [0, 1])
    remarks = check_file(tmp_path / "own.h5").remarks
    assert [remark.split(",")[0] for remark in remarks] == [
        "2 values that are not finite",
        "2 patches without any radar",
    ]


def test_the_version_3_file_is_named_with_its_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = (KnownFile("v3", "random/testing", COUNTS["testing"]), *files.KNOWN_FILES)
    monkeypatch.setattr("lczmap.so2sat.check.KNOWN_FILES", known)
    monkeypatch.setattr("lczmap.so2sat.files.KNOWN_FILES", known)
    (tmp_path / "random").mkdir()
    path = tmp_path / "random" / "testing.h5"
    path.write_bytes((folder / "testing.h5").read_bytes())
    assert check_file(path, version="v3").n == 17


def test_the_verbs_check_and_convert(folder: Path, tmp_path: Path) -> None:
    checked = RUNNER.invoke(app, ["check-so2sat", str(folder / "testing.h5")])
    assert checked.exit_code == 0 and "17 patches" in checked.stdout
    target = tmp_path / "testing" / "cache.json"
    made = RUNNER.invoke(app, ["convert-so2sat", str(folder / "testing.h5"), str(target), "--no-md5"])
    assert made.exit_code == 0 and open_cache(target.parent).n == 17
    refused = RUNNER.invoke(app, ["convert-so2sat", str(folder / "testing.h5"), str(tmp_path / "x.json")])
    assert isinstance(refused.exception, ValueError) and "cache.json" in str(refused.exception)
