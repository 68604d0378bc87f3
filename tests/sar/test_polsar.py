"""Refined Lee against direct float64 loops and the statistics of its specification; H, A, alpha against eigh.

The loops here share nothing with the filter: a 7×7 window is cut out around every pixel, and its masks, gradients, mean
and variance are taken as they are written down.
"""

import numpy as np
import numpy.typing as npt
import pytest

from lczmap.sar.polsar import (
    boxcar,
    covariance,
    equivalent_looks,
    h_a_alpha,
    intensity_lee,
    refined_lee,
    refined_lee_double,
)
from lczmap.sar.refined_lee import half_windows

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
    """Which half of a 7×7 window of the span; of complete 3×3 windows nine times the mean, so that ties stay ties."""
    m = np.full((3, 3), np.nan)
    for r in range(3):
        for c in range(3):
            cells = window[2 * r : 2 * r + 3, 2 * c : 2 * c + 3]
            if np.isfinite(cells).any():
                m[r, c] = np.nansum(cells) * 9 / np.isfinite(cells).sum()
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
    elements[:, ~np.isfinite(c2).all(axis=0)] = np.nan
    padded = np.pad(elements, ((0, 0), (3, 3), (3, 3)), constant_values=np.nan)
    out = np.full(elements.shape, np.nan)
    for y, x in zip(*np.nonzero(np.isfinite(elements[0])), strict=True):
        window = padded[:, y : y + 7, x : x + 7]
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
    got = refined_lee_double(c2, looks=looks)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    rounding = 1e-13 * (expected[0] + expected[3])  # where signed C12 add up to nearly nothing
    valid = ~np.isnan(expected)
    assert np.all((np.abs(got - expected) <= 1e-6 * np.abs(expected) + rounding)[valid])
    assert np.array_equal(refined_lee(c2, looks=looks), got.astype(np.float32), equal_nan=True)


def with_bright_targets(c2: npt.NDArray[np.float32], share: float, seed: int) -> npt.NDArray[np.float32]:
    """Make some pixels a million times brighter."""
    chosen = np.random.default_rng(seed).random(c2.shape[1:]) < share
    return np.where(chosen, c2 * np.float32(1e6), c2)


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


@pytest.mark.slow
def test_filter_equals_direct_loops_across_the_tiles_it_works_in() -> None:
    assert_equals_reference(homogeneous((12, 201), seed=10))
    assert_equals_reference(homogeneous((265, 9), seed=11))


@pytest.mark.parametrize("looks", [1.0, 4.4])
def test_filter_equals_direct_loops_beside_very_bright_targets(looks: float) -> None:
    assert_equals_reference(with_bright_targets(homogeneous((30, 40), seed=12), 0.02, seed=13), looks)


def test_single_bright_target_on_constant_ground_equals_direct_loops() -> None:
    c2 = np.empty((4, 15, 15), np.float32)
    c2[:] = np.array([0.05, 0.01, -0.02, 0.25], np.float32)[:, None, None]
    c2[:, 7, 7] *= 1e6
    assert_equals_reference(c2)  # by symmetry many windows have ties: the first gradient counts


def test_equal_gradients_take_the_first_and_no_gradient_the_first_half() -> None:
    c2 = np.zeros((4, 50, 60), np.float32)
    c2[[0, 3]] = np.random.default_rng(16).random((2, 50, 60)) < 0.04  # sums of 0 and 1: ties in most windows
    assert_equals_reference(c2)


def test_bright_target_leaves_no_rounding_error_in_windows_without_it() -> None:
    c2 = homogeneous((9, 600), seed=14)
    bright = c2.copy()
    bright[:, 4, 20] = [2e11, 1e10, 1e10, 1e12]
    assert np.array_equal(refined_lee_double(bright)[:, :, 24:], refined_lee_double(c2)[:, :, 24:])


def test_half_windows_are_28_pixels_with_the_centre() -> None:
    halves = half_windows()
    assert halves.sum(axis=(1, 2)).tolist() == [28] * 8
    assert halves[:, 3, 3].all()
    assert all(halves[d, y, x] == is_in_half(d, y, x) for d in range(8) for y in range(7) for x in range(7))


def test_filter_equals_direct_loops_with_missing_pixels() -> None:
    c2 = homogeneous((30, 26), seed=1)
    missing = np.random.default_rng(2).random((30, 26)) < 0.25
    c2[:, missing] = np.nan
    c2[:, 5:15, 8:20] = np.nan
    c2[1, 20, 20] = np.inf
    c2[0, 21, 21] = np.nan  # one element is enough
    assert_equals_reference(c2)
    assert np.isnan(refined_lee(c2)[:, 20, 20]).all()


def test_filter_equals_direct_loops_in_an_image_smaller_than_the_window() -> None:
    assert_equals_reference(homogeneous((2, 5), seed=3))
    assert_equals_reference(homogeneous((1, 1), seed=3))


def test_constant_area_keeps_its_value() -> None:
    c2 = np.empty((4, 12, 12), np.float32)
    c2[:] = np.array([0.05, 0.01, -0.02, 0.25], np.float32)[:, None, None]
    assert_equals_reference(c2)
    assert np.allclose(refined_lee(c2), c2, rtol=1e-6)


def test_zero_area_stays_zero() -> None:
    beside = homogeneous((20, 20), seed=15)
    beside[:, 5:16, :12] = 0
    assert_equals_reference(beside)
    assert (refined_lee(beside)[:, 8:13, :8] == 0).all()
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
    assert profile[37:40] == pytest.approx(1.0, abs=0.04)  # a 5×5 mean gives 2.8 and 4.6 in the last two
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


def averaged(shape: tuple[int, int], seed: int) -> npt.NDArray[np.float32]:
    """Covariances of all kinds: random ones of five looks, some pixels of one look, diagonal, without VH, equal."""
    rng = np.random.default_rng(seed)
    looks = [covariance(speckle(shape, VH_POWER, rng), speckle(shape, VV_POWER, rng)) for _ in range(5)]
    c2 = np.mean(looks, axis=0, dtype=np.float64).astype(np.float32)
    c2[:, :4] = looks[0][:, :4]
    c2[1:3, 4:8] = 0
    c2[:3, 8] = 0
    c2[:, 9] = np.array([0.5, 0, 0, 0.5], np.float32)[:, None]
    c2[1:, 10] = 0
    return c2


def eigen_decomposition(c2: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return entropy, anisotropy and alpha of (4, n) by numpy's Hermitian eigenvalues."""
    out = []
    for c11, re, im, c22 in c2.astype(np.float64).T:
        values, vectors = np.linalg.eigh(np.array([[c11, re + 1j * im], [re - 1j * im, c22]]))
        shares = np.clip(values / values.sum(), 0, 1)
        alpha = np.degrees(np.arccos(np.clip(np.abs(vectors[0]), 0, 1)))
        entropy = -sum(p * np.log2(p) for p in shares if p > 0)
        out.append([entropy, abs(shares[1] - shares[0]), (shares * alpha).sum()])
    return np.array(out).T


def test_decomposition_equals_the_eigenvalues_of_numpy() -> None:
    c2 = averaged((60, 50), seed=20)
    expected = eigen_decomposition(c2.reshape(4, -1)).reshape(3, 60, 50)
    difference = np.abs(h_a_alpha(c2) - expected)
    assert difference[:2].max() < 1e-6
    assert difference[2].max() < 2e-5


def test_decomposition_by_hand() -> None:
    # eigenvalues 3 and 1 of [[2, i], [-i, 2]], eigenvectors at 45 degrees; all power in VH; all in VV
    c2 = np.array([[2, 0, 1, 2], [3, 0, 0, 0], [0, 0, 0, 3]], np.float32).T[:, :, None]
    entropy = -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    expected = np.array([[entropy, 0.5, 45], [0, 1, 0], [0, 1, 90]]).T[:, :, None]
    assert np.allclose(h_a_alpha(c2), expected, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-12, 0.1, 10, 1e12])
def test_decomposition_does_not_depend_on_the_scale(factor: float) -> None:
    c2 = averaged((40, 40), seed=21)
    scaled = (c2 * np.float32(factor)).astype(np.float32)
    # rounding of the scaled float32 input alone moves eigenvalues of single looks by 1e-7 of the power
    assert np.allclose(h_a_alpha(scaled), h_a_alpha(c2), rtol=0, atol=np.array([3e-6, 1e-6, 3e-5])[:, None, None])


def test_swapping_the_polarisations_turns_alpha_into_its_complement() -> None:
    c2 = averaged((40, 40), seed=22)
    swapped = c2[[3, 1, 2, 0]] * np.array([1, 1, -1, 1], np.float32)[:, None, None]
    one, other = h_a_alpha(c2), h_a_alpha(swapped)
    assert np.allclose(other[:2], one[:2], atol=1e-6)
    assert np.allclose(other[2], 90 - one[2], atol=2e-5)


def test_one_look_has_no_entropy() -> None:
    entropy, anisotropy, _ = h_a_alpha(homogeneous((50, 50), seed=23))
    assert entropy.max() < 1e-5
    assert anisotropy.min() > 1 - 1e-6


def test_degenerate_matrices_follow_their_rules() -> None:
    c2 = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, np.nan, 0, 1], [1, 0, np.inf, 1], [-1, 0, 0, 0.5]], np.float32)
    got = h_a_alpha(c2.T[:, :, None])[:, :, 0].T
    assert got[0].tolist() == [1, 0, 45]  # equal eigenvalues
    assert np.isnan(got[1:]).all()  # no power, missing, infinite, negative power


def test_mean_covariance_is_that_of_the_valid_pixels_of_the_window() -> None:
    c2 = homogeneous((11, 14), seed=24)
    c2[:, np.random.default_rng(25).random((11, 14)) < 0.3] = np.nan
    c2[2, 5, 5] = np.inf
    got = boxcar(c2)
    valid = np.isfinite(c2).all(axis=0)
    for y in range(11):
        for x in range(14):
            window = (slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3))
            if valid[y, x]:
                expected = c2[:, *window][:, valid[window]].astype(np.float64).mean(axis=1)
                assert np.allclose(got[:, y, x], expected, rtol=1e-6, atol=1e-9)
            else:
                assert np.isnan(got[:, y, x]).all()
    assert np.array_equal(boxcar(c2, 1)[:, valid], c2[:, valid])


def test_mean_covariance_of_an_image_smaller_than_the_window() -> None:
    c2 = homogeneous((2, 3), seed=26)
    assert np.allclose(boxcar(c2)[:, 1, 2], c2[:, :, 0:3].mean(axis=(1, 2), dtype=np.float64), rtol=1e-6)


def test_wrong_arguments_are_named() -> None:
    c2 = homogeneous((9, 9))
    with pytest.raises(ValueError, match=r"window of 7 pixels.*got 5"):
        refined_lee(c2, window=5)
    with pytest.raises(ValueError, match="positive number of looks, got 0"):
        refined_lee(c2, looks=0)
    for function in (refined_lee, refined_lee_double, boxcar, h_a_alpha):
        with pytest.raises(ValueError, match=r"\(4, rows, cols\)"):
            function(c2[:3])
    with pytest.raises(ValueError, match="odd number of pixels, got 4"):
        boxcar(c2, 4)
    with pytest.raises(ValueError, match="one shape"):
        covariance(np.zeros((2, 2), np.complex64), np.zeros((2, 3), np.complex64))
    with pytest.raises(ValueError, match="one shape"):
        intensity_lee(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32), looks=4.4)
