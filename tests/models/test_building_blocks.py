import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d, relu

from lczmap.models.blocks import (
    BasicBlock,
    BottleneckBlock,
    NonLocal2d,
    PointwiseConv,
    SqueezeExcitation,
    StochasticDepth,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(47)


def test_gates_follow_from_the_channels_means() -> None:
    gate = SqueezeExcitation(2, ratio=2)
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([[1.0, 2.0]]))
        gate.squeeze.bias.fill_(-1.0)
        gate.excite.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        gate.excite.bias.copy_(torch.tensor([0.0, 0.5]))
    x = torch.tensor([[[[0.0, 2.0]], [[3.0, -1.0]]]])  # means 1 and 1: hidden 1 + 2 - 1 = 2, gates of 2 and -1.5
    expected = torch.tensor([[[[0.0, 2 * 0.880797]], [[3 * 0.182426, -0.182426]]]])
    torch.testing.assert_close(gate(x), expected)


def test_a_reduction_beyond_the_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a reduction of 1 to 8 for 8 channels, got 16"):
        SqueezeExcitation(8, ratio=16)


@pytest.mark.parametrize("block", [BasicBlock(4, 4, se_ratio=2), BottleneckBlock(4, 4, 4, se_ratio=2)])
def test_a_closed_gate_leaves_the_shortcut_alone(block: BasicBlock | BottleneckBlock) -> None:
    x = torch.randn(2, 4, 6, 6)
    assert not torch.allclose(block(x), relu(x))
    assert isinstance(block.gate, SqueezeExcitation)
    torch.nn.init.constant_(block.gate.excite.bias, -200.0)
    torch.testing.assert_close(block(x), relu(x))


def test_cardinality_splits_the_middle_convolution_into_separate_paths() -> None:
    block = BottleneckBlock(6, 8, 6, cardinality=4).eval()
    x = torch.randn(2, 6, 5, 5)
    y = relu(conv2d(x, block.conv1.weight) / (1 + 1e-5) ** 0.5)
    paths = [
        conv2d(part, weight, padding=1)
        for part, weight in zip(y.split(2, dim=1), block.conv2.weight.split(2), strict=True)
    ]
    y = relu(torch.cat(paths, dim=1) / (1 + 1e-5) ** 0.5)
    y = conv2d(y, block.conv3.weight) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(x), relu(x + y))


def test_a_width_that_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a width that 3 groups divide, got 8"):
        BottleneckBlock(6, 8, 6, cardinality=3)


def test_a_new_non_local_block_changes_nothing() -> None:
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(NonLocal2d(4)(x), x)


def _map(layer: PointwiseConv, x: torch.Tensor) -> torch.Tensor:
    assert layer.bias is not None
    return torch.einsum("oc,bchw->bohw", layer.weight[:, :, 0, 0], x) + layer.bias[:, None, None]


@pytest.mark.parametrize("subsample", [False, True])
def test_non_local_attention_is_a_softmax_over_all_pixels(subsample: bool) -> None:
    block = NonLocal2d(4, subsample=subsample).eval()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 4, 4, 6)
    query, key, value = (_map(layer, x) for layer in (block.query, block.key, block.value))
    if subsample:
        key, value = max_pool2d(key, 2), max_pool2d(value, 2)
    expected = torch.empty(2, 2, 4, 6)
    for row in range(4):
        for column in range(6):
            similarity = torch.einsum("bc,bchw->bhw", query[:, :, row, column], key)
            attention = similarity.exp() / similarity.exp().sum(dim=(1, 2), keepdim=True)
            expected[:, :, row, column] = torch.einsum("bhw,bchw->bc", attention, value)
    projected = _map(block.project, expected) / (1 + 1e-5) ** 0.5
    projected = projected * block.bn.weight[:, None, None] + block.bn.bias[:, None, None]
    torch.testing.assert_close(block(x), x + projected)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(block(channels_last), x + projected)


def test_stochastic_depth_drops_whole_patches_and_keeps_the_mean() -> None:
    drop = StochasticDepth(0.25)
    x = torch.ones(4000, 2, 3)
    y = drop(x)
    values = y[:, 0, 0]
    assert torch.equal(y, values[:, None, None].expand_as(y))
    assert values.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert values.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(x), x)


def test_a_rate_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a rate of stochastic depth in 0 <= rate < 1"):
        StochasticDepth(1.0)
