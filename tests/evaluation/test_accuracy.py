import json
import tracemalloc
from pathlib import Path

import geopandas
import numpy as np
import pytest
from affine import Affine
from mapped_cells import GRID, write_maps, write_patches
from odc.geo.geobox import GeoBox
from shapely.geometry import Point
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.evaluation.accuracy import assess_map
from lczmap.raster import write_class_map, write_probabilities


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
    assert "no network of this run learned from any of them" in report["protocol"]
    assert "other cities" not in report["protocol"]  # a public network, or a teacher's student, learned otherwise
    assert report["dropped_patches"] == 0  # they test too


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


def test_too_few_polygons_to_test_on_say_how_many_are_needed(tmp_path, codes):
    write_patches(tmp_path / "patches.gpkg", [(0, 0, 14, 1, "train"), (5, 5, 17, 2, "train"), (6, 6, 17, 3, "train")])
    with pytest.raises(ValueError, match=r"draw at least 3 polygons of a class, .* above 0; .* take the split `all`"):
        assess_map(*write_maps(tmp_path, codes), tmp_path / "patches.gpkg", tmp_path / "accuracy.json")


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


@pytest.fixture
def filtered(codes) -> np.ndarray:
    """The filter took the lone 5 for 6, and made water of one of the low plants."""
    filtered = codes.copy()
    filtered[2, 5] = 6
    filtered[1, 0] = 17
    return filtered


def assess_both(folder, codes, filtered, **options):
    write_patches(folder / "patches.gpkg", PATCHES)
    write_class_map(folder / "lcz_filtered.tif", filtered, GRID.cell_geobox, tags={})
    return assess_map(
        *write_maps(folder, codes), folder / "patches.gpkg", folder / "accuracy.json",
        filtered_path=folder / "lcz_filtered.tif", seed=1, **options,
    )  # fmt: skip


def test_the_filtered_map_is_measured_on_the_same_cells(tmp_path, codes, filtered, report):
    assess_both(tmp_path, codes, filtered)
    both = json.loads((tmp_path / "accuracy.json").read_text())
    assert {key: both[key] for key in report} == report  # the map's own figures do not move
    found = both["filtered"]
    assert (both["map"], found["map"]) == ("lcz.tif", "lcz_filtered.tif")
    assert (found["cells"], found["polygons"], found["unmapped_cells"]) == (6, 3, 0)
    # reference 6 6 6 D D G, filtered map 6 6 6 D G D
    assert found["oa"]["value"] == pytest.approx(4 / 6, abs=1e-6)
    assert found["aa"]["value"] == pytest.approx((1 + 1 / 2 + 0) / 3, abs=1e-6)
    chance = (3 * 3 + 2 * 2 + 1 * 1) / 36
    assert found["kappa"]["value"] == pytest.approx((4 / 6 - chance) / (1 - chance), abs=1e-6)
    assert found["oau"]["value"] == 1
    assert [found["classes"][c]["f1"] for c in (5, 13, 16)] == [1, 0.5, 0]
    assert found["confusion_matrix"]["cells"][13][16] == 1
    assert found["headline"].startswith("accuracy of the filtered map on reference polygons: OA 0.67 (")


def test_intervals_of_both_maps_come_from_the_same_draws_of_polygons(tmp_path, codes):
    both = assess_both(tmp_path, codes, codes)
    for name in ("oa", "aa", "kappa", "oaw", "majority_baseline"):
        assert both["filtered"][name] == both[name]
    assert both["filtered"]["interval"] == both["interval"]


def test_the_filtered_map_has_no_calibration_for_the_confidence_is_of_the_class_before(tmp_path, codes):
    assert {"ece", "mean_confidence", "calibration"}.isdisjoint(assess_both(tmp_path, codes, codes)["filtered"])


def test_cells_that_the_filter_left_without_a_class_are_counted_and_left_out(tmp_path, codes, filtered):
    filtered[2, 3] = 0
    filtered[7, 9] = 14  # the map has nodata here: not among its cells
    both = assess_both(tmp_path, codes, filtered)
    assert (both["cells"], both["unmapped_cells"]) == (6, 1)
    assert (both["filtered"]["cells"], both["filtered"]["unmapped_cells"]) == (5, 1)
    assert both["filtered"]["oa"]["value"] == pytest.approx(3 / 5)


def test_a_filtered_map_that_does_not_fit_is_refused(tmp_path, codes):
    with pytest.raises(ValueError, match=r"lcz_filtered\.tif: none of the 6 cells .* is mapped"):
        assess_both(tmp_path, codes, np.zeros_like(codes))
    write_class_map(tmp_path / "lcz_filtered.tif", codes[:-1], GRID.cell_geobox[:-1], tags={})
    with pytest.raises(ValueError, match=r"lcz_filtered\.tif: expected the grid"):
        assess_map(
            *(tmp_path / name for name in ("lcz.tif", "probabilities.tif", "patches.gpkg", "accuracy.json")),
            filtered_path=tmp_path / "lcz_filtered.tif",
        )
    assert not (tmp_path / "accuracy.json").exists()


def test_the_verb_measures_both_maps(tmp_path, codes, filtered):
    assess_both(tmp_path, codes, filtered)
    names = ("lcz.tif", "probabilities.tif", "patches.gpkg", "again.json")
    paths = [str(tmp_path / name) for name in names]
    options = ["--filtered", str(tmp_path / "lcz_filtered.tif"), "--seed", "1"]
    result = CliRunner().invoke(app, ["assess-map", *paths, *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "accuracy of the filtered map on reference polygons: OA 0.67" in result.output
    assert (tmp_path / "again.json").read_text() == (tmp_path / "accuracy.json").read_text()


def test_memory_holds_a_strip_of_the_probabilities(tmp_path: Path) -> None:
    large = GeoBox((2048, 200), Affine(100, 0, 3e5, 0, -100, 5.8e6), GRID.crs)
    probabilities = np.full((17, *large.shape), 0.02, np.float32)
    probabilities[13] = 0.68
    write_class_map(tmp_path / "lcz.tif", np.full(large.shape, 14, np.uint8), large, tags={})
    whole = (slice(0, 2048), slice(0, 200))
    write_probabilities(tmp_path / "probabilities.tif", iter([(whole, probabilities)]), large, tags={})
    raster_bytes = probabilities.nbytes
    del probabilities
    write_patches(tmp_path / "patches.gpkg", [(row, row % 200, 14, row % 5 + 1, "test") for row in range(0, 2048, 8)])
    files = (tmp_path / name for name in ("lcz.tif", "probabilities.tif", "patches.gpkg", "accuracy.json"))
    tracemalloc.start()
    report = assess_map(*files)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report["cells"] == 256 and report["mean_confidence"] == pytest.approx(0.68)
    assert peak < raster_bytes / 2
