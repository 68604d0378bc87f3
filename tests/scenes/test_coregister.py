"""The shift between an optical and a speckled radar picture of one painted landscape, known to a hundredth pixel."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from lczmap.scenes.coregister import SEARCH_PX, Shift, combine, correlate, estimate_shift, prepare_fixed

Image = npt.NDArray[np.float32]

FINE = 4  # cells of the painted landscape per pixel
SIZE_PX = 320
CORE_PX = 88
CLASSES = 8


@cache
def landscape(seed: int) -> tuple[Image, Image]:
    """Paint fields and blocks: four optical bands and two radar powers, each on `FINE` cells per pixel.

    Which class is bright in one sensor says nothing about the other, as between radar and optics.
    """
    rng = np.random.default_rng(seed)
    size = SIZE_PX * FINE
    centres = rng.uniform(0, size, ((size // (12 * FINE)) ** 2, 2))
    bends = [10 * FINE * ndimage.gaussian_filter(rng.normal(size=(size, size)), 5 * FINE) for _ in range(2)]
    places = np.mgrid[0:size, 0:size] + np.stack(bends)
    cell = cKDTree(centres).query(places.reshape(2, -1).T, workers=2)[1].reshape(size, size)
    kind = rng.integers(0, CLASSES, len(centres))
    spectra = rng.uniform(0.03, 0.3, (4, CLASSES))[:, kind] * np.exp(0.1 * rng.normal(size=(4, len(centres))))
    decibel = rng.uniform(-16, -6, (2, CLASSES))[:, kind] + rng.normal(size=(2, len(centres)))
    return spectra[:, cell].astype(np.float32), (10 ** (decibel / 10))[:, cell].astype(np.float32)


def optical(seed: int) -> Image:
    fine, _ = landscape(seed)
    noise = 1 + 0.02 * np.random.default_rng(seed + 1).normal(size=(4, SIZE_PX, SIZE_PX))
    return (to_pixels(fine) * noise).astype(np.float32)


def radar(seed: int, *, right: float, down: float, draw: int = 0) -> Image:
    """Single-look powers of a picture that lies `right`, `down` pixels off the ground."""
    _, fine = landscape(seed)
    rows, cols = fft.fftfreq(fine.shape[1])[:, None], fft.rfftfreq(fine.shape[2])
    phase = np.exp(-2j * np.pi * FINE * (rows * down + cols * right))
    moved = np.maximum(to_pixels(fft.irfft2(fft.rfft2(fine, workers=2) * phase, fine.shape[1:], workers=2)), 1e-4)
    return (moved * np.random.default_rng(draw).exponential(size=moved.shape)).astype(np.float32)


def to_pixels(fine: npt.NDArray[np.floating]) -> Image:
    return fine.reshape(len(fine), SIZE_PX, FINE, SIZE_PX, FINE).mean(axis=(2, 4)).astype(np.float32)


def windows(image: Image) -> list[Image]:
    # a border of the landscape's size is cut off: the painted shift wraps around there
    starts = range(SEARCH_PX, SIZE_PX - CORE_PX - 2 * SEARCH_PX + 1, CORE_PX)
    length = CORE_PX + 2 * SEARCH_PX
    return [
        image[:, y - SEARCH_PX : y - SEARCH_PX + length, x - SEARCH_PX :][..., :length] for y in starts for x in starts
    ]


def estimate(seed: int, radar_image: Image) -> Shift:
    return estimate_shift(windows(optical(seed)), windows(radar_image))


@pytest.mark.slow
def test_fifty_random_shifts_are_found_to_a_small_part_of_a_pixel() -> None:
    rng = np.random.default_rng(10)
    errors = []
    for seed in range(5):
        fixed = [prepare_fixed(window) for window in windows(optical(seed))]
        for draw in range(10):
            right, down = rng.uniform(-3, 3, 2)
            moving = windows(radar(seed, right=right, down=down, draw=draw))
            shift = combine([correlate(f, m) for f, m in zip(fixed, moving, strict=True)])
            assert shift.is_reliable, shift.reason
            errors.append(np.hypot(shift.right + right, shift.down + down))
    median, most = np.median(errors), np.quantile(errors, 0.95)
    print(f"median {median:.3f} px, 95 % {most:.3f} px, largest {np.max(errors):.3f} px")
    assert median <= 0.05 and most <= 0.15 and np.max(errors) <= 0.5


def test_the_shift_moves_the_radar_back_onto_the_ground() -> None:
    # a picture that lies to the right and below has to go left and up
    shift = estimate(0, radar(0, right=2.0, down=1.0))
    assert (shift.right, shift.down) == pytest.approx((-2, -1), abs=0.15)


def test_uncertainty_is_of_the_size_of_the_errors() -> None:
    errors, sigmas = [], []
    for draw in range(6):
        shift = estimate(0, radar(0, right=0.4, down=-0.7, draw=draw))
        errors += [shift.right + 0.4, shift.down - 0.7]
        sigmas.append(shift.sigma)
    assert 0.4 < np.std(errors) / np.mean(sigmas) < 2.5


def test_unrelated_pictures_are_flagged() -> None:
    for optical_seed, radar_seed in ((0, 1), (1, 0), (1, 2)):
        shift = estimate(optical_seed, radar(radar_seed, right=0, down=0))
        assert not shift.is_reliable
        assert shift.reason


def test_a_shift_beyond_ten_pixels_is_flagged_as_implausible() -> None:
    shift = estimate(0, radar(0, right=-12, down=0))
    assert shift.right == pytest.approx(12, abs=0.2)
    assert not shift.is_reliable
    assert "implausible" in shift.reason


def test_clouds_and_missing_radar_do_not_move_the_estimate() -> None:
    clouded, gappy = optical(0), radar(0, right=1.3, down=0.6)
    clouded[:, 100:150, 60:200] = np.nan
    clouded[:2, 220:240, 220:260] = 0  # no positive reflectance counts as missing
    gappy[:, :, 250:] = np.nan
    shift = estimate_shift(windows(clouded), windows(gappy))
    assert shift.is_reliable, shift.reason
    assert (shift.right, shift.down) == pytest.approx((-1.3, -0.6), abs=0.15)


def test_a_window_that_shows_something_else_is_left_out() -> None:
    fixed, moving = windows(optical(0)), windows(radar(0, right=1, down=1))
    strange = windows(radar(0, right=-6, down=4))[0]
    shift = estimate_shift([*fixed, fixed[0]], [*moving, strange])
    assert shift.agrees == (True,) * len(fixed) + (False,)
    assert shift.window_shifts[-1] == pytest.approx((6, -4), abs=0.5)
    assert (shift.right, shift.down) == pytest.approx((-1, -1), abs=0.15)


def test_shade_beside_what_radar_sees_bright_hardly_draws_the_estimate() -> None:
    # a sun in the south-east: what is bright for the radar throws a shadow two pixels long to the north-west
    bright = landscape(2)[1][0] > np.median(landscape(2)[1][0])
    shadow = np.roll(bright, (-2 * FINE, -2 * FINE), axis=(0, 1)) & ~bright
    bands = optical(2) * (1 - 0.7 * to_pixels(shadow[None].astype(np.float32)))
    shift = estimate_shift(windows(bands), windows(radar(2, right=0.5, down=0.5)))
    # without ratios of bands 0.48 px
    assert np.hypot(shift.right + 0.5, shift.down + 0.5) < 0.25


def test_too_few_windows_with_data_are_flagged() -> None:
    empty = np.full_like(optical(0), np.nan)
    shift = estimate_shift(windows(optical(0)), windows(empty[:2]))
    assert not shift.is_reliable
    assert "0 of 9 windows show enough common pixels" in shift.reason
    assert (shift.right, shift.down) == (0, 0)


def test_windows_that_do_not_fit_are_refused() -> None:
    image = optical(0)
    with pytest.raises(ValueError, match="more than 32 px"):
        prepare_fixed(image[:, :32, :])
    with pytest.raises(ValueError, match=r"expected a window \(band, 64, 64\)"):
        correlate(prepare_fixed(image[:, :64, :64]), image[:2, :64, :65])
