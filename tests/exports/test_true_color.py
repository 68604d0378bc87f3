from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_city import made_grid, write_stacks
from rio_cogeo import cog_validate

from lczmap.exports.true_color import draw_true_color, stretched
from lczmap.grid import Grid
from lczmap.raster import read_cells

GRID = made_grid()


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_stacks(GRID, tmp_path_factory.mktemp("stacks"))


@pytest.fixture(scope="module")
def picture(stacks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "rgb.tif"
    draw_true_color(stacks[::-1], GRID, path)
    return path


def test_the_picture_is_stretched_between_the_percentiles_of_the_whole_city(picture: Path):
    bands, _ = read_cells(picture, expected=GRID.geobox)
    row, col = np.indices((60, 180))
    there = (row >= 10) | (col >= 10)
    for band, painted in ((0, 0.1 + 0.001 * col), (1, 0.1 + 0.001 * row)):
        black, white = np.percentile(painted[there], [1, 99])
        expected = 1 + 254 * np.clip((painted - black) / (white - black), 0, 1)
        # a percentile between two of the painted steps may be either
        assert np.abs(bands[band][there] - expected[there]).max() < 4
        assert (bands[band][there].min(), bands[band].max()) == (1, 255)


def test_tiles_leave_no_seam(picture: Path):
    red = read_cells(picture)[0][0, 30].astype(int)
    assert (np.diff(red) >= 0).all() and np.diff(red).max() <= 2  # 254 / 180 a pixel, also across column 90


def test_a_pixel_without_one_band_is_nodata_in_all(picture: Path):
    with rasterio.open(picture) as source:
        assert (source.nodata, source.descriptions) == (0, ("red", "green", "blue"))
        assert [c.name for c in source.colorinterp] == ["red", "green", "blue"]
        missing = source.dataset_mask() == 0
        assert source.read()[:, missing].max() == 0
    assert missing[:10, :10].all() and missing.sum() == 100


def test_the_picture_is_a_valid_cog_and_says_how_it_was_stretched(picture: Path):
    assert cog_validate(picture, strict=True)[0]
    with rasterio.open(picture) as source:
        black = [float(text) for text in source.tags()["LCZMAP_BLACK"].split()]
    assert black[0] == pytest.approx(0.101, abs=0.0015) and black[2] == pytest.approx(0.2, abs=1e-4)


def test_brightness_is_clipped_and_even():
    reflectance = np.array([[[0.0, 0.1, 0.2, 0.3, 0.9]]] * 3, np.float32)
    bright = stretched(reflectance, np.full(3, 0.1), np.full(3, 0.3))
    assert bright[0, 0].tolist() == [1, 1, 128, 255, 255]


def test_a_missing_a_doubled_and_a_foreign_stack_are_refused(stacks: list[Path], tmp_path: Path):
    with pytest.raises(ValueError, match="got none for r000c001"):
        draw_true_color(stacks[:1], GRID, tmp_path / "rgb.tif")
    with pytest.raises(ValueError, match="tile r000c000 was already given"):
        draw_true_color([stacks[0], stacks[0]], GRID, tmp_path / "rgb.tif")
    other = Grid("EPSG:32633", GRID.west + 100, GRID.north, 180, 60, 10, 90, GRID.aoi)
    with pytest.raises(ValueError, match=r"r000c000\.tif: expected a tile of this grid"):
        draw_true_color(stacks, other, tmp_path / "rgb.tif")
    assert not list(tmp_path.iterdir())
