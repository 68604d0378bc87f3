import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from lczmap.classes import code_to_wudapt
from lczmap.mapping import filter as gaussian
from lczmap.mapping.filter import RADIUS_M, SIGMA_M, TIE, class_weights, filter_codes, filter_map
from lczmap.provenance import FILTER_TAG
from lczmap.raster import read_class_map, read_tags, write_cells, write_class_map

Codes = npt.NDArray[np.uint8]


def window(code: int, pixel_m: float) -> npt.NDArray[np.float64]:
    """The square window of the definition, written anew."""
    half = math.floor(RADIUS_M[code - 1] / pixel_m + 0.5)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * pixel_m
    weights = np.exp(-(x**2 + y**2) / (2 * SIGMA_M[code - 1] ** 2))
    return np.asarray(weights / weights.sum())


def direct(codes: Codes, pixel_m: float) -> Codes:
    """Whole-window sums by scipy in float64; scores within TIE of the largest are equal, the first of them wins."""
    scores = np.stack(
        [ndimage.correlate((codes == c) * 1.0, window(c, pixel_m), mode="constant") for c in range(1, 18)]
    )
    winner = (scores >= scores.max(axis=0) - TIE).argmax(axis=0) + 1
    return np.where(codes == 0, 0, winner).astype(np.uint8)


def exact(codes: Codes, pixel_m: float, row: int, col: int) -> int:
    """One cell by correctly rounded sums, which do not depend on their order: no tolerance is needed."""
    scores = []
    for code in range(1, 18):
        weights = window(code, pixel_m)
        half = weights.shape[0] // 2
        padded = np.pad(codes, half)
        here = padded[row : row + 2 * half + 1, col : col + 2 * half + 1] == code
        scores.append(math.fsum(weights[here].tolist()))
    return scores.index(max(scores)) + 1


@pytest.mark.parametrize(
    ("pixel_m", "shape"), [(100, (50, 70)), (30, (24, 30)), (10, (12, 25)), (250, (30, 20)), (1000, (9, 9))]
)
def test_random_maps_equal_the_direct_reference(pixel_m: int, shape: tuple[int, int]) -> None:
    codes = np.random.default_rng(pixel_m).integers(0, 18, shape).astype(np.uint8)
    np.testing.assert_array_equal(filter_codes(codes, pixel_m), direct(codes, pixel_m))


def test_exact_ties_go_to_the_lower_code() -> None:
    codes = np.full((9, 9), 6, np.uint8)
    codes[:, :4], codes[:, 4], codes[:, 5:] = 7, 5, 3  # 3 and 7 mirror each other around the column of 5
    filtered = filter_codes(codes, 100)
    assert exact(codes, 100, 4, 4) == 3
    assert (filtered[:, 4] == 3).all()
    np.testing.assert_array_equal(filter_codes(codes[:, ::-1], 100)[:, 4], filtered[:, 4])


def test_checkerboards_of_equal_kernels_equal_correctly_rounded_sums() -> None:
    y, x = np.indices((7, 7))
    codes = np.array([[2, 9], [15, 4]], np.uint8)[y % 2, x % 2]
    codes[4, 5] = 0
    expected = [[exact(codes, 100, row, col) for col in range(7)] for row in range(7)]
    expected[4][5] = 0
    assert filter_codes(codes, 100).tolist() == expected


def test_weights_sum_to_one_and_are_those_of_the_definition() -> None:
    assert [class_weights(code, 100).size for code in (1, 2, 8, 11, 17)] == [5, 7, 11, 5, 3]
    assert [class_weights(code, 10).size for code in (1, 2, 8, 11, 17)] == [41, 61, 101, 41, 11]
    ends, middle = math.exp(-8), 1.0  # water at 100 m: d² / 2σ² = 100² / (2 · 25²)
    assert class_weights(17, 100) == pytest.approx(np.array([ends, middle, ends]) / (1 + 2 * ends))
    for code in range(1, 18):
        assert class_weights(code, 30).sum() == pytest.approx(1, abs=1e-15)


def test_no_water_cell_is_lost_or_won_at_100_m() -> None:
    codes = np.random.default_rng(3).integers(1, 18, (120, 120)).astype(np.uint8)
    codes[5:40, 5:40], codes[20, 20] = 17, 1  # a lake with one island
    codes[60:100, 60:100], codes[80, 80] = 2, 17  # a pond in a city
    filtered = filter_codes(codes, 100)
    np.testing.assert_array_equal(filtered == 17, codes == 17)
    assert filtered[20, 20] == 1 and filtered[80, 80] == 17


@pytest.mark.parametrize(("pixel_m", "kept"), [(90, True), (80, False)])
def test_a_lone_water_cell_is_kept_down_to_90_m(pixel_m: int, kept: bool) -> None:
    codes = np.full((25, 25), 8, np.uint8)
    codes[12, 12] = 17
    assert (filter_codes(codes, pixel_m)[12, 12] == 17) == kept


def test_cells_without_a_class_stay_and_count_as_nothing() -> None:
    codes = np.zeros((11, 11), np.uint8)
    codes[5, 5] = 12
    assert filter_codes(codes, 100).tolist() == codes.tolist()
    codes[5, 4:7] = [8, 12, 8]  # 12 keeps its centre weight although half of all windows is empty
    assert filter_codes(codes, 100)[5].tolist() == direct(codes, 100)[5].tolist()
    assert (filter_codes(np.zeros((3, 3), np.uint8), 100) == 0).all()


def test_a_lone_cell_takes_the_class_around_it() -> None:
    codes = np.full((30, 30), 6, np.uint8)
    codes[15, 15] = 3
    assert (filter_codes(codes, 100) == 6).all()


def test_cutting_into_tiles_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(5).integers(0, 18, (60, 50)).astype(np.uint8)
    whole = filter_codes(codes, 50)
    monkeypatch.setattr(gaussian, "_TILE_ROWS", 7)
    monkeypatch.setattr(gaussian, "_TILE_COLS", 9)
    np.testing.assert_array_equal(filter_codes(codes, 50), whole)


def test_the_filtered_map_keeps_grid_tags_and_colours(tmp_path: Path) -> None:
    box = GeoBox((20, 30), Affine(50, 0, 500_000, 0, -50, 4_400_000), "EPSG:32623")
    codes = np.full(box.shape, 14, np.uint8)
    codes[3, 4], codes[0, 0] = 11, 0
    tags = {"LCZMAP_NETWORK": "lcznet", "TIFFTAG_SOFTWARE": "lczmap 1"}
    write_class_map(tmp_path / "lcz.tif", codes, box, tags=tags, palette="colour_blind")
    share = filter_map(tmp_path / "lcz.tif", tmp_path / "out.tif")
    filtered, found = read_class_map(tmp_path / "out.tif")
    assert found == box and share == pytest.approx(1 / 599)
    assert filtered[3, 4] == 14 and filtered[0, 0] == 0
    written = read_tags(tmp_path / "out.tif")
    assert {key: written[key] for key in tags} == tags
    assert "50 m" in written[FILTER_TAG] and written["LCZMAP_PALETTE"] == "colour_blind"


def test_a_map_of_the_older_numbering_is_filtered_as_its_classes(tmp_path: Path) -> None:
    box = GeoBox((30, 30), Affine(100, 0, 500_000, 0, -100, 4_400_000), "EPSG:32623")
    codes = np.random.default_rng(1).integers(0, 18, (1, *box.shape)).astype(np.uint8)
    write_cells(tmp_path / "wudapt.tif", code_to_wudapt(codes).astype(np.int16), box, names=["lcz"], nodata=0)
    filter_map(tmp_path / "wudapt.tif", tmp_path / "out.tif")
    np.testing.assert_array_equal(read_class_map(tmp_path / "out.tif")[0], filter_codes(codes[0], 100))


def test_confidence_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    box = GeoBox((4, 4), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")
    shares = np.full((2, 4, 4), 0.75, np.float32)
    write_cells(tmp_path / "c.tif", shares, box, names=["confidence", "entropy"], nodata=math.nan)
    with pytest.raises(
        ValueError, match=r"c\.tif, band 1 \(confidence\): expected LCZ classes as whole numbers, found 0\.75"
    ):
        filter_map(tmp_path / "c.tif", tmp_path / "out.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["c.tif"]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(0.001, 0, 13, 0, -0.001, 52)),
        ("EPSG:32633", Affine(100, 0, 4e5, 0, -50, 5.8e6)),
        ("EPSG:32633", Affine(100, 0, 4e5, 0, 100, 5.8e6)),
    ],
)
def test_a_map_without_square_metre_pixels_is_refused(tmp_path: Path, crs: str, transform: Affine) -> None:
    box = GeoBox((4, 4), transform, crs)
    write_cells(tmp_path / "map.tif", np.ones((1, 4, 4), np.uint8), box, names=["LCZ"], nodata=0)
    with pytest.raises(ValueError, match=r"map\.tif: expected square, north-up pixels in metres"):
        filter_map(tmp_path / "map.tif", tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("codes", [np.ones((3, 3), np.int32), np.full((3, 3), 18, np.uint8)])
def test_other_values_than_codes_are_refused(codes: Codes) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 codes 0\.\.17"):
        filter_codes(codes, 100)
