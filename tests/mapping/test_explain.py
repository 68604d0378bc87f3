from pathlib import Path

import numpy as np
import pytest
import torch
from shapely.geometry import box

from lczmap.classes import NUM_CLASSES
from lczmap.config import Model
from lczmap.grid import HALO_PX, Grid, tile_geobox, tiles
from lczmap.mapping.explain import explain_tile
from lczmap.mapping.mosaic import mosaic_explanation, tile_cell_geobox
from lczmap.models import registry
from lczmap.models.bp_lcz import BPLCZ
from lczmap.models.classifier import TorchClassifier, load_checkpoint, save_checkpoint
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import create_model
from lczmap.raster import Stack, band_names, read_cells, write_probabilities, write_stack

CHANNELS = ("B2", "B3", "B4", "B8", "B11", "B12")
GROUPS = ("RGB", "NIR", "SWIR")
L1C = {"level": "L1C"}
GRID = Grid("EPSG:32633", 300_000.0, 5_800_000.0, 50, 30, 10, 30, box(300_000, 5_799_700, 300_500, 5_800_000))
SCENE = np.random.default_rng(1).random((6, 30 + 2 * HALO_PX, 50 + 2 * HALO_PX)).astype(np.float32)
CODES = np.array([[1, 2, 17, 5, 5], [6, 8, 11, 0, 3], [4, 4, 4, 12, 9]], np.uint8)


def save_network(path: Path, name: str, **options: object) -> Path:
    torch.manual_seed(0)
    network = create_model(name, CHANNELS, widths=(4, 8), blocks=(1, 1), **options)
    if isinstance(network, BPLCZ):
        network.text_bank.normal_()
    normaliser = ChannelNormaliser(identity(CHANNELS))
    save_checkpoint(path, TorchClassifier(network, normaliser, state={"sentinel-2": L1C}, patch_px=16))
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    return save_network(folder / "bp.safetensors", "bp_lcz_eb_cnn", width=8, text=None)


def explain_city(folder: Path, checkpoint: Path) -> list[Path]:
    """Explain both tiles of the city whose map is CODES; returns their files."""
    parts = []
    for tile in tiles(GRID):
        rows, cols = slice(0, 30 + 2 * HALO_PX), slice(tile.col, tile.col + tile.width + 2 * HALO_PX)
        stack = Stack(SCENE[:, rows, cols], CHANNELS, tile_geobox(GRID, tile), L1C)
        write_stack(folder / tile.name / "s2.tif", stack)
        codes = CODES[:, tile.col // 10 : (tile.col + tile.width) // 10]
        likely = np.where(np.arange(1, 18)[:, None, None] == codes, 0.84, 0.01).astype(np.float32)
        likely[:, codes == 0] = np.nan
        whole = (slice(0, codes.shape[0]), slice(0, codes.shape[1]))
        probabilities = folder / tile.name / "probabilities.tif"
        write_probabilities(probabilities, iter([(whole, likely)]), tile_cell_geobox(GRID, tile), tags={})
        parts.append(folder / tile.name / "explanation.tif")
        explain_tile([folder / tile.name / "s2.tif"], checkpoint, probabilities, GRID, tile, parts[-1])
    return parts


def test_a_cell_s_support_is_the_cosine_of_each_group_with_the_mapped_class(tmp_path: Path, checkpoint: Path) -> None:
    mosaic_explanation(explain_city(tmp_path, checkpoint), GRID, tmp_path / "explanation.tif", tags={"X": "y"})
    support, _ = read_cells(tmp_path / "explanation.tif", expected=GRID.cell_geobox)
    assert band_names(tmp_path / "explanation.tif") == GROUPS
    network = load_checkpoint(checkpoint).network
    for row, col in ((0, 0), (1, 2), (2, 4)):
        top, left = (HALO_PX + 10 * cell + 5 - 8 for cell in (row, col))
        patch = torch.from_numpy(SCENE[None, :, top : top + 16, left : left + 16])
        with torch.inference_mode():
            features = network(patch, features=True).features[:, 0]  # (3, 8)
        prompts = network.text_bank[:, CODES[row, col] - 1]  # (3, 8)
        expected = torch.nn.functional.cosine_similarity(features, prompts, dim=1).numpy()
        np.testing.assert_allclose(support[:, row, col], expected, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(support), np.broadcast_to(CODES == 0, support.shape))


def test_the_support_of_two_views_is_their_mean_where_both_show_a_cell(tmp_path: Path, checkpoint: Path) -> None:
    tile = tiles(GRID)[0]
    explain_city(tmp_path, checkpoint)
    pixels = {
        "s2_spring.tif": SCENE[:, :, : 30 + 2 * HALO_PX],
        "s2_summer.tif": SCENE[::-1, :, : 30 + 2 * HALO_PX].copy(),
    }
    pixels["s2_summer.tif"][:, HALO_PX, HALO_PX] = np.nan  # the first cell
    for name, seen in pixels.items():
        write_stack(tmp_path / tile.name / name, Stack(seen, CHANNELS, tile_geobox(GRID, tile), L1C))

    def support(*names: str) -> np.ndarray:
        stacks, out = [tmp_path / tile.name / name for name in names], tmp_path / "support.tif"
        explain_tile(stacks, checkpoint, tmp_path / tile.name / "probabilities.tif", GRID, tile, out)
        return read_cells(out)[0]

    spring, summer, both = support("s2_spring.tif"), support("s2_summer.tif"), support(*pixels)
    assert np.isnan(summer[:, 0, 0]).all()
    np.testing.assert_allclose(both[:, 0, 0], spring[:, 0, 0], atol=1e-6)
    np.testing.assert_allclose(both[:, 1:], (spring[:, 1:] + summer[:, 1:]) / 2, atol=1e-6)


def test_a_network_without_text_is_refused(tmp_path: Path) -> None:
    plain = save_network(tmp_path / "eb.safetensors", "eb_cnn")
    with pytest.raises(ValueError, match=r"eb\.safetensors: the network 'eb_cnn' compares nothing with text"):
        explain_city(tmp_path, plain)


def test_tiles_of_different_networks_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    parts = explain_city(tmp_path, checkpoint)
    whole = (slice(0, 3), slice(0, 2))
    other = np.zeros((NUM_CLASSES, 3, 2), np.float32)
    write_probabilities(parts[1], iter([(whole, other)]), tile_cell_geobox(GRID, tiles(GRID)[1]), tags={})
    with pytest.raises(ValueError, match=r"expected the band groups \('RGB', 'NIR', 'SWIR'\)"):
        mosaic_explanation(parts, GRID, tmp_path / "explanation.tif")


def test_the_configuration_knows_networks_with_text_by_their_name() -> None:
    for name in registry.list_models():
        assert Model(name=name).has_text == issubclass(registry._REGISTRY[name].build, BPLCZ), name
