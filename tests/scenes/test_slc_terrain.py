import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from fake_dem import Plane, geoid, glo_name, hgt_name, serve, write_geoid_grid, write_glo, write_hgt
from loopback import Loopback
from odc.geo.geobox import GeoBox
from scipy.interpolate import RegularGridInterpolator
from shapely import box

from lczmap.grid import Grid, make_grid
from lczmap.raster import lattice, read_tags
from lczmap.scenes.slc import geoid as geoid_module
from lczmap.scenes.slc import terrain_local
from lczmap.scenes.slc.geoid import EGM2008, geoid_heights
from lczmap.scenes.slc.lonlat import Area, area_of
from lczmap.scenes.slc.terrain import HEIGHTS_MARGIN_M, fetch_dem, mosaic, read_heights
from lczmap.scenes.slc.terrain_tiles import Corner, Tile, Tiles
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError

pytestmark = pytest.mark.server

EXACT_M = 0.002
"""The plane climbs 1 m per 1″: this is a five-hundredth of a pixel."""
WARPED_M = 0.01
"""GDAL interpolates coordinates between two CRSs: within 0.0025 pixels of 1″ at 31°, measured."""
CORNER = Plane(74.0, 31.0)  # where four tiles meet


@dataclass(frozen=True)
class Archive:
    server: Loopback
    holdings: Path

    @property
    def url(self) -> str:
        return self.server.url

    def asked(self, pattern: str) -> int:
        return self.server.count(pattern)


@pytest.fixture(scope="module")
def four_tiles(tmp_path_factory) -> Path:
    holdings = tmp_path_factory.mktemp("four")
    for lat in (30, 31):
        for lon in (73, 74):
            write_glo(holdings, lat, lon, CORNER)
    return holdings


@pytest.fixture
def archive(tmp_path, monkeypatch) -> Iterator[Archive]:
    """An empty archive with geoid grids; PROJ looks for grids only there, and keeps nothing of other tests."""
    yield from _archive(tmp_path / "holdings", tmp_path, monkeypatch)


@pytest.fixture
def full(four_tiles, tmp_path, monkeypatch) -> Iterator[Archive]:
    """The archive that has all four tiles around the corner."""
    yield from _archive(four_tiles, tmp_path, monkeypatch)


def _archive(holdings: Path, scratch: Path, monkeypatch) -> Iterator[Archive]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)
    for name in ("us_nga_egm08_25.tif", "us_nga_egm96_15.tif"):
        if not (holdings / "proj" / name).exists():
            further = 0.0 if "08" in name else 3.0  # the two geoids differ
            write_geoid_grid(holdings / "proj" / name, lambda lon, lat, up=further: geoid(lon, lat) + up)
    with Loopback() as server:
        serve(server, holdings)
        monkeypatch.setenv("PROJ_NETWORK_ENDPOINT", f"{server.url}/proj")
        monkeypatch.setenv("PROJ_USER_WRITABLE_DIRECTORY", str(scratch / "proj_cache"))
        monkeypatch.setenv("PROJ_NETWORK", "ON")
        yield Archive(server, holdings)


def city(lon: float, lat: float, half_deg: float = 0.005) -> Grid:
    return make_grid(box(lon - half_deg, lat - half_deg, lon + half_deg, lat + half_deg))


def around(grid: Grid, margin_m: float = MARGIN_M) -> GeoBox:
    return grid.geobox.pad(round(margin_m / 10))


def degrees(geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    to_map = geobox.transform
    x, y = np.meshgrid(np.arange(geobox.width) + 0.5, np.arange(geobox.height) + 0.5)
    to_degrees = pyproj.Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
    return to_degrees.transform(to_map.c + to_map.a * x, to_map.f + to_map.e * y)


def error_m(out: Path, geobox: GeoBox, plane: Plane, undulation=geoid) -> np.ndarray:
    """The file's heights at the pixels of `geobox`, interpolated here, less those worked out by hand."""
    with rasterio.open(out) as file:
        heights, to_pixel, crs = file.read(1), ~file.transform, file.crs.to_wkt()
    lon, lat = degrees(geobox)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    at = to_pixel.e * y + to_pixel.f - 0.5, to_pixel.a * x + to_pixel.c - 0.5
    between = RegularGridInterpolator([np.arange(size) for size in heights.shape], heights)  # raises outside
    return between(at) - (plane(lon, lat) + undulation(lon, lat))


def constant(metres: float):
    return lambda *_: metres


def test_heights_on_the_map_are_exact_across_the_seams_of_four_tiles(full, tmp_path):
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=full.url)
    error = error_m(out, around(grid, HEIGHTS_MARGIN_M), CORNER)
    assert np.isfinite(error).all()
    assert np.abs(error).max() < EXACT_M
    assert read_tags(out)["tiles"] == "N30E073:GLO-30 N30E074:GLO-30 N31E073:GLO-30 N31E074:GLO-30"


def test_the_pipeline_reads_the_heights_onto_the_map(full, tmp_path):
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=full.url)
    lon, lat = degrees(around(grid))
    error = read_heights(out, around(grid)) - (CORNER(lon, lat) + geoid(lon, lat))
    assert np.abs(error).max() < WARPED_M
    far = GeoBox((4, 4), Affine(10, 0, 600_000, 0, -10, 3_600_000), grid.crs)
    assert np.isnan(read_heights(out, far)).all()


def test_the_file_keeps_the_models_own_pixels_with_centres_on_whole_arc_seconds(full, tmp_path):
    out = tmp_path / "dem.tif"
    fetch_dem(city(74.0, 31.0), out, dem="glo30", endpoint=full.url, geoid_m=0.0)
    own = lattice(out)
    assert pyproj.CRS(str(own.crs)).to_epsg() == 4326
    assert own.transform.a == pytest.approx(1 / 3600, rel=1e-12)
    first = (own.transform.c + own.transform.a / 2) * 3600, (own.transform.f + own.transform.e / 2) * 3600
    assert first == pytest.approx((round(first[0]), round(first[1])), abs=1e-6)
    with rasterio.open(out) as file:
        heights = file.read(1)
        expected = CORNER(*file.xy(7, 11))
    assert heights[7, 11] == pytest.approx(expected, abs=1e-3)
    assert heights.dtype == np.float32
    assert not np.isnan(heights).any()


def test_the_file_says_where_its_heights_are_from(full, tmp_path):
    out = tmp_path / "dem.tif"
    fetch_dem(city(74.0, 31.0), out, dem="glo30", endpoint=full.url)
    tags = read_tags(out)
    assert tags["source"] == "Copernicus DEM GLO-30"
    assert tags["vertical_datum_of_origin"] == "EGM2008"
    assert tags["geoid"] == "EGM2008 by PROJ"
    assert tags["heights"] == "metres above the WGS84 ellipsoid"
    assert tags["missing_tiles"] == "none"
    assert float(tags["filled_share"]) == 0


def test_the_latitude_band_of_wider_pixels_joins_without_an_offset(archive, tmp_path):
    plane = Plane(10.0, 50.0)
    for lat, cols in ((49, 3600), (50, 2400)):
        for lon in (9, 10):
            write_glo(archive.holdings, lat, lon, plane, cols=cols)
    serve(archive.server, archive.holdings)
    grid, out = city(10.0, 50.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url)
    error = error_m(out, around(grid), plane)
    assert np.abs(error).max() < EXACT_M  # also between a wide pixel and its neighbour tile


@pytest.mark.parametrize(("lon", "lat"), [(180.0, -17.0), (0.0, 0.0), (-1.0, -5.0)])
def test_negative_corners_and_the_antimeridian_have_their_tiles(archive, tmp_path, lon, lat):
    plane = Plane(lon, lat)
    west = round((lon - 1 + 180) % 360 - 180)
    east = round((lon + 180) % 360 - 180)
    for south in (round(lat) - 1, round(lat)):
        for corner in (west, east):
            write_glo(archive.holdings, south, corner, plane)
    serve(archive.server, archive.holdings)
    grid, out = city(lon, lat), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url)
    assert np.abs(error_m(out, around(grid), plane)).max() < EXACT_M
    degrees_east, degrees_north = degrees(around(grid))
    on_map = read_heights(out, around(grid)) - plane(degrees_east, degrees_north) - geoid(degrees_east, degrees_north)
    assert np.abs(on_map).max() < WARPED_M


def test_an_area_that_ends_within_a_pixel_of_the_antimeridian_has_its_last_column(tmp_path):
    plane = Plane(180.0, -17.0)
    found = []
    for lat in (-18, -17):
        for lon in (179, -180):
            found.append(Tile(Corner(lat, lon), "GLO-30", write_glo(tmp_path, lat, lon, plane), (3600, 3600)))
    heights, own = mosaic(Tiles(tuple(found)), Area("EPSG:4326", 0, 179.95, -17.05, 179.9999, -16.95))
    assert own.boundingbox.right > 180
    assert np.abs(heights - plane(*degrees(own))).max() < EXACT_M  # and no NaN


def test_a_city_that_ends_within_a_pixel_of_a_tile_has_the_next_tiles_first_column(archive, tmp_path):
    plane = Plane(74.0, 30.5)
    for lon in (73, 74):
        write_glo(archive.holdings, 30, lon, plane)
    serve(archive.server, archive.holdings)
    grid = city(73.98, 30.5)
    margins = [m for m in range(500, 3000, 10) if area_of(around(grid, m)).east < 74.0]
    fetch_dem(grid, tmp_path / "dem.tif", dem="glo30", endpoint=archive.url, geoid_m=0.0, margin_m=margins[-1])
    assert np.abs(error_m(tmp_path / "dem.tif", around(grid, margins[-1]), plane, constant(0.0))).max() < EXACT_M
    assert float(read_tags(tmp_path / "dem.tif")["filled_share"]) == 0


def test_tile_names_count_from_the_south_western_corner():
    assert Corner(30, 73).name == "N30E073"
    assert Corner(-5, -1).name == "S05W001"
    assert Corner(0, -180).name == "N00W180"


def test_a_tile_that_is_there_is_not_fetched_again_and_a_new_geoid_is_used(full, tmp_path):
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=full.url)
    fetch_dem(grid, out, dem="glo30", endpoint=full.url, geoid_m=-40.0)
    assert full.asked(r"/copernicus-dem-30m/.*\.tif") == 4
    assert full.asked(r"/copernicus-dem-30m/tileList\.txt") == 1
    assert np.abs(error_m(out, around(grid), CORNER, constant(-40.0))).max() < EXACT_M
    assert read_tags(out)["geoid"] == "-40 m everywhere"


def test_with_all_tiles_there_and_a_geoid_given_nothing_is_asked(full, tmp_path):
    grid = city(74.0, 31.0)
    fetch_dem(grid, tmp_path / "a.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    before = len(full.server.requests)
    fetch_dem(grid, tmp_path / "b.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    assert len(full.server.requests) == before


def test_a_tile_in_neither_list_is_sea_at_the_geoids_height_and_is_named(archive, tmp_path, capsys):
    flat = Plane(74.0, 31.0, east=0, north=0, base=7.0)
    for lat, lon in ((30, 73), (31, 73), (31, 74)):
        write_glo(archive.holdings, lat, lon, flat)
    serve(archive.server, archive.holdings)
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url)
    lon, lat = degrees(around(grid))
    above = read_heights(out, around(grid)) - geoid(lon, lat)
    inside_sea = (lon > 74 + 0.2 / 3600) & (lat < 31 - 0.2 / 3600)  # the row at 31° itself belongs to the sea's tile
    outside = (lon < 74 - 1.2 / 3600) | (lat > 31 + 1.2 / 3600)
    assert inside_sea.any()
    assert np.abs(above[inside_sea]).max() < EXACT_M
    assert np.abs(above[outside] - 7.0).max() < EXACT_M
    assert read_tags(out)["missing_tiles"] == "N30E074"
    assert "no tile of N30E074: taken as sea" in capsys.readouterr().out


def test_nothing_but_sea_is_an_error(archive, tmp_path):
    with pytest.raises(ArchiveError, match="N30E073, N30E074, N31E073, N31E074: only sea"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=archive.url)
    assert not (tmp_path / "dem.tif").exists()


def test_a_withheld_tile_comes_from_glo90_without_an_offset_and_is_named(archive, tmp_path, capsys):
    for lat, lon in ((30, 73), (31, 73), (31, 74)):
        write_glo(archive.holdings, lat, lon, CORNER)
    write_glo(archive.holdings, 30, 74, CORNER, code="30", cols=1200)
    serve(archive.server, archive.holdings)
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url)
    assert np.abs(error_m(out, around(grid), CORNER)).max() < EXACT_M
    assert "N30E074:GLO-90" in read_tags(out)["tiles"]
    assert "withheld for N30E074" in capsys.readouterr().out


@pytest.mark.parametrize("coarse", [(30, 73), (31, 73), (31, 74)])
def test_a_coarse_tile_joins_finer_ones_on_any_side(archive, tmp_path, coarse):
    for lat, lon in ((30, 73), (30, 74), (31, 73), (31, 74)):
        if (lat, lon) == coarse:
            write_glo(archive.holdings, lat, lon, CORNER, code="30", cols=1200)
        else:
            write_glo(archive.holdings, lat, lon, CORNER)
    serve(archive.server, archive.holdings)
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url, geoid_m=0.0)
    assert np.abs(error_m(out, around(grid), CORNER, constant(0.0))).max() < EXACT_M


def test_a_city_where_all_is_withheld_has_heights_of_90_m(archive, tmp_path):
    plane = Plane(73.5, 30.5)
    write_glo(archive.holdings, 30, 73, plane, code="30", cols=1200)
    serve(archive.server, archive.holdings)
    grid, out = city(73.5, 30.5), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=archive.url)
    assert lattice(out).transform.a == pytest.approx(1 / 1200)
    assert np.abs(error_m(out, around(grid), plane)).max() < EXACT_M


def test_a_listed_tile_that_does_not_come_is_an_error_never_sea(full, tmp_path):
    full.server.misbehave(r".*N30_00_E074.*\.tif", "status", status=404, times=1)
    with pytest.raises(ArchiveError, match=r"N30_00_E074.*HTTP 404"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)
    fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    assert full.asked(r".*N30_00_E073.*\.tif") == 1  # what came before was kept


def test_server_errors_and_truncated_tiles_are_fetched_again(full, tmp_path):
    full.server.misbehave(r".*N30_00_E073.*\.tif", "status", status=500, times=2)
    full.server.misbehave(r".*N30_00_E074.*\.tif", "truncate", times=1)
    full.server.misbehave(r".*N31_00_E074.*\.tif", "close", times=1)
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=full.url)
    assert np.abs(error_m(out, around(grid), CORNER)).max() < EXACT_M


def test_a_server_that_always_fails_ends_in_an_error_with_a_remedy(full, tmp_path):
    full.server.misbehave(r".*N30_00_E073.*\.tif", "status", status=503, times=99)
    with pytest.raises(ArchiveError, match=r"HTTP 503 in 5 attempts; .*run the same command again later"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_tile_that_is_no_raster_is_not_kept(full, tmp_path):
    full.server.misbehave(r".*N30_00_E073.*\.tif", "body", body=b"<html>maintenance</html>", times=2)
    with pytest.raises(ArchiveError, match=r"N30_00_E073.*not usable"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)
    assert list((tmp_path / "tiles").glob("*N30_00_E073*")) == []
    assert list((tmp_path / "tiles").glob(".*")) == []


def test_a_tile_cut_short_under_a_good_length_is_not_kept(full, tmp_path):
    name = glo_name(30, 73)
    half = (full.holdings / "copernicus-dem-30m" / name / f"{name}.tif").read_bytes()
    full.server.misbehave(r".*N30_00_E073.*\.tif", "body", body=half[: len(half) // 2], times=2)
    with pytest.raises(ArchiveError, match=r"N30_00_E073.*not usable"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_tile_that_breaks_off_is_gone_on_with_also_by_the_next_run(full, tmp_path):
    name = glo_name(30, 73)
    whole = (full.holdings / "copernicus-dem-30m" / name / f"{name}.tif").read_bytes()
    full.server.misbehave(r".*N30_00_E073.*\.tif", "truncate", times=1)
    full.server.misbehave(r".*N30_00_E073.*\.tif", "close", times=http.RETRIES)
    with pytest.raises(ArchiveError, match="N30_00_E073"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    assert not (tmp_path / "tiles" / f"{name}.tif").exists()
    before = len(full.server.requests)
    fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    asked = [r.headers.get("Range") for r in full.server.requests[before:] if "N30_00_E073" in r.path]
    assert asked == [f"bytes={len(whole) // 2}-"]
    assert (tmp_path / "tiles" / f"{name}.tif").read_bytes() == whole


def test_a_tile_may_take_longer_than_an_answer_of_a_search(full, tmp_path, monkeypatch):
    (tmp_path / "tiles").mkdir()
    listed = (full.holdings / "copernicus-dem-30m" / "tileList.txt").read_text()
    (tmp_path / "tiles" / "GLO-30_tileList.txt").write_text(listed)
    monkeypatch.setattr(http, "ANSWER_MAX_S", 0.0)
    fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)
    assert np.abs(error_m(tmp_path / "dem.tif", around(city(74.0, 31.0)), CORNER, constant(0.0))).max() < EXACT_M


@pytest.mark.parametrize("there", [False, True])
def test_a_tile_that_points_to_another_file_is_not_followed(full, tmp_path, there):
    name = glo_name(30, 73)
    secret = full.holdings / "copernicus-dem-30m" / name / f"{name}.tif"
    points = f"""<VRTDataset rasterXSize="3600" rasterYSize="3600"><SRS>EPSG:4326</SRS>
        <GeoTransform>{73 - 0.5 / 3600}, {1 / 3600}, 0, {31 + 0.5 / 3600}, 0, {-1 / 3600}</GeoTransform>
        <VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename>{secret}</SourceFilename>
        <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    if there:
        (tmp_path / "tiles").mkdir()
        (tmp_path / "tiles" / f"{name}.tif").write_text(points)
    full.server.misbehave(r".*N30_00_E073.*\.tif", "body", body=points.encode(), times=2)
    with pytest.raises(ValueError, match=r"N30_00_E073.*not a readable raster"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url, geoid_m=0.0)


def test_a_window_of_a_tile_is_read_by_the_driver_of_geotiff_only(tmp_path):
    tif = write_glo(tmp_path, 30, 73, Plane(73.5, 30.5))
    vrt = tmp_path / "tile.tif"
    vrt.write_text(
        f'<VRTDataset rasterXSize="3600" rasterYSize="3600"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
        f"<SourceFilename>{tif}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(ValueError, match="not a readable raster"):
        Tile(Corner(30, 73), "GLO-30", vrt, (3600, 3600)).read(slice(0, 2), slice(0, 2))


def test_a_tile_on_another_lattice_is_refused(full, tmp_path):
    name = glo_name(30, 74)
    other = (full.holdings / "copernicus-dem-30m" / name / f"{name}.tif").read_bytes()
    full.server.misbehave(r".*N30_00_E073.*\.tif", "body", body=other, times=2)
    with pytest.raises(ArchiveError, match="expected N30E073 with pixel centres on whole degrees"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_list_that_names_no_tile_is_an_error_never_a_world_of_sea(full, tmp_path):
    full.server.misbehave(r".*tileList\.txt", "body", body=b"<html>welcome</html>", times=1)
    with pytest.raises(ArchiveError, match="expected a list of tiles"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_srtm_tiles_are_big_endian_whole_metres_above_egm96(archive, tmp_path):
    for lat in (30, 31):
        for lon in (73, 74):
            name = hgt_name(lat, lon)
            write_hgt(archive.holdings / "elevation-tiles-prod" / "skadi" / name[:3] / name, lat, lon, CORNER)
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="srtm", endpoint=archive.url)
    error = error_m(out, around(grid), CORNER, lambda lon, lat: geoid(lon, lat) + 3)
    assert np.abs(error).max() < 0.52  # heights were rounded to whole metres
    assert abs(error.mean()) < EXACT_M
    tags = read_tags(out)
    assert (tags["source"], tags["vertical_datum_of_origin"]) == ("SRTM", "EGM96")


def test_voids_of_srtm_take_the_nearest_height_and_their_share_is_printed(tmp_path, archive, capsys):
    plane = Plane(73.5, 30.5, east=0, north=0, base=150)

    def void(lon, lat):
        return (np.abs(lon - 73.5) < 0.01) & (np.abs(lat - 30.5) < 0.01)

    path = archive.holdings / "elevation-tiles-prod" / "skadi" / "N30" / "N30E073.hgt.gz"
    write_hgt(path, 30, 73, plane, void=void)
    out = tmp_path / "dem.tif"
    fetch_dem(city(73.5, 30.5), out, dem="srtm", endpoint=archive.url, geoid_m=0.0)
    with rasterio.open(out) as file:
        assert np.unique(file.read(1)) == pytest.approx([150])
    share = float(read_tags(out)["filled_share"])
    assert share == pytest.approx(71 * 71 / np.prod(lattice(out).shape), abs=1e-6)
    assert f"{100 * share:.3f} % of the heights around the city are voids" in capsys.readouterr().out


def test_nothing_but_voids_is_an_error(tmp_path, archive):
    path = archive.holdings / "elevation-tiles-prod" / "skadi" / "N30" / "N30E073.hgt.gz"
    write_hgt(path, 30, 73, Plane(73.5, 30.5), void=lambda lon, lat: np.full(np.broadcast(lon, lat).shape, True))
    with pytest.raises(ValueError, match="voids only"):
        fetch_dem(city(73.5, 30.5), tmp_path / "dem.tif", dem="srtm", endpoint=archive.url, geoid_m=0.0)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"\0\1" * 1201**2), gzip.compress(b"\0\1" * 3601**2)[:-300]]
)
def test_an_srtm_file_that_is_broken_or_of_3_arc_seconds_is_refused(tmp_path, archive, content):
    path = archive.holdings / "elevation-tiles-prod" / "skadi" / "N30" / "N30E073.hgt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"N30E073.*not usable"):
        fetch_dem(city(73.5, 30.5), tmp_path / "dem.tif", dem="srtm", endpoint=archive.url, geoid_m=0.0)
    assert not list((tmp_path / "tiles").iterdir())


def test_srtm_tiles_of_the_user_are_taken(tmp_path, archive):
    plane = Plane(73.5, 30.5)
    write_hgt(tmp_path / "tiles" / "N30E073.hgt.gz", 30, 73, plane)
    grid, out = city(73.5, 30.5), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="srtm", endpoint=archive.url, geoid_m=0.0)
    assert abs(error_m(out, around(grid), plane, constant(0.0)).mean()) < EXACT_M
    assert archive.server.requests == []


def test_a_missing_srtm_tile_is_an_error(tmp_path, archive):
    with pytest.raises(ArchiveError, match=r"skadi/N30/N30E073\.hgt\.gz: HTTP 404"):
        fetch_dem(city(73.5, 30.5), tmp_path / "dem.tif", dem="srtm", endpoint=archive.url)


def test_srtm_beyond_its_latitudes_is_refused(tmp_path, archive):
    with pytest.raises(ValueError, match=r"SRTM has latitudes -56 to 60.*glo30"):
        fetch_dem(city(10.5, 60.5), tmp_path / "dem.tif", dem="srtm", endpoint=archive.url)


def test_between_its_nodes_the_geoid_is_projs_own(archive):
    noise = np.random.default_rng(3).normal(0, 5, (73, 73))  # rougher than any geoid
    nodes = 72 + np.arange(73) / 24, 30 + np.arange(73) / 24
    truth = RegularGridInterpolator((nodes[1], nodes[0]), noise)
    write_geoid_grid(
        archive.holdings / "proj" / "us_nga_egm08_25.tif",
        lambda lon, lat: noise[np.rint((lat - 30) * 24).astype(int), np.rint((lon - 72) * 24).astype(int)],
        step=1 / 24,
        bounds=(72.0, 30.0, 75.0, 33.0),
    )
    geobox = GeoBox((400, 400), Affine(1 / 900, 0, 73.2, 0, -1 / 900, 31.9), "EPSG:4326")
    lon, lat = degrees(geobox)
    assert np.abs(geoid_heights(geobox, EGM2008) - truth((lat, lon))).max() < 1e-3


def test_the_geoid_comes_over_the_network_in_pieces(full, tmp_path):
    fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)
    asked = [r for r in full.server.requests if r.path == "/proj/us_nga_egm08_25.tif"]
    assert asked
    assert all("Range" in request.headers for request in asked)


def test_a_grid_in_projs_data_folder_needs_no_network(full, tmp_path, monkeypatch):
    cache = tmp_path / "proj_cache"  # PROJ looks here, too
    write_geoid_grid(cache / "us_nga_egm08_25.tif", geoid)
    monkeypatch.setenv("PROJ_NETWORK", "OFF")
    grid, out = city(74.0, 31.0), tmp_path / "dem.tif"
    fetch_dem(grid, out, dem="glo30", endpoint=full.url)
    assert np.abs(error_m(out, around(grid), CORNER)).max() < EXACT_M
    assert full.asked("/proj/.*") == 0


def test_without_a_grid_there_is_an_error_and_no_file(full, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJ_NETWORK", "OFF")
    with pytest.raises(ArchiveError, match=r"EGM2008 \(us_nga_egm08_25.tif\).*geoid_m"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)
    assert not (tmp_path / "dem.tif").exists()


def test_a_grid_that_the_server_does_not_have_is_an_error(full, tmp_path):
    full.server.misbehave("/proj/.*", "status", status=404, times=9)
    with pytest.raises(ArchiveError, match=r"HTTP error 404.*geoid_m"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_broken_grid_is_an_error(full, tmp_path):
    full.server.misbehave("/proj/.*", "body", body=b"x" * 20_000, times=9)
    with pytest.raises(ArchiveError, match=r"could not be had from PROJ.*geoid_m"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_silent_server_of_grids_ends_in_an_error(full, tmp_path, monkeypatch):
    monkeypatch.setattr(geoid_module, "PATIENCE_S", 4.0)
    full.server.misbehave("/proj/.*", "hang", seconds=20.0, times=9)
    with pytest.raises(ArchiveError, match=r"no answer within 4 s.*geoid_m"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)


def test_a_file_of_the_current_folder_does_not_stand_in_for_a_library(archive, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise ImportError('this is not the library')")
    monkeypatch.chdir(tmp_path)
    geobox = GeoBox((4, 4), Affine(0.01, 0, 73, 0, -0.01, 31), "EPSG:4326")
    assert np.abs(geoid_heights(geobox, EGM2008) - geoid(*degrees(geobox))).max() < EXACT_M


def test_a_broken_installation_is_not_taken_for_a_missing_grid(archive, tmp_path, monkeypatch):
    (tmp_path / "pyproj.py").write_text("raise ImportError('libproj.so is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ArchiveError, match=r"libproj\.so is missing.*install") as raised:
        geoid_heights(GeoBox((4, 4), Affine(0.01, 0, 73, 0, -0.01, 31), "EPSG:4326"), EGM2008)
    assert "allow the network" not in str(raised.value)


def test_a_place_outside_the_grid_is_an_error(archive):
    write_geoid_grid(archive.holdings / "proj" / "us_nga_egm08_25.tif", geoid, bounds=(0.0, 40.0, 10.0, 50.0))
    with pytest.raises(ArchiveError, match="could not be had from PROJ"):
        geoid_heights(GeoBox((4, 4), Affine(0.01, 0, 73, 0, -0.01, 31), "EPSG:4326"), EGM2008)


def test_asking_for_the_geoid_leaves_this_processs_proj_as_it_was(full, tmp_path):
    before = pyproj.network.is_network_enabled()
    threads = threading.active_count()
    fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="glo30", endpoint=full.url)
    assert pyproj.network.is_network_enabled() == before
    assert threading.active_count() <= threads + 1


def _write_local(path: Path, crs: str, transform: Affine, heights: np.ndarray, **profile) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", width=heights.shape[1], height=heights.shape[0], count=1, dtype="float32",
        crs=crs, transform=transform, **profile,
    ) as file:  # fmt: skip
        file.write(heights.astype(np.float32), 1)
    return path


def _local_plane(grid: Grid, path: Path, crs: str, plane: Plane, margin_m: float = HEIGHTS_MARGIN_M + 60) -> Path:
    """A DEM of the user in the city's own coordinates, 30 m pixels."""
    padded = around(grid, margin_m)
    coarse = GeoBox((padded.height // 3, padded.width // 3), padded.transform @ Affine.scale(3), grid.crs)
    return _write_local(path, crs, coarse.transform, plane(*degrees(coarse)))


def test_a_local_file_without_vertical_datum_counts_from_the_ellipsoid(tmp_path, capsys):
    grid, plane = city(74.0, 31.0), Plane(74.0, 31.0, east=300.0, north=100.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", grid.crs, plane)
    fetch_dem(grid, tmp_path / "dem.tif", dem=dem)
    error = error_m(tmp_path / "dem.tif", around(grid), plane, constant(0.0))
    assert np.abs(error).max() < EXACT_M
    assert "set `geoid_m`" in capsys.readouterr().out
    assert lattice(tmp_path / "dem.tif").transform.a == 30


def test_a_number_is_added_to_a_local_files_heights(tmp_path, capsys):
    grid, plane = city(74.0, 31.0), Plane(74.0, 31.0, east=300.0, north=100.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", grid.crs, plane)
    fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=-45.5)
    error = error_m(tmp_path / "dem.tif", around(grid), plane, constant(-45.5))
    assert np.abs(error).max() < EXACT_M
    assert "geoid_m" not in capsys.readouterr().out


def test_a_local_file_that_names_its_vertical_datum_is_converted(archive, tmp_path):
    grid, plane = city(74.0, 31.0), Plane(74.0, 31.0, east=300.0, north=100.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", f"{grid.crs}+5773", plane)
    fetch_dem(grid, tmp_path / "dem.tif", dem=dem)
    error = error_m(tmp_path / "dem.tif", around(grid), plane, lambda lon, lat: geoid(lon, lat) + 3)
    assert np.abs(error).max() < EXACT_M
    assert read_tags(tmp_path / "dem.tif")["vertical_datum_of_origin"] == "EGM96 height"
    assert not pyproj.CRS(str(lattice(tmp_path / "dem.tif").crs)).is_compound


def test_a_local_file_whose_datum_proj_cannot_convert_is_an_error(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJ_NETWORK", "OFF")
    grid = city(74.0, 31.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", f"{grid.crs}+5773", CORNER)
    with pytest.raises(ArchiveError, match=r"EGM96 height.*geoid_m"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem)


@pytest.mark.parametrize("geoid_m", [None, -45.0])
def test_a_local_file_in_feet_is_refused(tmp_path, geoid_m):
    grid = city(74.0, 31.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", f"{grid.crs}+6360", CORNER)
    with pytest.raises(ValueError, match="expected heights in metres, got NAVD88 height"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=geoid_m)


def test_a_local_file_that_ends_before_the_margin_is_refused_and_says_what_is_needed(tmp_path):
    grid = city(74.0, 31.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", grid.crs, CORNER, margin_m=HEIGHTS_MARGIN_M - 60)
    with pytest.raises(ValueError, match=r"expected heights for the city and around it.*got"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem)


def test_a_local_file_in_degrees_whose_corner_is_not_in_the_city_is_refused(tmp_path):
    grid = city(71.0, 31.0)  # far from its zone's meridian: the map's corners are turned against meridians
    lon, lat = degrees(around(grid, HEIGHTS_MARGIN_M))
    west, north = lon.min() + 1e-4, lat.max() + 1e-3
    shape = (round((north - lat.min()) * 1800) + 3, round((lon.max() - west) * 1800) + 3)
    dem = _write_local(
        tmp_path / "mine.tif", "EPSG:4326", Affine(1 / 1800, 0, west, 0, -1 / 1800, north), np.zeros(shape)
    )
    with pytest.raises(ValueError, match="expected heights for the city"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem)


def test_a_local_file_that_ends_inside_the_citys_curved_edge_is_refused(tmp_path):
    grid = make_grid(box(74.8, 31.0, 75.2, 31.01))  # its northern edge bulges northward between its corners
    lon, lat = degrees(around(grid, HEIGHTS_MARGIN_M))
    north = (lat[0, [0, -1]].max() + lat.max()) / 2
    west, step = lon.min() - 0.01, 1 / 600
    shape = (round((north - lat.min()) / step) + 9, round((lon.max() - west) / step) + 9)
    dem = _write_local(tmp_path / "mine.tif", "EPSG:4326", Affine(step, 0, west, 0, -step, north), np.zeros(shape))
    with pytest.raises(ValueError, match="expected heights for the city"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem)


def test_holes_of_a_local_file_are_filled(tmp_path):
    grid = city(74.0, 31.0)
    padded = around(grid, HEIGHTS_MARGIN_M + 60)
    heights = np.full((padded.height // 3, padded.width // 3), 12.0)
    heights[50:60, 50:60] = -9999
    dem = _write_local(tmp_path / "mine.tif", grid.crs, padded.transform @ Affine.scale(3), heights, nodata=-9999)
    fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=0.0)
    assert np.unique(read_heights(tmp_path / "dem.tif", around(grid))) == pytest.approx([12.0])


def _write_numbers(path: Path, grid: Grid, numbers: np.ndarray, *, scale: float, offset: float, **profile) -> Path:
    """A DEM of the user as digital numbers, 30 m pixels, of which `numbers` are the north-western corner's."""
    padded = around(grid, HEIGHTS_MARGIN_M + 60)
    stored = np.full((padded.height // 3, padded.width // 3), 1234, numbers.dtype)
    stored[: numbers.shape[0], : numbers.shape[1]] = numbers
    georeference = {"crs": str(grid.crs), "transform": padded.transform @ Affine.scale(3)}
    with rasterio.open(
        path, "w", driver="GTiff", width=stored.shape[1], height=stored.shape[0], count=1, dtype=stored.dtype,
        **georeference, **profile,
    ) as file:  # fmt: skip
        file.write(stored, 1)
        file.scales, file.offsets = (scale,), (offset,)
    return path


def test_the_scale_and_offset_of_a_local_files_numbers_are_applied(tmp_path):
    grid = city(74.0, 31.0)
    holes = np.full((90, 90), -32768, np.int16)
    dem = _write_numbers(tmp_path / "mine.tif", grid, holes, scale=0.1, offset=5.0, nodata=-32768)
    fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=0.0)
    with rasterio.open(tmp_path / "dem.tif") as file:
        assert np.unique(file.read(1)) == pytest.approx([128.4])  # 1234 · 0.1 + 5; holes take the nearest height
    assert float(read_tags(tmp_path / "dem.tif")["filled_share"]) > 0


@pytest.mark.parametrize("number", [-32768, -9999, 32767])
def test_a_height_that_no_place_on_land_has_is_refused_as_an_undeclared_nodata(tmp_path, number):
    grid = city(74.0, 31.0)
    numbers = np.full((90, 90), number, np.int16)
    dem = _write_numbers(tmp_path / "mine.tif", grid, numbers, scale=1.0, offset=0.0)
    with pytest.raises(ValueError, match=rf"-500 to 9000 m.*{number}.*nodata"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=0.0)
    assert not (tmp_path / "dem.tif").exists()


def test_an_infinite_height_is_refused(tmp_path):
    grid = city(74.0, 31.0)
    padded = around(grid, HEIGHTS_MARGIN_M + 60)
    heights = np.full((padded.height // 3, padded.width // 3), 12.0)
    heights[50, 50] = np.inf
    dem = _write_local(tmp_path / "mine.tif", grid.crs, padded.transform @ Affine.scale(3), heights)
    with pytest.raises(ValueError, match=r"-500 to 9000 m.*inf"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem, geoid_m=0.0)


def test_a_local_file_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(terrain_local, "MOST_PX", 1000)
    grid = city(74.0, 31.0)
    dem = _local_plane(grid, tmp_path / "mine.tif", grid.crs, CORNER)
    with pytest.raises(ValueError, match="expected at most 1000 heights"):
        fetch_dem(grid, tmp_path / "dem.tif", dem=dem)


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="glo30, srtm or a file, got 'aster'"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem="aster")


def test_a_missing_local_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.tif: no such file"):
        fetch_dem(city(74.0, 31.0), tmp_path / "dem.tif", dem=tmp_path / "none.tif")
