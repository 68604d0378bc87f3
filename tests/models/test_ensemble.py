"""Ensembles: the mean of classifiers that may see different sensors, sizes and states."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from lczmap.channels import GRD4, S2_10
from lczmap.cli import app
from lczmap.models.checkpoint import load_checkpoint, read_description, save_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.models.ensemble import EnsembleClassifier, join_models, merge_states
from lczmap.models.inference import PLAIN, Inference
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import create_model
from lczmap.models.rf import ForestClassifier, Trees

OPTICAL = {"sentinel-2": {"level": "L1C"}}
RADAR = {"sentinel-1": {"product": "grd", "looks": "4.4"}}
Patches = npt.NDArray[np.float32]


def member(
    channels: tuple[str, ...], state: dict[str, dict[str, str]], size: int, seed: int, inference: Inference = PLAIN
) -> TorchClassifier:
    torch.manual_seed(seed)
    network = create_model("eb_cnn", channels, widths=(4, 8), blocks=(1, 1))
    return TorchClassifier(
        network,
        ChannelNormaliser(identity(channels)),
        state=state,
        patch_px=size,
        metadata={"seed": seed},
        inference=inference,
    )


@pytest.fixture(scope="module")
def patches() -> Patches:
    return np.random.default_rng(1).uniform(0, 1, (4, 14, 18, 18)).astype(np.float32)


@pytest.fixture(scope="module")
def members() -> list[TorchClassifier]:
    return [member(GRD4.channels, RADAR, 18, 1), member(S2_10.channels, OPTICAL, 16, 2, Inference(tta=True))]


@pytest.fixture(scope="module")
def ensemble(members: list[TorchClassifier]) -> EnsembleClassifier:
    return EnsembleClassifier(members)


def test_the_answer_is_the_mean_of_members_that_see_their_own_channels_and_the_centre(
    ensemble: EnsembleClassifier, members: list[TorchClassifier], patches: Patches
) -> None:
    radar, optical = members
    assert ensemble.channels == GRD4.channels + S2_10.channels
    assert ensemble.patch_px == 18
    assert ensemble.state == RADAR | OPTICAL
    expected = radar.probabilities(patches[:, :4]) + optical.probabilities(patches[:, 4:, 1:17, 1:17])
    actual = ensemble.probabilities(patches)
    assert actual.dtype == np.float32
    assert actual == pytest.approx(expected / 2, abs=1e-6)
    assert actual.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_channels_that_members_share_are_there_once_and_found_by_name() -> None:
    one = member(S2_10.channels, OPTICAL, 16, 3)
    turned = member(S2_10.channels[::-1], OPTICAL, 16, 4)
    ensemble = EnsembleClassifier([one, turned])
    assert ensemble.channels == S2_10.channels
    x = np.random.default_rng(5).uniform(0, 1, (2, 10, 16, 16)).astype(np.float32)
    expected = (one.probabilities(x) + turned.probabilities(x[:, ::-1].copy())) / 2
    assert ensemble.probabilities(x) == pytest.approx(expected, abs=1e-6)


def test_a_checkpoint_holds_all_members_and_their_own_settings(
    ensemble: EnsembleClassifier, patches: Patches, tmp_path: Path
) -> None:
    path, again = tmp_path / "e.safetensors", tmp_path / "again.safetensors"
    save_checkpoint(path, ensemble)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, EnsembleClassifier)
    assert np.array_equal(loaded.probabilities(patches), ensemble.probabilities(patches))
    kept = [one.inference for one in loaded.members if isinstance(one, TorchClassifier)]
    assert kept == [PLAIN, Inference(tta=True)]
    save_checkpoint(again, loaded)
    assert again.read_bytes() == path.read_bytes()
    assert again.with_suffix(".json").read_text() == path.with_suffix(".json").read_text()


def test_the_verb_joins_networks_forests_and_ensembles(
    members: list[TorchClassifier], patches: Patches, tmp_path: Path
) -> None:
    x = patches[:, 4:, 1:17, 1:17]
    leaf, zero = np.zeros(1, np.int32), np.zeros(10, np.float32)
    shares = np.linspace(1, 17, 17, dtype=np.float32)[None] / 153
    tree = Trees(leaf, leaf, leaf, np.zeros(1), shares, leaf)  # one leaf
    forest = ForestClassifier(tree, zero, features="pixel", channels=S2_10.channels, state=OPTICAL, patch_px=16)
    names = [str(tmp_path / f"{name}.safetensors") for name in ("radar", "optical", "forest", "pair", "all")]
    for name, one in zip(names, [*members, forest], strict=False):
        save_checkpoint(name, one, extra={"note": name[-20:]})
    for out, joined in ((names[3], names[:2]), (names[4], names[2:4])):
        result = CliRunner().invoke(app, ["join-models", out, *joined])
        assert result.exit_code == 0, result.output
    both = load_checkpoint(names[4])
    pair = (members[0].probabilities(patches[:, :4]) + members[1].probabilities(x)) / 2
    order = [both.channels.index(c) for c in GRD4.channels + S2_10.channels]
    turned = np.empty_like(patches)
    turned[:, order] = patches
    expected = (shares + pair) / 2
    assert both.probabilities(turned) == pytest.approx(expected, abs=1e-6)
    record = read_description(names[3])["members"][1]["record"]
    assert record["extra"] == {"note": names[1][-20:]}
    assert record["weights_sha256"] == read_description(names[1])["weights_sha256"]


def test_states_are_merged_and_what_differs_only_in_dates_is_left_out(members: list[TorchClassifier]) -> None:
    later = member(S2_10.channels, {"sentinel-2": {"level": "L1C", "dates": "2020"}}, 16, 5)
    other = member(S2_10.channels, {"sentinel-2": {"level": "L1C", "dates": "2021"}}, 16, 6)
    assert merge_states([later, members[0], other]) == {"sentinel-2": {"level": "L1C"}, **RADAR}
    changed = member(S2_10.channels, {"sentinel-2": {"level": "L2A"}}, 16, 7)
    with pytest.raises(ValueError, match=r"different sentinel-2 pixels: expected level 'L1C'.*got 'L2A' of eb_cnn"):
        EnsembleClassifier([later, changed])


def test_one_member_sizes_without_a_common_centre_and_other_patches_are_refused(
    ensemble: EnsembleClassifier, members: list[TorchClassifier], patches: Patches
) -> None:
    with pytest.raises(ValueError, match="at least 2 members, got 1"):
        EnsembleClassifier(members[:1])
    with pytest.raises(ValueError, match="18 px and of eb_cnn 15 px have no common centre"):
        EnsembleClassifier([members[0], member(S2_10.channels, OPTICAL, 15, 8)])
    with pytest.raises(ValueError, match=r"ensemble expected patches \(N, 14, 18, 18\) of VH, .*got \(4, 14, 16, 16\)"):
        ensemble.probabilities(patches[..., :16, :16])
    with pytest.raises(ValueError, match=r"got \(4, 13, 18, 18\)"):
        ensemble.probabilities(patches[:, :13])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.pop("members"), "lacks the field 'members'; join the models again"),
        (lambda fields: fields["members"].pop(), r"holds \['1\..*belong to none of its 1 members"),
        (lambda fields: fields["members"][0].update(kind="keras"), "of kind 'keras'"),
        (lambda fields: fields["members"][1]["options"].update(widths=[4, 6]), "does not hold the weights of eb_cnn"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    ensemble: EnsembleClassifier, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "e.safetensors"
    save_checkpoint(path, ensemble)
    fields = json.loads(path.with_suffix(".json").read_text())
    change(fields)
    path.with_suffix(".json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json cannot be read"):
        join_models(tmp_path / "e.safetensors", [tmp_path / "none.safetensors"])
    assert list(tmp_path.iterdir()) == []
