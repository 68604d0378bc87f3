import numpy as np
import pytest
from scipy import fft

from lczmap.scenes.shift_surface import near_shifts

REACH = 12


@pytest.mark.parametrize("shape", [(64, 64), (50, 257), (288, 288), (97, 211)])
def test_small_shifts_are_those_of_the_whole_correlation_bit_by_bit(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    fixed, moving = rng.standard_normal(shape), rng.standard_normal((3, *shape))
    spectrum = np.conj(fft.rfft2(fixed.astype(np.float32))) * fft.rfft2(moving.astype(np.float32))
    whole = np.roll(fft.irfft2(spectrum, s=shape), (REACH, REACH), axis=(-2, -1))
    np.testing.assert_array_equal(near_shifts(spectrum, shape, REACH), whole[..., : 2 * REACH + 1, : 2 * REACH + 1])


def test_a_picture_moved_down_and_right_correlates_there() -> None:
    fixed = np.zeros((40, 50), np.float32)
    fixed[20, 20] = 1
    moved = np.roll(fixed, (3, -5), axis=(0, 1))
    found = near_shifts(np.conj(fft.rfft2(fixed)) * fft.rfft2(moved), fixed.shape, REACH)
    assert np.unravel_index(np.argmax(found), found.shape) == (REACH + 3, REACH - 5)
    assert found.max() == pytest.approx(1)
