from pathlib import Path

import geopandas
import pytest
from made_city import drawn_areas

from lczmap.exports.area_layer import write_area_layer


def test_areas_get_class_name_colour_and_the_maps_crs(tmp_path: Path):
    out = tmp_path / "out" / "training_areas.gpkg"
    assert write_area_layer(drawn_areas(tmp_path), out, crs="EPSG:32633", palette="colour_blind") == 2
    table = geopandas.read_file(out, layer="training_areas")
    assert table.crs.to_epsg() == 32633
    assert table["lcz"].tolist() == [6, 11] and table["label"].tolist() == ["6", "A"]
    assert table["name"].tolist() == ["LCZ 6: Open lowrise", "LCZ A: Dense trees"]
    assert table["color"].tolist() == ["#b66b12", "#396935"]
    # 0.01° of latitude is 1.112 km, of longitude 1.112 km · cos 52° = 0.687 km
    assert table["area_ha"].tolist() == pytest.approx([76.3, 76.3], rel=0.01)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_file_without_areas_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no such file"):
        write_area_layer(tmp_path / "none.kml", tmp_path / "out.gpkg", crs="EPSG:32633")


def test_areas_where_the_crs_ends_are_left_out(tmp_path: Path):
    out = tmp_path / "training_areas.gpkg"
    areas = drawn_areas(tmp_path, second=(105.0, 0.0))  # 90° from the zone's meridian
    assert write_area_layer(areas, out, crs="EPSG:32633") == 1
    assert geopandas.read_file(out)["label"].tolist() == ["6"]
