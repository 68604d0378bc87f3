"""Every name of the registry on every input it takes: two training steps, a checkpoint, a small map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lczmap.channels import RSNNET9, S2_10, SO2SAT8
from lczmap.classes import NUM_CLASSES
from lczmap.grid import HALO_PX
from lczmap.mapping.classify import classify_cells
from lczmap.models.classifier import TorchClassifier, load_checkpoint, save_checkpoint
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import create_model, list_models
from lczmap.training.data import PatchDataset
from lczmap.training.network import fit_network
from lczmap.training.preset import NetworkPreset, load_preset

pytestmark = pytest.mark.slow

INPUTS = {
    "18x32": ((*SO2SAT8.channels, *S2_10.channels), 32),
    "19x48": ((*RSNNET9.channels, *S2_10.channels), 48),
    "10x32": (S2_10.channels, 32),
    "8x32": (SO2SAT8.channels, 32),
}
ONLY = {"gul_s1": ("8x32",), "gul_s2": ("10x32",)}  # their weights fit no other input
SMALL: dict[str, dict[str, object]] = {  # the full sizes are counted in the networks' own tests
    "eb_cnn": {"widths": [4, 8], "blocks": [1, 1]},
    "eb_cnn_large": {"widths": [8, 8], "blocks": [1, 1]},
    "bp_lcz_eb_cnn": {"widths": [4, 8], "blocks": [1, 1], "width": 8},
    "bp_lcz_eb_cnn_large": {"widths": [8, 8], "blocks": [1, 1], "width": 8},
    "bp_lcz_exvit": {"width": 8, "token_pool": 4},
    "exvit": {"token_pool": 4},
    "resnet50": {"width": 8, "blocks": [1, 1, 1, 1], "group_width": 8, "stem": "small"},
    "resnext50": {"width": 8, "blocks": [1, 1, 1, 1], "cardinality": 4, "group_width": 2, "stem": "small"},
    "convnext_tiny": {"widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "stem": "small"},
    "densenet121": {"width": 8, "growth": 4, "blocks": [1, 1, 1, 1], "stem": "small"},
    "fusion": {"stage": 3},
    "rsnnet": {"stem_width": 8, "widths": [8, 8, 8], "stages": [1, 1, 1], "cardinality": 4, "se_ratio": 4},
    "lcznet": {"widths": [8, 8, 16], "blocks": [1, 1, 1], "se_ratio": 4},
    "mscnn": {"widths": [8, 8, 8]},
    "cnn_yoo": {"widths": [8, 8, 8], "hidden": 8},
    "sen2lcz": {"base_width": 4, "depth": 5},
}
MINI = {"encoder": "mini", "mode": "joint", "layers": 1, "width": 8, "heads": 2}


def _cases() -> list[tuple[str, str]]:
    return [(name, key) for name in list_models() for key in ONLY.get(name, ("18x32", "19x48", "10x32"))]


def _recipe(name: str) -> NetworkPreset:
    network = dict(SMALL.get(name, {}))
    if name.startswith("bp_lcz"):
        network["text"] = MINI
    options = {"network": network, "epochs": 1, "batch_size": 2, "patience": None, "keep": "last", "ema": 0.0}
    recipe = load_preset(None, model=name, options=options)
    assert isinstance(recipe, NetworkPreset)
    return recipe


def _patches(channels: tuple[str, ...], size: int, count: int) -> np.ndarray:
    return np.random.default_rng(5).random((count, len(channels), size, size), np.float32) + 0.1


@pytest.mark.parametrize(("name", "key"), _cases())
def test_every_network_trains_is_stored_and_maps_a_tile(name: str, key: str, tmp_path: Path) -> None:
    channels, size = INPUTS[key]
    patches = torch.from_numpy(_patches(channels, size, 4))
    train = PatchDataset(patches, torch.tensor([0, 5, 16, 5]))
    result = fit_network(
        name, _recipe(name), train, None, channels=channels, state={}, folder=tmp_path, seed=3, patch_px=size
    )
    assert result.figures["epochs"] == 1  # four patches in batches of two: two steps
    assert np.isfinite(result.figures["history"][0]["loss"])

    classifier = result.classifier()
    save_checkpoint(tmp_path / "network.safetensors", classifier)
    loaded = load_checkpoint(tmp_path / "network.safetensors")
    scene = _patches(channels, 20 + 2 * HALO_PX, 1)[0]
    maps = [
        classify_cells(scene, np.ones((2, 2), np.bool_), each, cell_px=10, batch_size=2)
        for each in (classifier, loaded)
    ]
    assert loaded.patch_px == size and loaded.channels == channels
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_allclose(maps[0].sum(axis=0), 1, rtol=1e-5)
    assert maps[0].shape == (NUM_CLASSES, 2, 2) and np.ptp(maps[0]) > 0


@pytest.mark.parametrize("name", list_models())
def test_every_network_refuses_other_channels_than_its_own(name: str) -> None:
    channels, size = INPUTS[ONLY.get(name, ("10x32",))[0]]
    network = create_model(name, channels, **_recipe(name).network).eval()
    with pytest.raises(ValueError, match=rf"{name} expected \(batch, {len(channels)}, height, width\)"):
        network(torch.zeros(2, len(channels) - 1, size, size))
    with pytest.raises(ValueError, match="unknown preset 'thesis'"):
        create_model(name, channels, preset="thesis")  # type: ignore[arg-type]
    options = dict(_recipe(name).network)
    if name.startswith("bp_lcz"):
        options["text"] = None
    nine = create_model(name, channels, 9, **options)
    with pytest.raises(ValueError, match=r"needs a network of the 17 LCZ classes, .* has 9"):
        TorchClassifier(nine, ChannelNormaliser(identity(channels)), state={}, patch_px=size)
