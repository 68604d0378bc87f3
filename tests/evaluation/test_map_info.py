from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.classes import code_to_wudapt, find_numbering
from lczmap.cli import app
from lczmap.evaluation.map_info import read_info
from lczmap.raster import write_cells, write_class_map, write_float_cog

UTM = GeoBox((4, 5), Affine(100, 0, 4e5, 0, -100, 5.8e6), "EPSG:32633")
CODES = np.array([[1, 1, 14, 14, 14], [6, 6, 14, 17, 17], [0, 0, 14, 14, 14], [6, 6, 6, 6, 6]], np.uint8)


def output_of(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["info", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_our_map_is_described_with_its_tags_and_areas(tmp_path: Path) -> None:
    tags = {"TIFFTAG_SOFTWARE": "lczmap 0.1.0", "LCZMAP_NETWORK": "lcznet", "LCZMAP_GAPS": "10.00%"}
    write_class_map(tmp_path / "lcz.tif", CODES, UTM, tags=tags)
    (tmp_path / "lcz.qml").write_text("style")
    text = output_of(tmp_path / "lcz.tif")
    for expected in (
        "lcz.tif: LCZ map, made by lczmap 0.1.0",
        "EPSG:32633",
        "4 rows × 5 columns, pixel size 100 × 100 metre",
        "LCZ (uint8)",
        "1..17; nodata 0",
        "cloud-optimised GeoTIFF, 0 overviews, colours inside",
        "lcz.tif.aux.xml, lcz.qml",
        "network         lcznet",
        "gaps            10.00%",
    ):
        assert expected in text
    rows = [line.split() for line in text.splitlines() if line.startswith("  LCZ D")]
    assert rows == [["LCZ", "D:", "Low", "plants", "7", "38.89%", "0.07"]]
    assert "no class                               2  (10.00% of the raster)" in text


def test_a_foreign_map_in_degrees_is_described_with_true_areas(tmp_path: Path) -> None:
    box = GeoBox((2, 3), Affine(0.01, 0, 10, 0, -0.01, 60), "EPSG:4326")
    values = np.array([[[101, 101, -999], [5, 107, 5]]], np.int32)
    write_cells(tmp_path / "other.tif", values, box, names=["map"], nodata=-999)
    info = read_info(tmp_path / "other.tif")
    assert (info.numbering, info.is_ours, info.nodata_cells) == ("1..10 and 101..107", False, 1)
    assert [(c.code, c.cells) for c in info.classes] == [(5, 2), (11, 2), (17, 1)]
    # 0.01° of longitude at 59.995° N is 558.1 m, of latitude 1114.2 m (WGS 84 series, Snyder 1987)
    assert info.classes[1].area_km2 == pytest.approx(2 * 0.5581 * 1.1142, rel=2e-3)
    assert info.lonlat == pytest.approx((10, 59.98, 10.03, 60))
    text = output_of(tmp_path / "other.tif")
    assert "not made by lczmap (no tag says so)" in text and "no .aux.xml, .qml or .clr" in text


def test_feet_are_turned_into_kilometres(tmp_path: Path) -> None:
    box = GeoBox((2, 2), Affine(300, 0, 1e6, 0, -300, 2e5), "EPSG:2263")  # New York, US survey feet
    write_cells(tmp_path / "feet.tif", np.full((1, 2, 2), 3, np.uint8), box, names=["map"], nodata=0)
    assert read_info(tmp_path / "feet.tif").classes[0].area_km2 == pytest.approx(4 * (300 * 1200 / 3937) ** 2 / 1e6)


@pytest.mark.parametrize(
    ("crs", "west", "north", "cell"),
    [
        ("EPSG:3857", 1_490_000, 6_830_000, 100),  # Web Mercator at 52° N: a cell is 0.38 of what its sides say
        ("EPSG:3857", 20_036_000, -4_800_000, 100),  # beyond 180° E
        ("EPSG:3395", 1_490_000, 6_830_000, 1000),
        ("EPSG:3995", 900_000, -2_400_000, 10_000),  # polar: true nowhere but at one latitude, differs along a row
        ("EPSG:4258", 13.0, 52.5, 0.001),
    ],
)
def test_areas_are_those_of_the_ellipsoid_where_a_crs_stretches_them(
    tmp_path: Path, crs: str, west: float, north: float, cell: float
) -> None:
    box = GeoBox((30, 40), Affine(cell, 0, west, 0, -cell, north), crs)
    codes = np.where(np.indices(box.shape).sum(axis=0) % 3, 2, 14).astype(np.uint8)
    codes[:, 30:] = 6
    write_cells(tmp_path / "stretched.tif", codes[None], box, names=["map"], nodata=0)
    expected = dict.fromkeys((2, 6, 14), 0.0)
    to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    for row, col in np.ndindex(codes.shape):
        corners = [box.transform @ (col + c, row + r) for c, r in ((0, 0), (1, 0), (1, 1), (0, 1))]
        lon, lat = to_lonlat.transform(*zip(*corners, strict=True))
        expected[codes[row, col]] += abs(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e6
    info = read_info(tmp_path / "stretched.tif")
    assert {c.code: c.area_km2 for c in info.classes} == pytest.approx(expected, rel=1e-5)
    assert "km² on the ellipsoid" in output_of(tmp_path / "stretched.tif")


def test_areas_of_a_map_of_more_columns_than_pieces_are_true(tmp_path: Path) -> None:
    box = GeoBox((2, 1300), Affine(2000, 0, -1_300_000, 0, -2000, -3_500_000), "EPSG:3995")
    write_cells(tmp_path / "wide.tif", np.full((1, 2, 1300), 14, np.uint8), box, names=["map"], nodata=0)
    to_lonlat = pyproj.Transformer.from_crs("EPSG:3995", "EPSG:4326", always_xy=True)
    x = np.linspace(-1_300_000, 1_300_000, 1301)
    ring = [*((v, -3_500_000) for v in x), *((v, -3_504_000) for v in x[::-1])]
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*to_lonlat.transform(*zip(*ring, strict=True)))
    assert read_info(tmp_path / "wide.tif").classes[0].area_km2 == pytest.approx(abs(area) / 1e6, rel=1e-4)


def test_areas_of_a_map_in_true_metres_are_those_of_its_cells(tmp_path: Path) -> None:
    write_class_map(tmp_path / "lcz.tif", CODES, UTM, tags={})
    assert [c.area_km2 for c in read_info(tmp_path / "lcz.tif").classes] == pytest.approx([0.02, 0.07, 0.07, 0.02])
    assert "km² in the map's CRS" in output_of(tmp_path / "lcz.tif")


def test_a_map_without_crs_and_classes_is_still_described(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "bare.tif", "w", driver="GTiff", height=2, width=2, count=1, dtype="uint8", transform=Affine.scale(9)
    ) as target:
        target.write(np.zeros((1, 2, 2), np.uint8))
    text = output_of(tmp_path / "bare.tif")
    assert "none: set it (gdal_edit.py" in text and "nodata has no tag" in text and "no cell has a class" in text


def test_the_band_of_the_classes_can_be_named(tmp_path: Path) -> None:
    bands = np.stack([np.full((4, 5), 55, np.uint8), code_to_wudapt(CODES)])
    write_cells(tmp_path / "bands.tif", bands, UTM, names=["classProbability", "lcz"], nodata=None)
    assert len(read_info(tmp_path / "bands.tif", band=2).classes) == 4
    with pytest.raises(ValueError, match=r"band 1 \(classProbability\): expected LCZ classes .* found 55.*--band"):
        read_info(tmp_path / "bands.tif")
    with pytest.raises(ValueError, match="expected a band from 1 to 2, got 3"):
        read_info(tmp_path / "bands.tif", band=3)


def test_confidence_is_no_class_map(tmp_path: Path) -> None:
    part = ((slice(0, 4), slice(0, 5)), np.linspace(0.1, 0.9, 20, dtype=np.float32).reshape(1, 4, 5))
    write_float_cog(tmp_path / "c.tif", [part], UTM, names=["confidence"], tags={})
    with pytest.raises(ValueError, match=r"band 1 \(confidence\): expected LCZ classes as whole numbers, found 0\.9"):
        read_info(tmp_path / "c.tif")


@pytest.mark.parametrize(
    ("values", "numbering"),
    [([1, 10], "1..10 (either numbering)"), ([], "1..10 (either numbering)"), ([10, 11, 17], "1..17")],
)
def test_numberings(values: list[int], numbering: str) -> None:
    assert find_numbering(values, "a map") == numbering


@pytest.mark.parametrize("values", [[18], [100], [108], [11, 101]])
def test_values_of_no_numbering_are_refused(values: list[int]) -> None:
    with pytest.raises(ValueError, match=r"a map: expected LCZ classes 1\.\.17, or 1\.\.10 and 101\.\.107"):
        find_numbering(values, "a map")
