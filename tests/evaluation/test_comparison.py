import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.evaluation.comparison import codes_at, compare_map, comparison_report, effective_cells, read_reference_cells
from lczmap.evaluation.metrics import confusion_matrix
from lczmap.raster import write_class_map

UTM = "EPSG:32633"
WEST, NORTH = 390_000.0, 5_820_000.0  # in Berlin


@pytest.fixture
def city_map(tmp_path: Path) -> Path:
    """Return a map of 100 m cells, (4, 6): every cell its own row of codes, one cell of nodata."""
    codes = np.array([[1] * 6, [2] * 6, [14] * 6, [17] * 6], np.uint8)
    codes[1, 2] = 0
    path = tmp_path / "lcz.tif"
    write_class_map(path, codes, GeoBox(codes.shape, Affine(100, 0, WEST, 0, -100, NORTH), UTM), tags={})
    return path


def write_points(path: Path, cells: list[tuple[float, float, object]], *, crs: str = UTM, field: str = "lcz") -> Path:
    """Write points at (row, column) of the map, in any CRS."""
    points = shapely.points([(WEST + 100 * col, NORTH - 100 * row) for row, col, _ in cells])
    frame = geopandas.GeoDataFrame({field: [value for _, _, value in cells]}, geometry=points, crs=UTM)
    frame.to_crs(crs).to_file(path)
    return path


def test_every_cell_is_read_where_it_lies(city_map: Path, tmp_path: Path):
    points = [(0.5, 0.5, "1"), (1.5, 5.5, "2"), (2.5, 0.5, "D"), (3.5, 0.5, "D"), (1.5, 2.5, "2"), (9.0, 0.5, "1")]
    report = compare_map(city_map, write_points(tmp_path / "points.gpkg", points), tmp_path / "out.json", resamples=99)
    assert (report["reference_cells"], report["outside_map"], report["nodata"], report["cells"]) == (6, 1, 1, 4)
    assert report["agreement"]["value"] == pytest.approx(3 / 4)  # one D is called water
    assert report["confusion_matrix"]["cells"][13, 16] == 1
    recall = {row["label"]: row["recall"] for row in json.loads((tmp_path / "out.json").read_text())["classes"]}
    assert recall == {"1": 1.0, "2": 1.0, "D": 0.5, "G": None}


def test_another_crs_reads_the_same_pixels(city_map: Path, tmp_path: Path):
    cells = [(row + 0.06, col + 0.94, str(row + 1)) for row in range(2) for col in range(6)]  # 6 m from the border
    for number, crs in enumerate((UTM, "EPSG:4326", "EPSG:3857")):
        reference = read_reference_cells(write_points(tmp_path / f"{number}.gpkg", cells, crs=crs))
        assert codes_at(city_map, reference).tolist() == [1] * 6 + [2, 2, 0, 2, 2, 2]


def test_polygons_count_by_their_centre_and_their_overlap_is_told(tmp_path: Path):
    squares = [shapely.box(WEST + 100 * i, NORTH - 320, WEST + 100 * i + 320, NORTH) for i in range(3)]
    path = tmp_path / "squares.gpkg"
    geopandas.GeoDataFrame({"LCZ_class": [2, 2, 5]}, geometry=squares, crs=UTM).to_crs("EPSG:4326").to_file(path)
    cells = read_reference_cells(path)
    assert cells.code.tolist() == [2, 2, 5]
    assert cells.overlap == pytest.approx(3 * 320 / 520, abs=1e-4)
    assert np.ptp(cells.east_m) == pytest.approx(200, abs=0.1)


def test_repeated_cells_add_nothing_to_the_effective_sample():
    rng = np.random.default_rng(0)
    right = rng.random(60) < 0.6
    alone = np.stack([confusion_matrix(np.array([1]), np.array([1 if r else 2])) for r in right])
    assert effective_cells(alone, seed=0) == pytest.approx(60, rel=0.1)
    assert effective_cells(7 * alone, seed=0) == pytest.approx(effective_cells(alone, seed=0), rel=1e-6)


def test_few_blocks_are_warned_of():
    codes = np.array([1, 2, 3])
    report = comparison_report(codes, codes, np.array([0, 1, 1]), seed=0, resamples=99)
    assert report["warnings"] == ["2 blocks: the intervals are too narrow"]


def test_what_does_not_fit_is_refused(city_map: Path, tmp_path: Path):
    out = tmp_path / "out.json"
    with pytest.raises(ValueError, match="none of the 1 reference cells"):
        compare_map(city_map, write_points(tmp_path / "far.gpkg", [(50, 50, "1")]), out)
    with pytest.raises(ValueError, match="expected an LCZ class"):
        compare_map(city_map, write_points(tmp_path / "odd.gpkg", [(0.5, 0.5, "forest")]), out)
    with pytest.raises(ValueError, match="--field"):
        compare_map(city_map, write_points(tmp_path / "field.gpkg", [(0.5, 0.5, "1")], field="kind"), out)
    with pytest.raises(ValueError, match="no such file"):
        compare_map(city_map, tmp_path / "absent.gpkg", out)
    (tmp_path / "text.gpkg").write_text("no vector file")
    with pytest.raises(ValueError, match="not a readable vector file"):
        compare_map(city_map, tmp_path / "text.gpkg", out)


@pytest.mark.parametrize(("city", "cells", "agreement"), [("hongkong", 151, 0.570), ("berlin", 421, 0.534)])
def test_the_global_map_agrees_with_so2sat_as_others_found(
    real_data: Path, tmp_path: Path, city: str, cells: int, agreement: float
):
    folder = real_data / "lcz_reference"
    lcz, reference = folder / f"lcz_reference_{city}.tif", folder / f"so2sat_{city}.parquet"
    report = compare_map(lcz, reference, tmp_path / "out.json", resamples=200)
    assert report["cells"] == cells
    assert report["agreement"]["value"] == pytest.approx(agreement, abs=5e-4)
    assert report["effective_cells"] < cells / 2
    assert 4 < report["overlap"] < 7.5


def test_the_verb_says_what_the_agreement_is_worth(city_map: Path, tmp_path: Path):
    points = write_points(tmp_path / "points.gpkg", [(0.5, 0.5, "1"), (1.5, 5.5, "2"), (2.5, 0.5, "1")], field="kind")
    result = CliRunner().invoke(
        app,
        ["compare-map", str(city_map), str(points), str(tmp_path / "out.json"), "--field", "kind", "--block", "100"],
    )
    assert result.exit_code == 0, result.output
    assert "agreement 0.667" in result.stdout
    assert json.loads((tmp_path / "out.json").read_text())["blocks"] == 3
