import json
import tracemalloc
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import Point, box

from lczmap.evaluation.agreement import SeenCells, agreement_report, agreement_table, assess_agreement, seen_cells
from lczmap.evaluation.bootstrap import spatial_blocks
from lczmap.grid import Grid
from lczmap.raster import write_probabilities

GRID = Grid("EPSG:32643", 700_000.0, 3_400_000.0, 200, 200, 5, 100, box(700_000, 3_398_000, 702_000, 3_400_000))


def one_hot(codes: np.ndarray, top: float = 0.84) -> np.ndarray:
    """Probabilities (17, …) with `top` for the given code and 0.01 for the others."""
    out = np.full((17, *codes.shape), (1 - top) / 16, np.float32)
    np.put_along_axis(out, codes[np.newaxis].astype(np.int64) - 1, np.float32(top), axis=0)
    return out


def seen(codes: np.ndarray) -> SeenCells:
    return seen_cells(one_hot(codes))


def test_figures_equal_those_worked_out_by_hand():
    teacher, student = np.array([14, 14, 14, 6, 6, 9]), np.array([14, 14, 6, 6, 6, 14])
    report = agreement_report(seen(student), seen(teacher), np.arange(6), seed=0)
    assert report["agreement"]["value"] == pytest.approx(4 / 6)
    expected = (3 * 3 + 2 * 3 + 1 * 0) / 36
    assert report["kappa"]["value"] == pytest.approx((4 / 6 - expected) / (1 - expected))
    assert report["majority_baseline"]["value"] == pytest.approx(3 / 6)
    assert report["majority_baseline"]["class"] == "LCZ D: Low plants"
    built = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0]  # P(built) of a one-hot map is linear in this
    assert report["correlation_built"]["value"] == pytest.approx(np.corrcoef(*built)[0, 1])
    assert report["mean_built"]["teacher"] == pytest.approx((3 * 0.1 + 3 * 0.93) / 6, rel=1e-5)
    assert report["teacher_shares"] == pytest.approx(
        {"LCZ 6: Open lowrise": 2 / 6, "LCZ 9: Sparsely built": 1 / 6, "LCZ D: Low plants": 3 / 6}
    )


def test_blocks_give_wider_intervals_than_cells():
    draw = np.random.default_rng(0)
    row, col = (a.ravel() for a in np.mgrid[:40, :40])
    teacher = np.full(1600, 14)
    wrong = np.kron(draw.random((4, 4)) < 0.3, np.ones((10, 10), bool)).ravel()  # errors come in squares
    student = np.where(wrong, 6, 14)
    by_cell, by_block = (
        agreement_report(seen(student), seen(teacher), blocks, seed=0)["agreement"]
        for blocks in (np.arange(1600), spatial_blocks(row, col, 10))
    )
    assert by_block["high"] - by_block["low"] > 5 * (by_cell["high"] - by_cell["low"])


def test_the_interval_of_the_majority_baseline_is_that_of_one_class():
    teacher = np.tile(np.arange(1, 18), 20)  # all classes are equally frequent
    report = agreement_report(seen(teacher), seen(teacher), np.arange(340), seed=0)["majority_baseline"]
    assert report["low"] < report["value"] < report["high"]
    assert report["value"] == pytest.approx(1 / 17)


def test_a_constant_teacher_has_no_correlation_and_no_kappa():
    codes = np.full(10, 14)
    report = agreement_report(seen(codes), seen(codes), np.arange(10), seed=0)
    assert report["agreement"]["value"] == 1
    assert np.isnan(report["correlation_built"]["value"]) and np.isnan(report["kappa"]["value"])


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A student and a teacher of 40 × 40 cells of 50 m, and patches: the west half test, the east half train."""
    teacher = np.full(GRID.cells_shape, 14)
    teacher[:, ::4] = 6
    student = teacher.copy()
    student[:10] = 14
    paths = (tmp_path / "student.tif", tmp_path / "teacher.tif", tmp_path / "patches.gpkg")
    for path, codes in zip(paths, (student, teacher), strict=False):
        probabilities = one_hot(codes)
        probabilities[:, 39] = np.nan
        write_probabilities(path, iter([((slice(0, 40), slice(0, 40)), probabilities)]), GRID.cell_geobox, tags={})
    row, col = (a.ravel() for a in np.mgrid[:40, :40])
    table = {"row": row, "col": col, "code": teacher.ravel(), "area": 0, "split": np.where(col < 20, "test", "train")}
    geopandas.GeoDataFrame(table, geometry=[Point(0, 0)] * 1600, crs=GRID.crs).to_file(paths[2])
    return paths


def test_held_out_cells_are_compared_in_blocks_of_500_m(maps, tmp_path):
    assess_agreement(*maps, tmp_path / "agreement.json", seed=2)
    report = json.loads((tmp_path / "agreement.json").read_text())
    assert report["cells"] == 39 * 20 and report["cells_without_value"] == 20
    assert report["block_m"] == 500 and report["blocks"] == 4 * 2
    assert report["agreement"]["value"] == pytest.approx(1 - 10 * 5 / (39 * 20), abs=1e-6)
    assert report["agreement"]["low"] < report["agreement"]["value"] < report["agreement"]["high"]
    assert "not accuracy" in report["what"]


def test_the_table_names_every_student_and_says_what_it_is(maps, tmp_path):
    report = assess_agreement(*maps, tmp_path / "agreement.json")
    table = agreement_table({"S2 only": report, "S1 and S2": json.loads((tmp_path / "agreement.json").read_text())})
    lines = table.splitlines()
    assert lines[2].startswith("| S2 only | 780 | 8 | ") and lines[3].startswith("| S1 and S2 | 780 | 8 | ")
    assert lines[2].count("|") == lines[0].count("|")
    assert "0.936 (" in lines[2] and "not accuracy" in table


def test_undefined_figures_are_dashes_in_the_table():
    codes = np.full(4, 14)
    table = agreement_table({"flat": agreement_report(seen(codes), seen(codes), np.arange(4), seed=0)})
    assert "| – (– to –) | 1.000 (1.000 to 1.000) |" in table


def test_maps_on_different_grids_are_refused(maps, tmp_path):
    student, teacher, patches = maps
    part = (slice(0, 40), slice(0, 20))
    write_probabilities(
        teacher, iter([((slice(0, 40), slice(0, 20)), one_hot(np.full((40, 20), 14)))]), GRID.cell_geobox[part], tags={}
    )
    with pytest.raises(ValueError, match=r"teacher\.tif: expected the grid"):
        assess_agreement(student, teacher, patches, tmp_path / "agreement.json")
    assert not (tmp_path / "agreement.json").exists()


def test_the_probability_of_a_built_class_does_not_depend_on_how_many_cells_are_read_at_once() -> None:
    drawn = np.random.default_rng(0).dirichlet(np.full(17, 0.3), 2000).T.astype(np.float32)  # (17, N)
    drawn[4, 7] = np.nan
    whole = seen_cells(drawn)
    single = [seen_cells(drawn[:, k : k + 1]) for k in range(2000)]
    np.testing.assert_array_equal(whole.built, np.concatenate([one.built for one in single]))
    np.testing.assert_array_equal(whole.code, np.concatenate([one.code for one in single]))
    assert whole.code[7] == 0


def test_memory_holds_strips_of_the_maps(tmp_path: Path) -> None:
    large = Grid("EPSG:32643", 7e5, 3.4e6, 1000, 10_240, 5, 100, box(7e5, 3.4e6 - 102_400, 7.1e5, 3.4e6))
    whole = (slice(0, 2048), slice(0, 200))
    probabilities = one_hot(np.full(large.cells_shape, 14))
    for name in ("student.tif", "teacher.tif"):
        write_probabilities(tmp_path / name, iter([(whole, probabilities)]), large.cell_geobox, tags={})
    raster_bytes = probabilities.nbytes
    del probabilities
    row, col = np.arange(0, 2048, 8), np.arange(256) % 200
    table = {"row": row, "col": col, "code": 14, "area": 0, "split": "test"}
    geopandas.GeoDataFrame(table, geometry=[Point(0, 0)] * 256, crs=large.crs).to_file(tmp_path / "patches.gpkg")
    out = tmp_path / "agreement.json"
    tracemalloc.start()
    report = assess_agreement(tmp_path / "student.tif", tmp_path / "teacher.tif", tmp_path / "patches.gpkg", out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report["cells"] == 256
    assert peak < raster_bytes / 2
