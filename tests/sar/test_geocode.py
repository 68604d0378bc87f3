"""Range-Doppler geocoding: against real annotations, an independent solver, and what must not change a result."""

from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from sar.made_radar import EPOCH, MID_S, ORBIT, map_under, positions, swath, velocities
from scipy.optimize import brentq

from lczmap.sar.burst import BurstTable, burst_table, serving
from lczmap.sar.geocode import Placement, gather, ground_points, place, radar_windows, solve
from lczmap.sar.orbit import OrbitFit, fit_orbit
from lczmap.sar.safe import SlcProduct, Swath, open_slc
from lczmap.sar.safe.annotation import parse_slc

Double = npt.NDArray[np.float64]

SPEED_OF_LIGHT = 299_792_458.0
_TO_EARTH = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


@pytest.fixture(scope="module")
def product(real_data: Path) -> SlcProduct:
    return open_slc(next((real_data / "safe").glob("S1A_IW_SLC__*7768.zip")))


@pytest.fixture(scope="module")
def orbit(product: SlcProduct) -> OrbitFit:
    return fit_orbit(product.state_vectors, product.start_s, product.stop_s)


def made_table(geobox: GeoBox) -> BurstTable:
    """Return two subswaths of three bursts that show most of a map of 3 km under the made-up orbit."""
    time, range_time = solve(ORBIT, ground_points(geobox, np.zeros(geobox.shape)))
    start, near = float(np.nanmin(time)), float(np.nanmin(range_time))
    size = {"lines": 110, "samples": 600, "valid_lines": (10, 100), "valid_samples": (20, 580)}
    step = {"interval_s": 2.0e-3, "rate_hz": 64e6}
    first = swath("IW1", [start - 0.02, start + 0.14, start + 0.3], near - 1e-6, **size, **step)
    second = swath("IW2", [start + 0.01, start + 0.17, start + 0.33], near + 7e-6, **size, **step)
    return burst_table({"IW1": first, "IW2": second})


def hills(geobox: GeoBox) -> npt.NDArray[np.float32]:
    """Return heights that belong to places, not to pixels of a map."""
    cols, rows = np.meshgrid(np.arange(geobox.width) + 0.5, np.arange(geobox.height) + 0.5)
    x, y = geobox.transform @ (cols, rows)
    return np.asarray(300 + 250 * np.sin(x / 700) * np.cos(y / 900), np.float32)


# ---------------------------------------------------------------- ground points


@pytest.mark.parametrize(("crs", "x", "y"), [("EPSG:32633", 250_000, 7_700_000), ("EPSG:32735", 700_000, 6_200_000)])
def test_ground_points_are_those_of_proj_within_a_millimetre(crs: str, x: float, y: float) -> None:
    geobox = GeoBox((70, 90), Affine(10, 0, x + 5, 0, -10, y - 5), crs)
    height = np.random.default_rng(1).uniform(-400, 8000, geobox.shape)
    cols, rows = np.meshgrid(np.arange(90) + 0.5, np.arange(70) + 0.5)
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(
        *(geobox.transform @ (cols, rows))
    )
    expected = np.stack(_TO_EARTH.transform(lon, lat, height))
    assert np.linalg.norm(ground_points(geobox, height) - expected, axis=0).max() < 1e-3


def test_heights_of_another_size_and_maps_turned_over_are_refused() -> None:
    geobox = map_under((20, 30))
    with pytest.raises(ValueError, match=r"heights of \(20, 30\) pixels, as the map, got \(30, 20\)"):
        place(geobox, np.zeros((30, 20)), ORBIT, made_table(map_under((300, 300))))
    with pytest.raises(ValueError, match=r"rows run north to south"):
        ground_points(geobox.flipy(), np.zeros((20, 30)))


# ---------------------------------------------------------------- zero Doppler


@pytest.mark.parametrize("name", ["IW1", "IW2", "IW3"])
def test_the_solver_meets_the_geolocation_grid(product: SlcProduct, orbit: OrbitFit, name: str) -> None:
    one, table = product.swaths[name], burst_table(product.swaths)
    time, range_time = solve(orbit, np.stack(_TO_EARTH.transform(*lonlatheight(one))))
    assert np.abs(range_time - one.points.range_time_s).max() * one.range_sampling_rate_hz < 1e-5  # pixels
    assert np.abs(time - one.points.azimuth_time).max() / one.azimuth_interval_s < 1e-3  # lines
    # and the lines that the grid's points lie on, with the bistatic term; the last row of points of IW2 and IW3 is
    # annotated 0.007 lines away from its line, so only the others are held to 0.001
    away = table.line_time(time, range_time) - grid_line_times(one)
    inner = one.points.line < one.lines - 1
    assert np.abs(away).max() / one.azimuth_interval_s < 0.02
    assert np.abs(away[inner]).max() / one.azimuth_interval_s < 0.002
    assert np.abs(time - grid_line_times(one)).max() / one.azimuth_interval_s > 0.04  # without the term


@pytest.mark.parametrize("name", ["iw1-slc-vv", "iw1-slc-vh", "iw2-slc-vh"])
def test_the_bistatic_term_fits_a_product_of_another_satellite(real_data: Path, name: str) -> None:
    folder = next((real_data / "safe").glob("S1B_IW_SLC__*EFA4.SAFE")) / "annotation"  # incomplete: open_slc refuses it
    names = {name, "iw2-slc-vh"}
    paths = [path for path in sorted(folder.glob("*.xml")) if any(one in path.name for one in names)]
    found = {path.name[4:14]: parse_slc(path.read_bytes(), path.name, datetime(2021, 4, 1)) for path in paths}
    table, one = burst_table({each.swath.name: each.swath for each in found.values()}), found[name].swath
    start = one.points.azimuth_time.min()
    orbit = fit_orbit(found[name].state_vectors, start, start + 30)
    time, range_time = solve(orbit, np.stack(_TO_EARTH.transform(*lonlatheight(one))))
    away = table.line_time(time, range_time) - grid_line_times(one)
    assert np.abs(range_time - one.points.range_time_s).max() * one.range_sampling_rate_hz < 1e-3
    assert np.abs(away).max() / one.azimuth_interval_s < 0.02


def test_the_solver_agrees_with_brent_on_the_exact_orbit() -> None:
    points = ground_points(map_under((3, 3), pixel_m=9000.0), np.full((3, 3), 1234.0))
    time, range_time = solve(ORBIT, points)
    for at, found, delay in zip(points.reshape(3, -1).T, time.ravel(), range_time.ravel(), strict=True):

        def along(t: float, at: Double = at) -> float:
            return float((ORBIT.position(t) - at) @ ORBIT.velocity(t))

        assert abs(found - brentq(along, MID_S - 20, MID_S + 20, xtol=1e-13, rtol=1e-15)) < 1e-9
        exact = positions(np.array([found]))[0]  # the orbit itself, not the fit
        assert abs(delay - 2 * np.linalg.norm(exact - at) / SPEED_OF_LIGHT) * SPEED_OF_LIGHT / 2 < 1e-3
        assert abs((exact - at) @ velocities(np.array([found]))[0]) < 20  # m2/s: 2e-8 s of 7.5e3 m/s each way
    assert EPOCH.hour == 0


def test_points_left_of_the_track_out_of_time_or_missing_are_nan() -> None:
    left = ground_points(map_under((2, 2), side=-1), np.zeros((2, 2)))
    assert np.isnan(solve(ORBIT, left)).all()
    south = ground_points(map_under((2, 2)).translate_pix(0, 200_000), np.zeros((2, 2)))  # 2000 km on: 270 s later
    assert np.isnan(solve(ORBIT, south)).all()
    missing = ground_points(map_under((2, 2)), np.array([[0.0, np.nan], [5.0, 5.0]]))
    assert np.isnan(solve(ORBIT, missing)).tolist() == [[[False, True], [False, False]]] * 2


# ---------------------------------------------------------------- placement


def test_placement_is_the_rounded_solution(product: SlcProduct, orbit: OrbitFit) -> None:
    table = burst_table(product.swaths)
    geobox = over(product, "IW2", (2400, 1000))
    height = hills(geobox)
    found = place(geobox, height, orbit, table)
    time, range_time = solve(orbit, ground_points(geobox, height))
    line_time = table.line_time(time, range_time)
    assert np.array_equal(found.burst, serving(table, line_time, range_time))
    assert len(np.unique(found.burst)) > 2  # crosses seams
    entry = found.burst
    line = (line_time - table.azimuth_time[entry]) / table.azimuth_interval_s[entry]
    sample = (range_time - table.near_range_time_s[entry]) * table.range_sampling_rate_hz[entry]
    assert np.abs(line - found.line).max() < 0.5 + 1e-5
    assert np.abs(sample - found.sample).max() < 0.5 + 1e-5


def test_placement_does_not_depend_on_the_block() -> None:
    geobox = map_under((300, 300))
    table, height = made_table(geobox), hills(geobox)
    whole = place(geobox, height, ORBIT, table)
    assert set(np.unique(whole.burst)) >= {0, 1, 2, 3, 4, 5}
    for rows, cols in (
        (slice(0, 300), slice(5, 300)),
        (slice(13, 150), slice(101, 243)),
        (slice(299, 300), slice(0, 1)),
    ):
        part = place(geobox[rows, cols], height[rows, cols], ORBIT, table)
        for name in ("burst", "line", "sample"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[rows, cols])


def test_moving_the_map_by_whole_pixels_moves_the_placement() -> None:
    geobox = map_under((120, 130))
    moved = geobox.translate_pix(11, 7)  # its pixel (0, 0) is pixel (7, 11) of the other
    table = made_table(map_under((300, 300)))
    first, second = (place(one, hills(one), ORBIT, table) for one in (geobox, moved))
    assert np.array_equal(first.line[7:, 11:], second.line[:-7, :-11])
    assert np.array_equal(first.sample[7:, 11:], second.sample[:-7, :-11])
    assert np.array_equal(first.burst[7:, 11:], second.burst[:-7, :-11])


def test_no_radar_pixel_without_height_or_beyond_the_image() -> None:
    geobox = map_under((300, 300))
    table, height = made_table(geobox), np.zeros(geobox.shape)
    height[40:50, 60] = np.nan
    found = place(geobox, height, ORBIT, table)
    for array in (found.burst, found.line, found.sample):
        assert (array[40:50, 60] == -1).all()
    assert found.burst[40, 59] >= 0
    beyond = place(geobox.translate_pix(20_000, 0), height, ORBIT, table)
    assert (beyond.burst == -1).all() and (beyond.sample == -1).all()


def test_a_higher_place_appears_nearer_to_the_satellite() -> None:
    # slant range shrinks by about 100 m · cos(42.5°), 73.7 m, or 31.5 samples of 2.342 m
    geobox = map_under((300, 300))[150:151, 150:151]
    table = made_table(map_under((300, 300)))
    low, high = (place(geobox, np.full((1, 1), h), ORBIT, table) for h in (0.0, 100.0))
    near, far = (
        float(table.near_range_time_s[one.burst[0, 0]] * 64e6 + one.sample[0, 0]) for one in (high, low)
    )  # samples from the satellite
    assert far - near == pytest.approx(31.5, abs=1.1)


# ---------------------------------------------------------------- gathering


def test_gather_equals_fancy_indexing_and_leaves_the_rest() -> None:
    rng = np.random.default_rng(3)
    shape = (50, 70)
    placement = Placement(
        rng.integers(-1, 3, shape).astype(np.int16),
        rng.integers(90, 160, shape).astype(np.int32),
        rng.integers(990, 1100, shape).astype(np.int32),
    )
    layers = rng.random((4, 50, 80)).astype(np.float32)  # lines 100..149, samples 1000..1079
    out = np.full((4, *shape), -7, np.float32)
    gather(layers, 100, 1000, placement, 1, out)
    line, sample = placement.line - 100, placement.sample - 1000
    here = (placement.burst == 1) & (line >= 0) & (line < 50) & (sample >= 0) & (sample < 80)
    expected = np.full((4, *shape), -7, np.float32)
    expected[:, here] = layers[:, line[here], sample[here]]
    assert here.any() and not here.all()
    assert np.array_equal(out, expected)


def test_bursts_gathered_one_by_one_fill_the_map_without_seams() -> None:
    # every layer pixel holds its own image time: on the map it must fall smoothly across bursts and subswaths
    geobox = map_under((300, 300))
    table = made_table(geobox)
    placement = place(geobox, np.zeros(geobox.shape), ORBIT, table)
    out = np.full((2, *geobox.shape), np.nan, np.float32)
    for entry, (lines, samples) in radar_windows(placement).items():
        line, sample = np.mgrid[lines, samples]
        since = table.azimuth_time[entry] - table.azimuth_time.min() + line * table.azimuth_interval_s[entry]
        delay = table.near_range_time_s[entry] - table.near_range_time_s.min()
        delay = delay + sample / table.range_sampling_rate_hz[entry]
        gather(np.stack([since, delay * 1e6]).astype(np.float32), lines.start, samples.start, placement, entry, out)
    served = placement.burst >= 0
    assert served.mean() > 0.8
    assert np.array_equal(np.isfinite(out[0]), served)
    time, range_time = solve(ORBIT, ground_points(geobox, np.zeros(geobox.shape)))
    exact = table.line_time(time, range_time) - table.azimuth_time.min()
    assert np.abs(out[0] - exact)[served].max() < 0.501 * 2e-3
    assert np.abs(out[1] - (range_time - table.near_range_time_s.min()) * 1e6)[served].max() < 0.501 / 64


def test_radar_windows_are_the_pixels_that_the_map_takes() -> None:
    burst = np.array([[0, 0, -1], [2, 2, 2]], np.int16)
    line = np.array([[5, 7, -1], [1, 0, 3]], np.int32)
    sample = np.array([[11, 10, -1], [4, 4, 9]], np.int32)
    windows = radar_windows(Placement(burst, line, sample))
    assert windows == {0: (slice(5, 8), slice(10, 12)), 2: (slice(0, 4), slice(4, 10))}
    nothing = np.full((2, 3), -1)
    assert radar_windows(Placement(nothing.astype(np.int16), nothing.astype(np.int32), nothing.astype(np.int32))) == {}


def test_a_map_of_another_size_is_refused() -> None:
    placement = Placement(np.zeros((2, 3), np.int16), np.zeros((2, 3), np.int32), np.zeros((2, 3), np.int32))
    with pytest.raises(ValueError, match=r"a map of \(4, 2, 3\)"):
        gather(np.zeros((4, 5, 5), np.float32), 0, 0, placement, 0, np.zeros((3, 2, 3), np.float32))


def lonlatheight(one: Swath) -> tuple[Double, Double, Double]:
    return one.points.longitude, one.points.latitude, one.points.height


def grid_line_times(one: Swath) -> Double:
    """Return the times of the image lines that the points of the geolocation grid lie on."""
    burst = np.minimum(one.points.line // one.lines_per_burst, len(one.bursts) - 1).astype(int)
    start = np.array([burst.azimuth_time for burst in one.bursts])
    return np.asarray(start[burst] + (one.points.line - burst * one.lines_per_burst) * one.azimuth_interval_s)


def over(product: SlcProduct, name: str, size_px: tuple[int, int]) -> GeoBox:
    """Return a map (rows, cols) around the first point of a subswath's geolocation grid, halfway along its track."""
    points = product.swaths[name].points
    middle = np.flatnonzero(points.pixel == 0)[5]
    lon, lat = points.longitude[middle], points.latitude[middle]
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32611", always_xy=True).transform(lon, lat)
    west, north = round(x - size_px[1] * 5, -1), round(y + size_px[0] * 5, -1)
    return GeoBox(size_px, Affine(10, 0, west, 0, -10, north), "EPSG:32611")
