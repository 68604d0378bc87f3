"""What a checkpoint's inference settings do to a network's answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lczmap.channels import S2_10
from lczmap.models.checkpoint import load_checkpoint, save_checkpoint
from lczmap.models.classifier import TorchClassifier, dihedral_views
from lczmap.models.inference import PLAIN, Inference
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import Network, create_model

STATE = {"sentinel-2": {"level": "L1C"}}
Patches = npt.NDArray[np.float32]
PRIOR = tuple(float(v) for v in np.log(np.linspace(0.5, 2, 17)))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(1)
    return create_model("eb_cnn", S2_10.channels, widths=(4, 8), blocks=(1, 1))


@pytest.fixture(scope="module")
def patches() -> Patches:
    return np.random.default_rng(2).uniform(0, 1, (5, 10, 16, 16)).astype(np.float32)


def classifier(network: Network, inference: Inference = PLAIN) -> TorchClassifier:
    normaliser = ChannelNormaliser(identity(S2_10.channels))
    return TorchClassifier(network, normaliser, state=STATE, patch_px=16, inference=inference)


def logits(network: Network, patches: Patches) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        return network.eval()(torch.from_numpy(patches.copy())).numpy().astype(np.float64)


def softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    e = np.exp(values - values.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_the_eight_views_are_all_different_and_the_first_is_the_patch() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    views = [tuple(view.flatten().tolist()) for view in dihedral_views(x)]
    assert views[0] == tuple(range(9))
    assert views[1] == (2, 5, 8, 1, 4, 7, 0, 3, 6)  # a quarter turn, against the clock
    assert views[4] == (2, 1, 0, 5, 4, 3, 8, 7, 6)  # mirrored
    assert len(set(views)) == 8
    assert {view[4] for view in views} == {4}


def test_augmentation_averages_the_probabilities_of_the_eight_views(network: Network, patches: Patches) -> None:
    turned = [np.rot90(flipped, k, (2, 3)) for flipped in (patches, patches[..., ::-1]) for k in range(4)]
    expected = np.mean([softmax(logits(network, view)) for view in turned], axis=0)
    actual = classifier(network, Inference(tta=True)).probabilities(patches)
    assert actual == pytest.approx(expected, abs=1e-6)
    plain = classifier(network).probabilities(patches)
    assert np.abs(actual - plain).max() > 1e-5
    again = classifier(network, Inference(tta=True)).probabilities(np.rot90(patches, 1, (2, 3)).copy())
    assert again == pytest.approx(actual, abs=1e-6)


def test_temperature_divides_the_logits(network: Network, patches: Patches) -> None:
    expected = softmax(logits(network, patches) / 2.5)
    assert classifier(network, Inference(temperature=2.5)).probabilities(patches) == pytest.approx(expected, abs=1e-6)


def test_the_prior_weighs_the_probabilities_after_the_views_are_averaged(network: Network, patches: Patches) -> None:
    before = classifier(network, Inference(tta=True, temperature=0.5)).probabilities(patches)
    weighted = before * np.exp(PRIOR)
    expected = weighted / weighted.sum(axis=1, keepdims=True)
    settings = Inference(tta=True, temperature=0.5, log_prior=PRIOR)
    assert classifier(network, settings).probabilities(patches) == pytest.approx(expected, abs=1e-6)


def test_a_row_is_the_same_bits_whatever_else_is_in_its_place_of_the_batch(network: Network, patches: Patches) -> None:
    one = classifier(network, Inference(tta=True, temperature=1.3, log_prior=PRIOR))
    other = patches.copy()
    other[[0, 1, 3, 4]] = 0.25
    assert np.array_equal(one.probabilities(patches)[2], one.probabilities(other)[2])


def test_settings_travel_with_the_checkpoint_and_older_ones_have_the_default(
    network: Network, patches: Patches, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    saved = classifier(network, Inference(tta=True, temperature=1.7, log_prior=PRIOR))
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, TorchClassifier)
    assert loaded.inference == saved.inference
    assert np.array_equal(loaded.probabilities(patches), saved.probabilities(patches))

    description = json.loads(path.with_suffix(".json").read_text())
    del description["inference"]
    path.with_suffix(".json").write_text(json.dumps(description))
    old = load_checkpoint(path)
    assert isinstance(old, TorchClassifier)
    assert old.inference == PLAIN
    assert np.array_equal(old.probabilities(patches), classifier(network).probabilities(patches))


def test_settings_that_make_no_sense_are_refused(tmp_path: Path, network: Network) -> None:
    with pytest.raises(ValueError, match="expected a positive temperature, got 0"):
        Inference(temperature=0)
    with pytest.raises(ValueError, match="expected 17 log priors or none, got 2"):
        Inference(log_prior=(0.0, 1.0))
    with pytest.raises(ValueError, match="expected finite log priors"):
        Inference(log_prior=(float("-inf"), *PRIOR[1:]))
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, classifier(network))
    description = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**description, "inference": {"crops": 4}}))
    with pytest.raises(ValueError, match=r"describes no network of this version: unknown inference settings \['crops'"):
        load_checkpoint(path)
    assert replace(PLAIN, tta=True) != PLAIN
