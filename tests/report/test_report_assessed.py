"""What the page says of a labelled sample: its figures under the map that was sampled, and under no other."""

from pathlib import Path

import numpy as np
import pytest
from labelled_sample import assess_map
from report.fabricated_run import GRID, painted, write_run

from lczmap.raster import read_class_map, write_class_map
from lczmap.report.accuracy import accuracy_section
from lczmap.report.headline import headline, introduction
from lczmap.report.page import write_report
from lczmap.report.run_folder import RunFolder
from lczmap.report.viewer import class_colors

NOTHING_MEASURED = "nothing in this report measures how often the map is right"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def section(folder: Path, **options: list[Path]) -> str:
    return accuracy_section(RunFolder(folder, folder, **options), class_colors(folder / "lcz.tif")).content


def test_the_measured_accuracy_of_the_map_stands_in_the_head_first(folder: Path) -> None:
    assert NOTHING_MEASURED in headline(RunFolder(folder, folder))
    assess_map(folder / "lcz.tif")
    run = RunFolder(folder, folder, made=[folder / "lcz.tif"])  # as the workflow names the run's files
    assert NOTHING_MEASURED not in headline(run)
    box = "overall accuracy of the whole map lcz.tif, estimated from a probability sample (1.00 to 1.00)"
    assert f"<b>1.00</b><span>{box}</span>" in introduction(run)
    assert "Overall accuracy of lcz.tif 1.00 (1.00 to 1.00)" in section(folder)


def test_a_sample_of_the_filtered_map_is_called_that(folder: Path) -> None:
    assess_map(folder / "lcz_filtered.tif", folder / "sample_filtered")
    assert "Overall accuracy of lcz_filtered.tif 1.00" in section(folder)
    assert "whole map lcz_filtered.tif" in introduction(RunFolder(folder, folder))


def test_figures_of_an_earlier_map_are_not_those_of_this_one(folder: Path) -> None:
    assess_map(folder / "lcz.tif")
    codes = painted()
    codes[0, 0] = 5
    write_class_map(folder / "lcz.tif", codes, GRID.cell_geobox, tags={})
    run = RunFolder(folder, folder)
    content = section(folder)
    assert "sample/map_accuracy.json assesses an earlier map" in content
    assert "Overall accuracy of" not in content and "estimated km²" not in content
    assert NOTHING_MEASURED in headline(run)
    assert "probability sample" not in introduction(run)


def test_the_same_classes_in_another_place_are_another_map(folder: Path) -> None:
    assess_map(folder / "lcz.tif")
    write_class_map(folder / "lcz.tif", painted(), GRID.cell_geobox.translate_pix(1, 0), tags={})
    assert "assesses an earlier map" in section(folder)


def test_a_compared_network_has_figures_of_its_own_and_the_main_map_none_of_them(folder: Path) -> None:
    assess_map(folder / "models" / "other" / "lcz.tif")
    assert "Overall accuracy of models/other/lcz.tif 1.00" in section(folder)
    assert "Not done." in section(folder, made=[folder / "lcz.tif"])  # no network of this run
    run = RunFolder(folder, folder)
    assert NOTHING_MEASURED in headline(run) and "probability sample" not in introduction(run)


def test_the_share_of_the_map_that_was_assessed_is_told_where_it_is_not_all(folder: Path) -> None:
    assess_map(folder / "lcz.tif", folder, untold=1)
    codes, _ = read_class_map(folder / "lcz.tif")
    share = 1 - np.mean(codes[codes > 0] == 1)
    assert f"overall accuracy of {share:.1%} of the map lcz.tif" in introduction(RunFolder(folder, folder))


def test_the_whole_page_links_to_the_result(folder: Path) -> None:
    assess_map(folder / "lcz.tif")
    write_report(folder, folder / "report.html", benchmarks=folder, made=[folder / "lcz.tif"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<a href="sample/map_accuracy.json">sample/map_accuracy.json</a>' in page
    assert "Overall accuracy of lcz.tif" in page
