from dataclasses import replace

import numpy as np
from tiny_archive import (
    CRS,
    VEGETATION,
    WEST,
    constant,
    fields,
    make_grid,
    optical_scene,
    pixel_centres,
    radar_scene,
)

from lczmap.grid import tiles
from lczmap.raster import read_stack
from lczmap.scenes.overpass import measure_usable, overpasses
from lczmap.scenes.stack import OpticalOptions, stack_sentinel1, stack_sentinel2

SLOPE = 4e-4  # reflectance (or power) per metre
HALF_M = 600  # of the city's 1200 m


def eastward(x, _y):
    return 0.1 + SLOPE * (x - WEST + 1200)


def test_granules_and_slices_of_one_pass_are_one_date(tmp_path):
    first = radar_scene(tmp_path, {"VH": constant(0.02), "VV": constant(0.1)}, id="first")
    scenes = [
        replace(first, id="next-day", datetime="2024-06-03T05:00:00Z"),
        replace(first, id="second", datetime="2024-06-02T05:00:25Z"),
        replace(first, id="third", datetime="2024-06-02T05:00:50Z"),
        first,
        replace(first, id="other-satellite", platform="sentinel-1c"),
        replace(first, id="other-calibration", state={**first.state, "calibration": "gamma0"}),
    ]
    found = [[s.id for s in one.scenes] for one in overpasses(scenes, "sentinel-1")]
    assert sorted(found) == [["first", "second", "third"], ["next-day"], ["other-calibration"], ["other-satellite"]]
    assert overpasses(scenes, "sentinel-2") == []


def halves(tmp_path, make, paints, **options):
    """Two scenes of one pass that meet (with an overlap of 300 m) inside the city."""
    west = make(tmp_path, paints, id="west", west=WEST - 3000, width_m=3000 + HALF_M + 300, **options)
    east = make(tmp_path, paints, id="east", west=WEST + HALF_M, width_m=3000, **options)
    return [west, replace(east, datetime=east.datetime.replace(":00Z", ":20Z"))]


def test_half_covering_scenes_share_what_their_pass_shows(tmp_path):
    scenes = halves(tmp_path, optical_scene, fields())
    grid = make_grid()
    assert [s.usable_fraction for s in measure_usable(scenes[:1], grid)] == [0.75]
    assert [s.usable_fraction for s in measure_usable(scenes, grid, method="none")] == [1.0, 1.0]
    outside = optical_scene(tmp_path, fields(), id="outside", west=WEST + 5000)
    assert [s.id for s in measure_usable([*scenes, outside], grid, method="none")] == ["west", "east"]


def test_two_granules_that_meet_inside_a_tile_make_one_seamless_date(tmp_path):
    scenes = halves(tmp_path, optical_scene, dict.fromkeys(VEGETATION, eastward))
    grid = make_grid()
    count = stack_sentinel2(scenes, grid, tiles(grid)[0], tmp_path / "s2.tif", OpticalOptions(clouds="none"))
    assert (count == 1).all()  # the overlap does not count twice
    stack = read_stack(tmp_path / "s2.tif")
    x, y = pixel_centres(stack.geobox)
    offset_px = (stack.pixels - eastward(x, y)) / (SLOPE * 10)
    assert np.abs(offset_px).max() < 0.1


def test_a_scene_of_half_the_city_leaves_the_rest_to_nodata_or_to_others(tmp_path):
    west, _ = halves(tmp_path, optical_scene, dict.fromkeys(VEGETATION, eastward))
    grid = make_grid()
    options = OpticalOptions(clouds="none")
    count = stack_sentinel2([west], grid, tiles(grid)[0], tmp_path / "s2.tif", options)
    stack = read_stack(tmp_path / "s2.tif")
    x, y = pixel_centres(stack.geobox)
    shown = x < WEST + HALF_M + 300
    assert np.isnan(stack.pixels[:, ~shown]).all() and (count[~shown] == 0).all()
    offset_px = (stack.pixels - eastward(x, y)) / (SLOPE * 10)
    assert np.abs(offset_px[:, x < WEST + HALF_M + 240]).max() < 0.1


def test_slices_that_meet_inside_a_tile_make_one_pass(tmp_path):
    scenes = measure_usable(halves(tmp_path, radar_scene, {"VH": eastward, "VV": eastward}), make_grid())
    grid = make_grid()
    stack_sentinel1(scenes, grid, tiles(grid)[0], tmp_path / "s1.tif", channels="grd4")
    stack = read_stack(tmp_path / "s1.tif")
    assert stack.state["scene"] == "west east"
    x, y = pixel_centres(stack.geobox)
    offset_px = (stack.pixels[:2] - eastward(x, y)) / (SLOPE * 10)
    assert np.abs(offset_px).max() < 0.1


def test_an_aoi_across_a_zone_border_takes_granules_of_both_zones(tmp_path):
    """Zones 31 and 32 meet at 6 E: the city's grid is of zone 31, one granule of each zone covers its half."""
    import pyproj

    to_west = pyproj.Transformer.from_crs("EPSG:32632", CRS, always_xy=True)
    border_x, border_y = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(6.0, 52.3)
    west, north = round(border_x, -2) - 600, round(border_y, -2) + 600
    grid = make_grid(west=west, north=north)
    paint = lambda x, _y: 0.1 + SLOPE * (x - west + 1200)  # noqa: E731
    other = lambda x, y: paint(*to_west.transform(x, y))  # noqa: E731
    one = optical_scene(
        tmp_path, dict.fromkeys(VEGETATION, paint), id="31", west=west - 2400, north=north + 1200, width_m=3000
    )
    x0, y0 = to_west.transform(west + 600, north - 600, direction="INVERSE")
    box = {"west": round(x0, -2) - 120, "north": round(y0, -2) + 1800, "width_m": 3600}
    two = optical_scene(tmp_path, dict.fromkeys(VEGETATION, other), id="32", crs="EPSG:32632", **box)
    two = replace(two, datetime=one.datetime)
    stack_sentinel2([one, two], grid, tiles(grid)[0], tmp_path / "s2.tif", OpticalOptions(clouds="none"))
    stack = read_stack(tmp_path / "s2.tif")
    x, y = pixel_centres(stack.geobox)
    offset_px = (stack.pixels - paint(x, y)) / (SLOPE * 10)
    assert not np.isnan(offset_px).any()
    away = np.abs(x - west - 600) > 60
    assert np.abs(offset_px[:, away]).max() < 0.1
