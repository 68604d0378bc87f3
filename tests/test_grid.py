import numpy as np
import pyproj
import pytest
import shapely

from lczmap.aoi import bbox_aoi
from lczmap.grid import (
    HALO_PX,
    Grid,
    aoi_cells,
    make_grid,
    overlap,
    patch_start,
    tile,
    tile_cells,
    tile_geobox,
    tile_of_cell,
    tiles,
)
from lczmap.utm import utm_crs

UTM33 = "EPSG:32633"


def city(**options: int) -> Grid:
    return make_grid(bbox_aoi([380_040, 5_800_000, 392_000, 5_812_060], UTM33), **{"tile_px": 500, **options})


def test_the_corner_is_a_multiple_of_the_cell_so_neighbours_share_cells() -> None:
    grid = city()
    assert (grid.crs, grid.west % 100, grid.north % 100) == (UTM33, 0, 0)
    neighbour = make_grid(bbox_aoi([391_950, 5_800_030, 399_000, 5_807_000], UTM33))
    assert (neighbour.west - grid.west) % 100 == 0
    assert (neighbour.north - grid.north) % 100 == 0


def test_the_grid_covers_the_area_and_not_much_more() -> None:
    grid = city()
    west, south, east, north = grid.aoi.bounds
    box = grid.geobox.boundingbox
    assert box.left <= west + 1 and box.right >= east - 1 and box.top >= north - 1 and box.bottom <= south + 1
    assert max(west - box.left, box.right - east, box.top - north, south - box.bottom) < 101


def test_an_area_on_cell_borders_gets_no_further_cells() -> None:
    grid = make_grid(bbox_aoi([500_000, 0, 510_000, 20_000], "EPSG:32631"))  # on the meridian: edges stay straight
    assert (grid.west, grid.north, grid.cells_shape) == (500_000, 20_000, (200, 100))


def test_tiles_cover_every_cell_once() -> None:
    grid = city()
    count = np.zeros(grid.cells_shape, int)
    for t in tiles(grid):
        count[tile_cells(grid, t)] += 1
    assert (count == 1).all()
    for row, col in [(0, 0), (49, 50), (120, 119)]:
        rows, cols = tile_cells(grid, tile(grid, tile_of_cell(grid, row, col)))
        assert rows.start <= row < rows.stop and cols.start <= col < cols.stop


@pytest.mark.parametrize("patch_px", [8, 32, 48])
@pytest.mark.parametrize("cell_m", [10, 50, 100, 200])
def test_the_halo_holds_every_patch_of_a_tile(cell_m: int, patch_px: int) -> None:
    grid = city(cell_m=cell_m)
    for t in tiles(grid):
        for start, length, cells in zip((t.row, t.col), (t.height, t.width), tile_cells(grid, t), strict=True):
            assert patch_start(cells.start, grid.cell_px, patch_px) >= start - HALO_PX
            assert patch_start(cells.stop - 1, grid.cell_px, patch_px) + patch_px <= start + length + HALO_PX


def test_a_patch_is_centred_on_its_cell() -> None:
    assert patch_start(0, 10) == -11  # pixels -11..20 around the centre at 5
    assert patch_start(3, 10) + 16 == 35
    assert patch_start(2, 5) == -4  # centre 12.5: half a pixel towards the start
    assert patch_start(0, 10, 48) == -19  # pixels -19..28


def test_a_tiles_pixels_lie_on_the_citys_grid() -> None:
    grid = city()
    box = tile_geobox(grid, tile(grid, "r001c001"))
    assert (box.transform.c, box.transform.f) == (grid.west + 5000 - 240, grid.north - 5000 + 240)
    assert box.shape == (548, 548)  # 24 px on each side


def test_cells_whose_centre_is_outside_the_area_are_not_mapped() -> None:
    to_lonlat = pyproj.Transformer.from_crs(UTM33, "EPSG:4326", always_xy=True)
    triangle = shapely.transform(
        shapely.Polygon([(400_000, 5_800_000), (401_000, 5_800_000), (400_000, 5_801_000)]),
        lambda xy: np.column_stack(to_lonlat.transform(xy[:, 0], xy[:, 1])),
    )
    inside = aoi_cells(make_grid(triangle))
    assert inside.shape == (10, 10)
    assert inside[9, 0] and not inside[0, 9]
    assert abs(inside.sum() - 50) <= 5  # the diagonal runs through centres


def test_json_round_trip_keeps_the_grid() -> None:
    assert Grid.from_json(city().to_json()) == city()


def test_the_southern_hemisphere_has_its_own_zones() -> None:
    assert utm_crs(bbox_aoi([151.0, -34.0, 151.3, -33.7])) == "EPSG:32756"


def test_an_area_across_the_antimeridian_is_one_piece() -> None:
    grid = make_grid(bbox_aoi([179.9, -17.0, -179.9, -16.8]))
    assert grid.crs in ("EPSG:32760", "EPSG:32701")
    assert 20_000 < grid.width * 10 < 23_000


def test_an_area_across_a_zone_edge_is_one_grid() -> None:
    grid = make_grid(bbox_aoi([11.9, 48.0, 12.2, 48.2]))
    assert grid.crs == UTM33
    assert 21_000 < grid.width * 10 < 24_000


def test_a_city_at_a_zone_border_can_be_put_into_the_other_zone() -> None:
    box = bbox_aoi([11.9, 48.0, 12.2, 48.2])  # 12° is the border of the zones 32 and 33
    grid = make_grid(box, crs="EPSG:32632")
    assert grid.crs == "EPSG:32632"
    assert 700_000 < grid.west < 740_000  # east of the zone's meridian, 9°


def test_near_the_equator_a_city_may_be_counted_in_the_other_hemisphere() -> None:
    box = bbox_aoi([36.7, -1.4, 36.9, -1.2])
    assert make_grid(box, crs="EPSG:32637").north == pytest.approx(make_grid(box).north - 10_000_000, abs=100)


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("EPSG:32640", r"45\.1° from the meridian of UTM zone 40.*leave `map.crs` out"),
        ("EPSG:32733", "a zone of the southern hemisphere, the area begins at latitude 48"),
        ("EPSG:32661", "expected a UTM zone such as EPSG:32633"),
        ("EPSG:3857", "expected a UTM zone"),
        ("WGS 84", "expected a UTM zone"),
    ],
)
def test_a_zone_that_cannot_hold_the_city_is_refused(crs: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_grid(bbox_aoi([11.9, 48.0, 12.2, 48.2]), crs=crs)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 0, 20, 1], "split the area at a zone border"),
        ([5, 70, 7, 85], r"UTM covers -80\.\.84"),
        ([7, 0, 11, 8], r"at most 500 km"),
    ],
)
def test_an_area_too_large_for_one_grid_says_so(box: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_grid(bbox_aoi(box))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 10 m, got 25 m"):
        city(cell_m=25)
    with pytest.raises(ValueError, match="multiple of 10 px"):
        city(tile_px=505)


@pytest.mark.parametrize(
    ("gap_m", "margin_px", "shared"),
    [(900, 48, True), (1000, 48, False), (1000, 51, True), (-100, 0, True), (100, 0, False)],
)
def test_grids_overlap_when_their_margins_meet(gap_m: int, margin_px: int, shared: bool) -> None:
    west = bbox_aoi([380_000, 5_800_000, 384_000, 5_804_000], UTM33)
    east = bbox_aoi([384_000 + gap_m, 5_800_000, 388_000, 5_804_000], UTM33)
    assert overlap(make_grid(west), make_grid(east), margin_px=margin_px) is shared
    assert overlap(make_grid(east), make_grid(west), margin_px=margin_px) is shared


def test_grids_of_two_zones_overlap_where_they_share_ground() -> None:
    def at(west: float, south: float = 50.0) -> Grid:
        return make_grid(bbox_aoi([west, south, west + 0.2, south + 0.1], "EPSG:4326"))

    assert at(11.85).crs != at(11.95).crs
    assert overlap(at(11.85), at(11.95))
    assert not overlap(at(11.7), at(12.1))
    assert not overlap(at(11.85), at(-11.95))
    assert overlap(at(179.75, -17.0), at(179.9, -17.0)) and overlap(at(179.9, -17.0), at(-179.95, -17.0))
    assert not overlap(at(179.7, -17.0), at(-179.9, -17.0))
