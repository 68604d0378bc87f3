"""Pixel sizes that two sensors do not share, painted into a landscape."""

import numpy as np
import pytest
from scipy import ndimage
from test_coregister import CORE_PX, SIZE_PX, Image, optical, radar, windows

from lczmap.scenes.coregister import SEARCH_PX, Correlation, correlate, prepare_fixed
from lczmap.scenes.scale import fit_scale

CITY_PX = (3.0 * CORE_PX, 3.0 * CORE_PX)
CENTRE_PX = SEARCH_PX + 1.5 * CORE_PX
PLACES = np.array([(y, x) for y in (-CORE_PX, 0, CORE_PX) for x in (-CORE_PX, 0, CORE_PX)], np.float64)


def stretched(power: Image, factor_down: float, factor_right: float) -> Image:
    """Show what lies at x at centre + (x - centre) / factor, as a product of pixels `factor` times as large does."""
    rows, cols = np.mgrid[0:SIZE_PX, 0:SIZE_PX] + 0.5 - CENTRE_PX
    places = np.stack([rows * factor_down, cols * factor_right]) + CENTRE_PX - 0.5
    return np.stack([ndimage.map_coordinates(channel, places, order=1, mode="nearest") for channel in power])


def correlations(power: Image, seed: int = 0) -> list[Correlation]:
    pairs = zip(windows(optical(seed)), windows(power), strict=True)
    return [correlate(prepare_fixed(f), m) for f, m in pairs]


def test_equal_pixels_are_consistent() -> None:
    scale = fit_scale(correlations(radar(0, right=0.7, down=-0.4)), PLACES, CITY_PX)
    assert scale.is_consistent is True
    assert abs(scale.right - 1) < 3 * scale.sigma_right
    assert abs(scale.down - 1) < 3 * scale.sigma_down


@pytest.mark.parametrize("factor", [1.01, 1.03])
def test_larger_pixels_along_columns_are_found_and_called_inconsistent(factor: float) -> None:
    scale = fit_scale(correlations(stretched(radar(0, right=2.0, down=1.0), 1.0, factor)), PLACES, CITY_PX)
    assert scale.is_consistent is False
    assert scale.right == pytest.approx(factor, abs=0.002)
    assert scale.down == pytest.approx(1, abs=0.002)
    assert scale.sigma_right < 0.002


def test_unrelated_pictures_tell_nothing_about_the_scale() -> None:
    assert fit_scale(correlations(radar(1, right=0, down=0)), PLACES, CITY_PX).is_consistent is None


def test_windows_in_one_row_tell_nothing_about_the_scale() -> None:
    found = correlations(radar(0, right=0, down=0))
    places = np.array([(0.0, x) for x in range(9)])
    scale = fit_scale(found, places, CITY_PX)
    assert scale.is_consistent is None
    assert np.isnan(scale.right)
