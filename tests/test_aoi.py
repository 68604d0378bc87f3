import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from lczmap.aoi import bbox_aoi, read_aoi, unwrapped

SQUARE = shapely.box(13.3, 52.4, 13.5, 52.5)


def written(path: Path, *shapes: shapely.Geometry, crs: str | None = "EPSG:4326") -> Path:
    driver = {"driver": "KML"} if path.suffix == ".kml" else {}
    geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(path, **driver)
    return path


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.kml", "a.shp", "with space [1].gpkg"])
def test_any_vector_format_gives_the_same_area(tmp_path: Path, name: str) -> None:
    assert read_aoi(written(tmp_path / name, SQUARE)).symmetric_difference(SQUARE).area < 1e-12


def test_another_crs_is_transformed(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(geometry=[SQUARE], crs="EPSG:4326").to_crs("EPSG:25833")
    frame.to_file(tmp_path / "a.gpkg")
    assert read_aoi(tmp_path / "a.gpkg").symmetric_difference(SQUARE).area < 1e-9


def test_several_polygons_become_one_area_and_lines_are_passed_over(tmp_path: Path) -> None:
    other = shapely.box(13.5, 52.4, 13.6, 52.5)
    path = written(tmp_path / "a.geojson", SQUARE, other, shapely.LineString([(0, 0), (1, 1)]))
    assert read_aoi(path).area == pytest.approx(0.03)


def test_a_polygon_on_both_sides_of_the_antimeridian_runs_on(tmp_path: Path) -> None:
    path = written(tmp_path / "a.geojson", shapely.box(179.5, -17, 180, -16), shapely.box(-180, -17, -179.5, -16))
    assert read_aoi(path).bounds == (179.5, -17, 180.5, -16)


def test_polygons_within_collections_count_in_every_format(tmp_path: Path) -> None:
    parts = [shapely.box(13.3, 52.4, 13.4, 52.5), shapely.MultiPolygon([shapely.box(13.4, 52.4, 13.5, 52.5)])]
    whole = shapely.GeometryCollection([*parts, shapely.Point(1, 1)])
    for name in ("a.geojson", "a.gpkg"):
        assert read_aoi(written(tmp_path / name, whole)).symmetric_difference(SQUARE).area < 1e-12


def test_heights_features_without_a_shape_and_another_crs_are_read_from_geojson(tmp_path: Path) -> None:
    high = shapely.force_3d(SQUARE, 5.0)
    plain = json.loads(shapely.to_geojson(high))
    feature = {"type": "Feature", "properties": None, "geometry": plain}
    gap = feature | {"geometry": None}
    frame = geopandas.GeoSeries([SQUARE], crs="EPSG:4326").to_crs("EPSG:25833")
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25833"}}
    elsewhere = json.loads(shapely.to_geojson(frame[0])) | {"crs": named}
    for content in (plain, feature, {"type": "FeatureCollection", "features": [gap, feature]}, elsewhere):
        (tmp_path / "a.geojson").write_text(json.dumps(content))
        area = read_aoi(tmp_path / "a.geojson")
        assert not area.has_z and area.symmetric_difference(SQUARE).area < 1e-9


def test_a_missing_file_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.geojson: no such file; set `aoi`"):
        read_aoi(tmp_path / "none.geojson")


def test_a_file_without_polygons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one polygon"):
        read_aoi(written(tmp_path / "a.geojson", shapely.Point(1, 1)))


def test_a_self_crossing_polygon_is_named(tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    with pytest.raises(ValueError, match=r"Self-intersection.*repair it"):
        read_aoi(written(tmp_path / "a.geojson", bow_tie))


def test_metres_without_a_crs_are_not_taken_for_degrees(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(
        '{"type": "Polygon", "coordinates": [[[380000, 5800000], [390000, 5800000], [390000, 5810000], '
        "[380000, 5800000]]]}"
    )
    with pytest.raises(ValueError, match="does the file name its CRS"):
        read_aoi(tmp_path / "a.geojson")
    with pytest.raises(ValueError, match="names no CRS"):
        read_aoi(written(tmp_path / "a.shp", SQUARE, crs=None))


def test_a_text_file_is_no_vector_file(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("hello")
    with pytest.raises(ValueError, match="not a readable vector file"):
        read_aoi(tmp_path / "a.geojson")


def test_a_box_turned_around_is_refused() -> None:
    with pytest.raises(ValueError, match="west < east"):
        bbox_aoi([390_000, 5_800_000, 380_000, 5_810_000], "EPSG:32633")


def test_longitudes_run_on_across_the_antimeridian() -> None:
    longitudes = np.array([179.5, -179.5, 540.25])
    assert unwrapped(longitudes, 179).tolist() == [179.5, 180.5, 180.25]
    assert unwrapped(longitudes, -179).tolist() == [-180.5, -179.5, -179.75]


def test_an_empty_area_is_refused() -> None:
    with pytest.raises(ValueError, match="west < east, south < north"):
        bbox_aoi([1, 2, 1, 3])
