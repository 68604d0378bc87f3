import json

import geopandas
import numpy as np
import pytest
from mapped_cells import GRID, write_maps, write_patches
from shapely.geometry import Point

from lczmap.evaluation.accuracy import assess_map
from lczmap.raster import write_class_map


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    codes = np.full(GRID.cells_shape, 14, np.uint8)
    codes[2, 3:6] = [6, 6, 5]
    codes[7, 9] = 0
    return codes


PATCHES = [
    (2, 3, 6, 1, "test"),
    (2, 4, 6, 1, "test"),
    (2, 5, 6, 1, "test"),  # the map says 5
    (0, 0, 14, 2, "test"),
    (1, 0, 14, 2, "test"),
    (7, 9, 14, 2, "test"),  # the map has nodata
    (5, 5, 17, 3, "test"),  # the map says 14
    (6, 6, 1, 4, "train"),
    (6, 7, 1, 4, "dropped"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, codes: np.ndarray) -> dict:
    tmp_path = tmp_path_factory.mktemp("report")
    write_patches(tmp_path / "patches.gpkg", PATCHES)
    assess_map(*write_maps(tmp_path, codes), tmp_path / "patches.gpkg", tmp_path / "accuracy.json", seed=1)
    return json.loads((tmp_path / "accuracy.json").read_text())


def test_cells_of_the_test_split_are_counted(report):
    assert (report["cells"], report["polygons"], report["unmapped_cells"]) == (6, 3, 1)
    assert report["what"] == "accuracy on reference polygons (test split by polygon)"


def test_all_polygons_test_a_network_that_learned_elsewhere(tmp_path, codes):
    write_patches(tmp_path / "patches.gpkg", PATCHES)
    report = assess_map(*write_maps(tmp_path, codes), tmp_path / "patches.gpkg", tmp_path / "a.json", split="all")
    assert (report["cells"], report["polygons"], report["unmapped_cells"]) == (8, 4, 1)  # the taught and the dropped
    assert report["oa"]["value"] == pytest.approx(4 / 8)  # the map says 14 where polygon 4 says 1
    assert report["what"] == "accuracy on reference polygons (all polygons; this run taught the network none of them)"


def test_figures_are_those_of_the_cells(report):
    assert report["oa"]["value"] == pytest.approx(4 / 6, abs=1e-6)
    assert report["aa"]["value"] == pytest.approx((2 / 3 + 1 + 0) / 3, abs=1e-6)
    assert report["oau"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert report["oabu"]["value"] == 1
    assert report["oaw"]["value"] == pytest.approx((4 + 11 / 12 + 11 / 12) / 6, abs=1e-6)
    assert report["oaw_chance"]["value"] < report["oaw"]["value"]
    assert report["majority_baseline"]["value"] == pytest.approx(3 / 6, abs=1e-6)
    assert report["majority_baseline"]["class"] == "LCZ 6: Open lowrise"
    assert report["ece"]["value"] == pytest.approx(0.8 - 4 / 6, abs=1e-6)  # all six cells in one bin
    counts = np.array(report["confusion_matrix"]["cells"])
    assert counts[5, 4] == 1 and counts[5, 5] == 2 and counts[16, 13] == 1 and counts.sum() == 6


def test_the_headline_says_on_what_and_the_protocol_how_it_was_split(report):
    assert report["headline"].startswith("accuracy on reference polygons: OA 0.67 (")
    assert ", AA 0.56 (" in report["headline"] and report["headline"].endswith("; 6 cells of 3 polygons")
    assert "1 patches of the other polygons were left out" in report["protocol"] and report["dropped_patches"] == 1
    assert set(report["definitions"]) >= {
        "oa",
        "aa",
        "kappa",
        "oau",
        "oabu",
        "oaw",
        "oaw_chance",
        "ece",
        "pa",
        "ua",
        "f1",
    }


def test_rows_of_the_normalised_matrix_are_shares_of_the_reference(report):
    shares = report["confusion_matrix"]["shares_of_reference"]
    assert shares[5][5] == pytest.approx(2 / 3, abs=1e-6) and shares[5][4] == pytest.approx(1 / 3, abs=1e-6)
    assert shares[16][13] == 1 and shares[0] == [None] * 17  # class 1 has no reference cell


def test_the_bins_of_the_calibration_curve_give_the_calibration_error(report):
    bins = report["calibration"]
    assert [b["cells"] for b in bins] == [0] * 11 + [6] + [0] * 3  # confidence 0.8 is in 11/15 .. 12/15
    assert bins[11]["confidence"] == pytest.approx(0.8, abs=1e-6)
    assert bins[11]["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert bins[0]["accuracy"] is None and bins[14]["high"] == 1
    ece = sum(b["cells"] * abs(b["confidence"] - b["accuracy"]) for b in bins if b["cells"]) / 6
    assert report["ece"]["value"] == pytest.approx(ece, abs=1e-5)


def test_intervals_come_from_three_polygons(report):
    # polygon accuracies are 2 of 3, 2 of 2, 0 of 1: a replicate can lie anywhere between 0 and 1
    assert report["interval"] == {"level": 0.95, "unit": "polygon", "resamples": 2000, "seed": 1}
    assert report["oa"]["low"] < 0.3 and report["oa"]["high"] == 1


def test_figures_per_class_and_classes_with_few_polygons_are_named(report):
    six = report["classes"][5]
    assert (six["label"], six["reference_cells"], six["map_cells"], six["polygons"]) == ("6", 3, 2, 1)
    assert six["pa"] == pytest.approx(2 / 3, abs=1e-6) and six["ua"] == 1
    assert report["classes"][0]["pa"] is None  # no number stands for: not assessed
    five = report["classes"][4]  # on the map, in no test polygon
    assert (five["map_cells"], five["ua"], five["f1"]) == (1, None, None)
    few, absent = report["warnings"]
    assert "LCZ 6: Open lowrise (1)" in few and "LCZ G: Water (1)" in few
    assert "LCZ 1: Compact highrise" in absent and "LCZ 6" not in absent


def test_one_polygon_gives_figures_without_intervals(tmp_path, codes):
    write_patches(tmp_path / "patches.gpkg", PATCHES[:3])
    report = assess_map(*write_maps(tmp_path, codes), tmp_path / "patches.gpkg", tmp_path / "accuracy.json")
    assert report["oa"]["value"] == pytest.approx(2 / 3)
    assert json.loads((tmp_path / "accuracy.json").read_text())["oa"]["low"] is None
    assert any("no intervals" in w for w in report["warnings"])


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ([(6, 6, 1, 4, "train")], r"expected patches of the split 'test', the table has \['train'\]"),
        ([(99, 0, 1, 4, "test")], "cells outside the map of 8 × 10"),
        ([(7, 9, 14, 2, "test")], r"none of the 1 cells .* is mapped"),
    ],
)
def test_patches_that_do_not_fit_are_refused(tmp_path, codes, patches, message):
    write_patches(tmp_path / "patches.gpkg", patches)
    with pytest.raises(ValueError, match=message):
        assess_map(*write_maps(tmp_path, codes), tmp_path / "patches.gpkg", tmp_path / "accuracy.json")
    assert not (tmp_path / "accuracy.json").exists()


def test_a_missing_or_foreign_table_is_refused(tmp_path, codes):
    maps = write_maps(tmp_path, codes)
    with pytest.raises(ValueError, match=r"patches\.gpkg: not a readable table of patches"):
        assess_map(*maps, tmp_path / "patches.gpkg", tmp_path / "accuracy.json")
    other = geopandas.GeoDataFrame({"name": ["x"]}, geometry=[Point(0, 0)], crs=GRID.crs)
    other.to_file(tmp_path / "patches.gpkg")
    with pytest.raises(ValueError, match=r"expected the columns .*'split'.*, got \('name',\)"):
        assess_map(*maps, tmp_path / "patches.gpkg", tmp_path / "accuracy.json")


def test_probabilities_on_another_grid_are_refused(tmp_path, codes):
    write_patches(tmp_path / "patches.gpkg", PATCHES)
    lcz, probabilities = write_maps(tmp_path, codes)
    write_class_map(lcz, codes[:-1], GRID.cell_geobox[:-1], tags={})
    with pytest.raises(ValueError, match=r"probabilities\.tif: expected the grid"):
        assess_map(lcz, probabilities, tmp_path / "patches.gpkg", tmp_path / "accuracy.json")
