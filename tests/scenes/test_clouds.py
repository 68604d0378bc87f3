from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from tiny_archive import CLOUD, CRS, NORTH, VEGETATION, WEST, fields, make_grid, optical_scene

from lczmap.grid import Grid, tile_geobox, tiles
from lczmap.scenes.clouds import cloud_mask, mask_name, read_asset, resolve_method
from lczmap.scenes.local import read_archive
from lczmap.scenes.overpass import measure_usable


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
    expected = cloud_mask(cloudy, tile_geobox(whole, tiles(whole)[0]), whole)  # core and a halo of 24 px
    for tile_px in (70, 120):
        grid = make_grid(240, tile_px)
        for tile in tiles(grid)[::3]:
            part = cloud_mask(cloudy, tile_geobox(grid, tile), grid)
            rows, cols = slice(tile.row, tile.row + part.shape[0]), slice(tile.col, tile.col + part.shape[1])
            np.testing.assert_array_equal(part, expected[rows, cols])


SUN = (90.0, 60.0)  # in the east: shadows fall up to 1443 m to the west


def _with_shadow(band: str):
    # a cloud 2.4 km east of the corner, its shadow 1 km further west, and a dark field that no cloud shades
    shaded = {"B8": 0.12, "B8A": 0.12, "B11": 0.07, "B12": 0.04}

    def paint(x, y):
        is_cloud = (abs(x - (WEST + 2400)) < 240) & (abs(y - (NORTH - 960)) < 240)
        is_shaded = (abs(x - (WEST + 1400)) < 240) & (abs(y - (NORTH - 960)) < 240)
        is_dark_field = (abs(x - (WEST + 1400)) < 240) & (abs(y - (NORTH - 2000)) < 120)
        value = np.where(is_cloud, CLOUD[band], VEGETATION[band])
        return np.where(is_shaded | is_dark_field, shaded.get(band, value), value)

    return paint


@pytest.fixture(scope="module")
def shady(tmp_path_factory):
    paints = {band: _with_shadow(band) for band in VEGETATION}
    scene = optical_scene(tmp_path_factory.mktemp("shady"), paints, id="shady", width_m=7200)
    return replace(scene, sun=SUN)


def test_the_dark_patch_beside_a_cloud_is_its_shadow_and_the_one_elsewhere_is_a_field(shady):
    grid = make_grid(240)
    mask = cloud_mask(shady, grid.geobox, grid)
    assert mask[76:116, 120:160].all()
    assert not mask[184:216, 120:160].any()
    assert not mask[:, :100].any()  # beyond the shadow: cast, but bright


def test_without_the_suns_place_there_are_clouds_but_no_shadows(shady):
    grid = make_grid(240)
    mask = cloud_mask(replace(shady, sun=None), grid.geobox, grid)
    assert mask[76:116, 220:240].all()
    assert not mask[:, :180].any()


def test_shadows_do_not_depend_on_the_tile_nor_on_what_was_asked_before(shady):
    # the city ends before the cloud, and blocks end at 2560 m: the shadow comes from outside of both
    whole = make_grid(200, 200)
    expected = cloud_mask(shady, tile_geobox(whole, tiles(whole)[0]), whole)
    assert expected.any()
    grid = make_grid(200, 70)
    for tile in reversed(tiles(grid)):
        part = cloud_mask(shady, tile_geobox(grid, tile), grid)
        rows, cols = slice(tile.row, tile.row + part.shape[0]), slice(tile.col, tile.col + part.shape[1])
        np.testing.assert_array_equal(part, expected[rows, cols])


def test_a_cloud_of_the_next_block_throws_its_shadow_into_this_one(tmp_path):
    # the same picture 640 m further east: the cloud lies at 3040 m, in the second block of 2560 m
    paints = {band: lambda x, y, band=band: _with_shadow(band)(x - 640, y) for band in VEGETATION}
    scene = replace(optical_scene(tmp_path, paints, id="next", width_m=7200), sun=SUN)
    grid = make_grid(240)
    assert cloud_mask(scene, grid.geobox, grid)[76:116, 184:224].all()


def test_snow_is_masked_and_a_bright_roof_is_not(tmp_path):
    snow = {**dict.fromkeys(VEGETATION, 0.6), "B10": 0.001, "B11": 0.08, "B12": 0.06}
    roof = {**VEGETATION, "B2": 0.3, "B3": 0.33, "B4": 0.36, "B8": 0.4, "B11": 0.4, "B12": 0.36}
    paints = {
        band: lambda _x, y, band=band: np.where(
            y > NORTH - 800, snow[band], np.where(abs(y - (NORTH - 2000)) < 40, roof[band], VEGETATION[band])
        )
        for band in VEGETATION
    }
    grid = make_grid(240)
    mask = cloud_mask(optical_scene(tmp_path, paints, id="snow", width_m=6000), grid.geobox, grid)
    assert mask[:80].all()
    assert not mask[120:].any()


def test_a_file_that_is_written_again_is_read_again(tmp_path):
    grid = make_grid()
    for kind, expected in ((CLOUD, True), (VEGETATION, False)):
        paints = {band: lambda x, _y, value=kind[band]: np.full(x.shape, value) for band in VEGETATION}
        scene = optical_scene(tmp_path, paints, id="again")
        assert cloud_mask(scene, grid.geobox, grid).all() == expected


def test_the_mask_is_named_by_all_that_is_sought(shady, clear):
    assert mask_name(shady) == "s2cloudless+shadow+snow"
    assert mask_name(replace(shady, sun=None)) == "s2cloudless+snow"
    assert mask_name(shady, "none") == "none"
    assert mask_name(clear) == "source"


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


def test_real_shadows_are_found_and_the_clear_date_has_none(real_data, monkeypatch):
    monkeypatch.setenv("LCZMAP_REAL_DATA", str(real_data))
    scenes = read_archive(Path(__file__).resolve().parents[1] / "configs" / "punjab_archive.yaml")[:2]
    grid = Grid("EPSG:32643", 336200.0, 3372600.0, 230, 230, 10, 230, shapely.box(336200, 3370300, 338500, 3372600))
    suns = ((114.7, 73.8), (136.7, 65.3))  # metadata.json of the two scenes
    clear, cloudy = (replace(scene, sun=sun) for scene, sun in zip(scenes, suns, strict=True))
    assert not cloud_mask(clear, grid.geobox, grid).any()
    added = cloud_mask(cloudy, grid.geobox, grid) & ~cloud_mask(replace(cloudy, sun=None), grid.geobox, grid)
    # what is much darker than in June, in B8 and in B11: 3 % of the place
    before, after = (
        [read_asset(scene.assets[band], grid.geobox, "nearest") for band in ("B8", "B11")] for scene in (clear, cloudy)
    )
    darker = (after[0] < 0.85 * before[0]) & (after[1] < 0.6 * before[1])
    darker &= ~cloud_mask(replace(cloudy, sun=None), grid.geobox, grid)
    assert 0.02 < darker.mean() < 0.05
    assert added[darker].mean() > 0.7
    assert darker[added].mean() > 0.6  # with the margin of 40 m
