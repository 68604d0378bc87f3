import json
from pathlib import Path

import pyproj
import pytest
import shapely
from made_city import made_grid
from shapely.geometry import box, shape

from lczmap.exports.outline import lonlat_outline, write_aoi
from lczmap.grid import make_grid


def test_the_outline_is_geojson_in_degrees_that_leads_back_to_the_grid(tmp_path: Path):
    grid = made_grid()
    write_aoi(grid, tmp_path / "aoi.geojson", name="Müggelheim")
    content = json.loads((tmp_path / "aoi.geojson").read_text())
    assert "crs" not in content  # RFC 7946 knows one CRS only
    feature = content["features"][0]
    assert feature["properties"]["name"] == "Müggelheim"
    ring = shapely.LinearRing(feature["geometry"]["coordinates"][0])
    assert ring.is_ccw
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    corners = {tuple(round(v, 1) for v in to_utm.transform(*xy)) for xy in ring.coords}
    assert {(400_000.0, 5_800_000.0), (401_800.0, 5_799_400.0)} <= corners


@pytest.mark.parametrize(("west", "east"), [(179.8, 180.3), (-180.2, -179.6)])
def test_an_area_across_the_antimeridian_is_cut_in_two(west: float, east: float):
    drawn = box(west, -17.0, east, -16.5)
    outline = lonlat_outline(make_grid(drawn))
    assert outline.geom_type == "MultiPolygon"
    assert outline.bounds[0] >= -180 and outline.bounds[2] <= 180
    assert outline.area == pytest.approx(drawn.area, rel=1e-3)
    assert shape(shapely.geometry.mapping(outline)).is_valid
