import pytest
import torch

from lczmap.channels import S2_10, SO2SAT8
from lczmap.models.registry import create_model


def count(channels: tuple[str, ...], **options: object) -> int:
    return sum(p.numel() for p in create_model("sen2lcz", channels, **options).parameters())


def test_parameters_follow_channels_and_fusion() -> None:
    assert count(SO2SAT8.channels + S2_10.channels) == 792_580
    assert count(S2_10.channels, fusion=False) == 787_569


def test_output_is_the_log_of_probabilities() -> None:
    network = create_model("sen2lcz", S2_10.channels).eval()
    log_probs = network(torch.rand(3, 10, 32, 32))
    assert network.outputs == "log_probs"
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(3), atol=1e-5)


def test_output_is_the_mean_of_the_heads_probabilities() -> None:
    network = create_model("sen2lcz", S2_10.channels).eval()
    outputs: list[torch.Tensor] = []
    for head in network.heads:
        head.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.softmax(1)))
    log_probs = network(torch.rand(2, 10, 32, 32))
    assert len(outputs) == 4
    assert torch.allclose(log_probs.exp(), sum(outputs) / 4, atol=1e-6)


def test_depth_that_is_not_four_stacks_is_refused() -> None:
    with pytest.raises(ValueError, match="depth of 4n"):
        create_model("sen2lcz", S2_10.channels, depth=16)
