from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy as copy_raster
from rio_cogeo import cog_validate

from lczmap.classes import CLASSES, code_to_wudapt
from lczmap.raster import (
    Stack,
    band_names,
    covering,
    footprint,
    lattice,
    read_cells,
    read_class_map,
    read_onto,
    read_part,
    read_stack,
    warp,
    write_cells,
    write_class_map,
    write_picture,
    write_probabilities,
    write_stack,
)
from lczmap.raster.files import profile_of
from lczmap.raster.warping import source_scales

UTM = "EPSG:32633"


def geobox(rows: int, cols: int, *, west: float = 400_000, north: float = 5_800_000, size: float = 10) -> GeoBox:
    return GeoBox((rows, cols), Affine(size, 0, west, 0, -size, north), UTM)


def painted(path: Path, box: GeoBox) -> Path:
    """Each pixel holds its own centre's easting minus 400 km, so a reading says where it came from."""
    x = box.transform.c + (np.arange(box.shape[1]) + 0.5) * box.transform.a - 400_000
    write_cells(path, np.tile(x.astype(np.float32), (1, box.shape[0], 1)), box, names=["x"], nodata=None)
    return path


def test_reading_onto_a_window_lands_on_the_right_pixels(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(50, 60))
    pixels = read_onto(source, geobox(4, 5, west=400_100, north=5_799_900))
    np.testing.assert_allclose(pixels, np.tile([105, 115, 125, 135, 145], (4, 1)), atol=1e-3)


def test_a_shift_moves_the_picture_east(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(50, 60))
    pixels = read_onto(source, geobox(4, 5, west=400_100, north=5_799_900), shift_m=(3.0, 0.0))
    np.testing.assert_allclose(pixels[0], np.array([105, 115, 125, 135, 145]) - 3, atol=1e-3)


def test_pixels_outside_the_source_are_missing(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(10, 10))
    half = read_onto(source, geobox(10, 10, west=400_050), resampling="nearest")
    assert np.isnan(half[:, 5:]).all()
    assert np.isfinite(half[:, :5]).all()
    assert np.isnan(read_onto(source, geobox(10, 10, west=500_000))).all()


def test_a_scene_in_the_neighbouring_zone_lands_within_a_tenth_of_a_pixel(tmp_path: Path) -> None:
    zone32 = GeoBox((400, 400), Affine(10, 0, 800_000, 0, -10, 5_800_000), "EPSG:32632")
    east, north = np.meshgrid(800_005 + 10.0 * np.arange(400), 5_799_995 - 10.0 * np.arange(400))
    write_cells(tmp_path / "z.tif", np.stack([east, north]).astype(np.float32), zone32, names=["e", "n"], nodata=None)
    west, south, right, top = footprint(lattice(tmp_path / "z.tif"), UTM)
    target = geobox(20, 20, west=round((west + right) / 2, -1), north=round((south + top) / 2, -1))
    x, y = np.meshgrid(target.transform.c + 5 + 10.0 * np.arange(20), target.transform.f - 5 - 10.0 * np.arange(20))
    import pyproj

    expected = pyproj.Transformer.from_crs(UTM, "EPSG:32632", always_xy=True).transform(x, y)
    for band in (1, 2):
        assert np.abs(read_onto(tmp_path / "z.tif", target, band=band) - expected[band - 1]).max() < 1.0  # m


def test_the_given_georeference_replaces_the_files_own(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(50, 60))
    moved = (10.0, 0.0, 401_000.0, 0.0, -10.0, 5_800_000.0)
    pixels = read_onto(source, geobox(2, 2, west=401_000), crs=UTM, transform=moved)
    np.testing.assert_allclose(pixels[0], [5, 15], atol=1e-3)


def test_nodata_stays_missing_and_does_not_bleed(tmp_path: Path) -> None:
    array = np.full((1, 6, 6), 100, np.uint16)
    array[0, :, 3] = 0
    write_cells(tmp_path / "dn.tif", array, geobox(6, 6), names=["B2"], nodata=0)
    pixels = read_onto(tmp_path / "dn.tif", geobox(6, 6), resampling="bilinear")
    assert np.isnan(pixels[:, 3]).all()
    assert set(np.unique(np.delete(pixels, 3, axis=1))) == {100.0}


def test_a_reflectance_stack_round_trips_with_names_state_and_nodata(tmp_path: Path) -> None:
    pixels = np.array([[[0.1234, np.nan], [0.0, 2.8]]], np.float32)
    write_stack(
        tmp_path / "s2.tif", Stack(pixels, ("B2",), geobox(2, 2), {"level": "L1C"}), encoding="uint16_reflectance"
    )
    back = read_stack(tmp_path / "s2.tif")
    np.testing.assert_allclose(back.pixels, [[[0.1234, np.nan], [0.0001, 2.8]]], atol=1e-6)
    assert (back.channels, dict(back.state)) == (("B2",), {"level": "L1C"})
    assert back.geobox == geobox(2, 2)
    with rasterio.open(tmp_path / "s2.tif") as raw:
        assert raw.read(1).tolist() == [[1234, 0], [1, 28000]]
        assert (raw.nodata, raw.scales[0]) == (0, 1e-4)


def test_a_window_of_a_stack_is_the_stacks_window(tmp_path: Path) -> None:
    pixels = np.arange(60, dtype=np.float32).reshape(1, 6, 10)
    write_stack(tmp_path / "s.tif", Stack(pixels, ("VV",), geobox(6, 10)))
    part = read_stack(tmp_path / "s.tif", window=(slice(1, 3), slice(4, 7)))
    np.testing.assert_array_equal(part.pixels, pixels[:, 1:3, 4:7])
    assert part.geobox == geobox(6, 10)[1:3, 4:7]


def test_windows_of_a_stack_come_from_one_open_file_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, windows = tmp_path / "s.tif", [(slice(row, row + 2), slice(0, 3)) for row in range(4)]
    opened: list[object] = []
    really = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda *args, **options: opened.append(args) or really(*args, **options))
    for value in (1, 2):
        write_stack(path, Stack(np.full((1, 6, 10), value, np.float32), ("VV",), geobox(6, 10)))
        opened.clear()
        assert {float(read_stack(path, window=window).pixels.mean()) for window in windows} == {value}
        assert len(opened) == 1


def test_the_class_map_is_a_valid_cog_with_colours_and_names(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 18, (700, 900)).astype(np.uint8)
    path = tmp_path / "lcz.tif"
    write_class_map(path, codes, geobox(700, 900, size=100), tags={"MODEL": "test"})
    valid, errors, _ = cog_validate(path, strict=True)
    assert valid, errors
    with rasterio.open(path) as source:
        colours = source.colormap(1)
        assert colours[0][3] == 0
        assert [colours[c.code][:3] for c in CLASSES] == [c.rgb for c in CLASSES]
        assert (source.nodata, source.dtypes, source.tags()["MODEL"]) == (0, ("uint8",), "test")
        assert source.overviews(1)
        overview = source.read(1, out_shape=(350, 450))
    assert overview.max() <= 17
    assert read_class_map(path)[0].tolist() == codes.tolist()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lcz.tif", "lcz.tif.aux.xml"]
    assert "<Category>LCZ A: Dense trees</Category>" in (tmp_path / "lcz.tif.aux.xml").read_text()


def test_the_attribute_table_counts_the_cells_and_has_the_chosen_colours(tmp_path: Path) -> None:
    codes = np.array([[0, 6, 6], [6, 13, 17]], np.uint8)
    write_class_map(tmp_path / "lcz.tif", codes, geobox(2, 3), tags={"LCZMAP_PALETTE": "x"}, palette="colour_blind")
    table = ET.parse(tmp_path / "lcz.tif.aux.xml").getroot().find("PAMRasterBand/GDALRasterAttributeTable")
    assert table is not None
    rows = [[cell.text for cell in row] for row in table.iter("Row")]
    assert [column.findtext("Name") for column in table.iter("FieldDefn")][:3] == ["Value", "Count", "Class"]
    assert len(rows) == 17
    assert rows[5] == ["6", "3", "LCZ 6: Open lowrise", "182", "107", "18", "255"]  # #b66b12
    assert rows[12][:3] == ["13", "1", "LCZ C: Bush, scrub"]
    with rasterio.open(tmp_path / "lcz.tif") as source:
        assert source.colormap(1)[6] == (182, 107, 18, 255)
        assert source.tags()["LCZMAP_PALETTE"] == "colour_blind"


def test_the_overview_shows_the_most_frequent_class(tmp_path: Path) -> None:
    codes = np.full((512, 512), 6, np.uint8)
    codes[::2, ::2] = 17  # a quarter of every 2×2 block
    write_class_map(tmp_path / "lcz.tif", codes, geobox(512, 512, size=100), tags={})
    with rasterio.open(tmp_path / "lcz.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) == {6}


def test_probabilities_are_written_in_parts(tmp_path: Path) -> None:
    part = np.full((17, 2, 3), 1 / 17, np.float32)
    box = geobox(2, 6, size=100)
    write_probabilities(tmp_path / "p.tif", iter([((slice(0, 2), slice(3, 6)), part)]), box, tags={})
    array, _ = read_cells(tmp_path / "p.tif", expected=box)
    assert np.isnan(array[:, :, :3]).all()
    np.testing.assert_array_equal(array[:, :, 3:], part)
    assert band_names(tmp_path / "p.tif")[10] == "LCZ A: Dense trees"


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1, 17, 0], [0, 14, 0]], np.uint8),
        np.array([[1, 17, 255], [255, 14, 0]], np.uint8),
        np.array([[1, 17, -1], [-999, 14, 0]], np.int16),
        np.array([[1, 17, np.nan], [np.inf, 14, 0]], np.float32),
        np.array([[1, 107, -999], [0, 104, -999]], np.int32),
    ],
)
def test_a_map_of_other_origin_is_read_as_codes(tmp_path: Path, values: np.ndarray) -> None:
    nodata = 255 if values.dtype == np.uint8 else None
    bands = np.stack([values, np.full_like(values, 99)])
    write_cells(tmp_path / "map.tif", bands, geobox(2, 3), names=["lcz", "quality"], nodata=nodata)
    codes, box = read_class_map(tmp_path / "map.tif")
    assert (codes.dtype, codes.tolist()) == (np.uint8, [[1, 17, 0], [0, 14, 0]])
    assert box == geobox(2, 3)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array([[0.25, np.nan, 0.9375]], np.float32), "as whole numbers, found 0.9375 among float32 numbers"),
        (np.array([[3, 18, 0]], np.uint8), "found 18"),
        (np.array([[3, 255, 0]], np.uint8), "found 255"),
        (np.array([[3, 700, 300]], np.int16), "found 300, 700"),
        (np.array([[12, 104, 0]], np.uint8), "found 12, 104"),
    ],
)
def test_anything_but_classes_is_refused_with_file_band_and_remedy(
    tmp_path: Path, values: np.ndarray, found: str
) -> None:
    write_cells(tmp_path / "map.tif", values[None], geobox(1, 3), names=["share"], nodata=0)
    with pytest.raises(
        ValueError, match=rf"map\.tif, band 1 \(share\): expected LCZ classes .*{found}.*gdal_translate -b"
    ):
        read_class_map(tmp_path / "map.tif")


def test_a_map_of_several_strips_is_read_row_by_row(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 18, (1100, 3)).astype(np.uint8)
    write_cells(tmp_path / "map.tif", code_to_wudapt(codes)[None], geobox(1100, 3), names=["lcz"], nodata=0)
    np.testing.assert_array_equal(read_class_map(tmp_path / "map.tif")[0], codes)


def test_files_that_could_pass_4_gb_are_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = profile_of(geobox(8000, 8000), len(CLASSES), "float32", np.nan)  # 4.4 GB
    with rasterio.open(tmp_path / "large.tif", "w", **profile, sparse_ok=True):
        pass
    assert (tmp_path / "large.tif").read_bytes()[:4] == b"II+\0"  # little-endian BigTIFF: version 43
    copies: list[dict[str, object]] = []

    def copy(*files: Path, **options: object) -> None:
        copies.append(options)
        copy_raster(*files, **options)

    monkeypatch.setattr("lczmap.raster.cog.copy_raster", copy)
    write_class_map(tmp_path / "lcz.tif", np.ones((2, 3), np.uint8), geobox(2, 3), tags={})
    write_picture(tmp_path / "rgb.tif", [], geobox(2, 3), tags={})
    assert [options["bigtiff"] for options in copies] == ["IF_SAFER"] * 2


def test_one_band_is_read_without_the_others(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(2, 3))
    (tmp_path / "two.vrt").write_text(
        f"""<VRTDataset rasterXSize="3" rasterYSize="2"><SRS>{
            UTM
        }</SRS><GeoTransform>4e5,10,0,5.8e6,0,-10</GeoTransform>
        {
            "".join(
                f'<VRTRasterBand dataType="Float32" band="{i}"><SimpleSource><SourceFilename>{name}</SourceFilename>'
                "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
                for i, name in ((1, source), (2, tmp_path / "gone.tif"))
            )
        }</VRTDataset>"""
    )
    assert read_part(tmp_path / "two.vrt")[0].tolist() == [[5, 15, 25]] * 2
    assert read_part(tmp_path / "two.vrt", geobox(2, 3)[:, 1:])[0].tolist() == [[15, 25]] * 2
    with pytest.raises(ValueError, match=r"two\.vrt: the raster is corrupt"):
        read_part(tmp_path / "two.vrt", band=2)


def test_a_corrupt_raster_is_named(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(300, 300))
    source.write_bytes(source.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"x\.tif.*(corrupt|not a readable raster)"):
        read_onto(source, geobox(300, 300))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def parts():  # type: ignore[no-untyped-def]
        yield (slice(0, 1), slice(0, 1)), np.zeros((17, 1, 1), np.float32)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_probabilities(tmp_path / "p.tif", parts(), geobox(2, 2), tags={})
    assert list(tmp_path.iterdir()) == []


def test_a_raster_on_another_grid_is_refused(tmp_path: Path) -> None:
    source = painted(tmp_path / "x.tif", geobox(5, 5))
    for read in (read_cells, read_class_map):
        with pytest.raises(ValueError, match=r"x\.tif: expected the grid"):
            read(source, expected=geobox(5, 6))


def test_a_missing_file_and_a_missing_band_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_stack(tmp_path / "none.tif")
    source = painted(tmp_path / "x.tif", geobox(5, 5))
    with pytest.raises(ValueError, match="expected band 2, the file has 1"):
        read_onto(source, geobox(5, 5), band=2)


@pytest.mark.parametrize("axis", [0, 1])
def test_pixels_of_another_zone_lie_within_a_hundredth_of_a_pixel(axis: int) -> None:
    source = GeoBox((2000, 2000), Affine(10, 0, 700_000, 0, -10, 5_000_000), "EPSG:32632")
    places = source.transform @ np.meshgrid(np.arange(2000) + 0.5, np.arange(2000) + 0.5)
    across = pyproj.Transformer.from_crs(source.crs.to_epsg(), 32633, always_xy=True)
    x, y = (round(value, -1) for value in across.transform(710_000, 4_990_000))
    target = GeoBox((600, 1100), Affine(10, 0, x - 5500, 0, -10, y + 3000), "EPSG:32633")
    there = across.transform(
        *(target.transform @ np.meshgrid(np.arange(1100) + 0.5, np.arange(600) + 0.5)), direction="INVERSE"
    )
    middle = places[axis].mean()
    painted = warp((places[axis] - middle).astype(np.float32), source, target, resampling="bilinear")
    assert np.abs(painted + middle - there[axis]).max() < 0.1  # metres


def crossing(centre_lon: float) -> tuple[GeoBox, np.ndarray]:
    """A city of 40 km around a longitude at 40° S, in UTM 60S or 1S, and its pixels' longitudes, -180..180."""
    zone = 32760 if centre_lon > 0 else 32701
    to_lonlat = pyproj.Transformer.from_crs(zone, 4326, always_xy=True)
    x, y = to_lonlat.transform(centre_lon, -40, direction="INVERSE")
    box = GeoBox((20, 40), Affine(1000, 0, x - 20_000, 0, -1000, y + 10_000), f"EPSG:{zone}")
    lon, _ = to_lonlat.transform(*(box.transform @ np.meshgrid(np.arange(40) + 0.5, np.arange(20) + 0.5)))
    return box, lon


@pytest.mark.parametrize("centre_lon", [179.995, -179.9, 179.0])
@pytest.mark.parametrize("west", [-180, 0, 170])
def test_a_city_on_the_antimeridian_is_read_on_both_sides(tmp_path: Path, west: int, centre_lon: float) -> None:
    size = 0.05
    cols = round((20 if west == 170 else 360) / size)
    globe = GeoBox((40, cols), Affine(size, 0, west, 0, -size, -39), "EPSG:4326")
    places = west + (np.arange(cols) + 0.5) * size
    from_180 = np.abs((places + 360) % 360 - 180)
    write_cells(
        tmp_path / "globe.tif", np.tile(from_180, (1, 40, 1)).astype(np.float32), globe, names=["d"], nodata=None
    )
    target, lon = crossing(centre_lon)
    expected = 180 - np.abs(lon)
    nearest = read_onto(tmp_path / "globe.tif", target, resampling="nearest")
    np.testing.assert_allclose(nearest, (np.floor(expected / size) + 0.5) * size, atol=1e-3)
    smooth = read_onto(tmp_path / "globe.tif", target)
    assert np.abs(smooth - expected)[expected > size].max() < 0.02 * size
    assert covering(globe, target, margin=1).shape[1] < 20
    assert source_scales(globe, target) == {"XSCALE": 1.0, "YSCALE": 1.0}
