import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest

from lczmap.sar.grd import DEGREE, GridPoints, GroundRange, fit_locator, resample, residuals
from lczmap.sar.grd_radiometry import AzimuthNoise, Noise, Vectors, calibrate, look_up, no_value_border, noise_power
from lczmap.scenes.sources.products.s1_annotation import (
    SPEED_OF_LIGHT,
    Annotation,
    parse_annotation,
    parse_calibration,
    parse_manifest,
    parse_noise,
)

Double = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def alps(real_data: Path) -> Annotation:
    file = next((real_data / "safe").glob("S1B_IW_GRDH*.SAFE/annotation/*-vv-*.xml"))
    return parse_annotation(file.read_bytes(), file.name)


@pytest.fixture(scope="module")
def swath(real_data: Path) -> Path:
    return next((real_data / "safe").glob("S1B_IW_SLC*.SAFE/annotation/calibration"))


def in_map(points: GridPoints) -> tuple[Double, Double]:
    to_map = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
    x, y = to_map.transform(points.longitude, points.latitude)
    return np.asarray(x), np.asarray(y)


def only(points: GridPoints, chosen: npt.NDArray[np.bool_]) -> GridPoints:
    return replace(points, **{f.name: getattr(points, f.name)[chosen] for f in fields(points)})


def test_points_left_out_of_the_fit_are_found_within_a_tenth_of_a_pixel(alps: Annotation) -> None:
    x, y = in_map(alps.points)
    missed = []
    for first in range(10):  # each point is left out once; heights run from 25 to 2818 m
        out = np.arange(x.size) % 10 == first
        locator = fit_locator(only(alps.points, ~out), x[~out], y[~out], alps.ground_range)
        missed.append(residuals(locator, only(alps.points, out), x[out], y[out]))
    line, pixel = (np.abs(np.concatenate(axis)) for axis in zip(*missed, strict=True))
    assert line.max() < 0.01 and pixel.max() < 0.1


def test_height_moves_a_target_towards_near_range_by_height_over_tangent(alps: Annotation) -> None:
    points, (x, y) = alps.points, in_map(alps.points)
    locator = fit_locator(points, x, y, alps.ground_range)
    middle = int(np.argmin(np.hypot(points.line - 8012, points.pixel - 12900)))
    at = x[middle : middle + 1], y[middle : middle + 1]
    low, high = (locator.position(*at, points.height[middle] + np.full((1, 1), h)) for h in (0.0, 300.0))
    expected = 300 / np.tan(np.radians(points.incidence[middle])) / 10
    assert low[1][0, 0] - high[1][0, 0] == pytest.approx(expected, rel=0.01)
    assert abs(low[0][0, 0] - high[0][0, 0]) < 0.1


def test_grids_own_pixels_follow_the_record_nearest_in_time(alps: Annotation) -> None:
    conversion, points = alps.ground_range, alps.points
    nearest = np.rint(np.interp(points.line, conversion.line, np.arange(28)))
    pixel = conversion.pixel(np.interp(nearest, np.arange(28), conversion.line), points.slant_range)
    np.testing.assert_allclose(pixel, points.pixel, atol=0.01)
    # between records we interpolate: in the Alps, where they change most, that differs by a pixel
    assert 0.5 < np.abs(conversion.pixel(points.line, points.slant_range) - points.pixel).max() < 2


def test_conversion_is_linear_between_records_and_goes_on_beyond() -> None:
    table = np.array([[0.0, 2], [10.0, 2], [40.0, 2]])
    conversion = GroundRange(np.array([0.0, 100.0, 200.0]), np.array([1000.0, 900.0, 900.0]), table, 10.0)
    pixel = conversion.pixel(np.array([-5.0, 0.0, 25.0, 100.0, 150.0, 300.0]), np.full(6, 1100.0))
    assert pixel == pytest.approx([20, 20, 25.25, 41, 42.5, 44])


def test_grid_heights_are_linear_between_points_and_nearest_outside(alps: Annotation) -> None:
    locator = fit_locator(alps.points, *in_map(alps.points), alps.ground_range)
    x, y, height = locator.points
    plane = replace(locator, points=(x, y, 100 + 0.01 * (x - x.mean())))
    at = np.array([x.mean(), x.mean() + 3210.0])
    np.testing.assert_allclose(plane.grid_heights(at, np.array([y.mean()]))[0], [100, 132.1], atol=1e-6)
    far = int(np.argmin(x))
    assert locator.grid_heights(x[far : far + 1] - 5000, y[far : far + 1])[0, 0] == pytest.approx(height[far])


def test_grid_that_contradicts_itself_is_refused(alps: Annotation) -> None:
    x, y = in_map(alps.points)
    height = alps.points.height.copy()
    height[100] += 400
    with pytest.raises(ValueError, match=r"missed by up to .* lines and .* pixels"):
        fit_locator(replace(alps.points, height=height), x, y, alps.ground_range)
    few = np.arange(x.size) < (DEGREE + 1) * (DEGREE + 2) - 1
    with pytest.raises(ValueError, match="at least 42 points, got 41"):
        fit_locator(only(alps.points, few), x[few], y[few], alps.ground_range)


def test_nan_takes_no_weight_and_outside_is_nan() -> None:
    power = np.array([[1, 2], [np.nan, 4]], np.float32)
    line, pixel = np.array([[0.0, 0.25, 0.9, 0.5, 3.0]]), np.array([[0.5, 0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_allclose(resample(power, line, pixel), [[1.5, 1.0, np.nan, 3.0, np.nan]], rtol=1e-6)


def test_calibration_is_the_table_at_its_nodes_and_linear_between(swath: Path) -> None:
    file = next(swath.glob("calibration-*iw1*vh*.xml"))
    text = file.read_text()
    vectors = re.findall(
        r"<line>(-?\d+)</line>\s*<pixel[^>]*>(.*?)</pixel>\s*<sigmaNought[^>]*>(.*?)</sigmaNought>.*?<gamma[^>]*>(.*?)</",
        text,
        re.S,
    )
    lines = [int(v[0]) for v in vectors]
    i = next(n for n, line in enumerate(lines) if line >= 0)
    for calibration, column in (("sigma0", 2), ("gamma0", 3)):
        table = parse_calibration(file.read_bytes(), file.name, calibration)
        first, second = (np.array(vectors[n][column].split(), float) for n in (i, i + 1))
        rows, cols = slice(lines[i], lines[i + 1] + 1), slice(0, 81)
        read = look_up(table, rows, cols)
        assert read[0, [0, 40, 80]] == pytest.approx(first[:3], rel=1e-6)
        assert read[-1, 40] == pytest.approx(second[1], rel=1e-6)
        assert read[0, 20] == pytest.approx((first[0] + first[1]) / 2, rel=1e-6)
        half = (lines[i + 1] - lines[i]) // 2
        share = half / (lines[i + 1] - lines[i])
        assert read[half, 40] == pytest.approx(first[1] * (1 - share) + second[1] * share, rel=1e-6)


def test_noise_is_range_times_azimuth(swath: Path) -> None:
    file = next(swath.glob("noise-*iw1*vh*.xml"))
    noise = parse_noise(file.read_bytes(), file.name)
    block = noise.along[0]
    assert (block.first_line, block.last_line, block.last_pixel) == (0, 13508, 21631)
    at = int(np.flatnonzero(noise.across.line >= 0)[0])
    line = int(noise.across.line[at])
    power = noise_power(noise, slice(line, line + 1), slice(0, 41))
    along = np.interp(line, block.line, block.value)
    assert power[0, 0] == pytest.approx(noise.across.value[at][0] * along, rel=1e-6)
    assert power[0, 40] == pytest.approx(noise.across.value[at][1] * along, rel=1e-6)


def test_azimuth_noise_counts_in_its_block_only() -> None:
    across = Vectors(np.array([0.0, 10.0]), (np.array([0.0, 10.0]),) * 2, (np.full(2, 4.0), np.full(2, 8.0)))
    block = AzimuthNoise(2, 3, 5, 9, np.array([2.0, 3.0]), np.array([2.0, 3.0]))
    power = noise_power(Noise(across, (block,)), slice(0, 5), slice(3, 8))
    assert power[:, 0] == pytest.approx([4.0, 4.4, 4.8, 5.2, 5.6])
    assert power[:, 2] == pytest.approx([4.0, 4.4, 9.6, 15.6, 5.6])


def test_table_ends_go_on_and_one_vector_is_enough() -> None:
    one = Vectors(np.array([5.0]), (np.array([0.0, 2.0]),), (np.array([1.0, 3.0]),))
    np.testing.assert_allclose(look_up(one, slice(0, 2), slice(1, 5)), [[2, 3, 3, 3]] * 2)
    two = Vectors(np.array([5.0, 7.0]), (np.array([0.0]),) * 2, (np.array([1.0]), np.array([3.0])))
    np.testing.assert_allclose(look_up(two, slice(3, 10), slice(0, 1))[:, 0], [1, 1, 1, 2, 3, 3, 3])
    np.testing.assert_allclose(look_up(two, slice(20, 22), slice(0, 1))[:, 0], [3, 3])


def test_power_is_never_negative_and_dn_zero_is_missing() -> None:
    digital = np.array([[0, 3, 10]], np.uint16)
    power = calibrate(digital, np.full((1, 3), 2, np.float32), np.full((1, 3), 16, np.float32))
    np.testing.assert_allclose(power, [[np.nan, 0, 21]])
    np.testing.assert_allclose(calibrate(digital, np.ones((1, 3), np.float32), None), [[np.nan, 9, 100]])


def speckle(shape: tuple[int, int], mean: float) -> npt.NDArray[np.uint16]:
    """DN of a surface with 4.4 looks; `mean` of DN²."""
    power = np.random.default_rng(3).gamma(4.4, mean / 4.4, shape)
    return np.rint(np.sqrt(power)).astype(np.uint16)


def test_border_is_the_low_zone_that_touches_the_edge() -> None:
    noise = np.full((1, 1), 2500, np.float32)
    digital = speckle((200, 300), 2500 * 1.3)  # water, barely above the noise
    digital[:, :60] = speckle((200, 60), 400)
    digital[190:, 60:] = 0
    digital[80:100, 150:170] = speckle((20, 20), 400)  # dark, but not at the edge
    border = no_value_border(digital, noise, left=True, right=True, top=True, bottom=True)
    assert border[:, :60].all() and border[190:].all()
    assert not border[:180, 70:].any()
    inside = no_value_border(digital, noise, left=False, right=True, top=False, bottom=False)
    assert inside[190:].all() and not inside[:180].any()  # the window's left is not the image's edge


def test_without_noise_annotation_only_the_lowest_values_are_border() -> None:
    digital = speckle((100, 100), 900)
    digital[:30] = 5
    border = no_value_border(digital, np.zeros((1, 1), np.float32), left=True, right=True, top=True, bottom=True)
    assert border[:30].all() and not border[40:].any()


def test_real_manifest_is_read(real_data: Path) -> None:
    file = next((real_data / "safe").glob("S1B_IW_GRDH*.SAFE/manifest.safe"))
    manifest = parse_manifest(file.read_bytes(), file.name)
    assert (manifest.product_type, manifest.mode, manifest.platform) == ("GRD", "IW", "sentinel-1b")
    assert (manifest.relative_orbit, manifest.orbit_direction) == (168, "descending")
    assert (manifest.datetime, manifest.processor) == ("2021-04-01T05:26:23Z", "Sentinel-1 IPF 003.31")
    assert manifest.bounds == pytest.approx((8.772268, 45.614502, 12.446052, 47.512238))
    assert [Path(p.measurement).name[:13] for p in manifest.parts] == ["s1b-iw-grd-vh", "s1b-iw-grd-vv"]
    for part in manifest.parts:
        assert part.calibration is not None and Path(part.calibration).name.startswith("calibration-s1b-iw-grd")
        assert part.noise is not None and Path(part.noise).name.startswith("noise-s1b-iw-grd")


def test_real_annotation_is_read(alps: Annotation) -> None:
    assert (alps.polarisation, alps.lines, alps.pixels, alps.spacing_m) == ("VV", 16685, 25788, (10.0, 10.0))
    assert alps.points.line.size == 210
    assert alps.points.slant_range[0] == pytest.approx(5.343315555380221e-03 * SPEED_OF_LIGHT / 2)
    assert alps.ground_range.coefficients.shape == (28, 9)


def test_rate_of_line_with_height_is_found_from_points_in_mountains(alps: Annotation) -> None:
    locator = fit_locator(alps.points, *in_map(alps.points), alps.ground_range)
    assert locator.line_per_m == pytest.approx(-1.86e-4, abs=5e-6)  # as without an expected rate
