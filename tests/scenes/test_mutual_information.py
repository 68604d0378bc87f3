"""The second estimator, on pictures whose shift is known."""

import numpy as np
import pytest
from test_coregister import Image, optical, radar, windows

from lczmap.scenes.mutual_information import (
    BINS,
    MISSING,
    REACH_PX,
    InformationShift,
    classify_optical,
    classify_radar,
    estimate_by_information,
    joint_histograms,
)


def estimate(bands: Image, power: Image) -> InformationShift:
    pairs = zip(windows(bands), windows(power), strict=True)
    histograms = [joint_histograms(classify_optical(f), classify_radar(m)) for f, m in pairs]
    return estimate_by_information(histograms, (windows(bands)[0].shape[1] - 2 * REACH_PX) ** 2)


def test_a_known_shift_is_found_within_a_quarter_pixel_and_twice_its_uncertainty() -> None:
    shift = estimate(optical(0), radar(0, right=1.3, down=-2.4))
    error = np.hypot(shift.right + 1.3, shift.down - 2.4)
    assert shift.is_clear
    assert error < 0.25
    assert shift.sigma < 0.25


def test_unrelated_pictures_give_no_clear_shift() -> None:
    assert not estimate(optical(0), radar(1, right=0, down=0)).is_clear


def test_classes_are_of_equal_size_and_missing_pixels_have_none() -> None:
    bands = optical(0)[:, :64, :64].copy()
    bands[:, 20:30, 20:30] = np.nan
    classes = classify_optical(bands)
    assert classes.shape == (2, 3, 64, 64)
    assert np.all(classes[:, :, 20:30, 20:30] == MISSING)
    shares = np.bincount(classes[0, 0].ravel(), minlength=BINS)[:BINS] / (classes[0, 0] != MISSING).sum()
    assert shares == pytest.approx(1 / BINS, abs=0.01)


def test_joint_histograms_count_the_pixels_of_the_core_at_every_shift() -> None:
    rng = np.random.default_rng(3)
    fixed, moving = (rng.integers(0, BINS, (1, 1, 40, 44)).astype(np.uint8) for _ in range(2))
    counts = joint_histograms(fixed, moving)[0, 0, 0]
    r = REACH_PX
    assert np.all(counts.sum(axis=(0, 1)) == (40 - 2 * r) * (44 - 2 * r))
    # a picture that lies 3 px right and 2 px up, counted by hand
    core, seen = fixed[0, 0, r:-r, r:-r], moving[0, 0, r - 2 : -r - 2, r + 3 : 44 - r + 3]
    by_hand = np.zeros((BINS, BINS))
    np.add.at(by_hand, (core.ravel(), seen.ravel()), 1)
    assert np.array_equal(counts[:, :, r - 2, r + 3], by_hand)


def test_too_few_windows_say_nothing() -> None:
    missing = np.full((1, 1, 40, 40), MISSING, np.uint8)
    shift = estimate_by_information([joint_histograms(missing, missing)] * 5, 256)
    assert np.isnan(shift.right)
    assert not shift.is_clear


def test_estimates_agree_within_half_a_pixel_or_twice_their_joint_uncertainty() -> None:
    shift = InformationShift(1.0, 0.0, sigma=0.4, contrast=20.0)
    assert shift.agrees(1.45, 0.0, 0.0)
    assert shift.agrees(1.9, 0.0, 0.3)  # twice hypot(0.4, 0.3) is 1 px
    assert not shift.agrees(1.9, 0.0, 0.0)


def test_windows_that_do_not_fit_are_refused() -> None:
    small = np.zeros((1, 1, 24, 24), np.uint8)
    with pytest.raises(ValueError, match="more than 24 each way"):
        joint_histograms(small, small)
