"""Real Sentinel-1 and Sentinel-2 scenes of one place, as tests/configs/punjab_archive.yaml describes them."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from lczmap.channels import S2_BANDS_L1C
from lczmap.grid import HALO_PX, PATCH_PX, Grid, tiles
from lczmap.raster import read_stack
from lczmap.scenes.clouds import cloud_mask
from lczmap.scenes.local import read_archive
from lczmap.scenes.search import Wish, find_scenes
from lczmap.scenes.shift import estimate_city_shifts
from lczmap.scenes.stack import OpticalOptions, read_reflectance, stack_sentinel1, stack_sentinel2

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = slice(HALO_PX - PATCH_PX // 2, PATCH_PX // 2 - HALO_PX)
"""The scene ends 17 px beyond the grid: room for patches of 32 px, not for the whole halo."""


@pytest.fixture(scope="module")
def archive(real_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LCZMAP_REAL_DATA", str(real_data))
        return read_archive(REPOSITORY / "tests" / "configs" / "punjab_archive.yaml")


@pytest.fixture(scope="module")
def punjab(archive):
    grid = Grid("EPSG:32643", 336200.0, 3372600.0, 230, 230, 10, 230, shapely.box(336200, 3370300, 338500, 3372600))
    wish = Wish(start="2020-06-01", end="2020-09-30", level="L1C", s1_channels="grd4")
    return find_scenes(archive, grid, wish, city="punjab"), grid


def _optical(scenes, grid, folder, clouds="none"):
    stack_sentinel2(scenes, grid, tiles(grid)[0], folder / "s2.tif", OpticalOptions(clouds=clouds))
    return read_stack(folder / "s2.tif")


def _radar(scenes, grid, folder):
    stack_sentinel1(scenes, grid, tiles(grid)[0], folder / "s1.tif", channels="grd4")
    return read_stack(folder / "s1.tif").pixels


def test_the_archive_parses(archive):
    assert [(s.sensor, s.datetime[:10], s.state.get("level")) for s in archive] == [
        ("sentinel-2", "2020-06-04", "L1C"),
        ("sentinel-2", "2020-08-23", "L1C"),
        ("sentinel-2", "2020-06-04", "L2A"),
        ("sentinel-2", "2020-08-13", "L2A"),
        ("sentinel-1", "2020-06-07", None),
        ("sentinel-1", "2020-09-03", None),
    ]
    assert tuple(archive[0].assets) == S2_BANDS_L1C
    assert [s.orbit_direction for s in archive[4:]] == ["descending", "ascending"]


def test_the_real_dates_are_clear_and_cloudy(punjab):
    scenes, _ = punjab
    usable = {s.datetime[:10]: s.usable_fraction for s in scenes}
    assert usable["2020-06-04"] > 0.97
    # a third of the place is bright cloud; the mask takes haze and a margin as well
    assert 0.15 < usable["2020-08-23"] < 0.7


def test_the_mask_holds_the_bright_clouds_of_the_cloudy_date_and_nothing_of_the_clear_one(punjab):
    scenes, grid = punjab
    clear, cloudy = (s for s in scenes if s.sensor == "sentinel-2")
    assert cloud_mask(clear, grid.geobox, grid).mean() < 0.03
    is_bright = read_reflectance(cloudy, grid.geobox)[0] > 0.2  # B2; 0.1 % of the clear date is as bright
    cloud = cloud_mask(cloudy, grid.geobox, grid)
    assert 0.25 < is_bright.mean() < 0.4
    assert cloud[is_bright].mean() > 0.99


def test_a_cloudy_date_does_not_change_the_clear_pixels_of_the_real_composite(punjab, tmp_path):
    scenes, grid = punjab
    both = [s for s in scenes if s.sensor == "sentinel-2"]
    alone = _optical(both[:1], grid, tmp_path, "auto").pixels
    together = _optical(both, grid, tmp_path, "auto").pixels
    is_clear = ~np.isnan(alone).any(axis=0)
    assert is_clear[SITE, SITE].mean() > 0.97
    np.testing.assert_array_equal(together[:, is_clear], alone[:, is_clear])


def test_real_reflectance_and_backscatter_are_plausible(punjab, tmp_path):
    scenes, grid = punjab
    optical = _optical(scenes[:1], grid, tmp_path)
    b2, b8 = (optical.pixels[optical.channels.index(b), SITE, SITE] for b in ("B2", "B8"))
    assert np.all((np.percentile(b2, [0.1, 99.9]) > 0.1) & (np.percentile(b2, [0.1, 99.9]) < 0.25))
    assert 0.2 < np.median(b8) < 0.35
    vh, vv, vh_lee, vv_lee = (10 * np.log10(np.median(c[SITE, SITE])) for c in _radar(scenes, grid, tmp_path))
    assert -14 < vv < -6  # dB: fields and villages in C band
    assert -22 < vh < -13
    assert abs(vv_lee - vv) < 1
    assert abs(vh_lee - vh) < 1


def test_bands_of_the_real_scene_lie_on_each_other(punjab, tmp_path):
    # the georeference of the yaml puts 10 m and 20 m pixels together: any other offset correlates worse
    scenes, grid = punjab
    stack = _optical(scenes[:1], grid, tmp_path)
    b8, b8a = (stack.pixels[stack.channels.index(b)] for b in ("B8", "B8A"))
    correlation = {
        (dy, dx): np.corrcoef(b8[20:-20, 20:-20].ravel(), np.roll(b8a, (dy, dx), (0, 1))[20:-20, 20:-20].ravel())[0, 1]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert max(correlation, key=correlation.get) == (0, 0)
    assert correlation[0, 0] > 0.97


@pytest.mark.slow
def test_each_pass_is_measured_by_two_estimators_that_agree_and_is_moved(punjab, tmp_path):
    scenes, grid = punjab
    entries = estimate_city_shifts(scenes, grid, tmp_path / "coregistration.json")["scenes"]
    expected = {"S1A_IW_GRDH_1SDV_20200607": (5, -11), "S1A_IW_GRDH_1SDV_20200903": (-8, -6)}  # m, east and north
    for scene in (s for s in scenes if s.sensor == "sentinel-1"):
        entry = entries[scene.id]
        assert entry["applied"], entry["reason"]
        assert entry["consistent_georeference"] is not False
        assert entry["mutual_information"]["agrees"]
        measured = (entry["shift_east_m"], entry["shift_north_m"])
        assert measured == pytest.approx(expected[scene.id[:25]], abs=4)
        assert np.hypot(entry["residual"]["measured_east_m"], entry["residual"]["measured_north_m"]) < 1
