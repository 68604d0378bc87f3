"""Pictures of the ground around cells: the right place, one stretch, any sensor."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from matplotlib.image import imread
from odc.geo.geobox import GeoBox

from lczmap.evaluation.cell_pictures import draw_pictures, radar_colors, surroundings, view_of_picture, views_of_tiles
from lczmap.evaluation.sample_files import find_views
from lczmap.raster import Stack, write_cells, write_stack
from lczmap.views import ABSENT

UTM = "EPSG:32633"
WEST, NORTH = 400_000.0, 5_800_000.0
MAP = GeoBox((20, 40), Affine(100, 0, WEST, 0, -100, NORTH), UTM)


def pixels(rows: int, cols: int, west: float = WEST) -> GeoBox:
    return GeoBox((rows, cols), Affine(10, 0, west, 0, -10, NORTH), UTM)


def picture(view: object, *places: GeoBox) -> list[np.ndarray]:
    return [imread(BytesIO(data), format="jpg").astype(int) for data in draw_pictures(view, places)]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiles of 2 × 2 km: brightness rises to the east in B4, B8 is a constant; radar of two intensities."""
    folder = tmp_path_factory.mktemp("run") / "tiles"
    for k in range(2):
        box = pixels(200, 200, WEST + 2000 * k)
        east = np.broadcast_to((np.arange(200) + 200 * k) / 400, (200, 200))
        optical = np.stack([np.full((200, 200), 0.1), np.full((200, 200), 0.1), east, np.full((200, 200), 0.3)])
        write_stack(
            folder / f"r000c00{k}" / "s2.tif",
            Stack(optical.astype(np.float32), ("B2", "B3", "B4", "B8"), box),
            encoding="uint16_reflectance",
        )
        radar = np.stack([np.full((200, 200), 0.1), 0.01 + east]).astype(np.float32)
        write_stack(folder / f"r000c00{k}" / "s1.tif", Stack(radar, ("VH", "VV"), box))
    return folder


def test_a_cell_lies_in_the_middle_of_a_kilometre() -> None:
    place = surroundings(MAP, 8, 20)
    assert place.shape == (100, 100)
    assert tuple(place.boundingbox)[:2] == (WEST + 2000 - 450, NORTH - 900 - 450)
    coarse = surroundings(GeoBox((5, 5), Affine(500, 0, WEST, 0, -500, NORTH), UTM), 2, 2)
    assert coarse.shape == (150, 150)  # thrice the cell
    fine = surroundings(GeoBox((50, 50), Affine(10, 0, WEST, 0, -10, NORTH), UTM), 2, 2)
    assert fine.shape == (101, 101)  # one pixel in the middle


def test_pictures_run_across_tiles_and_share_one_stretch(tiles: Path) -> None:
    natural, infrared, _ = views_of_tiles(tiles)
    middle, east = picture(natural, surroundings(MAP, 8, 19), surroundings(MAP, 8, 33))
    assert middle.shape == (100, 100, 3)
    red = middle[..., 0].mean(axis=0)
    assert (np.diff(red[::10]) > 0).all()  # the border between the tiles leaves no step and no gap
    assert np.diff(red).max() < 20
    assert east[..., 0].mean() > middle[..., 0].mean() + 60
    assert infrared.bands == ("B8", "B4", "B3")


def test_ground_without_pixels_is_grey(tiles: Path) -> None:
    (corner,) = picture(views_of_tiles(tiles)[0], surroundings(MAP, 0, 0))
    assert np.abs(corner[:40, :40] - 128).max() <= 8  # 450 m north and west of the first tile
    assert corner[60:, 60:, 1].max() < 120


def test_radar_is_shown_in_decibels_from_the_filtered_bands_where_there_are(tiles: Path, tmp_path: Path) -> None:
    colors = radar_colors(np.array([[[0.1, 0.0]], [[0.001, 0.1]]], np.float32))
    assert colors[:, 0, 0] == pytest.approx([-10, -30, 20])
    assert np.isnan(colors[0, 0, 1])
    assert views_of_tiles(tiles)[2].bands == ("VV", "VH")
    both = np.ones((4, 10, 10), np.float32)
    write_stack(tmp_path / "a" / "s1.tif", Stack(both, ("VH", "VV", "VH_lee", "VV_lee"), pixels(10, 10)))
    assert [view.bands for view in views_of_tiles(tmp_path)] == [("VV_lee", "VH_lee")]


def test_a_sensor_without_a_scene_gives_no_view_and_a_view_without_a_pixel_no_pictures(tmp_path: Path) -> None:
    empty = np.full((2, 10, 10), np.nan, np.float32)
    write_stack(tmp_path / "a" / "s1.tif", Stack(empty, ("VH", "VV"), pixels(10, 10), dict(ABSENT)))
    assert views_of_tiles(tmp_path) == ()
    write_stack(tmp_path / "a" / "s1_2.tif", Stack(empty, ("VH", "VV"), pixels(10, 10)))
    (radar,) = views_of_tiles(tmp_path)  # not absent: there was a scene, elsewhere
    assert [path.name for path in radar.paths] == ["s1_2.tif"]
    assert picture(radar, surroundings(MAP, 8, 20)) == []


def test_a_picture_of_bytes_is_shown_as_it_is(tmp_path: Path) -> None:
    colors = np.stack([np.full((200, 400), value, np.uint8) for value in (200, 100, 50)])
    write_cells(tmp_path / "rgb.tif", colors, pixels(200, 400), names=["red", "green", "blue"], nodata=0)
    (shown,) = picture(view_of_picture(tmp_path / "rgb.tif"), surroundings(MAP, 8, 20))
    assert np.abs(shown - [200, 100, 50]).max() <= 3
    write_cells(tmp_path / "one.tif", colors[:1], pixels(200, 400), names=["LCZ"], nodata=0)
    with pytest.raises(ValueError, match="expected red, green and blue bands, got 1"):
        view_of_picture(tmp_path / "one.tif")


def test_reflectance_is_no_picture_of_bytes(tmp_path: Path) -> None:
    reflectance = np.full((3, 20, 20), 1800, np.uint16)  # would be white throughout
    write_cells(tmp_path / "s2.tif", reflectance, pixels(20, 20), names=["B4", "B3", "B2"], nodata=0)
    with pytest.raises(ValueError, match=r"s2.tif: expected red, green and blue as bytes .*, got uint16.*-scale"):
        find_views(tmp_path / "lcz.tif", stacks=None, rgb=tmp_path / "s2.tif")


def test_pictures_are_found_beside_the_map_and_beside_the_run_of_a_further_model(tiles: Path, tmp_path: Path) -> None:
    run = tiles.parent
    for path in (run / "lcz.tif", run / "models" / "wudapt_rf" / "lcz.tif"):
        assert len(find_views(path, stacks=None, rgb=None)) == 3
    assert find_views(tmp_path / "lcz.tif", stacks=None, rgb=None) == ()
    with pytest.raises(ValueError, match="expected the folder of the tiles"):
        find_views(run / "lcz.tif", stacks=tmp_path / "none", rgb=None)
