from pathlib import Path

import numpy as np
import pytest
import torch

from lczmap.channels import S2_10, SO2SAT8
from lczmap.models.gul import GulRadar
from lczmap.models.registry import Network
from lczmap.models.text.encoders import PrototypeBank
from lczmap.training.data import PatchDataset
from lczmap.training.network import FitResult, fit_network
from lczmap.training.preset import NetworkPreset

pytestmark = pytest.mark.slow

STATE = {"sentinel-2": {"level": "L1C"}}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def separable(count: int, seed: int, classes: int = 17) -> PatchDataset:
    """Reflectances whose class is in the means of the channels, at 8 × 8 px; a missing pixel here and there."""
    random = torch.Generator().manual_seed(seed)
    target = torch.arange(count) % classes
    level = 0.1 + 0.3 * torch.rand(classes, 10, generator=torch.Generator().manual_seed(99))
    patches = level[target][:, :, None, None] + 0.02 * torch.randn(count, 10, 8, 8, generator=random)
    patches[::5, 3, 2, 2] = torch.nan
    return PatchDataset(patches, target)


def recipe(**changes: object) -> NetworkPreset:
    plain = {"network": {"widths": [8, 16], "blocks": [1, 1], "dropout": 0.0}, "epochs": 2, "batch_size": 16}
    plain |= {"optimiser": {"lr": 0.01, "schedule": "constant"}, "augmentation": {"dihedral": False}}
    return NetworkPreset(**(plain | changes))


def train(folder: Path, preset: NetworkPreset, *, count: int = 64, watched: int = 34, **options: object) -> FitResult:
    classes = int(str(options.get("num_classes", 17)))
    validation = separable(watched, 2, classes) if watched else None
    return fit_network(
        "eb_cnn",
        preset,
        separable(count, 1, classes),
        validation,
        channels=S2_10.channels,
        state=STATE,
        folder=folder,
        seed=47,
        patch_px=8,
        **options,
    )


def test_64_separable_patches_are_learned_by_heart(tmp_path: Path) -> None:
    result = train(tmp_path, recipe(epochs=8), watched=0)
    samples = separable(64, 1)
    answers = result.classifier().probabilities(samples.patches.numpy())
    assert (answers.argmax(axis=1) == samples.targets.numpy()).mean() > 0.95
    assert (result.channels, result.state, result.patch_px) == (S2_10.channels, STATE, 8)


def test_several_validations_of_averaged_weights_decide_what_is_kept(tmp_path: Path) -> None:
    preset = recipe(epochs=2, validations_per_epoch=2, ema=0.9, keep="best", monitor="validation_loss", patience=5)
    result = train(tmp_path, preset)
    rows = result.figures["validations"]
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 2), (1, 4), (2, 6), (2, 8)]
    best = min(rows, key=lambda row: row["validation_loss"])
    assert result.figures["validation_loss"] == best["validation_loss"]
    assert result.figures["chosen_epoch"] == best["epoch"]
    samples = separable(34, 2)
    with torch.inference_mode():
        logits = result.network(result.normaliser(samples.patches))
    assert torch.nn.functional.cross_entropy(logits, samples.targets) == pytest.approx(
        best["validation_loss"], abs=1e-4
    )


def test_patience_counts_validations_and_two_figures_may_decide(tmp_path: Path) -> None:
    preset = recipe(
        epochs=30, validations_per_epoch=4, patience=2, monitor="validation_loss", keep="best", keep_by="validation_oa",
        optimiser={"name": "sgd", "lr": 5.0, "schedule": "constant"},
    )  # fmt: skip
    rows = train(tmp_path, preset).figures
    losses = [row["validation_loss"] for row in rows["validations"]]
    assert len(losses) < 30 * 4
    assert min(losses) == losses[-3]  # two validations without a better one
    assert rows["validation_oa"] == max(row["validation_oa"] for row in rows["validations"])


def test_an_epoch_is_validated_as_often_as_asked_and_last_at_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = recipe(epochs=2, validations_per_epoch=3, keep="last")
    result = train(tmp_path / "a", preset, count=7 * 16)
    assert [row["step"] for row in result.figures["validations"]] == [2, 5, 7, 9, 12, 14]
    samples = separable(34, 2)
    with torch.inference_mode():
        logits = result.network(result.normaliser(samples.patches))
    loss = torch.nn.functional.cross_entropy(logits, samples.targets)
    assert result.figures["validation_loss"] == pytest.approx(float(loss), abs=1e-4)
    assert "that is how often" not in capsys.readouterr().out
    rows = train(tmp_path / "b", recipe(epochs=1, validations_per_epoch=3), count=32).figures["validations"]
    assert [row["step"] for row in rows] == [1, 2]
    assert "an epoch has 2 batches: that is how often it is validated" in capsys.readouterr().out


def test_a_training_that_had_ended_early_is_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = recipe(
        epochs=30, patience=2, monitor="validation_loss", optimiser={"name": "sgd", "lr": 5.0, "schedule": "constant"}
    )
    first = train(tmp_path, preset)
    assert first.figures["epochs"] < 30
    monkeypatch.setattr("lczmap.training.fit.lightning.Trainer", None)  # nothing is to be trained
    for _ in range(2):
        again = train(tmp_path, preset)
        assert again.figures == first.figures
        for name, value in first.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[name], value), name


def test_a_training_that_diverged_is_an_error(tmp_path: Path) -> None:
    preset = recipe(epochs=1, optimiser={"name": "sgd", "lr": 1e30, "schedule": "constant"})
    with pytest.raises(ValueError, match=r"the training diverged: .* is not finite; the learning rate 1e\+30"):
        train(tmp_path, preset, watched=0)


def test_interrupted_average_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lczmap.training.module import TrainingModule

    preset = recipe(
        ema=0.9, keep="best", sampling="balanced", augmentation={"shift": 1, "group_dropout": 0.2},
        validations_per_epoch=2,
    )  # fmt: skip
    whole = train(tmp_path / "whole", preset, count=32, watched=17)
    start = TrainingModule.on_train_epoch_start

    def killed(self: TrainingModule) -> None:
        if self.current_epoch == 1:
            raise RuntimeError("killed")
        start(self)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(TrainingModule, "on_train_epoch_start", killed)
        train(tmp_path / "f", preset, count=32, watched=17)
    resumed = train(tmp_path / "f", preset, count=32, watched=17)
    assert resumed.figures == whole.figures
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name


def test_use_is_settled_on_validation_patches(tmp_path: Path) -> None:
    focal = {"criterion": "focal", "focal": {"alpha": "max"}}
    result = train(tmp_path, recipe(temperature=True, tta=True, prior="uniform", sampling="sqrt", epochs=3, **focal))
    inference = result.inference
    assert inference.tta
    assert inference.temperature != 1
    assert result.figures["temperature"] == pytest.approx(inference.temperature, abs=1e-5)
    counts = np.bincount(np.arange(64) % 17)  # 4 or 3 of each class
    shares = np.sqrt(counts) / counts  # drawn by the root of their number, weighed by its inverse
    shares /= shares.sum()
    assert result.figures["class_prior"] == pytest.approx(shares, abs=1e-5)
    assert inference.log_prior == pytest.approx(-np.log(17 * shares))


def test_ten_classes_train_but_make_no_map(tmp_path: Path) -> None:
    result = train(tmp_path, recipe(augmentation={"mixup": 1.0}, class_weights="inverse", epochs=1), num_classes=10)
    assert result.network(torch.zeros(2, 10, 8, 8)).shape == (2, 10)
    with pytest.raises(ValueError, match="17"):
        result.classifier()
    with pytest.raises(ValueError, match="`prior: uniform` is for the 17 classes of maps, got 10"):
        train(tmp_path, recipe(prior="uniform"), num_classes=10)


def test_without_normalisation_values_stay_physical(tmp_path: Path) -> None:
    result = train(tmp_path, recipe(normalisation="none", epochs=1))
    patches = separable(5, 1).patches
    normal = result.normaliser(patches)
    assert torch.equal(normal[1], patches[1])
    assert float(normal[0, 3, 2, 2]) == pytest.approx(np.nanmean(separable(64, 1).patches[:, 3].numpy()), abs=1e-5)


def test_missing_radar_pixels_stay_out_of_the_scene_that_gul_s1_learns(tmp_path: Path) -> None:
    patches = torch.rand(8, 8, 12, 12, generator=torch.Generator().manual_seed(0)) + 0.1
    patches[:, :, :, :4] = torch.nan
    preset = NetworkPreset(base="paper", normalisation="none", epochs=1, batch_size=8)
    data = PatchDataset(patches, torch.arange(8))
    common = {"channels": SO2SAT8.channels, "state": {}, "seed": 1, "patch_px": 12}
    result = fit_network("gul_s1", preset, data, None, folder=tmp_path, **common)
    whole = GulRadar(SO2SAT8.channels, 17, margin_px=0)
    whole.prepare(patches.nan_to_num())
    assert result.normaliser.normalisation.fill == (0.0,) * 8
    _, valid = result.network.features_of(result.normaliser(patches))
    assert not valid[..., :4].any()
    assert valid[..., 4:].all()
    assert torch.equal(result.network.scene_mean, whole.scene_mean)


def test_stored_text_features_are_those_of_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noisy(PrototypeBank):
        def forward(self) -> torch.Tensor:
            return torch.nn.functional.dropout(super().forward(), 0.5, self.training)

    monkeypatch.setattr("lczmap.models.text.encoders.PrototypeBank", Noisy)
    network = {"widths": [8], "blocks": [1], "width": 8, "text": {"encoder": "prototype"}}
    arguments = {"channels": S2_10.channels, "state": STATE, "seed": 47, "patch_px": 8}
    preset = recipe(epochs=1, network=network)
    result = fit_network("bp_lcz_eb_cnn", preset, separable(32, 1), None, folder=tmp_path, **arguments)
    assert result.network.text_bank.all()  # dropout would have made half of them 0


def test_network_sees_normalised_patches_before_its_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lczmap.models.eb_cnn import EBCNN

    seen: list[torch.Tensor] = []
    monkeypatch.setattr(EBCNN, "prepare", lambda _, sample: seen.append(sample), raising=False)
    assert Network.prepare is not EBCNN.prepare
    train(tmp_path, recipe(epochs=1))
    assert len(seen) == 1
    assert seen[0].shape == (64, 10, 8, 8)
    assert abs(float(seen[0].mean())) < 0.01


def test_targets_out_of_range_are_refused(tmp_path: Path) -> None:
    common = {"channels": S2_10.channels, "state": STATE, "folder": tmp_path, "seed": 1}
    patches = separable(4, 1).patches
    for targets, message in (
        (torch.tensor([0, 1, 2, 17]), "class indices 0 to 16, got 0 to 17"),
        (torch.full((4, 10), 0.1), r"soft labels of 17 classes, got \(4, 10\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_network("eb_cnn", recipe(), PatchDataset(patches, targets), None, **common)
    with pytest.raises(ValueError, match="two training patches or more, got 1"):
        fit_network("eb_cnn", recipe(), PatchDataset(patches[:1], torch.tensor([0])), None, **common)
