import json
from pathlib import Path

import numpy as np
import pytest
from mapped_cells import GRID, write_maps, write_patches
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from lczmap.evaluation.metrics import confusion_matrix
from lczmap.evaluation.resampling import bootstrap_figures, draw_polygons, resample_map
from lczmap.evaluation.wording import polygon_warnings


def counts(*pairs: tuple[int, int]) -> np.ndarray:
    reference, mapped = np.array(pairs).T
    return confusion_matrix(reference, mapped)


# two polygons of class 6 (one right, one mapped as 5), one of class 17
POLYGONS = np.stack([counts((6, 6), (6, 6)), counts((6, 5)), counts((17, 17))])
CLASSES = np.array([5, 5, 16])


def test_every_draw_takes_as_many_whole_polygons_of_each_class_as_there_are():
    drawn = draw_polygons(POLYGONS, CLASSES, bootstraps=200, seed=0)
    assert (drawn[:, 16].sum(axis=1) == 1).all()  # the only polygon of class 17 is always there
    pairs = {(int(d[5, 5]), int(d[5, 4])) for d in drawn}
    assert pairs == {(4, 0), (2, 1), (0, 2)}  # twice the first, one of each, twice the second
    share = np.mean([d[5, 4] == 1 for d in drawn])
    assert 0.4 < share < 0.6  # one of each in half of the draws


def test_the_same_seed_draws_the_same():
    one, same, other = (draw_polygons(POLYGONS, CLASSES, bootstraps=20, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_figures_of_a_draw_equal_scikit_learns():
    draw = np.random.default_rng(5)
    reference = draw.integers(1, 9, 300)
    mapped = np.where(draw.random(300) < 0.7, reference, draw.integers(1, 9, 300))
    found = bootstrap_figures(confusion_matrix(reference, mapped)[None])
    assert found["figures"]["oa"][0] == pytest.approx(accuracy_score(reference, mapped))
    assert found["figures"]["aa"][0] == pytest.approx(balanced_accuracy_score(reference, mapped))
    expected = f1_score(reference, mapped, labels=range(1, 9), average=None)
    assert [found["figures"]["f1"][label][0] for label in "12345678"] == pytest.approx(expected)
    assert set(found["figures"]["f1"]) == set("12345678")  # classes without a tested cell have no box


def test_the_mean_matrix_and_the_quartiles_are_those_of_the_draws():
    found = bootstrap_figures(np.stack([counts((6, 6), (6, 5)), counts((6, 6), (6, 6))]))
    assert found["n"] == 2
    assert found["mean_confusion"][5, 5] == 1.5 and found["mean_confusion"][5, 4] == 0.5
    assert found["mean_confusion_normalised"][5, 5] == 0.75
    assert found["quartiles"]["oa"] == {"minimum": 0.5, "lower": 0.625, "median": 0.75, "upper": 0.875, "maximum": 1.0}


def test_a_draw_without_cells_has_no_figures():
    found = bootstrap_figures(np.stack([np.zeros((17, 17), int), counts((6, 6))]))
    assert np.isnan(found["figures"]["oa"][0]) and found["figures"]["oa"][1] == 1
    assert found["quartiles"]["oa"]["minimum"] == 1


def test_classes_with_few_polygons_are_named():
    polygons = np.array([0, 1, 2, *[3] * 14])
    fixed, few, absent = polygon_warnings(polygons, single="never drawn")
    assert "one polygon only, never drawn: LCZ 2" in fixed and "LCZ 3" not in fixed
    assert "LCZ 2: Compact midrise (1), LCZ 3: Compact lowrise (2)" in few
    assert absent == "no polygon, not assessed: LCZ 1: Compact highrise"


def test_the_report_on_a_map_says_how_it_was_drawn(tmp_path: Path):
    codes = np.full(GRID.cells_shape, 14, np.uint8)
    codes[7, 9] = 0
    rows = [(0, 0, 14, 1, "test"), (3, 0, 6, 2, "test"), (7, 9, 14, 3, "test"), (5, 5, 1, 4, "train")]
    write_patches(tmp_path / "patches.gpkg", rows)
    lcz, _ = write_maps(tmp_path, codes)
    resample_map(lcz, tmp_path / "patches.gpkg", tmp_path / "bootstraps.json", bootstraps=5)
    report = json.loads((tmp_path / "bootstraps.json").read_text())
    assert report["n"] == 5 and report["method"] == "resampling"
    assert report["figures"]["oa"] == [0.5] * 5  # one polygon of each class: always the same two cells
    assert "The network and its map stay as they are" in report["protocol"]
    assert report["polygons"]["D"] == 1 and report["polygons"]["1"] == 0  # nodata and training cells do not count
    resample_map(lcz, tmp_path / "patches.gpkg", tmp_path / "all.json", split="all", bootstraps=5)
    assert json.loads((tmp_path / "all.json").read_text())["polygons"]["1"] == 1
