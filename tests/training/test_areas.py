import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from lczmap.training.areas import read_areas

SQUARE = "13.0,52.0,0 13.1,52.0,0 13.1,52.1,0 13.0,52.1,0 13.0,52.0,0"
BOX = shapely.box(13.0, 52.0, 13.1, 52.1)


def placemark(name: str, coordinates: str = SQUARE) -> str:
    ring = f"<outerBoundaryIs><LinearRing><coordinates>{coordinates}</coordinates></LinearRing></outerBoundaryIs>"
    return f"<Placemark><name>{name}</name><Polygon>{ring}</Polygon></Placemark>"


def kml(*folders: tuple[str, str]) -> str:
    inner = "".join(f"<Folder><name>{name}</name>{content}</Folder>" for name, content in folders)
    head = '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
    return f"{head}<Document><Folder><name>[City][date]</name>{placemark('ROI')}{inner}</Folder></Document></kml>"


def write_kml(path: Path, *folders: tuple[str, str]) -> Path:
    path.write_text(kml(*folders))
    return path


def frame(**columns: list[object]) -> geopandas.GeoDataFrame:
    count = len(next(iter(columns.values())))
    geometry = [shapely.box(13 + i, 52, 13.5 + i, 52.5) for i in range(count)]
    return geopandas.GeoDataFrame(columns, geometry=geometry, crs="EPSG:4326")


def test_folder_names_the_class_and_roi_is_no_area(tmp_path: Path) -> None:
    path = write_kml(tmp_path / "[City] a.kml", ("6", placemark("first")), ("2", ""), ("G", placemark("lake")))
    areas = read_areas(path)
    assert areas.codes.tolist() == [6, 17]
    assert areas.crs == "EPSG:4326"
    assert areas.polygons[0].equals(BOX)


def test_placemark_names_the_class_where_the_folder_does_not(tmp_path: Path) -> None:
    path = write_kml(tmp_path / "a.kml", ("my areas", placemark("LCZ A") + placemark("104")))
    assert read_areas(path).codes.tolist() == [11, 14]


def test_kmz_equals_the_kml_inside_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.kmz", "w") as archive:
        archive.writestr("doc.kml", kml(("8", placemark("8"))))
    areas = read_areas(tmp_path / "a.kmz")
    assert areas.codes.tolist() == [8]
    assert areas.polygons[0].equals(BOX)


def test_two_dimensional_rings_and_multigeometries_are_read(tmp_path: Path) -> None:
    flat = SQUARE.replace(",0 ", " ").removesuffix(",0")
    both = placemark("B", flat).replace("<Polygon>", "<MultiGeometry><Polygon>")
    second = both[both.index("<Polygon>") : both.index("</Placemark>")].replace("13.", "14.")
    both = both.replace("</Placemark>", f"{second}</MultiGeometry></Placemark>")
    areas = read_areas(write_kml(tmp_path / "a.kml", ("B", both)))
    assert areas.codes.tolist() == [12, 12]
    assert not any(p.has_z for p in areas.polygons)
    assert areas.polygons[1].bounds == pytest.approx((14.0, 52.0, 14.1, 52.1))


def test_class_outside_the_seventeen_names_file_feature_and_value(tmp_path: Path) -> None:
    path = write_kml(tmp_path / "a.kml", ("18", placemark("forest")))
    with pytest.raises(ValueError, match=r"a\.kml, placemark 'forest' in the folder '18'.*got 'forest'"):
        read_areas(path)
    frame(lcz=[3, 18]).to_file(tmp_path / "b.gpkg", layer="areas")
    with pytest.raises(ValueError, match=r"b\.gpkg, feature 2 of the layer 'areas' \(attribute 'lcz'\).*got '18'"):
        read_areas(tmp_path / "b.gpkg")


@pytest.mark.parametrize("name", ["areas.gpkg", "areas.geojson", "areas.shp"])
def test_vector_files_agree_whatever_the_format(tmp_path: Path, name: str) -> None:
    frame(name=["one", "two"], Class=["LCZ 6", "G"]).to_file(tmp_path / name)
    areas = read_areas(tmp_path / name)
    assert areas.codes.tolist() == [6, 17]
    assert areas.polygons[1].equals(shapely.box(14, 52, 14.5, 52.5))


def test_given_field_wins_over_the_detected_one(tmp_path: Path) -> None:
    frame(lcz=[1, 2], second=[4, 5]).to_file(tmp_path / "a.gpkg")
    assert read_areas(tmp_path / "a.gpkg").codes.tolist() == [1, 2]
    assert read_areas(tmp_path / "a.gpkg", field="second").codes.tolist() == [4, 5]
    with pytest.raises(ValueError, match=r"expected an attribute 'third', it has 'lcz' .*, 'second' with values like"):
        read_areas(tmp_path / "a.gpkg", field="third")


def test_file_without_classes_names_its_attributes(tmp_path: Path) -> None:
    frame(name=["park", "lake"]).to_file(tmp_path / "a.geojson")
    with pytest.raises(
        ValueError, match=r"expected LCZ classes .* in an attribute, it has 'name' with values like .*training\.field"
    ):
        read_areas(tmp_path / "a.geojson")


def test_crossing_ring_is_repaired_and_said(tmp_path: Path) -> None:
    bow = "13,52 13.1,52.1 13.1,52 13,52.1 13,52"
    areas = read_areas(write_kml(tmp_path / "a.kml", ("5", placemark("bow", bow))))
    assert areas.codes.tolist() == [5, 5]
    assert all(p.is_valid for p in areas.polygons)
    assert "Self-intersection" in areas.notes[0]


def test_ring_without_area_is_refused(tmp_path: Path) -> None:
    line = "13,52 13.1,52 13.2,52 13,52"
    path = write_kml(tmp_path / "a.kml", ("5", placemark("flat", line)))
    with pytest.raises(ValueError, match=r"placemark 'flat'.*encloses no area"):
        read_areas(path)


def test_points_are_passed_over_and_said(tmp_path: Path) -> None:
    point = "<Placemark><name>pin</name><Point><coordinates>13,52</coordinates></Point></Placemark>"
    areas = read_areas(write_kml(tmp_path / "a.kml", ("5", point + placemark("block"))))
    assert areas.codes.tolist() == [5]
    assert "no polygon but Point" in areas.notes[0]


def test_missing_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_areas(tmp_path / "none.kml")
    with pytest.raises(ValueError, match="found none"):
        read_areas(write_kml(tmp_path / "a.kml", ("5", "")))
    (tmp_path / "b.gpkg").write_text("not a database")
    with pytest.raises(ValueError, match=r"b\.gpkg: not a readable vector file"):
        read_areas(tmp_path / "b.gpkg")


def test_file_without_crs_is_refused(tmp_path: Path) -> None:
    frame(lcz=[1]).set_crs(None, allow_override=True).to_file(tmp_path / "a.shp")
    with pytest.raises(ValueError, match="expected one CRS"):
        read_areas(tmp_path / "a.shp")


def test_areas_move_to_another_crs(tmp_path: Path) -> None:
    frame(lcz=[1]).to_file(tmp_path / "a.gpkg")
    moved = read_areas(tmp_path / "a.gpkg").to_crs("EPSG:32633")
    expected = frame(lcz=[1]).to_crs("EPSG:32633").geometry[0]
    assert moved.polygons[0].equals_exact(expected, 1e-3)


def test_melbourne_template_files_of_wudapt_are_read(real_data: Path) -> None:
    folder = real_data / "training_areas"
    # counted in the KML's folders: 1, 3, 6, 8, 9, A, B, D, G hold polygons, eight are empty
    expected = {1: 3, 3: 5, 6: 15, 8: 15, 9: 13, 11: 13, 12: 13, 14: 13, 17: 11}
    for name in ("[Melbourne][2019][JamesBennie].kml", "[Melbourne][2016][JamesBennie].kmz"):
        codes, counts = np.unique(read_areas(folder / name).codes, return_counts=True)
        assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == expected


def test_berlin_shapefile_has_its_classes_in_name(real_data: Path) -> None:
    areas = read_areas(real_data / "training_areas" / "berlin" / "Berlin_labels.shp")
    assert areas.crs == "EPSG:32633"
    assert sorted(areas.codes.tolist()) == sorted([14, 11, 11, 17, 6, 6, 8, 12, 14, 2, 5, 6, 2, 2, 2, 5, 6])
