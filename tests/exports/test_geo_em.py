"""The ground of a WRF domain, and whether a map covers it."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from geo_em_files import as_netcdf4, block_map, lattice, write_geo_em
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from lczmap.aoi import checked_area
from lczmap.cli import app
from lczmap.exports.geo_em import check_domain, domain_polygon
from lczmap.raster import write_class_map

EARTH = pyproj.Geod(ellps="WGS84")
CODES, GEOBOX = block_map()


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain of 17 × 8 km, centred on the map of 18 × 9 km."""
    path = tmp_path_factory.mktemp("domain") / "geo_em.d02.nc"
    write_geo_em(path)
    return path


def class_map(folder: Path, codes: np.ndarray = CODES, geobox: GeoBox = GEOBOX) -> Path:
    write_class_map(folder / "lcz.tif", codes, geobox, tags={})
    return folder / "lcz.tif"


def test_the_outline_runs_through_the_outer_corners(domain: Path) -> None:
    outline = domain_polygon(domain)
    lat, lon = lattice((16, 34), 500, (15.0, 48.0), True)
    corners = [(lon[r, c], lat[r, c]) for r in (0, -1) for c in (0, -1)]
    assert all(outline.exterior.distance(shapely.Point(corner)) < 1e-6 for corner in corners)
    area_km2 = abs(EARTH.geometry_area_perimeter(outline)[0]) / 1e6
    assert area_km2 == pytest.approx(17 * 8, rel=0.01)  # WRF's sphere is 0.3 % off


def test_without_corner_variables_the_outline_lies_half_a_cell_beyond_the_centres(domain: Path, tmp_path: Path) -> None:
    write_geo_em(tmp_path / "geo_em.d02.nc", corners=False)
    between, corners = domain_polygon(tmp_path / "geo_em.d02.nc"), domain_polygon(domain)
    np.testing.assert_allclose(between.bounds, corners.bounds, atol=2e-5)  # 2 m; float32 degrees


def test_a_netcdf4_file_has_the_same_outline(domain: Path, tmp_path: Path) -> None:
    as_netcdf4(domain, tmp_path / "geo_em.d02.nc")
    assert domain_polygon(tmp_path / "geo_em.d02.nc").equals(domain_polygon(domain))


def test_a_margin_is_kept_on_all_sides_in_kilometres(domain: Path) -> None:
    outline, grown = domain_polygon(domain), domain_polygon(domain, 3)
    west, south, east, north = outline.bounds
    wide = grown.bounds
    assert EARTH.inv(west, 48, wide[0], 48)[2] == pytest.approx(3000, rel=0.01)
    assert EARTH.inv(east, 48, wide[2], 48)[2] == pytest.approx(3000, rel=0.01)
    assert EARTH.inv(15, south, 15, wide[1])[2] == pytest.approx(3000, rel=0.01)
    assert EARTH.inv(15, north, 15, wide[3])[2] == pytest.approx(3000, rel=0.01)
    with pytest.raises(ValueError, match="margin of 0 km or more"):
        domain_polygon(domain, -1)


def test_a_domain_across_the_antimeridian_is_one_area(tmp_path: Path) -> None:
    write_geo_em(tmp_path / "geo_em.d01.nc", centre=(180.0, 48.0))
    for margin in (0, 2):
        outline = domain_polygon(tmp_path / "geo_em.d01.nc", margin)
        west, _, east, _ = outline.bounds
        assert east - west < 0.4 and checked_area(outline, "domain").area == pytest.approx(outline.area)


def test_a_map_that_covers_the_domain_is_said_to_and_how_far(domain: Path, tmp_path: Path) -> None:
    coverage = check_domain(class_map(tmp_path), domain)
    assert 350 < coverage.spare_m < 550 and coverage.without_class == 0
    result = CliRunner().invoke(app, ["check-domain", str(tmp_path / "lcz.tif"), str(domain)])
    assert result.exit_code == 0 and "0.5 km to spare; 0.0% of the domain has no class" in result.output


def test_a_map_that_ends_inside_the_domain_is_refused_with_the_side(domain: Path, tmp_path: Path) -> None:
    cut = class_map(tmp_path, CODES[:, :160], GEOBOX[:, :160])  # 2 km less in the east, of which 0.5 km were to spare
    with pytest.raises(ValueError, match=r"missing 1\.[4-6] km in the east\. w2w needs a map larger"):
        check_domain(cut, domain)


def test_the_export_in_degrees_is_checked_in_metres_too(domain: Path, tmp_path: Path) -> None:
    size = 0.0008983152841195214
    degrees = GeoBox((120, 300), Affine(size, 0, 14.87, 0, -size, 48.06), "EPSG:4326")
    coverage = check_domain(class_map(tmp_path, np.full((120, 300), 6, np.uint8), degrees), domain)
    west = domain_polygon(domain).bounds[0]
    assert coverage.spare_m == pytest.approx(EARTH.inv(14.87, 48, west, 48)[2], rel=0.01)
    with pytest.raises(ValueError, match=r"km in the west"):
        check_domain(class_map(tmp_path, np.full((120, 280), 6, np.uint8), degrees[:, 20:]), domain)


def test_cells_without_class_inside_the_domain_are_counted_and_many_refused(domain: Path, tmp_path: Path) -> None:
    few, many = CODES.copy(), CODES.copy()
    few[40:45, 60:120] = 0  # 3 km²
    many[30:60, 60:120] = 0  # 18 km²
    assert check_domain(class_map(tmp_path, few), domain).without_class == pytest.approx(3 / 136, rel=0.03)
    with pytest.raises(ValueError, match=r"13% of the WRF domain .* has no class, at most 5%"):
        check_domain(class_map(tmp_path, many), domain)


def test_a_map_without_crs_is_refused(domain: Path, tmp_path: Path) -> None:
    with rasterio.open(tmp_path / "lcz.tif", "w", driver="GTiff", width=5, height=5, count=1, dtype="uint8") as target:
        target.write(np.ones((1, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"lcz.tif: the map has no CRS"):
        check_domain(tmp_path / "lcz.tif", domain)


def test_files_that_are_no_domain_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.nc: no such file"):
        domain_polygon(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("netcdf geo_em {}")
    with pytest.raises(ValueError, match=r"text.nc: expected a NetCDF file .*nccopy"):
        domain_polygon(tmp_path / "text.nc")
    write_geo_em(tmp_path / "whole.nc")
    as_netcdf4(tmp_path / "whole.nc", tmp_path / "whole4.nc")
    for name in ("whole.nc", "whole4.nc"):
        (tmp_path / "half.nc").write_bytes((tmp_path / name).read_bytes()[:9000])
        with pytest.raises(ValueError, match=r"half.nc: the NetCDF file is damaged"):
            domain_polygon(tmp_path / "half.nc")
