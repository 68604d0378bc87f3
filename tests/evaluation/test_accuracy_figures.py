import json

import numpy as np
import pytest
from matplotlib.colors import to_hex
from picture_colors import colors_in
from typer.testing import CliRunner

from lczmap.classes import CLASSES, LABELS, class_colors, rgb
from lczmap.cli import app
from lczmap.evaluation.accuracy import accuracy_report
from lczmap.evaluation.accuracy_figures import boxes_figure, calibration_figure, confusion_figure, draw_accuracy
from lczmap.evaluation.bootstrap import totals_by_group
from lczmap.evaluation.metrics import confusion_matrix
from lczmap.evaluation.records import write_report
from lczmap.evaluation.resampling import bootstrap_figures, draw_polygons
from lczmap.training.patches import PatchTable

UNTESTED = 7  # the code of a class without polygons


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Reports of 3 polygons of 10 cells for 16 classes, as they are read from disk."""
    folder = tmp_path_factory.mktemp("reports")
    draw = np.random.default_rng(0)
    code = np.repeat([c.code for c in CLASSES if c.code != UNTESTED], 30).astype(np.int64)
    area = np.repeat(np.arange(48), 10)
    mapped = np.where(draw.random(480) < 0.7, code, draw.integers(1, 18, 480)).astype(np.uint8)
    zeros = np.zeros(480, np.int64)
    table = PatchTable(zeros, zeros, code, area, np.full(480, "test", dtype="<U10"))
    write_report(folder / "accuracy.json", accuracy_report(table, mapped, draw.random(480), seed=0))
    by_polygon = totals_by_group(area, confusion_matrix, code, mapped)
    found = bootstrap_figures(draw_polygons(by_polygon, code[::10] - 1, bootstraps=25, seed=0))
    polygons = {c.label: 0 if c.code == UNTESTED else 3 for c in CLASSES}
    write_report(folder / "bootstraps.json", {"protocol": "Drawn.", "polygons": polygons, **found})
    return folder


def read(folder, name):
    return json.loads((folder / name).read_text())


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_the_box_plot_marks_chance_and_names_classes_without_polygons(reports):
    bootstraps, accuracy = read(reports, "bootstraps.json"), read(reports, "accuracy.json")
    left, right = boxes_figure(bootstraps, accuracy, title="demo").axes
    assert [t.get_text() for t in left.get_xticklabels()] == ["OA", "AA", "OAu", "OAbu", "OAw"]
    chance = np.median(bootstraps["figures"]["oaw_chance"])
    assert texts(left) == [f"chance\n{chance:.2f}"]
    assert [t.get_text().split("\n")[0] for t in right.get_xticklabels()] == list(LABELS)
    assert texts(right) == ["no polygons"] and right.texts[0].get_position()[0] == UNTESTED - 1
    medians = [line.get_ydata()[0] for line in left.lines if line.get_linewidth() == 2 and len(line.get_xdata()) == 2]
    assert medians == pytest.approx([np.median(bootstraps["figures"][k]) for k in ("oa", "aa", "oau", "oabu", "oaw")])


@pytest.mark.parametrize("palette", ["official", "colour_blind"])
def test_classes_have_the_colours_of_the_palette_in_box_plot_and_matrix(reports, palette):
    bootstraps, accuracy = read(reports, "bootstraps.json"), read(reports, "accuracy.json")
    expected = class_colors(palette)
    right = boxes_figure(bootstraps, accuracy, palette=palette).axes[1]
    boxes = [to_hex(patch.get_facecolor()) for patch in right.patches]
    assert boxes == [color for code, color in enumerate(expected, 1) if code != UNTESTED]
    for ax in confusion_figure(bootstraps, palette=palette).axes:
        edges = [to_hex(p.get_facecolor()) for p in ax.patches if p.get_height() == 0.22 and p.get_width() == 1]
        assert edges == list(expected)


def test_the_verb_draws_in_the_palette_that_it_is_told(reports, tmp_path):
    names = [str(reports / "accuracy.json"), str(reports / "bootstraps.json")]
    pictures = [tmp_path / f"{name}.png" for name in ("boxes", "confusion", "calibration")]
    result = CliRunner().invoke(app, ["draw-accuracy", *names, *map(str, pictures), "--palette", "colour_blind"])
    assert result.exit_code == 0, result.output
    found = colors_in(pictures[1])
    assert (*rgb(class_colors("colour_blind")[2]), 255) in found
    assert (*rgb(class_colors("official")[2]), 255) not in found


def test_a_class_without_polygons_has_no_mark_of_the_map(reports):
    bootstraps, accuracy = read(reports, "bootstraps.json"), read(reports, "accuracy.json")
    assert accuracy["classes"][UNTESTED - 1]["map_cells"] > 0
    bootstraps["figures"]["f1"][LABELS[UNTESTED - 1]] = [0.5]  # tested in the draws, not by the map
    right = boxes_figure(bootstraps, accuracy).axes[1]
    marks = next(line for line in right.lines if line.get_marker() == "D")
    assert list(marks.get_xdata()) == [c.index for c in CLASSES if c.code != UNTESTED]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"b\.json: no such file; `bootstrap-accuracy` makes it"),
        ("{", r"b\.json: not readable as JSON"),
        ("[]", r"b\.json: expected the report of `bootstrap-accuracy`, it lacks n, "),
        ('{"n": 3, "figures": {}}', "it lacks protocol, polygons, mean_confusion, mean_confusion_normalised; make it"),
    ],
)
def test_a_file_that_is_no_report_is_named(reports, tmp_path, text, message):
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        draw_accuracy(reports / "accuracy.json", tmp_path / "b.json", *(tmp_path / f"{n}.png" for n in "123"))


def test_the_matrix_shows_cells_and_percent_and_a_class_that_was_not_tested(reports):
    bootstraps = read(reports, "bootstraps.json")
    left, right = confusion_figure(bootstraps).axes
    assert texts(left).count("no polygons tested") == 1
    mean = bootstraps["mean_confusion"][0][0]
    assert texts(left)[0] == (f"{mean:.1f}" if mean < 10 else f"{mean:.0f}")
    assert texts(right)[0] == f"{100 * mean / 30:.0f}"  # of the 30 cells of class 1 in every draw


def test_the_reliability_diagram_shows_every_filled_bin_and_the_error(reports):
    accuracy = read(reports, "accuracy.json")
    top, bottom = calibration_figure(accuracy).axes
    filled = [b for b in accuracy["calibration"] if b["cells"]]
    curve = next(line for line in top.lines if line.get_label() == "map")
    assert list(curve.get_ydata()) == [b["accuracy"] for b in filled]
    assert [p.get_height() for p in bottom.patches] == [b["cells"] for b in accuracy["calibration"]]
    assert texts(top)[0].startswith(f"ECE {accuracy['ece']['value']:.2f}")
