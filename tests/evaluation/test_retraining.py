import json
from pathlib import Path

import numpy as np
import pytest
from training.tiny_city import city_grid, write_stacks
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.evaluation.metrics import overall_accuracy
from lczmap.evaluation.retraining import _report, retrain_forest, train_and_test
from lczmap.training.patches import PatchTable
from lczmap.training.preset import ForestPreset
from lczmap.views import combine

FOREST = ForestPreset(kind="random_forest", trees=5)


def table(polygons: list[tuple[int, int, int]]) -> PatchTable:
    """One cell for each polygon (row, col, code)."""
    row, col, code = np.array(polygons, np.int64).T
    area = np.arange(1, len(row) + 1)
    return PatchTable(row, col, code, area, np.full(len(row), "train", dtype="<U10"))


# five polygons of two classes, 400 m apart: no patch of 320 m touches another
APART = table([(0, 4 * i, 6) for i in range(5)] + [(10, 4 * i, 17) for i in range(5)])


def separable(count: int) -> np.ndarray:
    """Features (1, N, 2) that tell the first half from the second."""
    side = np.repeat([0.0, 1.0], count // 2)
    return np.stack([side, 2 * side], axis=1)[None].astype(np.float32)


def test_thirty_percent_of_the_polygons_of_each_class_test():
    draw = train_and_test(APART, separable(10), FOREST, cell_px=10, patch_px=32, seed=0)
    assert (draw.training, draw.test, draw.dropped) == (6, 4, 0)  # round(5 · 0.3) = 2 of each class
    assert draw.confusion.sum() == 4 and draw.confusion[5, 5] == 2 and overall_accuracy(draw.confusion) == 1


def test_training_patches_that_touch_a_test_patch_are_dropped():
    near = table([(0, 2 * i, 6) for i in range(5)] + [(10, 4 * i, 17) for i in range(5)])  # 200 m: neighbours overlap
    draw = train_and_test(near, separable(10), FOREST, cell_px=10, patch_px=32, seed=0)
    assert draw.dropped >= 1 and draw.training + draw.test + draw.dropped == 10
    small = train_and_test(near, separable(10), FOREST, cell_px=10, patch_px=20, seed=0)
    assert small.dropped == 0  # patches of 200 m do not overlap at 200 m


def test_a_draw_that_leaves_nothing_to_train_on_has_no_cells():
    pair = table([(0, 0, 6), (0, 1, 6)])
    draw = train_and_test(pair, separable(2), FOREST, cell_px=10, patch_px=32, seed=0)
    assert (draw.training, draw.test, draw.dropped) == (0, 1, 1)
    assert draw.confusion.sum() == 0


def test_a_class_whose_training_patches_were_all_dropped_is_unknown_and_has_no_f1():
    # two polygons of class 6 side by side: one tests, the other is dropped; five of class 17 far apart
    near = table([(0, 0, 6), (0, 1, 6)] + [(10, 4 * i, 17) for i in range(5)])
    features = np.repeat([0.0, 1.0], [2, 5]).astype(np.float32)[None, :, None]
    draw = train_and_test(near, features, FOREST, cell_px=10, patch_px=32, seed=0)
    assert (draw.training, draw.test, draw.dropped) == (3, 3, 1)
    assert (draw.taught[5], draw.taught[16]) == (0, 3)
    assert np.flatnonzero(draw.unknown).tolist() == [5]
    report = _report(near, [draw, draw], seed=0)
    assert np.isnan(report["figures"]["f1"]["6"]).all() and report["quartiles"]["f1"]["6"] is None
    assert report["figures"]["f1"]["G"] == pytest.approx([2 * 2 / (3 + 2)] * 2)  # the cell of class 6 is called G
    assert report["untrained_draws"]["6"] == 2 and report["untrained_draws"]["G"] == 0
    assert any("could not know the class" in w and "LCZ 6 (2)" in w for w in report["warnings"])


def test_views_all_teach_and_their_probabilities_are_averaged():
    good, missing = separable(10), np.full((1, 10, 2), np.nan, np.float32)
    draw = train_and_test(APART, np.concatenate([good, missing]), FOREST, cell_px=10, patch_px=32, seed=0)
    alone = train_and_test(APART, good, FOREST, cell_px=10, patch_px=32, seed=0)
    assert np.array_equal(draw.confusion, alone.confusion)  # a view without pixels says nothing


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    """Two classes, bright in the west and dark in the east, and one cell without pixels."""
    folder = tmp_path_factory.mktemp("city")

    def paint(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
        value = np.where(x < 200, 0.3, 0.1) + 0.001 * channel
        return np.where((y < 20) & (x < 20), np.nan, value)

    write_stacks(folder / "tiles", city_grid(), paint)
    cells = [(0, 0, 6)] + [(r, c, 6 if c < 20 else 17) for r in (5, 12, 19, 26) for c in (4, 12, 26, 34)]
    write_table(folder / "patches.gpkg", cells)
    return folder


def write_table(path: Path, cells: list[tuple[int, int, int]]) -> None:
    import geopandas
    from shapely.geometry import Point

    row, col, code = zip(*cells, strict=True)
    columns = {"row": row, "col": col, "code": code, "area": range(1, len(row) + 1), "split": "test"}
    geopandas.GeoDataFrame(columns, geometry=[Point(0, 0)] * len(row), crs="EPSG:32633").to_file(path)


def test_the_report_is_of_all_polygons_and_says_that_the_forest_was_trained_anew(city, tmp_path, capsys):
    out = tmp_path / "bootstraps.json"
    arguments = {"views": combine(["s1.tif", "s2.tif"]), "options": {"trees": 3}, "bootstraps": 4}
    retrain_forest(city_grid(), city / "patches.gpkg", city / "tiles", out, **arguments, seed=1)
    report = json.loads(out.read_text())
    assert report["method"] == "retraining" and "trained anew 4 times, each time on 70% of" in report["protocol"]
    assert report["polygons"]["6"] == 8 and report["polygons"]["G"] == 8  # the cell without pixels is left out
    assert "1 patches with missing pixels left out" in capsys.readouterr().out
    assert report["test_patches"] == [4] * 4 and report["training_patches"] == [12] * 4
    assert report["figures"]["oa"] == [1.0] * 4  # west and east can be told apart
    assert np.array(report["mean_confusion"])[5, 5] == 2
    assert not any("share a pixel" in warning for warning in report["warnings"])
    retrain_forest(city_grid(), city / "patches.gpkg", city / "tiles", tmp_path / "again.json", **arguments, seed=1)
    assert (tmp_path / "again.json").read_bytes() == out.read_bytes()


def test_a_warning_says_when_most_patches_were_left_out(city, tmp_path):
    write_table(tmp_path / "patches.gpkg", [(10, c, 6 if c < 20 else 17) for c in (4, 5, 6, 26, 27, 28)])
    out = tmp_path / "b.json"
    options = {"trees": 2}
    arguments = {"views": combine(["s2.tif"]), "options": options, "bootstraps": 3}
    report = retrain_forest(city_grid(), tmp_path / "patches.gpkg", city / "tiles", out, **arguments)
    # of three neighbours one tests; the others all lie within 320 m of it
    assert report["dropped_patches"] == [4] * 3 and report["training_patches"] == [0] * 3
    assert any(warning.startswith("100% of the patches of the taught polygons share") for warning in report["warnings"])
    assert any(warning.startswith("3 of 3 draws left no patch to train") for warning in report["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected either a map to test"),
        (["--map", "lcz.tif", "--retrain", "tiles", "--stack", "s2.tif"], "expected either a map to test"),
        (["--retrain", "tiles"], r"which of them it sees \(--stack s2\.tif\)"),
        (["--retrain", "tiles", "--stack", "s2.tif", "--options", "[1]"], r"--options: expected keys and values"),
        (["--retrain", "tiles", "--stack", "s2.tif", "--options", "{"], r"--options: expected JSON"),
    ],
)
def test_the_command_takes_a_map_or_stacks_and_options_are_keys_and_values(tmp_path, arguments, message):
    (tmp_path / "grid.json").write_text(city_grid().to_json())
    files = [str(tmp_path / name) for name in ("grid.json", "patches.gpkg", "bootstraps.json")]
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(app, ["bootstrap-accuracy", *files, *arguments], catch_exceptions=False)


def test_a_networks_recipe_is_refused(city, tmp_path):
    with pytest.raises(ValueError, match="the preset 'demo' is a recipe for a network; retraining is for 'wudapt_rf'"):
        retrain_forest(
            city_grid(),
            city / "patches.gpkg",
            city / "tiles",
            tmp_path / "b.json",
            views=combine(["s2.tif"]),
            preset="demo",
        )
