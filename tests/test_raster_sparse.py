import numpy as np
import pytest
import rasterio

from lczmap.raster import read_window
from lczmap.raster.sparse import write_sparse

BURST = np.zeros((4, 3), np.complex64)
BURST[1:3] = np.array([[1 + 2j, -3 - 4j, 32767 - 32768j], [5, 6j, -7]])


def test_lines_that_are_there_come_back_exactly_and_others_are_zero(tmp_path):
    write_sparse(tmp_path / "a.tiff", (20, 3), [(8, BURST), (12, 2 * BURST[1:2, ::-1] / 2)])
    pixels = read_window(tmp_path / "a.tiff", slice(0, 20), slice(0, 3))
    expected = np.zeros((20, 3), np.complex64)
    expected[9:11] = BURST[1:3]
    expected[12] = BURST[1, ::-1]
    assert pixels.dtype == np.complex64 and np.array_equal(pixels, expected)


def test_file_is_a_bigtiff_of_complex_integers_that_takes_no_place_for_what_is_not_there(tmp_path):
    path = tmp_path / "a.tiff"
    write_sparse(path, (13_000, 20_000), [(1500, np.ones((2, 20_000), np.complex64))])
    assert path.read_bytes()[:4] == b"II+\0"  # little-endian BigTIFF: version 43
    assert path.stat().st_size < 1_000_000  # the whole image has 1 GB
    with rasterio.open(path) as image:
        assert (image.dtypes, image.shape, image.count) == (("complex_int16",), (13_000, 20_000), 1)


@pytest.mark.parametrize(("first_line", "samples"), [(17, 3), (-1, 3), (0, 2), (0, 4)])
def test_part_outside_the_image_is_refused_and_no_file_is_left(tmp_path, first_line, samples):
    with pytest.raises(ValueError, match=r"expected lines within 0\.\.20 of 3 samples, got 4 lines of"):
        write_sparse(tmp_path / "a.tiff", (20, 3), [(first_line, np.ones((4, samples), np.complex64))])
    assert list(tmp_path.iterdir()) == []
