import pytest
import torch

from lczmap.channels import RSNNET9, S2_10, SO2SAT8
from lczmap.models.fusion import split_indices
from lczmap.models.registry import Network, create_model

SO2SAT18 = SO2SAT8.channels + S2_10.channels
SEN12LCZ19 = RSNNET9.channels + S2_10.channels


def shapes_only(channels: tuple[str, ...], **options: object) -> Network:
    with torch.device("meta"):
        return create_model("fusion", channels, **options)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def million_macs(network: Network) -> float:
    """Multiplications of all convolutions and dense layers for one patch, from the sizes of their outputs."""
    macs = []

    def add(layer: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        macs.append(output.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(add)
    network.eval()(torch.zeros(1, 18, 32, 32, device="meta"))
    return sum(macs) / 1e6


@pytest.mark.parametrize(
    ("stage", "bn_first", "bn_all", "macs"),
    [
        (0, 300_849, 301_617, 62),
        (1, 412_017, 412_785, 175),
        (2, 633_585, 635_121, 232),
        (3, 1_076_337, 1_078_641, 345),
        (4, 1_961_841, 1_965_681, 402),
        (5, 2_060_913, 2_066_289, 402),
        (6, 2_074_839, 2_080_215, 402),
    ],
)
def test_parameters_and_operations_follow_the_stage(stage: int, bn_first: int, bn_all: int, macs: float) -> None:
    network = shapes_only(SO2SAT18, stage=stage)
    assert count(network) == bn_first
    assert count(shapes_only(SO2SAT18, stage=stage, bn="all")) == bn_all
    assert million_macs(network) == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize(("stage", "parameters", "macs"), [(3, 431_121, 109), (6, 598_050, 119)])
def test_two_sensors_have_the_stated_parameters_and_operations(stage: int, parameters: int, macs: float) -> None:
    network = shapes_only(SO2SAT18, split="sar_optical", stage=stage, bn="all")
    assert count(network) == parameters
    assert million_macs(network) == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize(
    ("channels", "splits"),
    [
        (SO2SAT18, ("sar_optical", "groups")),
        (SO2SAT8.channels, ("sar", "groups")),
        (S2_10.channels, ("optical", "groups")),
    ],
)
def test_without_branches_every_split_is_the_same_network(channels: tuple[str, ...], splits: tuple[str, str]) -> None:
    one, other = (create_model("fusion", channels, split=split, stage=0).eval() for split in splits)
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, len(channels), 16, 16)
    assert torch.equal(one(x), other(x))


def test_splits_are_sensors_or_band_groups() -> None:
    def sizes(channels: tuple[str, ...], split: str) -> list[int]:
        return [len(positions) for positions in split_indices(channels, split)]  # type: ignore[arg-type]

    assert sizes(SO2SAT18, "sar_optical") == [8, 10]
    assert sizes(SO2SAT18, "groups") == [3, 3, 2, 3, 4, 1, 2]
    assert sizes(SO2SAT8.channels, "sar") == [3, 3, 2]
    assert sizes(S2_10.channels, "optical") == [3, 4, 1, 2]


@pytest.mark.parametrize(
    ("channels", "split"), [(SO2SAT18, "sar"), (SO2SAT18, "optical"), (S2_10.channels, "sar_optical")]
)
def test_a_split_of_other_channels_is_refused_with_the_remedy(channels: tuple[str, ...], split: str) -> None:
    with pytest.raises(ValueError, match=r"got \['sentinel-.*choose split: groups"):
        create_model("fusion", channels, split=split)


def test_unknown_options_are_refused_and_the_independent_sum_names_its_remedy() -> None:
    with pytest.raises(ValueError, match="sar, optical, sar_optical or groups"):
        create_model("fusion", SO2SAT18, split="bands")
    with pytest.raises(ValueError, match="stage 0 to 6, got 7"):
        create_model("fusion", SO2SAT18, stage=7)
    with pytest.raises(ValueError, match="first or all"):
        create_model("fusion", SO2SAT18, bn="none")
    with pytest.raises(ValueError, match="lczmap join-models"):
        create_model("fusion", SO2SAT18, stage=6, sum="independent")
    with pytest.raises(ValueError, match="dependent or independent"):
        create_model("fusion", SO2SAT18, sum="weighted")


def test_stage_six_is_the_mean_of_the_branches_probabilities() -> None:
    network = create_model("fusion", SO2SAT18, stage=6).eval()
    logits: list[torch.Tensor] = []
    for head in network.heads:
        head.register_forward_hook(lambda _module, _inputs, output: logits.append(output[0]))
    log_probs = network(torch.randn(3, 18, 16, 16))
    assert len(logits) == 7
    assert torch.allclose(log_probs.exp(), sum(one.softmax(1) for one in logits) / 7, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 1, 3, 5, 6])
def test_every_stage_gives_log_probabilities_and_gradients(stage: int) -> None:
    network = create_model("fusion", S2_10.channels, stage=stage)
    output = network(torch.randn(2, 10, 16, 16), features=True)
    assert network.outputs == "log_probs"
    assert torch.allclose(output.logits.exp().sum(1), torch.ones(2), atol=1e-5)
    assert output.features.shape == (4 if stage == 6 else 1, 2, 128)
    output.logits[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.eval()(torch.randn(1, 10, 16, 16)).shape == (1, 17)


def test_a_branch_sees_only_its_own_channels_up_to_the_fusion() -> None:
    network = create_model("fusion", S2_10.channels, stage=6).eval()
    x = torch.randn(1, 10, 16, 16)
    changed = x.clone()
    changed[:, S2_10.channels.index("B8")] += 1
    same = network(x, features=True).features == network(changed, features=True).features
    assert same.all(dim=(1, 2)).tolist() == [True, True, False, True]  # RGB, VRE, NIR, SWIR


def test_nineteen_channels_of_48_px_have_eight_branches() -> None:
    network = shapes_only(SEN12LCZ19, stage=6).eval()
    assert len(network.heads) == 8
    assert network(torch.empty(1, 19, 48, 48, device="meta")).shape == (1, 17)
