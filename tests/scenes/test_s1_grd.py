import itertools
import math
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import tiny_grd as tiny
from odc.geo.geobox import GeoBox

from lczmap.grid import Grid
from lczmap.raster import lattice, read_cells, write_cells
from lczmap.scenes.local import read_archive, write_archive
from lczmap.scenes.sources.products import s1_grd
from lczmap.scenes.sources.products.s1_annotation import parse_annotation
from lczmap.scenes.sources.products.s1_grd import find_grd, product_bounds, read_grd, read_header
from lczmap.scenes.sources.source import MARGIN_M

MARGIN_PX = math.ceil(MARGIN_M / 10)
WAVE_M = 800.0
BRIGHT = 20_000.0  # DN, so that whole numbers are fine enough


def waves(x: npt.NDArray, y: npt.NDArray) -> npt.NDArray:
    """Power of a picture of the ground, with slopes in both directions."""
    return 1 + 0.3 * np.sin(2 * np.pi * x / WAVE_M) + 0.3 * np.cos(2 * np.pi * y / WAVE_M)


def painted(height: float = 0.0) -> npt.NDArray[np.uint16]:
    return np.rint(BRIGHT * np.sqrt(waves(*tiny.ground(height)))).astype(np.uint16)


def seen(path: str) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Return power as painted (VV), and the map coordinates of its pixels."""
    bands, geobox = read_cells(Path(path))
    x, y = centres(geobox)
    return bands[1].astype(np.float64) * tiny.AMPLITUDE**2 / BRIGHT**2, x, y


def centres(geobox: GeoBox) -> tuple[npt.NDArray, npt.NDArray]:
    rows, cols = np.mgrid[0 : geobox.shape[0], 0 : geobox.shape[1]] + 0.5
    return geobox.transform @ (cols, rows)


def moved(power: npt.NDArray, x: npt.NDArray, y: npt.NDArray) -> tuple[float, float]:
    """Return (east, north) in metres by which a picture of waves is moved, from the phases of its two waves."""
    there = np.isfinite(power)
    angles = [2 * np.pi * axis[there] / WAVE_M for axis in (x, y)]
    design = np.stack([np.ones(there.sum()), *itertools.chain(*([np.sin(a), np.cos(a)] for a in angles))], axis=-1)
    _, sin_x, cos_x, sin_y, cos_y = np.linalg.lstsq(design, power[there], rcond=None)[0]
    return np.arctan2(-cos_x, sin_x) * WAVE_M / 2 / np.pi, np.arctan2(sin_y, cos_y) * WAVE_M / 2 / np.pi


def write_dem(path: Path, grid: Grid, height: float, crs: str = tiny.CRS) -> Path:
    around = grid.geobox.pad(MARGIN_PX + 50)
    heights = np.full((1, *around.shape), height, np.float32)
    write_cells(path, heights, GeoBox(around.shape, around.transform, crs), names=["height"], nodata=None)
    return path


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_safe(tmp_path_factory.mktemp("flat"), painted())


GRID = tiny.city(tiny.WEST + 7000, tiny.NORTH - 6000)


def test_picture_lies_where_it_was_painted(flat: Path, tmp_path: Path) -> None:
    scene = read_grd(flat, GRID, tmp_path)
    assert scene is not None
    power, x, y = seen(scene.assets["VV"].path)
    assert np.isfinite(power).all()
    assert max(map(abs, moved(power, x, y))) < 0.5  # metres, of pixels of 10
    assert np.abs(power - waves(x, y)).max() < 0.01


def test_scene_says_what_the_manifest_says(flat: Path, tmp_path: Path) -> None:
    scene = read_grd(flat, GRID, tmp_path)
    assert scene is not None
    assert (scene.platform, scene.relative_orbit, scene.orbit_direction) == ("sentinel-1d", 168, "descending")
    assert scene.datetime == "2024-05-01T05:26:23Z"
    assert dict(scene.state) == {
        "product": "grd",
        "calibration": "sigma0",
        "noise_removed": "true",
        "looks": "4.4",
        "terrain": "grid heights",
        "processor": "Sentinel-1 IPF 004.00",
    }
    write_archive(tmp_path / "archive.yaml", [scene])
    assert read_archive(tmp_path) == [scene]


def test_pixels_are_the_citys_and_a_margin(flat: Path, tmp_path: Path) -> None:
    scene = read_grd(flat, GRID, tmp_path)
    assert scene is not None
    assert lattice(scene.assets["VH"].path) == GRID.geobox.pad(MARGIN_PX)
    assert (scene.assets["VH"].band, scene.assets["VV"].band) == (1, 2)


def test_header_and_bounds_come_from_the_manifest(flat: Path) -> None:
    header = read_header(flat)
    assert (header.id, header.platform) == (tiny.NAME, "sentinel-1d")
    assert product_bounds(flat) == pytest.approx((13.7, 45.9, 13.9, 46.1))


def test_footprint_across_the_antimeridian_has_west_above_east(flat: Path, tmp_path: Path) -> None:
    safe = Path(shutil.copytree(flat, tmp_path / flat.name))
    text = (safe / "manifest.safe").read_text()
    (safe / "manifest.safe").write_text(text.replace(",13.9", ",-179.5").replace(",13.7", ",179"))
    assert product_bounds(safe) == pytest.approx((179.0, 45.9, -179.5, 46.1))


def test_ground_below_a_dem_moves_the_picture_by_height_over_tangent(flat: Path, tmp_path: Path) -> None:
    height = 300.0
    dem = write_dem(tmp_path / "dem.tif", GRID, height)
    scene = read_grd(flat, GRID, tmp_path, dem=dem)
    assert scene is not None and scene.state["terrain"] == "dem"
    east, north = moved(*seen(scene.assets["VV"].path))
    x, y = np.array([tiny.WEST + 7000.0]), np.array([tiny.NORTH - 6000.0])
    incidence = float(tiny.geometry().image(x, y, 0.0)[3][0])
    # the satellite is east: a target 300 m up is imaged nearer to it, so the picture of the ground moves west
    assert np.hypot(east, north) == pytest.approx(height / np.tan(np.radians(incidence)), rel=0.01)
    assert east < 0
    assert np.degrees(np.arctan2(-east, north)) == pytest.approx(76, abs=3)  # looking right from a heading of 194°


def test_hill_is_brought_to_its_place_by_the_dem(tmp_path: Path) -> None:
    height = 800.0
    safe = tiny.write_safe(tmp_path, painted(height))
    dem = write_dem(tmp_path / "dem.tif", GRID, height)
    scene = read_grd(safe, GRID, tmp_path, dem=dem)
    assert scene is not None
    assert max(map(abs, moved(*seen(scene.assets["VV"].path)))) < 1.0
    shutil.rmtree(safe)
    raised = tiny.write_safe(tmp_path, painted(height), height=height)
    without = read_grd(raised, GRID, tmp_path)  # the grid's own heights are right here
    assert without is not None
    assert max(map(abs, moved(*seen(without.assets["VV"].path)))) < 0.5


def test_geoid_is_added_to_the_dem(flat: Path, tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", GRID, -45.0)
    scene = read_grd(flat, GRID, tmp_path, dem=dem, geoid_m=45.0)
    assert scene is not None
    assert max(map(abs, moved(*seen(scene.assets["VV"].path)))) < 0.5


def test_dem_above_sea_level_needs_the_geoid(flat: Path, tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", GRID, 10.0, crs=pyproj.CRS("EPSG:32633+5773").to_wkt())
    with pytest.raises(ValueError, match=r"above the WGS84 ellipsoid, got .*EGM96"):
        read_grd(flat, GRID, tmp_path, dem=dem)


def test_dem_that_covers_a_part_is_refused(flat: Path, tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", tiny.city(tiny.WEST + 8000, tiny.NORTH - 6000), 0.0)
    with pytest.raises(ValueError, match="expected heights for the city and"):
        read_grd(flat, GRID, tmp_path, dem=dem)


def test_blocks_leave_no_seams(flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_grd(flat, GRID, tmp_path / "whole")
    monkeypatch.setattr(s1_grd, "_BLOCK_PX", (250, 300))
    blocks = read_grd(flat, GRID, tmp_path / "blocks")
    assert whole is not None and blocks is not None
    np.testing.assert_allclose(seen(whole.assets["VV"].path)[0], seen(blocks.assets["VV"].path)[0], rtol=1e-5)


def test_zip_gives_what_the_folder_gives(flat: Path, tmp_path: Path) -> None:
    packed = tiny.zipped(flat, tmp_path)
    folder, zipped = read_grd(flat, GRID, tmp_path / "a"), read_grd(packed, GRID, tmp_path / "b")
    assert folder is not None and zipped is not None
    assert zipped.id == folder.id
    np.testing.assert_array_equal(seen(folder.assets["VH"].path)[0], seen(zipped.assets["VH"].path)[0])
    assert [p.name for p in (tmp_path / "b").iterdir()] == [Path(zipped.assets["VH"].path).name]


def test_damaged_member_of_a_zip_is_named(flat: Path, tmp_path: Path) -> None:
    packed = tiny.zipped(flat, tmp_path)
    content = bytearray(packed.read_bytes())
    start = content.index(b"s1d-iw-grd-vv.tiff") + 5000
    content[start : start + 1000] = bytes(1000)
    packed.write_bytes(content)
    with pytest.raises(ValueError, match=r"vv\.tiff is corrupt in the zip file"):
        read_grd(packed, GRID, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_file_that_is_there_is_kept(flat: Path, tmp_path: Path) -> None:
    scene = read_grd(flat, GRID, tmp_path)
    assert scene is not None
    before = Path(scene.assets["VV"].path).stat().st_mtime_ns
    assert read_grd(flat, GRID, tmp_path) == scene
    assert Path(scene.assets["VV"].path).stat().st_mtime_ns == before


def test_city_outside_the_image_has_no_scene(flat: Path, tmp_path: Path) -> None:
    assert read_grd(flat, tiny.city(tiny.WEST + 80_000, tiny.NORTH), tmp_path) is None
    assert read_grd(flat, tiny.city(tiny.WEST + 27_000, tiny.NORTH), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_city_at_the_edge_is_partly_missing(flat: Path, tmp_path: Path) -> None:
    scene = read_grd(flat, tiny.city(tiny.WEST + 14_500, tiny.NORTH - 6000), tmp_path)
    assert scene is not None
    power, x, y = seen(scene.assets["VV"].path)
    assert 0.1 < np.isnan(power).mean() < 0.9
    inside = np.isfinite(power)
    assert np.abs(power - waves(x, y))[inside].max() < 0.03


@pytest.mark.parametrize("old_noise", [False, True])
def test_noise_is_taken_off_before_calibration(tmp_path: Path, old_noise: bool) -> None:
    digital = np.full((tiny.LINES, tiny.PIXELS), 100, np.uint16)
    safe = tiny.write_safe(tmp_path, digital, noise=3600.0, old_noise=old_noise)
    clean, raw, gamma = (
        read_grd(safe, GRID, tmp_path, **options)  # type: ignore[arg-type]
        for options in ({}, {"remove_noise": False}, {"calibration": "gamma0"})
    )
    assert clean is not None and raw is not None and gamma is not None
    assert clean.state["noise_removed"] == "true" and raw.state["noise_removed"] == "false"
    power = [float(read_cells(Path(s.assets["VH"].path))[0][0, 50, 50]) for s in (clean, raw, gamma)]
    assert power == pytest.approx([6400 / 500**2, 10000 / 500**2, 6400 / 250**2])


def test_border_of_low_values_is_missing(tmp_path: Path) -> None:
    digital = np.full((tiny.LINES, tiny.PIXELS), 120, np.uint16)
    digital[:, :800] = 12  # far below the noise of 50²
    safe = tiny.write_safe(tmp_path, digital, noise=2500.0)
    scene = read_grd(safe, GRID, tmp_path)
    assert scene is not None
    power, x, y = seen(scene.assets["VV"].path)
    _, pixel, _, _ = tiny.geometry().image(x, y, 0.0)
    assert np.isnan(power[pixel < 799]).all()
    assert np.isfinite(power[pixel > 806]).all()


def test_single_polarisation_is_refused(tmp_path: Path) -> None:
    safe = tiny.write_safe(tmp_path, painted(), polarisations=("VV",))
    with pytest.raises(ValueError, match="expected both VH and VV, got VV; take a product of dual"):
        read_grd(safe, GRID, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("manifest.safe", "expected a manifest"),
        ("annotation/calibration/calibration-s1d-iw-grd-vh.xml", "expected the calibration of VH"),
        ("annotation/calibration/noise-s1d-iw-grd-vv.xml", "expected the noise annotation of VV"),
        ("annotation/s1d-iw-grd-vv.xml", "expected an annotation"),
        ("measurement/s1d-iw-grd-vh.tiff", "expected the image of VH"),
    ],
)
def test_missing_file_is_named(flat: Path, tmp_path: Path, name: str, message: str) -> None:
    safe = Path(shutil.copytree(flat, tmp_path / flat.name))
    (safe / name).unlink()
    with pytest.raises(ValueError, match=message):
        read_grd(safe, GRID, tmp_path)


def test_truncated_image_is_an_error_and_leaves_no_file(flat: Path, tmp_path: Path) -> None:
    safe = Path(shutil.copytree(flat, tmp_path / flat.name))
    image = safe / "measurement/s1d-iw-grd-vv.tiff"
    with image.open("rb+") as stream:
        stream.truncate(image.stat().st_size // 3)
    with pytest.raises(ValueError, match=re.escape(str(image))):
        read_grd(safe, GRID, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "manifest.safe",
            "<l1:productType>GRD",
            "<l1:productType>SLC",
            "expected product type GRD of mode IW, got SLC",
        ),
        ("annotation/s1d-iw-grd-vv.xml", "<rangePixelSpacing>10.0", "<rangePixelSpacing>40.0", "pixels of 10 m"),
        ("annotation/s1d-iw-grd-vv.xml", "<height>0.0", "<height>900.0", "the geolocation grid is not smooth"),
        ("annotation/s1d-iw-grd-vv.xml", "incidenceAngle", "angle", "expected an element incidenceAngle"),
        ("annotation/s1d-iw-grd-vv.xml", "</product>", "", "not readable XML"),
        ("annotation/calibration/calibration-s1d-iw-grd-vh.xml", "<gamma>", "<gammaNought>", "not readable XML"),
        ("annotation/calibration/noise-s1d-iw-grd-vv.xml", "noiseRangeVector", "x", "expected noiseRangeVectorList"),
    ],
)
def test_broken_annotation_is_named(flat: Path, tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    safe = Path(shutil.copytree(flat, tmp_path / flat.name))
    text = (safe / name).read_text()
    changed = text.replace(old, new, 1 if "height" in old else -1)
    assert changed != text
    (safe / name).write_text(changed)
    with pytest.raises(ValueError, match=message):
        read_grd(safe, GRID, tmp_path)


@pytest.mark.parametrize(
    "name", ["manifest.safe", "annotation/s1d-iw-grd-vv.xml", "annotation/calibration/noise-s1d-iw-grd-vv.xml"]
)
def test_entities_are_refused(flat: Path, tmp_path: Path, name: str) -> None:
    safe = Path(shutil.copytree(flat, tmp_path / flat.name))
    (safe / name).write_text('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>' + (safe / name).read_text())
    with pytest.raises(ValueError, match="expected XML without a document type and entities"):
        read_grd(safe, GRID, tmp_path / "out")


def test_zip_that_leads_elsewhere_is_refused(flat: Path, tmp_path: Path) -> None:
    packed = tiny.zipped(flat, tmp_path)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("../outside.txt", "outside")
    with pytest.raises(ValueError, match="which leads elsewhere"):
        read_header(packed)


def test_products_are_found_at_any_depth(flat: Path, tmp_path: Path) -> None:
    inner = tmp_path / "2024" / flat.name
    shutil.copytree(flat, inner, ignore=shutil.ignore_patterns("*.tiff"))
    for name in (f"2024/{tiny.NAME}.zip", "S1A_IW_GRDH_1SDV_other.zip", "S1A_IW_SLC__1SDV_other.zip", "S2A_MSIL1C.zip"):
        (tmp_path / name).touch()
    assert find_grd(tmp_path) == [inner, tmp_path / "S1A_IW_GRDH_1SDV_other.zip"]
    assert find_grd(inner) == [inner]


def test_unknown_calibration_is_refused(flat: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected calibration sigma0 or gamma0, got 'beta0'"):
        read_grd(flat, GRID, tmp_path, calibration="beta0")


def test_file_that_is_no_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "S1A_IW_GRDH_1SDV_other.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="not a readable zip file"):
        read_header(tmp_path / "S1A_IW_GRDH_1SDV_other.zip")


def test_marks_at_real_grid_points_lie_on_their_coordinates(real_data: Path, tmp_path: Path) -> None:
    source = next((real_data / "safe").glob("S1B_IW_GRDH*.SAFE"))
    annotations = {p.upper(): next(source.glob(f"annotation/*-{p}-*.xml")).read_text() for p in ("vh", "vv")}
    real = parse_annotation(annotations["VV"].encode(), source.name)
    points = real.points
    to_map = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    misses = []
    for index in (30, 87, 151):  # in the Alps
        line, pixel = points.line[index], real.ground_range.pixel(points.line, points.slant_range)[index]
        corner = int(line) - 150, int(pixel) - 150
        rows, cols = np.mgrid[0:301, 0:301]
        distance = np.hypot(rows + corner[0] - line, cols + corner[1] - pixel)
        mark = np.rint(300 + 20_000 * np.exp(-(distance**2) / 2 / 6**2)).astype(np.uint16)
        safe = tmp_path / str(index) / source.name
        tiny.write_product(safe, annotations, mark, shape=(16685, 25788), corner=corner)
        x, y = to_map.transform(points.longitude[index], points.latitude[index])
        grid = tiny.city(x, y, 20)
        dem = write_dem(tmp_path / f"dem{index}.tif", grid, points.height[index])
        scene = read_grd(safe, grid, tmp_path / f"out{index}", dem=dem)
        assert scene is not None
        bands, geobox = read_cells(Path(scene.assets["VV"].path))
        weight = np.where(bands[1] > 2 * np.nanmedian(bands[1]), bands[1], 0)
        px, py = centres(geobox)
        misses.append((float((px * weight).sum() / weight.sum() - x), float((py * weight).sum() / weight.sum() - y)))
    assert np.abs(misses).max() < 1.0  # metres, of pixels of 10
