import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from tiny_city import CHANNELS, NORTH, WEST, cell_box, city_grid, write_stacks

from lczmap.training.area_features import area_features
from lczmap.training.area_report import check_areas
from lczmap.training.area_shapes import find_overlaps, measure_shapes, share_inside

FAR_AWAY = shapely.box(WEST, NORTH + 9000, WEST + 300, NORTH + 9300)


def shift(polygon: shapely.Polygon, east: float, north: float) -> shapely.Polygon:
    return shapely.affinity.translate(polygon, east, north)


def test_a_square_is_as_wide_as_its_side():
    found = measure_shapes([shapely.box(0, 0, 200, 200), shapely.box(0, 0, 1000, 50)])
    assert found.area_m2.tolist() == [40_000, 50_000] and found.perimeter_m.tolist() == [800, 2100]
    assert found.width_m == pytest.approx([200, 50], rel=0.01)
    assert found.shape_index[0] == pytest.approx(2 / np.sqrt(np.pi))  # 4 a / (2 sqrt(pi a²))
    assert found.vertices.tolist() == [4, 4]


def test_a_hole_makes_an_area_narrow():
    ring = shapely.box(0, 0, 400, 400).difference(shapely.box(100, 100, 300, 300))
    found = measure_shapes([ring])
    # the circle in a corner touches two sides and the hole's corner: r (1 + sqrt 2) = 100 sqrt 2
    assert found.width_m == pytest.approx([200 * np.sqrt(2) / (1 + np.sqrt(2))], rel=0.01)
    assert found.vertices.tolist() == [8]


def test_only_areas_of_other_classes_contest_ground():
    square = shapely.box(0, 0, 200, 200)
    found = find_overlaps([square, shift(square, 150, 0), shift(square, 0, 100), shift(square, 900, 0)], [6, 6, 5, 5])
    # the third covers 200 × 100 m of the first, 50 × 100 of the second; first and second are of one class
    assert found.other_class_m2.tolist() == [20_000, 5_000, 25_000, 0]
    assert found.partners == ((2,), (2,), (0, 1), ())
    assert found.duplicate_of.tolist() == [-1] * 4


def test_areas_drawn_twice_are_found_in_any_class():
    square = shapely.box(0, 0, 200, 200)
    found = find_overlaps([square, shift(square, 2, 0), shift(square, 1, 0)], [6, 6, 5])
    assert found.duplicate_of.tolist() == [-1, 0, 0]


def test_areas_without_coordinates_are_outside_and_have_no_size():
    nowhere = shapely.Polygon([(np.inf, 0), (1, np.inf), (2, 2)])
    square = shapely.box(0, 0, 200, 200)
    assert share_inside([nowhere, square, shift(square, 100, 0)], square).tolist() == [0, 1, 0.5]
    assert np.isnan(measure_shapes([nowhere, square]).width_m[0])
    assert find_overlaps([nowhere, square], [1, 2]).other_class_m2.tolist() == [0, 0]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> Path:
    """Stacks whose pixels are bright in the west, dark in the east, and missing in the upper left cell."""
    folder = tmp_path_factory.mktemp("tiles")

    def paint(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
        value = np.where(x < 200, 0.4, 0.1) + 0.001 * ((x + y) % 2) + 0.001 * channel
        return np.where((y < 30) & (x < 30), np.nan, value)

    write_stacks(folder, city_grid(), paint)
    return folder


def test_features_are_those_of_the_polygons_pixels_across_tiles(tiles):
    seam = cell_box(4, 18, 2, 4)  # columns 180..219: half bright, half dark, on two tiles
    empty = cell_box(0, 0, 2, 2)
    found = area_features([seam, empty, FAR_AWAY], city_grid(), sorted(tiles.glob("*/s?.tif")))
    assert found.valid_px.tolist() == [20 * 40, 0, 0]
    values = dict(zip(found.names, found.values[0], strict=True))
    channel = CHANNELS.index("B4")
    pixels = np.concatenate([np.tile([base, base + 0.001], 200) for base in (0.4, 0.1)]) + 0.001 * channel
    stored = np.round(pixels, 6)
    assert values["s2 B4 mean"] == pytest.approx(stored.mean(), abs=1e-4)
    assert values["s2 B4 spread"] == pytest.approx(stored.std(), abs=1e-4)
    power = pixels - 0.001 * channel + 0.001 * CHANNELS.index("VH_lee")
    assert values["s1 VH_lee mean"] == pytest.approx(10 * np.log10(power.mean()), abs=1e-3)
    assert values["s1 VH_lee variation"] == pytest.approx(power.std() / power.mean(), abs=1e-3)
    assert not any("C12" in name for name in found.names)
    assert np.isnan(found.values[1:]).all()


def write_areas(path: Path, areas: list[tuple[str, shapely.Polygon]]) -> Path:
    labels, shapes = zip(*areas, strict=True)
    geopandas.GeoDataFrame({"lcz": labels}, geometry=list(shapes), crs="EPSG:32633").to_file(path)
    return path


def quadrants(rows: range, cols: range, label: str) -> list[tuple[str, shapely.Polygon]]:
    return [(label, cell_box(r, c, 2, 2)) for r in rows for c in cols]


@pytest.fixture(scope="module")
def checked(tmp_path_factory, tiles) -> tuple[dict, list[dict], geopandas.GeoDataFrame]:
    """Class 6 in the bright west, G in the dark east, and one area for each thing that can be wrong."""
    folder = tmp_path_factory.mktemp("checked")
    areas = quadrants(range(4, 20, 5), range(2, 18, 5), "6") + quadrants(range(4, 20, 5), range(22, 38, 5), "G")
    areas[3] = ("G", areas[3][1])  # an area of the bright west with the label of the dark east
    areas += [
        ("5", cell_box(0, 0, 2, 2)),  # 33: no pixels
        ("5", shapely.box(WEST + 2010, NORTH - 130, WEST + 2040, NORTH - 110)),  # 34: no cell, narrow
        ("5", FAR_AWAY),  # 35: outside
        ("8", cell_box(25, 36, 3, 8)),  # 36: cut by the eastern edge
        ("8", cell_box(22, 2, 6, 7)),  # 37: large
        ("2", cell_box(27, 8, 3, 3)),  # 38: overlaps 37 by one cell, 100 × 100 m
    ]
    path = write_areas(folder / "areas.gpkg", areas)
    outputs = [folder / f"out.{kind}" for kind in ("csv", "gpkg", "json")]
    check_areas(city_grid(), path, *outputs, stacks=sorted(tiles.glob("*/s?.tif")))
    with outputs[0].open() as stream:
        rows = list(csv.DictReader(stream))
    return json.loads(outputs[2].read_text()), rows, geopandas.read_file(outputs[1])


def test_every_finding_is_a_flag_of_its_area(checked):
    _, rows, _ = checked
    assert [row["area"] for row in rows] == [str(i) for i in range(1, 39)]
    flags = {int(row["area"]): row["flags"] for row in rows if row["flags"]}
    assert flags == {
        4: "looks_like_other",
        33: "no_pixels",
        34: "no_cell narrow",
        35: "outside",
        36: "cut",
        37: "large overlapping",
        38: "overlapping",
    }
    assert rows[3]["looks_like"] == "6" and float(rows[3]["evidence"]) > 12
    assert (rows[36]["overlap_m2"], rows[36]["overlaps"], rows[37]["overlaps"]) == ("10000.0", "38", "37")
    assert rows[37]["cells"] == "8"  # of its nine cells one is contested
    assert rows[35]["share_inside"] == "0.5"


def test_the_geopackage_holds_the_areas_as_drawn_with_the_same_columns(checked):
    _, rows, polygons = checked
    assert list(polygons.columns) == [*rows[0], "geometry"]
    assert polygons.crs == "EPSG:32633" and polygons.geometry[34].equals(FAR_AWAY)
    assert polygons["looks_like_other"].tolist() == [int(row["looks_like_other"]) for row in rows]


def test_the_summary_counts_classes_and_warns_in_words(checked):
    summary, _, _ = checked
    six = summary["classes"][5]
    assert (six["polygons"], six["usable"], six["cells"], six["total_area_km2"]) == (15, 15, 60, 0.6)
    assert six["mean_width_m"] == pytest.approx(200, rel=0.01) and six["mean_vertices"] == 4
    assert summary["classes"][0]["mean_area_km2"] is None
    text = "\n".join(summary["warnings"])
    assert "no usable training area: LCZ 1, 3, 4" in text
    assert "fewer than 3 usable training areas (the LCZ Generator's least): LCZ 2 (1), 5 (1), 8 (2)" in text
    assert "looks like another class in the scenes (1 of 38): 4 (LCZ G, like LCZ 6)" in text
    assert "lies outside the area of interest (1 of 38): 35 (LCZ 5)" in text
    assert any("is larger than 0.3 km² (1 of 38): 37" in note for note in summary["notes"])
    assert summary["flagged"]["overlapping"] == 2 and summary["pixels"]["judged"] == 32


def test_without_scenes_shapes_and_places_are_checked(tmp_path):
    path = write_areas(tmp_path / "a.gpkg", [("6", cell_box(2, 2, 3, 3)), ("5", cell_box(9, 9))])
    summary = check_areas(city_grid(), path, tmp_path / "o.csv", tmp_path / "o.gpkg", tmp_path / "o.json")
    assert "looks_like_other" not in summary["flagged"] and summary["flagged"]["narrow"] == 1
    assert summary["pixels"]["method"].startswith("not judged")
    assert "looks_like" not in (tmp_path / "o.csv").read_text()


def test_areas_that_all_lie_elsewhere_are_refused(tmp_path):
    path = write_areas(tmp_path / "a.gpkg", [("6", FAR_AWAY)])
    with pytest.raises(ValueError, match="all 1 training areas lie outside the area of interest; they extend over"):
        check_areas(city_grid(), path, tmp_path / "o.csv", tmp_path / "o.gpkg", tmp_path / "o.json")
    assert not (tmp_path / "o.csv").exists()


def test_melbournes_real_training_areas_are_checked(real_data, tmp_path):
    from lczmap.grid import make_grid

    path = real_data / "training_areas" / "[Melbourne][2019][JamesBennie].kml"
    grid = make_grid(shapely.box(144.5, -38.3, 145.6, -37.5))
    summary = check_areas(grid, path, tmp_path / "o.csv", tmp_path / "o.gpkg", tmp_path / "o.json")
    assert summary["polygons"] > 20 and summary["usable"] > 20
