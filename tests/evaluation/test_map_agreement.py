import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from picture_colors import colors_in
from rasterio.warp import Resampling, reproject
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from lczmap.classes import code_to_wudapt, palette
from lczmap.cli import app
from lczmap.config import Config
from lczmap.evaluation.map_agreement import (
    DIFFERENCES,
    MAX_BLOCKS,
    agreement_report,
    compare_maps,
    confusions_by_block,
    difference,
    read_other_map,
)
from lczmap.mapping.filter import filter_map
from lczmap.raster import read_cells, read_class_map, read_colors, read_tags, write_cells, write_class_map

UTM = "EPSG:32633"
WEST, NORTH = 390_000.0, 5_820_000.0  # in Berlin


def box(rows: int, cols: int, *, size: float = 100, west: float = WEST, north: float = NORTH) -> GeoBox:
    return GeoBox((rows, cols), Affine(size, 0, west, 0, -size, north), UTM)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "lcz.tif"
    codes = np.random.default_rng(0).integers(1, 18, (24, 30)).astype(np.uint8)
    codes[:2] = 0
    write_class_map(path, codes, box(24, 30), tags={}, palette="colour_blind")
    return path


def test_figures_by_hand() -> None:
    ours = np.array([[1, 2, 11, 17], [6, 6, 14, 0]], np.uint8)
    other = np.array([[1, 3, 12, 5], [14, 6, 0, 2]], np.uint8)
    report = agreement_report(ours, other, pixel_m=100, seed=0, resamples=9)
    assert (report["cells"], report["cells_only_here"], report["cells_only_other"]) == (6, 1, 1)
    assert report["km2"] == pytest.approx(0.06)
    assert report["agreement"]["value"] == pytest.approx(2 / 6)
    assert report["built_or_natural"]["value"] == pytest.approx(4 / 6)
    weighted = (12 + 11 + 11 + 5 + 7 + 12) / 12 / 6  # (1,1) (2,3) (A,B) (G,5) (6,D) (6,6)
    assert report["weighted"]["value"] == pytest.approx(weighted)
    assert list(report["differences"].values()) == [2, 1, 1, 1, 1]
    row = next(row for row in report["classes"] if row["label"] == "6")
    assert (row["km2"], row["other_km2"], row["both_km2"]) == pytest.approx((0.02, 0.01, 0.01))
    assert row["f1"] == pytest.approx(2 / 3)
    assert report["confusion_matrix"]["cells"][13, 5] == 1  # D in the other map, 6 in this one
    assert report["warnings"] == ["1 blocks: the intervals are too narrow"]


def test_kappa_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    ours = rng.integers(1, 18, (60, 60)).astype(np.uint8)
    other = np.where(rng.random(ours.shape) < 0.6, ours, rng.integers(1, 18, ours.shape)).astype(np.uint8)
    kappa = agreement_report(ours, other, pixel_m=100, seed=0, resamples=99)["kappa"]
    assert kappa["value"] == pytest.approx(cohen_kappa_score(ours.ravel(), other.ravel()))
    assert kappa["low"] < kappa["value"] < kappa["high"]


def test_every_kind_of_difference_has_its_value() -> None:
    ours = np.array([[3, 3, 11, 3, 11, 0, 3]], np.uint8)
    other = np.array([[3, 4, 12, 11, 3, 3, 0]], np.uint8)
    assert difference(ours, other).tolist() == [[1, 2, 3, 4, 5, 0, 0]]


def test_blocks_are_wide_and_not_too_many() -> None:
    codes = np.ones((30, 50), np.uint8)
    blocks, width = confusions_by_block(codes, codes, pixel_m=100)
    assert (len(blocks), width) == (15, 1000)
    assert blocks.sum() == codes.size
    codes = np.ones((700, 700), np.uint8)
    blocks, width = confusions_by_block(codes, codes, pixel_m=100)
    assert len(blocks) <= MAX_BLOCKS and width > 2000


def test_strips_of_blocks_count_every_cell_in_its_own_block() -> None:
    rng = np.random.default_rng(5)
    rows_map, cols_map = (rng.integers(0, 18, (23, 34)).astype(np.uint8) for _ in range(2))
    blocks, _ = confusions_by_block(rows_map, cols_map, pixel_m=100)
    expected = np.zeros((12, 17, 17), np.int64)
    for row, col in np.ndindex(rows_map.shape):
        if rows_map[row, col] and cols_map[row, col]:
            expected[row // 10 * 4 + col // 10, rows_map[row, col] - 1, cols_map[row, col] - 1] += 1
    np.testing.assert_array_equal(blocks, expected)


def test_a_comparison_takes_few_bytes_per_cell(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    codes = np.kron(rng.integers(1, 18, (100, 100)), np.ones((10, 10))).astype(np.uint8)
    for name in ("lcz.tif", "their.tif"):
        write_class_map(tmp_path / name, codes, box(1000, 1000), tags={})
    del codes
    tracemalloc.start()
    compare_maps(
        tmp_path / "lcz.tif", tmp_path / "their.tif", tmp_path / "a.json", tmp_path / "d.tif", tmp_path / "o.tif",
        resamples=9,
    )  # fmt: skip
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / 1e6 < 15  # cells


@pytest.mark.parametrize("numbering", ["1..17", "1..10 and 101..107"])
def test_a_map_in_another_grid_reads_the_cell_at_the_centre(tmp_path: Path, ours: Path, numbering: str) -> None:
    codes, geobox = read_class_map(ours)
    values = codes if numbering == "1..17" else code_to_wudapt(codes)
    fine = np.kron(values, np.ones((2, 2))).astype(np.int32)
    fine[fine == 0] = -999
    shifted = box(48, 60, size=50, west=WEST + 20, north=NORTH + 10)  # centres stay in their own cells
    write_cells(tmp_path / "other.tif", fine[np.newaxis], shifted, names=["map"], nodata=-999)
    other = read_other_map(tmp_path / "other.tif", geobox)
    assert other.numbering == numbering
    np.testing.assert_array_equal(other.codes, codes)


def test_a_map_in_degrees_agrees_with_gdal(tmp_path: Path, ours: Path) -> None:
    codes, geobox = read_class_map(ours)
    lonlat = GeoBox((40, 60), Affine(0.001, 0, 13.37, 0, -0.0007, 52.525), "EPSG:4326")
    values = np.random.default_rng(2).integers(0, 18, (1, 40, 60)).astype(np.uint8)
    write_cells(tmp_path / "other.tif", values, lonlat, names=["map"], nodata=0)
    expected = np.zeros(codes.shape, np.uint8)
    places = {"src_crs": "EPSG:4326", "dst_crs": UTM, "dst_transform": geobox.transform, "tolerance": 0}
    reproject(values[0], expected, src_transform=lonlat.transform, resampling=Resampling.nearest, **places)
    found = read_other_map(tmp_path / "other.tif", geobox).codes
    assert np.count_nonzero(expected) > 300
    np.testing.assert_array_equal(found, expected)


def test_the_verb_writes_a_report_rasters_and_a_picture(tmp_path: Path, ours: Path) -> None:
    codes, geobox = read_class_map(ours)
    other = np.where(codes == 6, 5, codes).astype(np.uint8)
    write_class_map(tmp_path / "their.tif", other, geobox, tags={})
    names = ("agreement.json", "difference.tif", "other.tif", "difference.png")
    out = [str(tmp_path / "out" / name) for name in names]
    result = CliRunner().invoke(
        app, ["compare-maps", str(ours), str(tmp_path / "their.tif"), *out[:3], "--picture", out[3], "--seed", "1"]
    )
    assert result.exit_code == 0, result.output
    report = json.loads(Path(out[0]).read_text())
    assert report["agreement"]["value"] == pytest.approx(1 - (codes == 6).sum() / (codes > 0).sum(), abs=1e-6)
    assert report["other"] == {
        "file": "their.tif",
        "band": 1,
        "numbering": "1..17",
        "grid": "24 × 30 of 100 m at (390000, 5820000) in EPSG:32633",
    }
    kinds, _ = read_cells(Path(out[1]), expected=geobox)
    np.testing.assert_array_equal(kinds[0], np.select([codes == 0, codes == 6], [0, 2], default=1))
    assert read_colors(Path(out[1]))[2][:3] == tuple(bytes.fromhex(DIFFERENCES[1].color[1:]))
    np.testing.assert_array_equal(read_class_map(Path(out[2]))[0], other)
    assert read_tags(Path(out[2]))["LCZMAP_PALETTE"] == "colour_blind"  # the first map's, not the other's
    seen = colors_in(Path(out[3]))
    assert set(palette("colour_blind").values()) - {palette()[0]} <= seen
    assert seen.isdisjoint({palette()[3], palette()[11]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((24, 30), 18), r"expected LCZ classes 1\.\.17, or 1\.\.10 and 101\.\.107, found 18"),
        (np.array([[12] * 30, [104] * 30] * 12), r"found 12, 104"),
        (np.full((24, 30), 2.5), "expected LCZ classes as whole numbers"),
        (np.zeros((24, 30)), "has no class on any of the 660 mapped cells"),
    ],
)
def test_a_map_of_other_values_is_refused(tmp_path: Path, ours: Path, values: np.ndarray, expected: str) -> None:
    path = tmp_path / "other.tif"
    write_cells(path, values[np.newaxis].astype(np.float32), box(24, 30), names=["probability"], nodata=None)
    with pytest.raises(ValueError, match=expected):
        compare_maps(ours, path, tmp_path / "a.json", tmp_path / "d.tif", tmp_path / "o.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["other.tif"]


def test_maps_of_two_places_are_refused_with_both_places(tmp_path: Path, ours: Path) -> None:
    far = box(24, 30, west=WEST + 100_000)
    write_class_map(tmp_path / "other.tif", np.ones((24, 30), np.uint8), far, tags={})
    with pytest.raises(ValueError, match=r"it covers longitude 14\..* the map longitude 13\..*the same city"):
        compare_maps(ours, tmp_path / "other.tif", tmp_path / "a.json", tmp_path / "d.tif", tmp_path / "o.tif")


def test_a_map_without_crs_is_refused(tmp_path: Path, ours: Path) -> None:
    import rasterio

    with rasterio.open(
        tmp_path / "bare.tif", "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8", transform=Affine.scale(9)
    ) as target:
        target.write(np.ones((1, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"bare\.tif: expected a map with a CRS"):
        compare_maps(ours, tmp_path / "bare.tif", tmp_path / "a.json", tmp_path / "d.tif", tmp_path / "o.tif")


def test_the_global_map_of_berlin_agrees_with_itself_after_gdal_moved_it(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "lcz_reference" / "lcz_reference_berlin.tif"
    values, lonlat = read_cells(source)
    utm = box(20, 25, west=391_000, north=5_820_000)
    warped = np.zeros(utm.shape, np.uint8)
    reproject(
        values[0],
        warped,
        src_transform=lonlat.transform,
        src_crs=str(lonlat.crs),
        dst_transform=utm.transform,
        dst_crs=UTM,
        resampling=Resampling.nearest,
        tolerance=0,
    )
    write_class_map(tmp_path / "lcz.tif", warped, utm, tags={})
    report = compare_maps(
        tmp_path / "lcz.tif", source, tmp_path / "a.json", tmp_path / "d.tif", tmp_path / "o.tif", resamples=9
    )
    assert report["cells"] == np.count_nonzero(warped) == 300
    assert report["agreement"]["value"] == 1


def test_the_zaragoza_map_is_read_past_its_nodata(real_data: Path) -> None:
    source = real_data / "lcz_maps" / "lcz_zaragoza.tif"
    centre = GeoBox((30, 30), Affine(100, 0, 675_000, 0, -100, 4_614_000), "EPSG:32630")
    codes = read_other_map(source, centre).codes
    assert set(np.unique(codes)) <= set(range(1, 18))
    assert (codes <= 10).mean() > 0.3  # the city's centre is built
    beyond = GeoBox((5, 5), Affine(100, 0, 100_000, 0, -100, 4_614_000), "EPSG:32630")
    assert not read_other_map(source, beyond).codes.any()


def test_the_report_says_which_map_was_compared(tmp_path: Path, ours: Path) -> None:
    filter_map(ours, tmp_path / "lcz_filtered.tif")
    out = [tmp_path / name for name in ("a.json", "d.tif", "o.tif")]
    plain = compare_maps(ours, ours, *out, resamples=9)
    assert (plain["map"], plain["map_filter"]) == ("lcz.tif", None)
    filtered = compare_maps(tmp_path / "lcz_filtered.tif", ours, *out, resamples=9)
    assert filtered["map"] == "lcz_filtered.tif" and filtered["map_filter"].startswith("Gaussian class filter")
    assert "agreement" in filtered and filtered["agreement"]["value"] < 1


def test_another_map_is_compared_with_the_unfiltered_one_unless_said_otherwise() -> None:
    first, second = Config.model_validate(
        {"other_maps": [{"name": "a", "path": "a.tif"}, {"name": "b", "path": "b.tif", "against": "lcz_filtered"}]}
    ).other_maps
    assert (first.against, second.against) == ("lcz", "lcz_filtered")
    with pytest.raises(ValueError, match="'lcz' or 'lcz_filtered'"):
        Config.model_validate({"other_maps": [{"name": "a", "path": "a.tif", "against": "filtered"}]})


def test_two_other_maps_need_two_names() -> None:
    twice = [{"name": "global", "path": path} for path in ("a.tif", "b.tif")]
    with pytest.raises(ValueError, match="`other_maps` has a name twice: global, global"):
        Config.model_validate({"other_maps": twice})
