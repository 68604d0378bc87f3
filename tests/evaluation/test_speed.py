from pathlib import Path

import pytest
import torch
from torch import nn

from lczmap.channels import INPUTS, S2_10
from lczmap.evaluation import speed
from lczmap.evaluation.speed import count_macs, measure_networks, speed_table
from lczmap.evaluation.timing import REPEATS, Speed, Variant, training_speed
from lczmap.models.registry import create_model, list_models


class Convolution(nn.Module):
    """3 × 3 convolution of two channels into three, then a linear layer of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, 1, 1)
        self.linear = nn.Linear(3, 17)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.conv(x).mean(dim=(2, 3)))


def test_multiply_accumulates_are_those_counted_by_hand():
    # 8 × 8 px × 3 outputs × 2 channels × 9 weights, and 3 × 17
    assert count_macs(Convolution(), torch.zeros(1, 2, 8, 8)) == 8 * 8 * 3 * 2 * 9 + 3 * 17


class Attention(nn.Module):
    """Attention of all pixels to all pixels, in two heads of four channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = x.flatten(2).unflatten(1, (2, 4)).transpose(2, 3)  # (B, 2, H · W, 4)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads)


def test_attention_is_counted():
    # two heads: 36 × 36 products of 4 channels for the weights, as many for the weighted sum
    assert count_macs(Attention(), torch.zeros(1, 8, 6, 6)) == 2 * 2 * 36 * 36 * 4


def test_the_table_has_a_row_for_every_network_asked_for(tmp_path: Path):
    out = tmp_path / "networks.md"
    figures = measure_networks(out, device="cpu", names=["cnn_yoo", "sen2lcz"], seconds=0.01)
    assert [(f.name, f.channels, f.size_px, f.parameters) for f in figures] == [
        ("cnn_yoo", 18, 32, 362_033),
        ("sen2lcz", 10, 32, 791_428),
    ]
    rows = [line for line in out.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert "| 18 × 32 × 32 | 362,033 | 15.0 |" in rows[1]
    assert "threads, torch" in out.read_text()
    assert all(speed.per_second > 0 for f in figures for speed in (*f.training.values(), *f.inference.values()))


def test_a_network_that_cannot_be_measured_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(speed.PAPER_INPUTS, "cnn_yoo", speed.PaperInput(S2_10.channels, 4))
    with pytest.raises(ValueError, match="cnn_yoo could not be measured on cpu"):
        measure_networks(tmp_path / "networks.md", device="cpu", names=["cnn_yoo"], seconds=0.01)
    assert not (tmp_path / "networks.md").exists()


def test_unknown_networks_and_absent_devices_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"unknown networks \['resnet18'\]"):
        measure_networks(tmp_path / "networks.md", names=["resnet18"])
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no GPU"):
            measure_networks(tmp_path / "networks.md", device="cuda", names=["cnn_yoo"])


def test_a_training_step_changes_the_weights():
    network = create_model("cnn_yoo", S2_10.channels, widths=(4, 4, 4), hidden=4)
    before = network.state_dict()["classifier.weight"].clone()
    measured = training_speed(network, (10, 32, 32), Variant("float32"), torch.device("cpu"), 0.01)
    assert measured.batch == 8
    assert not torch.equal(before, network.state_dict()["classifier.weight"])
    assert REPEATS[0] >= 3


def test_every_variant_has_its_column():
    speeds = {"float32": Speed(1234.5, 32), "bf16": Speed(5.25, 8)}
    table = speed_table([speed.NetworkFigures("a", 18, 32, 10, 2_500_000, speeds, speeds)], "a device").splitlines()
    assert table[0].count("|") == table[1].count("|") == table[2].count("|") == 9
    assert "| 2.5 | 1,234 (32) | 5.2 (8) |" in table[2]


def test_inputs_are_those_of_the_papers():
    assert speed.PAPER_INPUTS["rsnnet"] == speed.PaperInput(INPUTS["D6"], 48)
    assert set(speed.PAPER_INPUTS) <= set(list_models())
