from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box

from lczmap.grid import HALO_PX, Grid, tile_geobox, tiles
from lczmap.mapping import classify
from lczmap.mapping.classify import classify_cells, classify_tile
from lczmap.mapping.mosaic import mosaic, most_probable_code
from lczmap.mapping.pixels import read_channels
from lczmap.models.checkpoint import save_checkpoint
from lczmap.raster import Stack, read_cells, read_class_map, read_stack, write_stack
from lczmap.views import ABSENT

L1C = {"sentinel-2": {"level": "L1C"}}


class CentreCode:
    """Says the class whose code / 100 stands at the centre of the patch's first channel."""

    def __init__(
        self,
        channels: tuple[str, ...] = ("B2",),
        state: Mapping[str, Mapping[str, str]] | None = None,
        patch_px: int = 32,
    ):
        self.name, self.channels, self.patch_px = "centre_code", channels, patch_px
        self.state = L1C if state is None else state
        self.batches: list[np.ndarray] = []

    def probabilities(self, patches: np.ndarray) -> np.ndarray:
        size = self.patch_px
        assert patches.shape[1:] == (len(self.channels), size, size)
        self.batches.append(patches)
        code = np.rint(patches[:, 0, size // 2, size // 2] * 100)
        return np.where(np.arange(1, 18) == code[:, np.newaxis], 0.84, 0.01).astype(np.float32)


def grid_of(rows: int, cols: int, *, cell_px: int = 10, tile_cells: int = 4) -> Grid:
    height, width = rows * cell_px, cols * cell_px
    west, north = 300_000.0, 5_800_000.0
    aoi = box(west, north - 10 * height, west + 10 * width, north)
    return Grid("EPSG:32633", west, north, width, height, cell_px, tile_cells * cell_px, aoi)


def around(cells: np.ndarray, cell_px: int) -> np.ndarray:
    """Pixels (1, y, x) with halo whose every cell holds code / 100."""
    pixels = np.kron(cells, np.ones((cell_px, cell_px))) / 100
    return np.pad(pixels, HALO_PX, mode="edge")[np.newaxis].astype(np.float32)


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 18, (9, 7)).astype(np.uint8)


@pytest.mark.parametrize("patch_px", [8, 32, 48])
@pytest.mark.parametrize("cell_px", [1, 5, 10, 20])
def test_every_cell_is_seen_by_the_patch_around_its_own_centre(codes, cell_px, patch_px):
    network = CentreCode(patch_px=patch_px)
    found = classify_cells(around(codes, cell_px), np.ones(codes.shape, bool), network, cell_px=cell_px)
    np.testing.assert_array_equal(most_probable_code(found), codes)


def test_batches_have_one_size_and_a_cell_keeps_its_slot_in_any_tile(codes):
    pixels = around(np.arange(63).reshape(9, 7), 10)  # every cell has its own number
    slots: list[dict[int, int]] = []
    for first, last in ((0, 9), (4, 9)):  # the whole city, and a tile of its lower rows
        seen = CentreCode()
        part = pixels[:, 10 * first : 10 * last + 2 * HALO_PX]
        wanted = np.ones((last - first, 7), bool)
        classify_cells(part, wanted, seen, cell_px=10, first_cell=(first, 0), batch_size=16)
        assert {b.shape[0] for b in seen.batches} == {16}
        slots.append({round(p[0, 16, 16] * 100): slot for b in seen.batches for slot, p in enumerate(b) if p.any()})
    assert len(slots[0]) >= 62  # cell 0 cannot be told from an empty slot
    assert slots[1].items() <= slots[0].items() and len(slots[1]) == 35


def test_batches_are_well_filled():
    seen = CentreCode()
    classify_cells(around(np.ones((50, 50)), 5), np.ones((50, 50), bool), seen, cell_px=5)
    assert len(seen.batches) <= 1.05 * 2500 / 64


def test_cells_outside_the_wanted_area_stay_nodata(codes):
    wanted = np.zeros(codes.shape, bool)
    wanted[2, 3] = True
    found = classify_cells(around(codes, 10), wanted, CentreCode(), cell_px=10)
    np.testing.assert_array_equal(~np.isnan(found[0]), wanted)


def test_progress_counts_every_cell_once(codes):
    calls: list[tuple[int, int]] = []
    classify_cells(
        around(codes, 10),
        np.ones(codes.shape, bool),
        CentreCode(),
        cell_px=10,
        batch_size=16,
        report=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (63, 63) and len(calls) >= 4


def test_a_missing_pixel_makes_its_own_cell_nodata_and_is_passed_to_the_neighbours():
    pixels = around(np.full((3, 3), 6), 10)
    pixels[0, HALO_PX + 10, HALO_PX + 19] = np.nan  # in the centre cell
    seen = CentreCode()
    found = classify_cells(pixels, np.ones((3, 3), bool), seen, cell_px=10)
    assert np.isnan(found[:, 1, 1]).all()
    assert np.isnan(found).sum() == 17
    assert sum(np.isnan(p).any() for b in seen.batches for p in b) == 8


def test_a_cell_is_refused_when_more_than_a_quarter_of_its_patch_is_missing():
    pixels = around(np.full((1, 1), 6), 10)
    start = HALO_PX + 5 - 16  # first pixel of the patch
    pixels[0, start : start + 8, start : start + 32] = np.nan  # 256 of 1024 pixels, above the cell's own area
    one = np.ones((1, 1), bool)
    assert not np.isnan(classify_cells(pixels, one, CentreCode(), cell_px=10)).any()
    pixels[0, start + 8, start] = np.nan
    assert np.isnan(classify_cells(pixels, one, CentreCode(), cell_px=10)).all()


def test_a_pixel_is_missing_when_any_channel_lacks_it():
    pixels = np.repeat(around(np.full((1, 1), 6), 10), 2, axis=0)
    pixels[1, HALO_PX, HALO_PX] = np.nan
    found = classify_cells(pixels, np.ones((1, 1), bool), CentreCode(("B2", "B3")), cell_px=10)
    assert np.isnan(found).all()


def test_patches_wider_than_the_halo_are_refused(codes):
    wide = CentreCode()
    wide.patch_px = 64
    with pytest.raises(ValueError, match="patches of at most 48 px, the halo of a tile, got 64 px"):
        classify_cells(around(codes, 10), np.ones(codes.shape, bool), wide, cell_px=10)


def write_city(
    folder: Path,
    grid: Grid,
    codes: np.ndarray,
    *,
    names: tuple[str, ...],
    state: Mapping[str, str],
    file: str = "s2.tif",
) -> None:
    """Write the tiles' stacks of a city: the last channel holds the cells' codes / 100, the others 0.5."""
    city = around(codes, grid.cell_px)[0]
    for tile in tiles(grid):
        window = city[tile.row : tile.row + tile.height + 2 * HALO_PX, tile.col : tile.col + tile.width + 2 * HALO_PX]
        pixels = np.stack([*[np.full_like(window, 0.5)] * (len(names) - 1), window])
        stack = Stack(pixels, names, tile_geobox(grid, tile), state)
        write_stack(folder / tile.name / file, stack, encoding="uint16_reflectance")


def map_city(folder: Path, grid: Grid, checkpoint: Path) -> tuple[np.ndarray, bytes]:
    """Classify every tile and join them; returns the probabilities and the bytes of the class map."""
    parts = []
    for tile in tiles(grid):
        parts.append(folder / f"p_{tile.name}.tif")
        classify_tile([folder / tile.name / "s2.tif"], checkpoint, grid, tile, parts[-1], batch_size=16)
    mosaic(parts, grid, folder / "probabilities.tif", folder / "lcz.tif")
    return read_cells(folder / "probabilities.tif")[0], (folder / "lcz.tif").read_bytes()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> CentreCode:
    classifier = CentreCode()
    monkeypatch.setattr(classify, "load_checkpoint", lambda _: classifier)
    return classifier


def test_channels_are_taken_by_name_and_tiles_land_on_their_cells(fake, codes, tmp_path, capsys):
    grid = grid_of(9, 7)
    write_city(tmp_path, grid, codes, names=("B4", "B3", "B2"), state={"level": "L1C"})
    probabilities, _ = map_city(tmp_path, grid, tmp_path / "any.safetensors")
    found, geobox = read_class_map(tmp_path / "lcz.tif")
    np.testing.assert_array_equal(found, codes)
    assert geobox == grid.cell_geobox
    assert probabilities.max() == np.float32(0.84)
    assert "classify r000c000 s2.tif: 100 % of 16 cells" in capsys.readouterr().out


def test_cells_outside_the_area_of_interest_are_nodata(fake, codes, tmp_path):
    grid = grid_of(9, 7)
    west, north = grid.west, grid.north
    grid = replace(grid, aoi=box(west + 200, north - 700, west + 600, north - 500))  # columns 2..5, rows 5 and 6
    write_city(tmp_path, grid, codes, names=("B2",), state={"level": "L1C"})
    map_city(tmp_path, grid, tmp_path / "any.safetensors")
    found, _ = read_class_map(tmp_path / "lcz.tif")
    expected = np.zeros_like(codes)
    expected[5:7, 2:6] = codes[5:7, 2:6]
    np.testing.assert_array_equal(found, expected)


def test_the_size_of_tiles_changes_no_bit_of_a_network_s_map(tmp_path):
    import torch

    from lczmap.models.classifier import TorchClassifier
    from lczmap.models.normalise import ChannelNormaliser, identity
    from lczmap.models.registry import create_model

    channels = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
    torch.manual_seed(0)
    network = create_model("eb_cnn", channels, widths=(8, 16, 16), blocks=(1, 1, 1))
    classifier = TorchClassifier(network, ChannelNormaliser(identity(channels)), state=L1C, patch_px=48)  # the widest
    save_checkpoint(tmp_path / "net.safetensors", classifier)
    scene = np.random.default_rng(1).random((10, 70 + 2 * HALO_PX, 50 + 2 * HALO_PX)).astype(np.float32)
    maps = []
    for tile_cells in (2, 3, 20):
        grid = grid_of(7, 5, tile_cells=tile_cells)
        folder = tmp_path / str(tile_cells)
        for tile in tiles(grid):
            rows = slice(tile.row, tile.row + tile.height + 2 * HALO_PX)
            cols = slice(tile.col, tile.col + tile.width + 2 * HALO_PX)
            stack = Stack(scene[:, rows, cols], channels, tile_geobox(grid, tile), {"level": "L1C"})
            write_stack(folder / tile.name / "s2.tif", stack, encoding="uint16_reflectance")
        maps.append(map_city(folder, grid, tmp_path / "net.safetensors"))
    for probabilities, lcz in maps[1:]:
        np.testing.assert_array_equal(probabilities, maps[0][0])
        assert lcz == maps[0][1]
    assert not np.isnan(maps[0][0]).any()


def expect_refusal(tmp_path: Path, grid: Grid, stacks: list[Path], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classify_tile(stacks, tmp_path / "any.safetensors", grid, tiles(grid)[0], tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_a_missing_channel_is_named_with_file_expectation_and_remedy(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    fake.channels = ("B2", "B11")
    write_city(tmp_path, grid, codes[:4, :4], names=("B3", "B2"), state={"level": "L1C"})
    message = (
        r"r000c000.s2\.tif: .* expects the channels \['B2', 'B11'\], .* has \['B3', 'B2'\] and lacks \['B11'\]; make"
    )
    expect_refusal(tmp_path, grid, [tmp_path / "r000c000" / "s2.tif"], message)


def test_a_network_with_radar_channels_needs_a_radar_stack(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    fake.channels = ("VH", "B2")
    write_city(tmp_path, grid, codes[:4, :4], names=("B2",), state={"level": "L1C"})
    message = r"needs the sentinel-1 channels \['VH'\], but this run has no sentinel-1 stack; switch"
    expect_refusal(tmp_path, grid, [tmp_path / "r000c000" / "s2.tif"], message)


def test_a_stack_on_another_grid_is_refused(fake, codes, tmp_path):
    write_city(tmp_path, grid_of(4, 4), codes[:4, :4], names=("B2",), state={"level": "L1C"})
    expect_refusal(
        tmp_path, grid_of(3, 4), [tmp_path / "r000c000" / "s2.tif"], "with halo, 78 × 88 of 10 m at .* got 88 × 88"
    )


def test_another_processing_level_is_refused_unless_allowed(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    stack = tmp_path / "r000c000" / "s2.tif"
    write_city(tmp_path, grid, codes[:4, :4], names=("B2",), state={"level": "L2A"})
    message = r"r000c000.s2\.tif .*level: expected 'L1C', got 'L2A'.*`allow_level_mismatch: true`"
    expect_refusal(tmp_path, grid, [stack], message)
    out = tmp_path / "out.tif"
    classify_tile([stack], tmp_path / "x.safetensors", grid, tiles(grid)[0], out, allow_level_mismatch=True)
    np.testing.assert_array_equal(most_probable_code(read_cells(out)[0]), codes[:4, :4])


def test_a_network_maps_other_scenes_than_it_was_trained_on(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    fake.state = {"sentinel-2": {"level": "L1C", "scenes": "one"}}
    write_city(tmp_path, grid, codes[:4, :4], names=("B2",), state={"level": "L1C", "scenes": "another"})
    map_city(tmp_path, grid, tmp_path / "any.safetensors")
    np.testing.assert_array_equal(read_class_map(tmp_path / "lcz.tif")[0], codes[:4, :4])


def test_channels_of_both_sensors_are_put_in_the_network_s_order(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    fake.channels, fake.state = ("VV", "B2"), L1C | {"sentinel-1": {"product": "grd"}}
    radar = {"product": "grd", "looks": "4.4"}
    write_city(tmp_path, grid, codes[:4, :4], names=("B3", "B2"), state={"level": "L1C"})
    write_city(tmp_path, grid, codes[:4, :4], names=("VH", "VV"), state=radar, file="s1.tif")
    paths = [tmp_path / "r000c000" / name for name in ("s2.tif", "s1.tif")]
    classify_tile(paths, tmp_path / "x.safetensors", grid, tiles(grid)[0], tmp_path / "out.tif")
    batch = fake.batches[0]
    np.testing.assert_array_equal(batch[:, 0], batch[:, 1])  # both hold the codes, the other channels hold 0.5
    np.testing.assert_array_equal(most_probable_code(read_cells(tmp_path / "out.tif")[0]), codes[:4, :4])


RADAR = {"product": "grd", "calibration": "sigma0", "noise_removed": "true", "looks": "4.4"}


@pytest.mark.parametrize(
    ("sensor", "key", "trained", "actual"),
    [
        ("sentinel-2", "level", "L1C", "L2A"),
        ("sentinel-1", "calibration", "sigma0", "gamma0"),
        ("sentinel-1", "noise_removed", "true", "false"),
        ("sentinel-1", "noise_removed", "true", "unknown"),
        ("sentinel-1", "product", "grd", "slc"),
        ("sentinel-1", "looks", "4.4", "1"),
        ("sentinel-1", "looks", "4.4", "8.8"),  # the mean of two dates
    ],
)
def test_pixels_made_in_another_way_are_refused_with_reason_and_remedy(sensor, key, trained, actual, tmp_path):
    geobox, path = tile_geobox(grid_of(4, 4), tiles(grid_of(4, 4))[0]), tmp_path / "stack.tif"
    states = {"sentinel-1": RADAR, "sentinel-2": {"level": "L1C"}}
    names = {"sentinel-1": ("VH", "VV"), "sentinel-2": ("B2",)}[sensor]
    network = CentreCode(names, {sensor: states[sensor]})
    pixels = np.full((len(names), *geobox.shape), 0.5, np.float32)
    write_stack(path, Stack(pixels, names, geobox, states[sensor] | {key: actual, "scenes": "others"}))
    message = rf"stack\.tif .*{sensor} {key}: expected '{trained}', got '{actual}'\).*`allow_level_mismatch: true`"
    with pytest.raises(ValueError, match=message):
        read_channels(network, {sensor: path}, geobox)
    np.testing.assert_array_equal(read_channels(network, {sensor: path}, geobox, any_state=True), pixels)
    write_stack(path, Stack(pixels, names, geobox, states[sensor] | {"scenes": "others"}))
    np.testing.assert_array_equal(read_channels(network, {sensor: path}, geobox), pixels)


def test_probabilities_of_several_views_are_averaged_where_they_show_a_cell(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    spring, summer = codes[:4, :4].astype(float), np.full((4, 4), 3.0)
    summer[0, 0] = 0  # stored as nodata: this season does not show the cell
    write_city(tmp_path, grid, spring, names=("B2",), state={"level": "L1C"}, file="s2_spring.tif")
    stack = read_stack(tmp_path / "r000c000" / "s2_spring.tif")
    pixels = around(summer, 10)
    write_stack(tmp_path / "r000c000" / "s2_summer.tif", replace(stack, pixels=np.where(pixels == 0, np.nan, pixels)))
    files = [tmp_path / "r000c000" / f"s2_{season}.tif" for season in ("spring", "summer")]
    out = tmp_path / "out.tif"
    classify_tile(files, tmp_path / "any.safetensors", grid, tiles(grid)[0], out)
    found = read_cells(out)[0]
    one = np.where(np.arange(1, 18)[:, None, None] == spring, 0.84, 0.01)
    other = np.where(np.arange(1, 18)[:, None, None] == summer, 0.84, 0.01)
    np.testing.assert_allclose(found[:, 1:, 1:], ((one + other) / 2)[:, 1:, 1:], atol=1e-6)
    np.testing.assert_allclose(found[:, 0, 0], one[:, 0, 0], atol=1e-6)


def test_a_network_that_needs_radar_refuses_a_run_that_found_none(fake, codes, tmp_path):
    grid = grid_of(4, 4)
    fake.channels = ("VH", "B2")
    write_city(tmp_path, grid, codes[:4, :4], names=("B2",), state={"level": "L1C"})
    write_city(tmp_path, grid, codes[:4, :4], names=("VH",), state=ABSENT, file="s1.tif")
    stacks = [tmp_path / "r000c000" / name for name in ("s1.tif", "s2.tif")]
    expect_refusal(tmp_path, grid, stacks, r"needs sentinel-1, but the run found no such scene")
