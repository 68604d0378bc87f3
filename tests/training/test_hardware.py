from pathlib import Path

import pytest
import torch
from torch import nn

from lczmap.channels import S2_10
from lczmap.models.losses import BPLoss
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import ModelOutput, ModelSpec, Network
from lczmap.training.augment import Augmenter
from lczmap.training.calibrate import predict
from lczmap.training.data import EpochBatches, PatchDataset
from lczmap.training.fit import fit
from lczmap.training.hardware import Hardware
from lczmap.training.module import TrainingModule
from lczmap.training.preset import Augmentation, NetworkPreset, Optimiser

CLASSES, WIDTH = 3, 4
TWO = Hardware(devices=2, strategy="ddp_fork", accelerator="cpu")


class Tiny(Network):
    """One convolution, group norm (nothing of it depends on the batch), two branches, a table of text features."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = ModelSpec("tiny", S2_10.channels, CLASSES)
        self.body = nn.Sequential(nn.Conv2d(10, 8, 3), nn.GroupNorm(2, 8), nn.ReLU())
        self.branches = nn.ModuleList(nn.Linear(8, WIDTH) for _ in range(2))
        self.head = nn.Linear(8, CLASSES)
        self.text = nn.Parameter(torch.randn(2, CLASSES, WIDTH))

    @property
    def has_text(self) -> bool:
        return True

    def text_features(self) -> torch.Tensor:
        return self.text

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        pooled = self.body(x).mean(dim=(2, 3))
        logits = self.head(pooled)
        return ModelOutput(logits, torch.stack([branch(pooled) for branch in self.branches])) if features else logits


def samples(count: int, seed: int) -> PatchDataset:
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(CLASSES, (count,), generator=random)
    patches = torch.randn(count, 10, 8, 8, generator=random)
    patches[torch.arange(count), target] += 1
    return PatchDataset(patches, target)


def train(
    folder: Path, hardware: Hardware, contrast: str, *, watched: int = 20, **options: object
) -> tuple[Tiny, list[dict[str, float]]]:
    torch.set_num_threads(1)
    torch.manual_seed(47)
    network = Tiny()
    loss = BPLoss(msm=contrast == "bce", contrast=contrast, scale=5.0, bias=-1.0, learnable=True)
    augment = Augmenter(Augmentation(dihedral=False), ChannelNormaliser(identity(S2_10.channels)), num_classes=CLASSES)
    optimiser = Optimiser(name="sgd", lr=0.05, schedule="constant", weight_decay=0.0)
    module = TrainingModule(network, loss, augment, optimiser, seed=47, ema=0.9)
    recipe = NetworkPreset(epochs=2, batch_size=8, keep="best", precision=options.get("precision", "32-true"))
    figures = fit(module, samples(24, 1), samples(watched, 2), recipe, folder=folder, hardware=hardware)
    return network, figures["history"]


@pytest.mark.parametrize(("contrast", "watched"), [("bce", 20), ("softmax", 15)])
def test_two_processes_train_as_one_does(tmp_path: Path, contrast: str, watched: int) -> None:
    # two forked processes that exchange gradients (gloo): the longest test of this folder's, about 2 s for each loss
    one, history = train(tmp_path / "one", Hardware(accelerator="cpu"), contrast, watched=watched)
    two, shared = train(tmp_path / "two", TWO, contrast, watched=watched)
    if watched < 16:  # one usual batch: both processes get some of it, and the image-text loss is that of the parts
        for row in history + shared:
            del row["validation_loss"]
    assert len(shared) == len(history) == 2
    for row, other in zip(history, shared, strict=True):
        assert other == pytest.approx(row, abs=2e-5)
    assert history[1]["loss"] < history[0]["loss"]
    for name, value in one.state_dict().items():
        assert torch.allclose(two.state_dict()[name], value, atol=1e-5), name


def test_processes_get_disjoint_parts_of_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(EpochBatches(12, 4, seed=1))
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr("lczmap.training.data.rank_and_world", lambda rank=rank: (rank, 2))
        parts.append(list(EpochBatches(12, 4, seed=1)))
    for batch, first, second in zip(whole, *parts, strict=True):
        assert not set(first) & set(second)
        assert sorted(first + second) == sorted(batch)


def test_every_process_predicts_all_patches_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    network, patches = Tiny().eval(), samples(7, 1)
    normaliser = ChannelNormaliser(identity(S2_10.channels))
    monkeypatch.setattr("lczmap.training.data.rank_and_world", lambda: (1, 2))
    with torch.inference_mode():
        expected = network(patches.patches)
    assert torch.allclose(predict(network, normaliser, patches, batch=2), expected, atol=1e-6)


def test_batch_that_devices_cannot_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a batch size that 3 devices can share, got 8"):
        train(tmp_path, Hardware(devices=3, accelerator="cpu"), "bce")
    with pytest.raises(ValueError, match="a validation patch or more for each of 4 devices, got 3"):
        train(tmp_path, Hardware(devices=4, accelerator="cpu"), "bce", watched=3)
    with pytest.raises(ValueError, match="expected one device or more, got 0"):
        Hardware(devices=0)


def test_half_precision_trains_nearly_as_single_does(tmp_path: Path) -> None:
    _, single = train(tmp_path / "a", Hardware(accelerator="cpu"), "bce")
    network, half = train(tmp_path / "b", Hardware(accelerator="cpu"), "bce", precision="bf16-mixed")
    assert half != single
    assert half[-1]["loss"] == pytest.approx(single[-1]["loss"], rel=0.02)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
