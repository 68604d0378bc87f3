from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_city import CHANNELS, STATE, city_grid, patch_table, write_stacks

from lczmap.channels import S2_10
from lczmap.grid import tile, tile_geobox, tiles
from lczmap.raster import Stack, read_stack, write_stack
from lczmap.training.gather import gather_patches, present_views, stack_content, usable
from lczmap.views import ABSENT, combine

S2 = combine(["s2.tif"])


def gradient(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
    return 1000.0 * (y + 100) + x + 100 + 0.25 * (channel % 4)


def test_every_patch_lands_on_its_pixels_in_every_tile(tmp_path: Path) -> None:
    write_stacks(tmp_path, city_grid(), gradient)
    # corners of the city (halo beyond its edge), both sides of the seam between tiles, the last tile
    cells = ((0, 0), (5, 19), (5, 20), (19, 7), (20, 7), (29, 39))
    for size in (8, 32, 48):
        patches = gather_patches(city_grid(), patch_table(*cells), tmp_path, CHANNELS, patch_px=size)
        assert patches.shape == (6, 18, size, size)
        y, x = np.mgrid[0:size, 0:size]
        for patch, (row, col) in zip(patches, cells, strict=True):
            for channel in (0, 3, 8, 17):
                expected = gradient(10 * row + 5 - size // 2 + y, 10 * col + 5 - size // 2 + x, channel)
                assert np.array_equal(patch[channel], expected.astype(np.float32))


def test_channels_come_in_the_order_asked_for(tmp_path: Path) -> None:
    write_stacks(tmp_path, city_grid(), lambda y, x, channel: 0 * (x + y) + channel)
    patches = gather_patches(city_grid(), patch_table((3, 3)), tmp_path, ("B12", "VH_re", "B2"))
    assert patches[0, :, 0, 0].tolist() == [17, 0, 8]


def test_tile_size_does_not_change_a_patch(tmp_path: Path) -> None:
    whole = replace(city_grid(), tile_px=400)
    write_stacks(tmp_path / "small", city_grid(), gradient)
    write_stacks(tmp_path / "whole", whole, gradient)
    cells = patch_table((19, 19), (20, 20), (0, 39))
    small = gather_patches(city_grid(), cells, tmp_path / "small", CHANNELS)
    assert np.array_equal(small, gather_patches(whole, cells, tmp_path / "whole", CHANNELS))


def test_content_names_channels_in_network_order_and_the_state(tmp_path: Path) -> None:
    write_stacks(tmp_path, city_grid(), gradient)
    content = stack_content(city_grid(), tmp_path, combine(["s2.tif", "s1.tif"]))
    assert content.channels == CHANNELS
    assert content.state == STATE
    assert stack_content(city_grid(), tmp_path, S2).channels == S2_10.channels
    with pytest.raises(ValueError, match=r"expected stacks named .* got 'landsat\.tif'"):
        combine(["landsat.tif"])


def test_tiles_in_different_states_are_refused(tmp_path: Path) -> None:
    write_stacks(tmp_path, city_grid(), gradient)
    path = tmp_path / "r000c001" / "s2.tif"
    write_stack(path, replace(read_stack(path), state={"level": "L2A"}))
    with pytest.raises(ValueError, match=r"r000c001.s2\.tif: expected the channels and state of tile r000c000"):
        stack_content(city_grid(), tmp_path, S2)


def test_stack_without_the_channels_or_off_the_grid_is_refused(tmp_path: Path) -> None:
    grid = city_grid()
    write_stacks(tmp_path, grid, gradient)
    with pytest.raises(ValueError, match=r"s1\.tif: expected the channels \['VH'\].*lacks \['VH'\]"):
        gather_patches(grid, patch_table((3, 3)), tmp_path, ("VH",))
    with pytest.raises(ValueError, match="unknown channel 'B99'"):
        gather_patches(grid, patch_table((3, 3)), tmp_path, ("B99",))
    for size in (31, 50):
        with pytest.raises(ValueError, match=f"an even width of at most 48 px, got {size} px"):
            gather_patches(grid, patch_table((3, 3)), tmp_path, CHANNELS, patch_px=size)
    elsewhere = tile_geobox(replace(grid, west=grid.west + 10), tile(grid, "r000c000"))
    path = tmp_path / "r000c000" / "s2.tif"
    write_stack(path, replace(read_stack(path), geobox=elsewhere))
    with pytest.raises(ValueError, match=r"s2\.tif: expected \(32, 32\) pixels at"):
        gather_patches(grid, patch_table((3, 3)), tmp_path, ("B2",))
    short = Stack(np.zeros((2, 248, 248), np.float32), ("B2", "B3"), tile_geobox(grid, tile(grid, "r000c000")))
    write_stack(path, short)
    with pytest.raises(ValueError, match="expected the channels of one of"):
        stack_content(grid, tmp_path, S2)


def test_more_memory_than_allowed_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 patches of 18 channels need 0 MiB.*max_patches"):
        gather_patches(city_grid(), patch_table((3, 3)), tmp_path, CHANNELS, max_bytes=1000)


def test_missing_pixels_stay_nan_and_decide_what_is_usable(tmp_path: Path) -> None:
    def paint(y: np.ndarray, x: np.ndarray, channel: int) -> np.ndarray:
        gap = (channel == 3) & (y < 12)  # one channel misses the first 12 rows of the city
        return np.where(gap, np.nan, 1.0)

    write_stacks(tmp_path, city_grid(), paint)
    patches = gather_patches(city_grid(), patch_table((0, 5), (1, 5), (2, 5), (3, 5)), tmp_path, CHANNELS)
    # patch rows start at -11, -1, 9, 19: 23, 13, 3 and 0 of 32 rows are missing
    assert np.isnan(patches).any(axis=(1, 3)).sum(axis=1).tolist() == [23, 13, 3, 0]
    # the second cell (rows 10..19) lacks two of its own rows; the third lacks 9 % of the patch, none of its own
    assert usable(patches, cell_px=10).tolist() == [False, False, True, True]
    assert usable(patches, cell_px=10, max_missing=0.05).tolist() == [False, False, False, True]
    wide = gather_patches(city_grid(), patch_table((2, 5), (3, 5), (4, 5)), tmp_path, CHANNELS, patch_px=48)
    # patch rows start at 1, 11, 21: 11 (23 %), 1 (2 %) and 0 of 48 rows are missing
    assert usable(wide, cell_px=10).tolist() == [True, True, True]
    assert usable(wide, cell_px=10, max_missing=0.2).tolist() == [False, True, True]
    assert usable(wide, cell_px=30).tolist() == [False, True, True]  # rows 10..39 of the city lack two


def test_views_must_be_alike_and_each_gives_its_own_pixels(tmp_path: Path) -> None:
    grid = city_grid()
    write_stacks(tmp_path, grid, gradient)
    for part in tiles(grid):
        spring = read_stack(tmp_path / part.name / "s2.tif")
        summer = replace(spring, pixels=spring.pixels + 1, state=dict(spring.state) | {"scenes": "others"})
        write_stack(tmp_path / part.name / "s2_spring.tif", spring)
        write_stack(tmp_path / part.name / "s2_summer.tif", summer)
    views = combine(["s2_spring.tif", "s1.tif", "s2_summer.tif"])
    assert views == [
        {"sentinel-1": "s1.tif", "sentinel-2": "s2_spring.tif"},
        {"sentinel-1": "s1.tif", "sentinel-2": "s2_summer.tif"},
    ]
    content = stack_content(grid, tmp_path, views)
    first, second = (gather_patches(grid, patch_table((3, 3)), tmp_path, content.channels, view=v) for v in views)
    np.testing.assert_array_equal(first[:, :8], second[:, :8])
    np.testing.assert_allclose(first[:, 8:] + 1, second[:, 8:])
    for part in tiles(grid):
        path = tmp_path / part.name / "s2_summer.tif"
        write_stack(path, replace(read_stack(path), state={"level": "L2A"}))
    with pytest.raises(ValueError, match="expected the channels and pixel state of"):
        stack_content(grid, tmp_path, views)


def test_a_sensor_that_saw_nothing_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = city_grid()
    write_stacks(tmp_path, grid, gradient)
    for part in tiles(grid):
        path = tmp_path / part.name / "s1.tif"
        write_stack(path, replace(read_stack(path), state=ABSENT))
    assert present_views(grid, tmp_path, combine(["s1.tif", "s2.tif"])) == [{"sentinel-2": "s2.tif"}]
    assert "without sentinel-1" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"all of .* are empty"):
        present_views(grid, tmp_path, combine(["s1.tif"]))
