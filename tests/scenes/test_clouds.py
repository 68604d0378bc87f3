from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tiny_archive import CLOUD, CRS, NORTH, VEGETATION, WEST, fields, make_grid, optical_scene

from lczmap.grid import tile_geobox, tiles
from lczmap.scenes.clouds import cloud_mask, measure_usable, resolve_method


def _with_cloud(band: str):
    # a square cloud of 720 m, 600 m from the city's corner
    def paint(x, y):
        inside = (abs(x - (WEST + 960)) < 360) & (abs(y - (NORTH - 960)) < 360)
        return np.where(inside, CLOUD[band], VEGETATION[band])

    return paint


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloudy")
    paints = {band: _with_cloud(band) for band in VEGETATION}
    return optical_scene(folder, paints, id="cloudy", width_m=6000)


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clear")
    return optical_scene(folder, fields(), id="clear", cloud=lambda x, _y: x < WEST + 600)


def test_s2cloudless_finds_the_cloud_and_leaves_the_fields(cloudy):
    grid = make_grid(240)
    cloud = cloud_mask(cloudy, grid.geobox, grid)
    assert cloud[60:132, 60:132].all()  # the cloud itself
    # averaging (160 m) and growing (80 m) reach at most 240 m further, and one 40 m pixel of rounding
    assert not cloud[:32].any()
    assert not cloud[:, :32].any()
    assert not cloud[160:].any()


def test_a_pixel_gets_the_same_answer_from_every_tile_size(cloudy):
    whole = make_grid(240, 240)
    expected = cloud_mask(cloudy, tile_geobox(whole, tiles(whole)[0]), whole)  # core and a halo of 16 px
    for tile_px in (70, 120):
        grid = make_grid(240, tile_px)
        for tile in tiles(grid)[::3]:
            part = cloud_mask(cloudy, tile_geobox(grid, tile), grid)
            rows, cols = slice(tile.row, tile.row + part.shape[0]), slice(tile.col, tile.col + part.shape[1])
            np.testing.assert_array_equal(part, expected[rows, cols])


def test_missing_pixels_are_not_cloud(cloudy):
    grid = make_grid(240)
    beyond = GeoBox((60, 60), Affine(10, 0, WEST - 5000, 0, -10, NORTH), CRS)
    assert not cloud_mask(cloudy, beyond, grid).any()


def test_the_mask_of_the_source_is_taken_where_there_is_one(clear):
    grid = make_grid()
    cloud = cloud_mask(clear, grid.geobox, grid)
    assert resolve_method(clear, "auto") == "source"
    assert cloud[:, :60].all()
    assert not cloud[:, 60:].any()


def test_no_mask_can_be_asked_for(clear):
    grid = make_grid()
    assert not cloud_mask(clear, grid.geobox, grid, method="none").any()


def test_usable_share_of_the_city_is_what_is_neither_cloud_nor_nodata(clear):
    half_cloud, half_outside = make_grid(), make_grid(west=WEST + 1800)
    assert measure_usable([clear], half_cloud)[0].usable_fraction == 0.5
    # the scene ends 2400 m east of WEST: 600 of this city's 1200 m
    assert measure_usable([clear], half_outside, method="none")[0].usable_fraction == 0.5
    assert clear.usable_fraction is None


def test_surface_reflectance_without_a_mask_is_told_what_is_needed(clear):
    surface = replace(clear, cloud=None, state={"level": "L2A"})
    with pytest.raises(ValueError, match=r"s2cloudless needs L1C.*scene classification"):
        resolve_method(surface, "auto")
    assert resolve_method(surface, "none") == "none"


def test_a_missing_mask_or_band_is_named(clear):
    with pytest.raises(ValueError, match="brings no cloud mask"):
        resolve_method(replace(clear, cloud=None), "source")
    assets = {k: v for k, v in clear.assets.items() if k != "B10"}
    with pytest.raises(ValueError, match=r"needs the bands \['B10'\]"):
        resolve_method(replace(clear, cloud=None, assets=assets), "auto")
