"""Calibration of complex images against the table by hand and against the look-up of ground-range products."""

import numpy as np
import numpy.typing as npt
import pytest

from lczmap.sar.calibrate import sigma0_amplitude
from lczmap.sar.grd_radiometry import Vectors, look_up


def table(seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    line = np.array([-30.0, 20.0, 57.0, 130.0])
    pixel = tuple(np.sort(rng.choice(200, 9, replace=False)).astype(np.float64) for _ in line)
    return Vectors(line, pixel, tuple(rng.uniform(200, 400, 9) for _ in line))


def flat(value: float) -> Vectors:
    return Vectors(np.array([0.0, 100.0]), (np.array([0.0, 50.0]),) * 2, (np.full(2, value),) * 2)


def numbers(shape: tuple[int, int], seed: int = 1) -> npt.NDArray[np.complex64]:
    parts = np.random.default_rng(seed).integers(1, 500, (2, *shape)).astype(np.float32)
    return (parts[0] - 1j * parts[1]).astype(np.complex64)


def test_flat_table_divides_amplitudes() -> None:
    digital = np.array([[300 + 400j, -60j]], np.complex64)
    got = sigma0_amplitude(digital, flat(100.0), slice(10, 11), slice(5, 7))
    assert got.dtype == np.complex64
    assert np.allclose(got, [[3 + 4j, -0.6j]], rtol=1e-6)
    assert np.abs(got[0, 0]) ** 2 == pytest.approx(25, rel=1e-6)  # |DN|² / A² = 250000 / 10000


def test_table_is_bilinear_by_hand() -> None:
    lines = Vectors(
        np.array([0.0, 10.0]), (np.array([0.0, 4.0]),) * 2, (np.array([100.0, 200]), np.array([300.0, 500]))
    )
    # at line 5, pixel 1: ((100 · 3 + 200) / 4 + (300 · 3 + 500) / 4) / 2 = 237.5
    got = sigma0_amplitude(np.full((1, 1), 475, np.complex64), lines, slice(5, 6), slice(1, 2))
    assert got[0, 0] == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "cols"),
    [
        (slice(0, 100), slice(0, 200)),
        (slice(57, 58), slice(30, 90)),  # one line, on a line of the table
        (slice(120, 200), slice(150, 300)),  # beyond the table's last line and pixel
        (slice(200, 210), slice(0, 5)),  # wholly beyond
    ],
)
def test_whole_windows_agree_with_the_look_up(rows: slice, cols: slice) -> None:
    digital = numbers((rows.stop - rows.start, cols.stop - cols.start))
    got = sigma0_amplitude(digital, table(), rows, cols)
    assert np.allclose(got, digital / look_up(table(), rows, cols), rtol=1e-6)


def test_windows_before_the_table_take_its_first_values() -> None:
    later = Vectors(np.array([50.0, 60.0]), (np.array([5.0, 9.0]),) * 2, (np.array([100.0, 1.0]), np.array([7.0, 7.0])))
    got = sigma0_amplitude(np.full((3, 4), 200, np.complex64), later, slice(0, 3), slice(0, 4))
    assert np.allclose(got, 2.0)


def test_table_of_one_line_holds_everywhere() -> None:
    one = Vectors(np.array([7.0]), (np.array([0.0, 10.0]),), (np.array([50.0, 100.0]),))
    got = sigma0_amplitude(np.full((2, 11), 100, np.complex64), one, slice(0, 2), slice(0, 11))
    assert np.allclose(got[:, 0], 2.0)
    assert np.allclose(got[:, 10], 1.0)


def test_zero_stays_zero() -> None:
    digital = np.array([[0, 1, 1j]], np.complex64)
    got = sigma0_amplitude(digital, flat(2.0), slice(0, 1), slice(0, 3))
    assert got.tolist() == [[0, 0.5, 0.5j]]


def test_cut_of_a_larger_array_gives_the_same() -> None:
    digital = numbers((40, 60))
    whole = sigma0_amplitude(digital, table(), slice(0, 40), slice(0, 60))
    part = sigma0_amplitude(digital[10:30, 5:25], table(), slice(10, 30), slice(5, 25))
    assert np.array_equal(part, whole[10:30, 5:25])


def test_window_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lines 0\.\.4 and pixels 0\.\.5.*\(5, 4\)"):
        sigma0_amplitude(numbers((5, 4)), flat(1.0), slice(0, 4), slice(0, 5))
