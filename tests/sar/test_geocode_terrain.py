"""Incidence, layover and shadow on planes and a ridge whose answers follow from elementary geometry."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
from odc.geo.geobox import GeoBox
from sar.made_radar import ORBIT, map_under

from lczmap.sar import terrain
from lczmap.sar.geocode import ground_points, solve
from lczmap.sar.orbit import fit_orbit
from lczmap.sar.safe import open_slc
from lczmap.sar.terrain import LAYOVER, SHADOW, layover_shadow, local_incidence

Double = npt.NDArray[np.float64]

PIXEL_M = 10.0


def away(geobox: GeoBox) -> Double:
    """Return how many metres each pixel lies farther from the satellite's track than the map's centre."""
    range_time = solve(ORBIT, ground_points(geobox, np.zeros(geobox.shape)))[1]
    down, across = np.gradient(range_time)
    middle = geobox.shape[0] // 2, geobox.shape[1] // 2
    east, south = across[middle], down[middle]
    length = np.hypot(east, south)
    cols, rows = np.meshgrid(np.arange(geobox.width) - middle[1], np.arange(geobox.height) - middle[0])
    return np.asarray((cols * east + rows * south) / length * PIXEL_M)


def incidence_at_centre(geobox: GeoBox) -> float:
    """Return the angle at the map's centre between the vertical and the direction to the satellite, in radians."""
    row, col = geobox.shape[0] // 2, geobox.shape[1] // 2
    points = [ground_points(geobox, np.full(geobox.shape, h))[:, row, col] for h in (0.0, 1.0)]
    to_satellite = ORBIT.position(solve(ORBIT, points[0][:, None])[0])[0] - points[0]
    return float(np.arccos(to_satellite @ (points[1] - points[0]) / np.linalg.norm(to_satellite)))


def test_flat_ground_has_the_incidence_of_the_ellipsoid() -> None:
    geobox = map_under((40, 50))
    flat = np.zeros(geobox.shape)
    local = local_incidence(geobox, flat, ORBIT)
    assert local.dtype == np.float32
    assert local[20, 25] == pytest.approx(np.degrees(incidence_at_centre(geobox)), abs=2e-3)


@pytest.mark.parametrize("slope", [-25.0, 10.0, 30.0])
def test_a_plane_tilted_toward_the_satellite_lowers_the_incidence_by_its_slope(slope: float) -> None:
    geobox = map_under((60, 60))
    height = away(geobox) * np.tan(np.radians(slope))
    found = local_incidence(geobox, height, ORBIT)[30, 30]
    assert found == pytest.approx(np.degrees(incidence_at_centre(geobox)) - slope, abs=0.05)


def test_a_plane_tilted_along_the_track_follows_the_rule_of_cosines() -> None:
    geobox = map_under((60, 60))
    cols, rows = np.meshgrid(np.arange(60.0), np.arange(60.0))
    step = np.gradient(away(geobox))
    along = cols * step[0][30, 30] - rows * step[1][30, 30]  # metres across the direction of range
    height = along * np.tan(np.radians(20.0))
    expected = np.degrees(np.arccos(np.cos(incidence_at_centre(geobox)) * np.cos(np.radians(20.0))))
    assert local_incidence(geobox, height, ORBIT)[30, 30] == pytest.approx(expected, abs=0.05)


def test_flat_ground_has_the_incidence_of_the_real_annotations(real_data: Path) -> None:
    # theirs is measured from the direction away from the Earth's centre (to 3e-10 degrees), which is up to 0.2 degrees
    # from the ellipsoid's normal, north or south; seen from the side that makes 0.04
    product = open_slc(next((real_data / "safe").glob("S1A_IW_SLC__*7768.zip")))
    orbit = fit_orbit(product.state_vectors, product.start_s, product.stop_s)
    to_map = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32611", always_xy=True)
    for one in product.swaths.values():
        for i in range(0, len(one.points.line), 37):
            x, y = to_map.transform(one.points.longitude[i], one.points.latitude[i])
            around = GeoBox.from_bbox((x - 15, y - 15, x + 15, y + 15), crs="EPSG:32611", shape=(3, 3))
            found = local_incidence(around, np.full((3, 3), one.points.height[i]), orbit)[1, 1]
            assert found == pytest.approx(one.points.incidence[i], abs=0.04)


def test_a_missing_height_is_missing_in_its_neighbours_too() -> None:
    geobox = map_under((9, 9))
    height = np.zeros(geobox.shape)
    height[4, 4] = np.nan
    missing = np.isnan(local_incidence(geobox, height, ORBIT))
    expected = np.zeros((9, 9), bool)
    expected[3:6, 4] = expected[4, 3:6] = True
    assert np.array_equal(missing, expected)
    assert layover_shadow(geobox, height, ORBIT).max() == 0
    with pytest.raises(ValueError, match=r"2 × 2 pixels or more"):
        local_incidence(geobox[:1, :], height[:1], ORBIT)


def test_incidence_does_not_depend_on_the_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    geobox = map_under((70, 30))
    height = 200 * np.sin(away(geobox) / 100)
    whole = local_incidence(geobox, height, ORBIT)
    monkeypatch.setattr(terrain, "_BLOCK_ROWS", 17)
    np.testing.assert_allclose(local_incidence(geobox, height, ORBIT), whole, atol=1e-4)


def test_flat_and_gentle_ground_has_neither_layover_nor_shadow() -> None:
    geobox = map_under((150, 200))
    x = away(geobox)
    assert layover_shadow(geobox, np.zeros(geobox.shape), ORBIT).max() == 0
    theta = np.degrees(incidence_at_centre(geobox))
    for slope in (theta - 4, theta - 90 + 4):  # just less than the incidence, just less than its complement
        assert layover_shadow(geobox, x * np.tan(np.radians(slope)), ORBIT).max() == 0


def test_a_plane_steeper_than_the_incidence_is_all_layover() -> None:
    geobox = map_under((60, 80))
    theta = np.degrees(incidence_at_centre(geobox))
    flags = layover_shadow(geobox, away(geobox) * np.tan(np.radians(theta + 6)), ORBIT)
    assert (flags[:, 3:-3] == LAYOVER).all()


def test_a_plane_that_falls_more_steeply_than_the_rays_is_all_shadow() -> None:
    geobox = map_under((60, 80))
    theta = np.degrees(incidence_at_centre(geobox))
    flags = layover_shadow(geobox, away(geobox) * np.tan(np.radians(theta - 90 - 6)), ORBIT)
    assert (flags[:, 3:-3] == SHADOW).mean() > 0.98


@pytest.mark.parametrize("turned", [False, True])
def test_a_steep_ridge_casts_layover_before_and_shadow_behind_it(turned: bool) -> None:
    """A ridge along the track, H = 600 m high, foot to top w = 200 m, top at 0, incidence θ (about 42 degrees).

    Slant range, up to a constant, is x sin θ − h cos θ. In layover is what shares a range with something else: from
    the flat ground before, at the top's range, to behind the top, where the range is that of the near foot. The top's
    ray meets the flat ground behind at H tan θ: shadow from the top to there.
    """
    geobox = map_under((500, 200) if turned else (200, 500), turned=turned)
    x, theta, high, wide = away(geobox), incidence_at_centre(geobox), 600.0, 200.0
    flags = layover_shadow(geobox, np.maximum(high * (1 - np.abs(x) / wide), 0), ORBIT)
    top, foot = -high * np.cos(theta), -wide * np.sin(theta)  # slant ranges, shortest and longest that are shared
    before = top / np.sin(theta)  # on flat ground
    behind = (foot + high * np.cos(theta)) / (np.sin(theta) + high / wide * np.cos(theta))  # on the far slope
    layover = (x >= before) & (x <= behind)
    shadow = (x > 0) & (x <= high * np.tan(theta))
    near_border = np.zeros(x.shape, bool)
    for border in (before, behind, 0.0, high * np.tan(theta)):
        near_border |= np.abs(x - border) < 2.0 * PIXEL_M
    sure = ~near_border
    inner = sure.T if turned else sure
    inner[:25], inner[-25:] = False, False  # there the lines of range enter or leave the map too close to the ridge
    assert 0.5 < behind / wide < 1.5
    assert np.array_equal((flags & LAYOVER > 0)[sure], layover[sure])
    assert np.array_equal((flags & SHADOW > 0)[sure], shadow[sure])
    assert (flags[layover & shadow & sure] == LAYOVER | SHADOW).all() and (layover & shadow & sure).any()


@pytest.mark.parametrize("turned", [False, True])
def test_the_shadow_of_a_peak_points_away_from_the_satellite(turned: bool) -> None:
    geobox = map_under((181, 181), turned=turned)
    x, theta = away(geobox), incidence_at_centre(geobox)
    cols, rows = np.meshgrid(np.arange(181) - 90, np.arange(181) - 90)
    height = np.maximum(600 - 2.5 * np.hypot(cols, rows) * PIXEL_M, 0)  # a cone with a foot of 240 m
    tip = layover_shadow(geobox, height, ORBIT) & SHADOW > 0
    tip &= x > 600 * np.tan(theta) - 50  # the last 50 m of the shadow
    east, south = np.gradient(x)[1][90, 90] / PIXEL_M, np.gradient(x)[0][90, 90] / PIXEL_M
    aside = (rows * east - cols * south)[tip]
    assert tip.any() and np.abs(aside).max() < 2
    assert x[tip].max() == pytest.approx(600 * np.tan(theta), abs=1.5 * PIXEL_M)


@pytest.mark.parametrize("turned", [False, True])
def test_a_smooth_mountain_less_steep_than_the_line_of_sight_has_neither(turned: bool) -> None:
    """Slopes up to 0.8, layover begins at tan(42°) = 0.9: also on the flanks, where a line of range steps to a row."""
    geobox = map_under((401, 401), turned=turned)
    cols, rows = np.meshgrid(np.arange(401) - 200, np.arange(401) - 200)
    height = 0.8 * 600 * np.exp(0.5 - np.hypot(cols, rows) ** 2 * PIXEL_M**2 / (2 * 600**2))
    assert np.tan(incidence_at_centre(geobox)) > 0.85
    assert not layover_shadow(geobox, height, ORBIT).any()


def test_a_map_that_the_satellite_did_not_pass_is_refused() -> None:
    geobox = map_under((8, 8), side=-1)
    with pytest.raises(ValueError, match="that the satellite passed"):
        layover_shadow(geobox, np.zeros((8, 8)), ORBIT)
