"""The refined Lee filter against a direct float64 reference and against the statistics of its specification."""

import numpy as np
import numpy.typing as npt
import pytest

from lczmap.sar.polsar import covariance, equivalent_looks, intensity_lee, refined_lee

VH_POWER, VV_POWER = 0.05, 0.25


def speckle(shape: tuple[int, int], power: float, rng: np.random.Generator) -> npt.NDArray[np.complex64]:
    parts = rng.normal(0, np.sqrt(power / 2), (2, *shape))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def homogeneous(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return covariance(speckle(shape, VH_POWER, rng), speckle(shape, VV_POWER, rng))


def is_in_half(d: int, y: int, x: int) -> bool:
    return (x >= 3, x >= y, y <= 3, x <= 6 - y, x <= 3, x <= y, y >= 3, x >= 6 - y)[d]


def direction(window: npt.NDArray[np.float64]) -> int:
    m = np.full((3, 3), np.nan)
    for r in range(3):
        for c in range(3):
            cells = window[2 * r : 2 * r + 3, 2 * c : 2 * c + 3]
            if np.isfinite(cells).any():
                m[r, c] = np.nanmean(cells)
    m[np.isnan(m)] = np.nanmean(m)
    g = [
        m[:, 2].sum() - m[:, 0].sum(),
        m[0, 1] + m[0, 2] + m[1, 2] - (m[1, 0] + m[2, 0] + m[2, 1]),
        m[0].sum() - m[2].sum(),
        m[0, 0] + m[0, 1] + m[1, 0] - (m[1, 2] + m[2, 1] + m[2, 2]),
    ]
    d = int(np.argmax(np.abs(g)))
    return d + 4 if g[d] > 0 else d


def reference(c2: npt.NDArray[np.float32], looks: float) -> npt.NDArray[np.float64]:
    elements = c2.astype(np.float64)
    _, rows, cols = elements.shape
    out = np.full(elements.shape, np.nan)
    for y in range(rows):
        for x in range(cols):
            if not np.isfinite(elements[:, y, x]).all():
                continue
            window = np.full((4, 7, 7), np.nan)
            for j in range(7):
                for i in range(7):
                    v, u = y + j - 3, x + i - 3
                    if 0 <= v < rows and 0 <= u < cols and np.isfinite(elements[:, v, u]).all():
                        window[:, j, i] = elements[:, v, u]
            span = window[0] + window[3]
            d = direction(span)
            chosen = [(j, i) for j in range(7) for i in range(7) if is_in_half(d, j, i) and np.isfinite(span[j, i])]
            values = np.array([span[j, i] for j, i in chosen])
            mean = values.mean()
            variance = values.var(ddof=1) if len(values) > 1 else 0.0
            k = 0.0
            if variance > 0:
                k = max(0.0, (variance - mean**2 / looks) / (1 + 1 / looks)) / variance
            local = np.array([window[:, j, i] for j, i in chosen]).mean(axis=0)
            out[:, y, x] = local + k * (elements[:, y, x] - local)
    return out


def assert_equals_reference(c2: npt.NDArray[np.float32], looks: float = 1.0) -> None:
    expected = reference(c2, looks)
    got = refined_lee(c2, looks=looks)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    scale = np.broadcast_to(expected[0] + expected[3], expected.shape)
    valid = ~np.isnan(expected)
    assert np.all(np.abs(got - expected)[valid] <= 1e-6 * scale[valid])


def test_covariance_multiplies_vh_by_conjugate_vv() -> None:
    vh = np.array([[1 + 2j, 3 - 1j]], np.complex64)
    vv = np.array([[2 - 1j, np.nan]], np.complex64)
    c2 = covariance(vh, vv)
    # (1 + 2i)(2 + i) = 0 + 5i
    assert c2[:, 0, 0].tolist() == [5, 0, 5, 5]
    assert np.isnan(c2[:, 0, 1]).all()
    assert c2.dtype == np.float32


@pytest.mark.parametrize("looks", [1.0, 4.4])
def test_filter_equals_direct_loops_including_borders(looks: float) -> None:
    c2 = homogeneous((23, 31))
    c2[:, :, 15:] *= 10
    c2[:, 12:, :] *= 4
    assert_equals_reference(c2, looks)


def test_filter_equals_direct_loops_with_missing_pixels() -> None:
    c2 = homogeneous((30, 26), seed=1)
    missing = np.random.default_rng(2).random((30, 26)) < 0.25
    c2[:, missing] = np.nan
    c2[:, 5:15, 8:20] = np.nan
    c2[1, 20, 20] = np.inf
    assert_equals_reference(c2)


def test_filter_equals_direct_loops_in_an_image_smaller_than_the_window() -> None:
    assert_equals_reference(homogeneous((2, 5), seed=3))
    assert_equals_reference(homogeneous((1, 1), seed=3))


def test_constant_area_keeps_its_value() -> None:
    c2 = np.empty((4, 12, 12), np.float32)
    c2[:] = np.array([0.05, 0.01, -0.02, 0.25], np.float32)[:, None, None]
    assert_equals_reference(c2)
    assert np.allclose(refined_lee(c2), c2, rtol=1e-6)


def test_zero_area_stays_zero() -> None:
    assert np.array_equal(refined_lee(np.zeros((4, 9, 9), np.float32)), np.zeros((4, 9, 9)))


def test_lonely_pixel_keeps_its_value() -> None:
    c2 = np.full((4, 9, 9), np.nan, np.float32)
    c2[:, 4, 4] = [0.1, 0.02, 0.03, 0.4]
    assert np.allclose(refined_lee(c2)[:, 4, 4], c2[:, 4, 4])
    assert np.isnan(refined_lee(c2)).sum() == 4 * 80


def test_single_look_speckle_has_the_known_statistics() -> None:
    c2 = homogeneous((500, 500), seed=4)
    filtered = refined_lee(c2)[:, 4:-4, 4:-4].astype(np.float64)
    span = filtered[0] + filtered[3]
    assert span.mean() ** 2 / span.var() >= 25
    assert filtered[0].mean() / c2[0].mean() == pytest.approx(0.96, abs=0.02)
    assert filtered[3].mean() / c2[3].mean() == pytest.approx(0.87, abs=0.02)


def test_isolated_bright_target_keeps_half_of_its_power() -> None:
    c2 = homogeneous((41, 41), seed=5)
    c2[:, 20, 20] = [200, 0, 0, 1000]
    assert refined_lee(c2)[3, 20, 20] / 1000 == pytest.approx(0.5, abs=0.002)


def test_step_edge_stays_sharp_on_the_dark_side() -> None:
    c2 = homogeneous((3000, 80), seed=6)
    c2[:, :, 40:] *= 10
    profile = refined_lee(c2)[3].mean(axis=0) / VV_POWER
    assert profile[39] == pytest.approx(1.0, abs=0.05)  # a 5×5 mean gives 4.6 there
    assert profile[40] / 10 == pytest.approx(0.55, abs=0.05)
    assert profile[43] / 10 == pytest.approx(0.87, abs=0.02)


def test_scaling_scales_the_result() -> None:
    c2 = homogeneous((40, 40), seed=7)
    assert np.allclose(refined_lee(c2 * 8), refined_lee(c2) * 8, rtol=1e-6)


def test_intensities_are_filtered_as_a_covariance_without_cross_term() -> None:
    rng = np.random.default_rng(8)
    vh = rng.gamma(4.4, VH_POWER / 4.4, (60, 60)).astype(np.float32)
    vv = rng.gamma(4.4, VV_POWER / 4.4, (60, 60)).astype(np.float32)
    zeros = np.zeros_like(vh)
    expected = refined_lee(np.stack([vh, zeros, zeros, vv]), looks=4.4)
    got_vh, got_vv = intensity_lee(vh, vv, looks=4.4)
    assert np.array_equal(got_vh, expected[0])
    assert np.array_equal(got_vv, expected[3])


@pytest.mark.parametrize("looks", [1.0, 4.4])
def test_looks_are_found_between_textured_areas(looks: float) -> None:
    rng = np.random.default_rng(9)
    field = np.full((600, 600), VV_POWER)
    field[:, 300:] *= rng.choice([0.2, 1.0, 5.0], (600, 300))  # a third of the windows and more hold texture
    field[:200] *= 3
    intensity = (field * rng.gamma(looks, 1 / looks, field.shape)).astype(np.float32)
    intensity[:10] = np.nan
    assert equivalent_looks(intensity) == pytest.approx(looks, rel=0.1)


def test_looks_of_an_image_without_complete_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 complete windows"):
        equivalent_looks(np.ones((40, 40), np.float32))


def test_wrong_arguments_are_named() -> None:
    c2 = homogeneous((9, 9))
    with pytest.raises(ValueError, match=r"window of 7 pixels.*got 5"):
        refined_lee(c2, window=5)
    with pytest.raises(ValueError, match="positive number of looks, got 0"):
        refined_lee(c2, looks=0)
    with pytest.raises(ValueError, match=r"\(4, rows, cols\)"):
        refined_lee(c2[:3])
    with pytest.raises(ValueError, match="one shape"):
        covariance(np.zeros((2, 2), np.complex64), np.zeros((2, 3), np.complex64))
    with pytest.raises(ValueError, match="one shape"):
        intensity_lee(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32), looks=4.4)
