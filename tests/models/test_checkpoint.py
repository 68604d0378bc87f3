import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
import torch

from lczmap.channels import S2_10
from lczmap.models.checkpoint import Tensors, read_description, register_kind, require_state
from lczmap.models.classifier import Classifier, TorchClassifier, load_checkpoint, save_checkpoint
from lczmap.models.normalise import ChannelNormaliser
from lczmap.models.registry import create_model

STATE = {"sentinel-2": {"level": "L1C"}}
MINI = {"encoder": "mini", "layers": 1, "width": 8, "heads": 2}
Patches = npt.NDArray[np.float32]


@pytest.fixture
def patches() -> Patches:
    patches = np.random.default_rng(1).uniform(0, 0.5, (5, 10, 32, 32)).astype(np.float32)
    patches[0, :, :3] = np.nan
    return patches


@pytest.fixture
def classifier(patches: Patches) -> TorchClassifier:
    torch.manual_seed(47)
    network = create_model("bp_lcz_eb_cnn", S2_10.channels, widths=(4, 8), blocks=(1, 1), width=8, text=MINI)
    normaliser = ChannelNormaliser.fit(S2_10.channels, patches)
    return TorchClassifier(network, normaliser, state=STATE, metadata={"seed": 47})


@pytest.fixture
def checkpoint(classifier: TorchClassifier, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.safetensors", classifier, extra={"note": "for the test"})
    return tmp_path / "model.safetensors"


def edit(checkpoint: Path, **fields: Any) -> None:
    path = checkpoint.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_probabilities_are_float32_rows_that_sum_to_one(classifier: TorchClassifier, patches: Patches) -> None:
    result = classifier.probabilities(patches)
    assert result.shape == (5, 17)
    assert result.dtype == np.float32
    assert result.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert np.isfinite(result).all()
    assert classifier.probabilities(patches[:0]).shape == (0, 17)


def test_probabilities_do_not_depend_on_the_other_patches(classifier: TorchClassifier, patches: Patches) -> None:
    together = classifier.probabilities(patches, batch=2)
    alone = np.concatenate([classifier.probabilities(patches[i : i + 1]) for i in range(5)])
    assert together == pytest.approx(alone, abs=1e-6)


def test_the_module_for_export_gives_the_same_probabilities(classifier: TorchClassifier, patches: Patches) -> None:
    with torch.inference_mode():
        exported = classifier.module(torch.from_numpy(patches)).numpy()
    assert np.array_equal(exported, classifier.probabilities(patches))


def test_patches_of_other_channels_or_size_are_refused(classifier: TorchClassifier, patches: Patches) -> None:
    with pytest.raises(ValueError, match=r"expected patches \(N, 10, 32, 32\) of B2, B3.*got \(5, 9, 32, 32\)"):
        classifier.probabilities(patches[:, :9])
    with pytest.raises(ValueError, match=r"got \(5, 10, 16, 16\)"):
        classifier.probabilities(patches[..., :16, :16])


def test_a_checkpoint_goes_round_bit_for_bit_and_without_the_text_tower(
    classifier: TorchClassifier, checkpoint: Path, patches: Patches
) -> None:
    loaded = load_checkpoint(checkpoint)
    assert isinstance(loaded, TorchClassifier)
    assert (loaded.name, loaded.channels, loaded.state, loaded.patch_px) == (
        "bp_lcz_eb_cnn",
        S2_10.channels,
        STATE,
        32,
    )
    assert np.array_equal(loaded.probabilities(patches), classifier.probabilities(patches))
    assert not [name for name in safetensors.numpy.load(checkpoint.read_bytes()) if name.startswith("text.")]
    kept, original = loaded.network.text_features(), classifier.network.text_features()
    assert kept is not None
    assert original is not None
    assert torch.allclose(kept, original, atol=1e-6)  # torch has a second path for attention without gradients


def test_the_description_says_what_is_needed_to_use_the_weights(checkpoint: Path) -> None:
    description = read_description(checkpoint)
    assert description["kind"] == "torch"
    assert description["options"]["widths"] == [4, 8]
    assert description["classes"][16] == {"index": 16, "code": 17, "label": "G"}
    assert description["normalisation"]["channels"] == list(S2_10.channels)
    assert description["text"]["encoder"] == "mini"
    assert "rivers" in description["text"]["vocabulary"]
    assert description["metadata"] == {"seed": 47}
    assert description["extra"] == {"note": "for the test"}
    assert description["lczmap_version"]


def test_a_loaded_checkpoint_can_be_saved_again_unchanged(checkpoint: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    loaded = load_checkpoint(checkpoint)
    assert isinstance(loaded, TorchClassifier)
    save_checkpoint(again, loaded, extra={"note": "for the test"})
    assert again.read_bytes() == checkpoint.read_bytes()
    assert again.with_suffix(".json").read_text() == checkpoint.with_suffix(".json").read_text()


def test_saving_leaves_no_temporary_file(checkpoint: Path) -> None:
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["model.json", "model.safetensors"]


def test_a_missing_file_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json cannot be read: No such file"):
        load_checkpoint(tmp_path / "none.safetensors")
    checkpoint.unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read: No such file"):
        load_checkpoint(checkpoint)
    with pytest.raises(ValueError, match=r"ending in \.safetensors, got .*model\.pt"):
        load_checkpoint(tmp_path / "model.pt")


def test_a_truncated_or_foreign_weights_file_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"model\.safetensors does not belong to the JSON beside it: expected sha256"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "other"}, "not a checkpoint description"),
        ({"format_version": 99}, "format version 99"),
        ({"classes": [{"index": 0, "code": 1, "label": "urban"}]}, "another class table"),
        ({"kind": "keras"}, r"of kind 'keras'; this version of lczmap reads"),
        ({"values": 3}, r"holds \d+ values, its JSON says 3"),
        ({"name": "resnet"}, "describes no network of this version: unknown network 'resnet'"),
        ({"channels": ["B2"]}, "no band groups cover"),
        ({"options": {"depth": 3}}, r"no options \['depth'\]"),
        ({"normalisation": {}}, "normalisation fields"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(checkpoint: Path, fields: dict[str, Any], message: str) -> None:
    edit(checkpoint, **fields)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(checkpoint)


def test_a_description_that_lacks_fields_or_is_no_json_is_refused(checkpoint: Path) -> None:
    path = checkpoint.with_suffix(".json")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in fields.items() if k != "state"}))
    with pytest.raises(ValueError, match=r"model\.json lacks the fields \['state'\]"):
        load_checkpoint(checkpoint)
    path.write_text(json.dumps({k: v for k, v in fields.items() if k != "options"}))
    with pytest.raises(ValueError, match=r"model\.json lacks the field 'options'"):
        load_checkpoint(checkpoint)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"model\.json is not readable as JSON"):
        load_checkpoint(checkpoint)


def test_weights_of_another_network_are_refused_with_names_and_shapes(checkpoint: Path) -> None:
    options = json.loads(checkpoint.with_suffix(".json").read_text())["options"]
    edit(checkpoint, options={**options, "width": 12})
    with pytest.raises(ValueError, match=r"other shapes \['text_bank: expected \(4, 17, 12\), got \(4, 17, 8\)'"):
        load_checkpoint(checkpoint)
    edit(checkpoint, options={**options, "blocks": [2, 1]})
    with pytest.raises(ValueError, match=r"missing \['branches.encoders.0.trunk"):
        load_checkpoint(checkpoint)


def test_another_kind_of_classifier_registers_its_own_loader(tmp_path: Path, patches: Patches) -> None:
    class Constant:
        kind, name, channels, state, patch_px = "constant", "constant", S2_10.channels, STATE, 32

        def __init__(self, row: npt.NDArray[np.float32]) -> None:
            self.row = row

        def probabilities(self, patches: Patches) -> npt.NDArray[np.float32]:
            return np.repeat(self.row[None], len(patches), axis=0)

        def to_checkpoint(self) -> tuple[Tensors, dict[str, Any]]:
            return {"row": self.row}, {"note": "no torch"}

    def load(arrays: Tensors, description: dict[str, Any], path: Path) -> Classifier:
        assert description["note"] == "no torch"
        return Constant(arrays["row"])

    register_kind("constant", load)
    row = np.full(17, 1 / 17, np.float32)
    save_checkpoint(tmp_path / "constant.safetensors", Constant(row))
    loaded = load_checkpoint(tmp_path / "constant.safetensors")
    assert np.array_equal(loaded.probabilities(patches)[4], row)


def test_normaliser_and_network_of_other_channels_are_refused(patches: Patches) -> None:
    network = create_model("gul_s2", S2_10.channels)
    with pytest.raises(ValueError, match="differ in channels"):
        TorchClassifier(network, ChannelNormaliser.fit(S2_10.channels[::-1], patches), state=STATE)


def test_a_network_of_other_classes_makes_no_map(patches: Patches) -> None:
    network = create_model("gul_s2", S2_10.channels, 10)
    with pytest.raises(ValueError, match="needs a network of the 17 LCZ classes, gul_s2 has 10"):
        TorchClassifier(network, ChannelNormaliser.fit(S2_10.channels, patches), state=STATE)


def test_pixels_in_another_state_are_refused_by_sensor_and_key() -> None:
    trained = {"sentinel-1": {"calibration": "sigma0", "looks": "4.4"}, "sentinel-2": {"level": "L1C"}}
    require_state(trained, {**trained, "sentinel-2": {"level": "L1C", "baseline": "05.10"}})
    with pytest.raises(ValueError, match=r"scene x is in another state .*sentinel-2 level: expected 'L1C', got 'L2A'"):
        require_state(trained, {**trained, "sentinel-2": {"level": "L2A"}}, what="scene x")
    with pytest.raises(ValueError, match="sentinel-1 calibration: expected 'sigma0', got 'nothing'; sentinel-1 looks"):
        require_state(trained, {"sentinel-2": {"level": "L1C"}})


def test_a_checkpoint_remembers_how_radar_pixels_were_made(classifier: TorchClassifier, tmp_path: Path) -> None:
    radar = {"product": "grd", "calibration": "sigma0", "noise_removed": "true", "looks": "4.4"}
    both = {**STATE, "sentinel-1": radar}
    seen = TorchClassifier(classifier.network, classifier.normaliser, state=both)
    save_checkpoint(tmp_path / "both.safetensors", seen)
    trained = load_checkpoint(tmp_path / "both.safetensors").state
    assert trained == both == read_description(tmp_path / "both.safetensors")["state"]
    for key, value in {"product": "slc", "calibration": "gamma0", "noise_removed": "unknown", "looks": "8.8"}.items():
        with pytest.raises(ValueError, match=f"sentinel-1 {key}: expected '{radar[key]}', got '{value}'"):
            require_state(trained, {**both, "sentinel-1": {**radar, key: value}})
