"""What structure images keep and what they leave out."""

import numpy as np
import pytest
from scipy import ndimage

from lczmap.scenes.structure import fixed_structure, moving_structure

SHAPE = (60, 70)


def blobs(bands: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(bands, *SHAPE))
    return np.exp(ndimage.gaussian_filter(noise, (0, 2, 2))).astype(np.float32)


def test_optical_bands_and_their_ratios_give_edges_and_radar_its_logarithm_too() -> None:
    assert fixed_structure(blobs(4)).images.shape == (4 + 3, *SHAPE)
    assert moving_structure(blobs(2)).images.shape == (2 * 2, *SHAPE)


def test_shade_that_darkens_all_bands_alike_leaves_the_ratios_as_they_are() -> None:
    bands = blobs(3)
    shade = np.ones(SHAPE, np.float32)
    shade[20:40, 30:50] = 0.3
    plain, shaded = fixed_structure(bands).images, fixed_structure(bands * shade).images
    assert np.allclose(plain[3:], shaded[3:], atol=1e-4)
    assert not np.allclose(plain[:3], shaded[:3], atol=0.5)


def test_images_have_zero_mean_and_unit_variance_where_valid() -> None:
    bands = blobs(2)
    bands[:, 10:20, 10:20] = np.nan
    structure = moving_structure(bands)
    valid = structure.valid > 0
    for image in structure.images:
        assert image[valid].mean() == pytest.approx(0, abs=1e-3)
        assert image[valid].std() == pytest.approx(1, abs=1e-3)
        assert np.all(image[~valid] == 0)


def test_pixels_next_to_missing_ones_are_missing() -> None:
    bands = blobs(1)
    bands[0, 30, 30] = np.nan
    bands[0, 10, 10] = 0
    valid = moving_structure(bands).valid
    # two steps up, down, left and right
    assert np.argwhere(valid[28:33, 30] > 0).size == 0
    assert np.argwhere(valid[10, 8:13] > 0).size == 0
    assert valid.sum() == valid.size - 2 * 13


def test_the_scale_of_the_input_does_not_matter() -> None:
    assert np.allclose(moving_structure(blobs(2)).images, moving_structure(blobs(2) * 1e-3).images, atol=1e-3)


def test_an_empty_band_gives_zeros() -> None:
    structure = moving_structure(np.full((1, *SHAPE), np.nan, np.float32))
    assert not structure.images.any()
    assert not structure.valid.any()
