"""ResNet, ResNeXt, ConvNeXt and DenseNet: stems, sizes, first weights."""

import pytest
import torch
from torch.nn.functional import gelu, interpolate

from lczmap.channels import S2_10
from lczmap.models.blocks import BottleneckBlock
from lczmap.models.convnext import ConvNeXtBlock
from lczmap.models.densenet import DenseLayer
from lczmap.models.registry import Network, create_model

SMALL = {
    "resnet50": {"width": 4, "blocks": (1, 1, 1, 1), "group_width": 4},
    "convnext_tiny": {"widths": (8, 8, 8, 16), "blocks": (1, 1, 1, 1)},
    "densenet121": {"width": 8, "growth": 4, "blocks": (1, 1, 1, 1)},
}


def small_network(name: str, **options: object) -> Network:
    return create_model(name, S2_10.channels, **{**SMALL[name], **options})


@pytest.mark.parametrize(
    ("name", "stem", "refused_px"),
    [
        ("resnet50", "imagenet", 32),
        ("resnet50", "small", 8),
        ("densenet121", "imagenet", 60),
        ("densenet121", "small", 15),
    ],
)
def test_a_single_patch_trains_unless_a_batch_norm_would_see_one_value(name: str, stem: str, refused_px: int) -> None:
    network = small_network(name, stem=stem)
    too_small = torch.randn(2, 10, refused_px, refused_px)
    with pytest.raises(ValueError, match=r"cannot train on a batch of one patch .*use batches of two patches or more"):
        network(too_small[:1])
    assert network(too_small).isfinite().all()
    assert network(torch.randn(1, 10, refused_px, refused_px + 1)).isfinite().all()
    assert network.eval()(too_small[:1]).isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "min_px"),
    [
        ("densenet121", {"stem": "imagenet"}, 32),
        ("densenet121", {"stem": "small"}, 8),
        ("convnext_tiny", {"stem": "imagenet"}, 32),
        ("convnext_tiny", {"stem": "small"}, 16),
        ("convnext_tiny", {"stem": "pixel"}, 8),
        ("convnext_tiny", {"stem": "imagenet", "upsample": 3}, 11),
        ("resnet50", {"stem": "imagenet"}, 8),
    ],
)
def test_the_smallest_size_is_stated_and_works(name: str, options: dict[str, object], min_px: int) -> None:
    network = small_network(name, **options).eval()
    assert network.min_size_px == min_px
    assert network(torch.randn(1, 10, min_px, min_px)).isfinite().all()
    with pytest.raises(ValueError, match=f"at least {min_px} px"):
        network(torch.randn(1, 10, min_px - 1, min_px))


def test_upsampling_is_bilinear_before_the_network() -> None:
    network = small_network("resnet50", upsample=2).eval()
    plain = small_network("resnet50").eval()
    plain.load_state_dict(network.state_dict())
    x = torch.randn(2, 10, 8, 8)
    torch.testing.assert_close(network(x), plain(interpolate(x, size=(16, 16), mode="bilinear")))


def test_unknown_stems_and_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown stem 'patch'; known: imagenet, small, pixel"):
        small_network("convnext_tiny", stem="patch")
    with pytest.raises(ValueError, match="unknown stem 'pixel'; known: imagenet, small"):
        small_network("resnet50", stem="pixel")
    with pytest.raises(ValueError, match="expected a whole factor of upsampling of 1 or more, got 0"):
        small_network("resnet50", upsample=0)
    with pytest.raises(ValueError, match="expected one number of blocks per width"):
        small_network("convnext_tiny", blocks=(1, 1))


def test_presets_choose_stem_and_first_weights() -> None:
    paper, recipe = (
        create_model("resnet50", S2_10.channels, preset=p, **SMALL["resnet50"]) for p in ("paper", "recipe")
    )
    assert paper.spec.options["stem"] == "imagenet"
    assert recipe.spec.options["stem"] == "small"
    for network, gamma in ((paper, 1.0), (recipe, 0.0)):
        blocks = [m for m in network.modules() if isinstance(m, BottleneckBlock)]
        assert [set(block.bn3.weight.tolist()) for block in blocks] == [{gamma}] * 4


def test_convnext_block_agrees_with_its_formula() -> None:
    torch.manual_seed(47)
    block = ConvNeXtBlock(6, stochastic_depth=0.5).eval()
    assert block.scale.tolist() == pytest.approx([1e-6] * 6)
    torch.nn.init.normal_(block.scale)
    x = torch.randn(2, 6, 9, 9)
    y = block.depthwise(x)
    y = (y - y.mean(dim=1, keepdim=True)) / (y.var(dim=1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    y = torch.einsum("oc,bchw->bohw", block.expand.weight, y) + block.expand.bias[:, None, None]
    y = torch.einsum("oc,bchw->bohw", block.contract.weight, gelu(y)) + block.contract.bias[:, None, None]
    torch.testing.assert_close(block(x), x + block.scale[:, None, None] * y, rtol=1e-4, atol=1e-5)


def test_stochastic_depth_rises_from_the_first_block_to_the_last() -> None:
    network = small_network("convnext_tiny", stochastic_depth=0.3)
    rates = [m.drop.rate for m in network.modules() if isinstance(m, ConvNeXtBlock)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_dense_layer_keeps_its_input_and_appends_to_it() -> None:
    layer = DenseLayer(5, growth=3)
    x = torch.randn(2, 5, 4, 4)
    y = layer(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, :5], x)
