import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox
from tiny_city import NORTH, WEST, cell_box, city_grid
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.grid import Grid
from lczmap.raster import write_cells
from lczmap.training.areas import Areas
from lczmap.training.patches import cells_of_areas, read_patch_table, select_patches, select_teacher_patches

HALF_AND_HALF = {"validation": 0.25, "test": 0.25, "seed": 47}


@pytest.fixture
def grid() -> Grid:
    return city_grid()


def write_areas(path: Path, *areas: tuple[int, shapely.Polygon]) -> Path:
    frame = geopandas.GeoDataFrame({"lcz": [c for c, _ in areas]}, geometry=[p for _, p in areas], crs="EPSG:32633")
    frame.to_file(path)
    return path


def test_cell_belongs_to_the_polygon_that_holds_its_centre(grid: Grid) -> None:
    # 60 m wide: holds the centre of column 3 (350 m), not of column 4 (450 m)
    polygon = shapely.box(WEST + 340, NORTH - 1000, WEST + 400 + 45, NORTH - 900)
    owner, contested = cells_of_areas(Areas((polygon,), np.array([6], np.uint8), grid.crs), grid)
    assert np.argwhere(owner == 0).tolist() == [[9, 3]]
    assert contested == 0


def test_polygons_of_different_class_contest_their_common_cells(grid: Grid) -> None:
    polygons = (cell_box(5, 5, 2, 3), cell_box(5, 7, 2, 3), cell_box(5, 9, 1, 2))
    owner, contested = cells_of_areas(Areas(polygons, np.array([6, 8, 8], np.uint8), grid.crs), grid)
    assert contested == 2  # column 7
    assert owner[5, 5:11].tolist() == [0, 0, -1, 1, 1, 2]  # column 9: two polygons of one class, the first owns it


def test_cells_outside_the_area_of_interest_have_no_owner(grid: Grid) -> None:
    narrow = replace(grid, aoi=shapely.box(WEST, NORTH - 3000, WEST + 1000, NORTH))
    everywhere = Areas((cell_box(-5, -5, 50, 60),), np.array([17], np.uint8), grid.crs)
    owner, _ = cells_of_areas(everywhere, narrow)
    assert (owner[:, :10] == 0).all()
    assert (owner[:, 10:] == -1).all()


def test_polygons_far_away_are_passed_over(grid: Grid) -> None:
    antipode = Areas((shapely.box(-165, -52, -164, -51),), np.array([17], np.uint8), "EPSG:4326").to_crs(grid.crs)
    owner, _ = cells_of_areas(antipode, grid)
    assert (owner == -1).all()


def test_table_and_counts_agree_with_the_polygons(
    grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # class 6: four polygons of 4 cells, 10 cells apart; class 17: two polygons; class 8 contests one cell of nobody
    sixes = [(6, cell_box(2, col, 2, 2)) for col in (2, 12, 22, 32)]
    water = [(17, cell_box(20, col, 1, 3)) for col in (2, 20)]
    tiny = [(8, shapely.box(WEST + 3010, NORTH - 2040, WEST + 3040, NORTH - 2010))]
    labels = write_areas(tmp_path / "areas.gpkg", *sixes, *water, *tiny)
    counts = select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", **HALF_AND_HALF)
    table = read_patch_table(tmp_path / "p.gpkg", shape=grid.cells_shape)
    assert len(table) == 4 * 4 + 2 * 3
    assert {int(a): len(set(table.split[table.area == a])) for a in range(1, 7)} == dict.fromkeys(range(1, 7), 1)
    six = counts.classes[5]
    assert six.patches == {"train": 8, "validation": 4, "test": 4, "dropped": 0}
    assert six.polygons == {"train": 2, "validation": 1, "test": 1}
    assert counts.classes[16].patches["train"] == 6
    assert counts.classes[7].polygons_without_cell == 1
    assert any("fewer than 3 polygons" in w and "LCZ G" in w for w in counts.warnings)
    assert any("no training area" in w and "8" in w for w in counts.warnings)
    assert not any("no polygon is in the split test" in w for w in counts.warnings)
    stored = json.loads((tmp_path / "p.json").read_text())
    assert stored["total"] == {"train": 14, "validation": 4, "test": 4, "dropped": 0}
    assert "LCZ 6  Open lowrise" in capsys.readouterr().out


def test_areas_that_leave_no_polygon_to_test_are_named_before_a_training(grid: Grid, tmp_path: Path) -> None:
    drawn = [(code, cell_box(5, col, 2, 2)) for code, col in ((6, 2), (6, 12), (8, 22))]
    labels = write_areas(tmp_path / "a.gpkg", *drawn)
    counts = select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", **HALF_AND_HALF)
    (few,) = (w for w in counts.warnings if "fewer than 3 polygons" in w)
    assert "all in the split train: LCZ 6, 8; a network that learns from these areas is not tested on them" in few
    (untested,) = (w for w in counts.warnings if "no polygon is in the split test" in w)
    assert "gets no accuracy report; draw at least 3 polygons of a class, or set the share `test` to 0" in untested


def test_areas_that_must_test_and_cannot_stop_with_counts_and_remedies(grid: Grid, tmp_path: Path) -> None:
    drawn = [(code, cell_box(5, col, 2, 2)) for code, col in ((6, 2), (6, 12), (17, 22))]
    labels = write_areas(tmp_path / "a.gpkg", *drawn)
    out = (tmp_path / "p.gpkg", tmp_path / "p.json")
    with pytest.raises(ValueError, match="no polygon is in the split test") as refusal:
        select_patches(grid, labels, *out, **HALF_AND_HALF, must_test=True)
    said = str(refusal.value)
    assert said.startswith(f"training areas {labels}: ")
    assert "LCZ 6: 2, LCZ G: 1" in said and "expected at least 3 of one class" in said
    assert "draw more polygons, or set `training.test: 0` (--test 0)" in said
    (tmp_path / "grid.json").write_text(grid.to_json())
    asked = ["select-patches", *map(str, (tmp_path / "grid.json", labels, *out)), "--must-test"]
    assert "no polygon is in the split test" in str(CliRunner().invoke(app, asked).exception)
    assert not any(path.exists() for path in out)
    select_patches(grid, labels, *out, validation=0.0, test=0.25, seed=47, must_test=True)  # two of class 6 suffice
    with pytest.raises(ValueError, match="share `test` above 0 where polygons must test, got 0"):
        select_patches(grid, labels, *out, validation=0.15, test=0, seed=47, must_test=True)


def test_keeping_no_polygon_for_the_test_is_a_choice_and_no_warning(grid: Grid, tmp_path: Path) -> None:
    drawn = [(6, cell_box(5, 2, 2, 2)), *((8, cell_box(15, col, 2, 2)) for col in (2, 12))]
    labels = write_areas(tmp_path / "a.gpkg", *drawn)
    counts = select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", validation=0.25, test=0, seed=47)
    assert not any("test" in w.replace("nothing teaches or tests them", "") for w in counts.warnings)
    assert any("fewer than 2 polygons, all in the split train: LCZ 6" in w for w in counts.warnings)
    assert any("no polygon is kept for testing, since the share `test` is 0" in note for note in counts.notes)


def test_points_lie_on_cell_centres(grid: Grid, tmp_path: Path) -> None:
    labels = write_areas(tmp_path / "areas.geojson", (6, cell_box(7, 11)))
    select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", **HALF_AND_HALF)
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    assert frame.crs == "EPSG:32633"
    assert (frame.geometry.x[0], frame.geometry.y[0]) == (WEST + 1150, NORTH - 750)
    assert frame[["row", "col", "code", "area"]].values.tolist() == [[7, 11, 6, 1]]


def test_neighbouring_polygons_of_different_splits_lose_training_patches(grid: Grid, tmp_path: Path) -> None:
    # three polygons side by side, each 5 cells wide: patches within 3 cells of another split's are dropped
    labels = write_areas(tmp_path / "a.gpkg", *[(14, cell_box(5, col, 5, 5)) for col in (5, 10, 15)])
    counts = select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", validation=0.0, test=0.3, seed=1)
    table = read_patch_table(tmp_path / "p.gpkg", shape=grid.cells_shape)
    tested, trained = table.of("test"), table.of("train")
    gap = np.abs(trained.col[:, None] - tested.col[None]).min(axis=1)
    assert gap.min() == 4
    assert counts.dropped == {"train": len(table.of("dropped")), "validation": 0}
    assert len(table.of("dropped")) in (15, 30)  # test polygon at an end, or in the middle


def test_wider_patches_keep_a_wider_gap_between_splits(grid: Grid, tmp_path: Path) -> None:
    # patches of 48 px share pixels up to 4 cells away: starts 40 px apart share 8, 50 px apart none
    labels = write_areas(tmp_path / "a.gpkg", *[(14, cell_box(5, col, 5, 7)) for col in (5, 12, 19)])
    out = (tmp_path / "p.gpkg", tmp_path / "p.json")
    select_patches(grid, labels, *out, validation=0.0, test=0.3, seed=1, patch_px=48)
    table = read_patch_table(out[0], shape=grid.cells_shape)
    tested, trained = table.of("test"), table.of("train")
    assert np.abs(trained.col[:, None] - tested.col[None]).min() == 5
    with pytest.raises(ValueError, match="an even width of at most 48 px, got 50 px"):
        select_patches(grid, labels, *out, validation=0.0, test=0.3, seed=1, patch_px=50)


def test_no_polygon_in_the_area_of_interest_names_both_extents(grid: Grid, tmp_path: Path) -> None:
    labels = write_areas(tmp_path / "a.gpkg", (6, cell_box(0, 900, 3, 3)))
    with pytest.raises(ValueError, match=r"polygons extend over 14\.8\d\d, .* area of interest over 13\.5\d\d, "):
        select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", **HALF_AND_HALF)
    assert not (tmp_path / "p.gpkg").exists()
    assert not (tmp_path / "p.json").exists()


def test_foreign_tables_and_grids_are_refused(grid: Grid, tmp_path: Path) -> None:
    labels = write_areas(tmp_path / "a.gpkg", (6, cell_box(7, 11)))
    with pytest.raises(ValueError, match="expected the columns"):
        read_patch_table(labels, shape=grid.cells_shape)
    with pytest.raises(ValueError, match="select the patches first"):
        read_patch_table(tmp_path / "none.gpkg", shape=grid.cells_shape)
    select_patches(grid, labels, tmp_path / "p.gpkg", tmp_path / "p.json", **HALF_AND_HALF)
    with pytest.raises(ValueError, match="outside the map of 5 × 5"):
        read_patch_table(tmp_path / "p.gpkg", shape=(5, 5))


def teacher_map(path: Path, grid: Grid, codes: np.ndarray, geobox: GeoBox | None = None) -> Path:
    probabilities = np.full((17, *codes.shape), 0.1 / 16, np.float32)
    rows, cols = np.indices(codes.shape)
    probabilities[codes - 1, rows, cols] = 0.9
    probabilities[:, 0, 0] = np.nan
    write_cells(path, probabilities, geobox or grid.cell_geobox, names=[str(i) for i in range(17)], nodata=np.nan)
    return path


def test_teacher_labels_one_half_and_keeps_the_gap(grid: Grid, tmp_path: Path) -> None:
    codes = np.tile(np.where(np.arange(40) < 30, 14, 6), (30, 1))
    path = teacher_map(tmp_path / "t.tif", grid, codes)
    counts = select_teacher_patches(grid, path, tmp_path / "p.gpkg", tmp_path / "p.json", half="west", gap_m=320)
    table = read_patch_table(tmp_path / "p.gpkg", shape=grid.cells_shape)
    assert len(table) == 30 * 40 - 1  # one cell without a teacher
    assert table.of("test").col.min() == 20
    assert table.of("train").col.max() == 16  # 4 cells = 400 m from column 20; column 17 is 300 m from it
    assert counts.classes[5].patches == {"train": 0, "validation": 0, "test": 300, "dropped": 0}
    assert counts.classes[13].patches == {"train": 30 * 17 - 1, "validation": 0, "test": 300, "dropped": 90}


def test_teacher_on_another_grid_or_without_a_half_is_refused(grid: Grid, tmp_path: Path) -> None:
    codes = np.full((30, 40), 14)
    out = (tmp_path / "p.gpkg", tmp_path / "p.json")
    other = GeoBox((30, 40), replace(grid, west=WEST + 50).cell_geobox.transform, grid.crs)
    path = teacher_map(tmp_path / "o.tif", grid, codes, other)
    with pytest.raises(ValueError, match="expected the grid"):
        select_teacher_patches(grid, path, *out, half="east")
    path = teacher_map(tmp_path / "t.tif", grid, codes)
    with pytest.raises(ValueError, match="no cell to train on with the east half taught and a gap of 9000 m"):
        select_teacher_patches(grid, path, *out, half="east", gap_m=9000)


def test_memory_holds_a_strip_of_the_teachers_map(tmp_path: Path) -> None:
    tall = Grid(
        "EPSG:32633", WEST, NORTH, 2000, 20_480, 10, 320, shapely.box(WEST, NORTH - 204_800, WEST + 20_000, NORTH)
    )
    probabilities = np.full((17, 2048, 200), np.nan, np.float32)
    probabilities[:, ::512] = 0.1 / 16
    probabilities[5, ::512] = 0.9
    path = tmp_path / "t.tif"
    write_cells(path, probabilities, tall.cell_geobox, names=[str(i) for i in range(17)], nodata=np.nan)
    raster_bytes = probabilities.nbytes
    del probabilities
    tracemalloc.start()
    counts = select_teacher_patches(tall, path, tmp_path / "p.gpkg", tmp_path / "p.json", half="west")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.classes[5].patches["test"] == 400
    assert peak < raster_bytes / 2
