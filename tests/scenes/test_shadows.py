import numpy as np
import pytest
from tiny_archive import CLOUD, VEGETATION

from lczmap.raster import read_part
from lczmap.scenes.shadows import cast, is_dark_land, is_snow, shadow_reach_m

EUROSAT_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")


def _of(*values: float) -> list[np.ndarray]:
    return [np.array([value], np.float32) for value in values]


@pytest.mark.parametrize(("elevation", "reach"), [(45, 2500), (90, 0), (63.435, 1250), (10, 5000)])
def test_shadows_reach_further_under_a_lower_sun(elevation, reach):
    assert shadow_reach_m(elevation) == pytest.approx(reach, abs=1)


@pytest.mark.parametrize("elevation", [0, -3, 91])
def test_a_sun_below_the_horizon_is_refused(elevation):
    with pytest.raises(ValueError, match="elevation"):
        shadow_reach_m(elevation)


def _shadow_of_one_cloud(azimuth: float, elevation: float = 46) -> tuple[np.ndarray, np.ndarray]:
    cloud = np.zeros((41, 41), np.bool_)
    cloud[20, 20] = True  # in the middle of the inner 21 x 21
    return np.nonzero(cast(cloud, (azimuth, elevation), pixel_m=250, margin_px=10))


@pytest.mark.parametrize(
    ("azimuth", "row_step", "col_step"), [(0, 1, 0), (90, 0, -1), (180, -1, 0), (270, 0, 1)], ids=["N", "E", "S", "W"]
)
def test_a_shadow_falls_away_from_the_sun_as_far_as_the_highest_cloud_throws_it(azimuth, row_step, col_step):
    rows, cols = _shadow_of_one_cloud(azimuth)
    assert sorted(zip(rows - 10, cols - 10, strict=True)) == sorted((row_step * k, col_step * k) for k in range(11))


def test_a_morning_sun_in_the_south_east_throws_shadows_to_the_north_west():
    rows, cols = _shadow_of_one_cloud(135)
    np.testing.assert_array_equal(rows, cols)
    assert (rows.min(), rows.max()) == (3, 10)  # 10 steps of 250 m, 7.07 on each axis


def test_clouds_beyond_the_margin_are_asked_for():
    with pytest.raises(ValueError, match="margin of at least 10"):
        cast(np.zeros((30, 30), np.bool_), (135, 46), pixel_m=250, margin_px=9)


def test_shaded_fields_are_dark_land_and_water_asphalt_and_fields_are_not():
    shaded, water, asphalt, field = (0.08, 0.12, 0.07), (0.07, 0.04, 0.01), (0.11, 0.14, 0.16), (0.09, 0.30, 0.18)
    dark = [is_dark_land(*_of(*surface)).item() for surface in (shaded, water, asphalt, field)]
    assert dark == [True, False, False, False]


def test_snow_is_found_and_cloud_fields_bright_roofs_and_turbid_water_are_not():
    snow, roof, turbid = (0.70, 0.65, 0.10), (0.45, 0.48, 0.40), (0.18, 0.13, 0.02)
    cloud, field = ((kind["B3"], kind["B8"], kind["B11"]) for kind in (CLOUD, VEGETATION))
    found = [is_snow(*_of(*surface)).item() for surface in (snow, roof, turbid, cloud, field)]
    assert found == [True, False, False, False, False]


def test_missing_pixels_are_neither_shaded_nor_snow():
    missing = _of(np.nan, np.nan, np.nan)
    assert not is_dark_land(*missing).item()
    assert not is_snow(*missing).item()
    assert not is_snow(*_of(0, 0, 0)).item()


def test_real_built_up_land_is_hardly_ever_taken_for_shadow_or_snow(real_data):
    snow = []
    for kind, most in (("Industrial", 0.03), ("Residential", 0.01), ("Highway", 0.03), ("AnnualCrop", 0.01)):
        dark = []
        for path in sorted((real_data / "eurosat" / kind).glob("*.tif")):
            green, nir, swir = (
                _at_40_m(read_part(path, band=EUROSAT_BANDS.index(band) + 1)[0]) for band in ("B3", "B8", "B11")
            )
            dark.append(is_dark_land(green, nir, swir).mean())
            snow.append(is_snow(green, nir, swir).mean())
        assert len(dark) == 10
        assert np.mean(dark) < most
    assert np.mean(snow) == 0


def _snow_of_site(real_data, site: str, offset: float) -> float:
    # 13 bands, B1 .. B8, B8A, B9 .. B12
    bands = [read_part(real_data / "terramind_sites" / "S2L1C" / f"{site}.tif", band=n)[0] for n in (3, 8, 12)]
    return float(is_snow(*(_at_40_m(digital) + np.float32(offset) for digital in bands)).mean())


def test_a_real_snowy_place_is_found_and_a_real_beach_with_surf_is_not(real_data):
    assert 0.85 < _snow_of_site(real_data, "609U_541L_3_0", -0.1) < 0.95  # the rest is snowy woods
    assert _snow_of_site(real_data, "282D_485L_3_3", -0.1) == 0
    assert _snow_of_site(real_data, "38D_378R_2_3", 0) == 0


def _at_40_m(digital: np.ndarray) -> np.ndarray:
    rows, cols = digital.shape
    return (digital.reshape(rows // 4, 4, cols // 4, 4).mean(axis=(1, 3)) / 10_000).astype(np.float32)
