"""The three-band export, against the format's own words and a pixel-by-pixel look-up."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.cli import app
from lczmap.exports.lcz_generator import export_lcz_generator, generator_lattice
from lczmap.raster import write_cells, write_class_map, write_float_cog

SHAPE = (40, 55)
GEOBOX = GeoBox(SHAPE, Affine(100, 0, 389_000, 0, -100, 5_820_000), "EPSG:32633")
RANDOM = np.random.default_rng(3)
CODES = RANDOM.integers(0, 18, SHAPE).astype(np.uint8)
FILTERED = np.where(CODES > 0, 5, 0).astype(np.uint8)
PROBABILITY = RANDOM.uniform(0.06, 1, SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    write_class_map(folder / "lcz.tif", CODES, GEOBOX, tags={"LCZMAP_SENSORS": "sentinel-2"})
    write_class_map(folder / "lcz_filtered.tif", FILTERED, GEOBOX, tags={"LCZMAP_FILTER": "Gaussian"})
    write_confidence(folder / "confidence.tif", PROBABILITY, GEOBOX)
    export_lcz_generator(*sources(folder), folder / "lcz_generator.tif")
    return folder


def sources(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "lcz.tif", folder / "lcz_filtered.tif", folder / "confidence.tif"


def write_confidence(path: Path, probability: np.ndarray, geobox: GeoBox) -> None:
    bands = np.stack([probability, probability / 2])
    whole = (slice(0, geobox.shape[0]), slice(0, geobox.shape[1]))
    write_float_cog(path, [(whole, bands)], geobox, names=["confidence", "entropy"], tags={})


def test_the_format_is_that_of_the_lcz_generator(folder: Path) -> None:
    with rasterio.open(folder / "lcz_generator.tif") as source:
        assert source.descriptions == ("lcz", "lczFilter", "classProbability")
        assert source.dtypes == ("int16",) * 3 and source.nodata is None
        assert source.crs.to_epsg() == 4326 and source.compression.name == "lzw"
        assert source.block_shapes == [(256, 256)] * 3
        assert f"{source.transform.a:.15f}" == "0.000898315284120" == f"{-source.transform.e:.15f}"
        assert source.tags()["LCZMAP_FILTER"] == "Gaussian"


def test_each_pixel_has_what_the_map_has_at_its_centre(folder: Path) -> None:
    with rasterio.open(folder / "lcz_generator.tif") as source:
        bands = source.read()
        rows, cols = np.mgrid[: source.height, : source.width]
        lon, lat = source.transform @ (cols + 0.5, rows + 0.5)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(lon, lat)
    col, row = (x - 389_000) / 100, (5_820_000 - y) / 100
    inside = (col >= 0) & (row >= 0) & (col < SHAPE[1]) & (row < SHAPE[0])
    clear = np.minimum(abs(col - np.rint(col)), abs(row - np.rint(row))) > 0.02  # not on a border between two cells
    at = row[inside].astype(int), col[inside].astype(int)
    percent = np.where(CODES > 0, np.rint(PROBABILITY * 100), 0)
    for band, layer in zip(bands, (CODES, FILTERED, percent), strict=True):
        np.testing.assert_array_equal(band[inside & clear], layer[at][clear[inside]])
        assert (band[~inside & clear] == 0).all()
    assert (bands[2][bands[0] == 0] == 0).all() and bands[2].max() <= 100


def test_every_cell_of_the_map_is_covered_and_kept() -> None:
    # at 52° a pixel is 100 m × 61 m: each cell of 100 m holds the centre of at least one
    target = generator_lattice(GEOBOX)
    xy = [GEOBOX.transform @ corner for corner in ((0, 0), (SHAPE[1], 0), (0, SHAPE[0]), SHAPE[::-1])]
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    for lon, lat in (to_lonlat.transform(*corner) for corner in xy):
        col, row = ~target.transform @ (lon, lat)
        assert 0 <= col <= target.shape[1] and 0 <= row <= target.shape[0]


def test_neighbouring_maps_share_one_lattice_and_larger_pixels_have_larger_pixels() -> None:
    size = generator_lattice(GEOBOX).transform.a
    for geobox in (GEOBOX, GeoBox((10, 10), Affine(100, 0, 412_300, 0, -100, 5_901_100), "EPSG:32633")):
        west, north = generator_lattice(geobox).transform @ (0, 0)
        np.testing.assert_allclose([west / size, north / size], np.rint([west / size, north / size]), atol=1e-6)
    coarse = GeoBox((20, 27), Affine(300, 0, 389_000, 0, -300, 5_820_000), "EPSG:32633")
    assert generator_lattice(coarse).transform.a == pytest.approx(3 * size, rel=1e-12)


def test_a_map_across_the_antimeridian_stays_small_and_keeps_its_classes(tmp_path: Path) -> None:
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(180, -16.8)
    geobox = GeoBox((20, 30), Affine(100, 0, round(x, -2) - 1500, 0, -100, round(y, -2) + 1000), "EPSG:32760")
    codes = np.full((20, 30), 6, np.uint8)
    codes[:, 15:] = 17  # east of 180°
    for name in ("lcz.tif", "lcz_filtered.tif"):
        write_class_map(tmp_path / name, codes, geobox, tags={})
    write_confidence(tmp_path / "confidence.tif", np.ones((20, 30), np.float32), geobox)
    export_lcz_generator(*sources(tmp_path), tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as source:
        assert source.width < 35 and source.bounds.left < 180 < source.bounds.right
        middle = source.read(1)[source.height // 2]
    assert middle[5] == 6 and middle[-6] == 17


def test_maps_of_different_grids_or_in_degrees_and_files_without_confidence_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    lcz, filtered, confidence = sources(folder)
    moved = GeoBox(SHAPE, Affine(100, 0, 389_100, 0, -100, 5_820_000), "EPSG:32633")
    write_class_map(tmp_path / "moved.tif", FILTERED, moved, tags={})
    with pytest.raises(ValueError, match=r"moved.tif: expected the grid"):
        export_lcz_generator(lcz, tmp_path / "moved.tif", confidence, tmp_path / "out.tif")
    write_cells(tmp_path / "other.tif", PROBABILITY[None], GEOBOX, names=["entropy"], nodata=None)
    with pytest.raises(ValueError, match="expected a band named 'confidence', got entropy"):
        export_lcz_generator(lcz, filtered, tmp_path / "other.tif", tmp_path / "out.tif")
    degrees = GeoBox(SHAPE, Affine(0.001, 0, 13, 0, -0.001, 52), "EPSG:4326")
    write_class_map(tmp_path / "degrees.tif", CODES, degrees, tags={})
    with pytest.raises(ValueError, match="expected square, north-up pixels in metres"):
        export_lcz_generator(tmp_path / "degrees.tif", filtered, confidence, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_no_map_of_one_band_is_named_as_w2w_would_misread_it(folder: Path) -> None:
    # w2w asks whether `lczFilter` is in the name of a single band, as a substring, and then reads a second band
    for name in ("lcz.tif", "lcz_filtered.tif"):
        with rasterio.open(folder / name) as source:
            assert "lczFilter" not in (source.descriptions[0] or "")


def test_the_verbs_write_what_the_rules_promise(folder: Path, tmp_path: Path) -> None:
    filtered, bands = folder / "lcz_filtered.tif", tmp_path / "exports" / "lcz_generator.tif"
    wrf = (tmp_path / "exports" / "wrf" / "urban_parameters.csv", tmp_path / "exports" / "wrf" / "README.txt")
    for verb, *paths in (
        ("export-lcz-generator", *sources(folder), bands),
        ("export-wudapt", filtered, tmp_path / "exports" / "lcz_wudapt.tif"),
        ("export-wrf", bands, *wrf),
    ):
        result = CliRunner().invoke(app, [verb, *map(str, paths)])
        assert result.exit_code == 0, result.output
    assert bands.read_bytes() == (folder / "lcz_generator.tif").read_bytes()
    written = {str(path.relative_to(tmp_path / "exports")) for path in tmp_path.rglob("*") if path.is_file()}
    names = {"lcz_generator.tif", "lcz_wudapt.tif", "lcz_wudapt.tif.aux.xml"}
    assert written == names | {"wrf/urban_parameters.csv", "wrf/README.txt"}
