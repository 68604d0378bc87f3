"""What the convolutional networks of the literature have in common: counts, inputs, gradients."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lczmap.channels import INPUTS, S2_10, SO2SAT8
from lczmap.models.registry import ModelOutput, create_model

SO2SAT18 = SO2SAT8.channels + S2_10.channels
SEN12LCZ19 = INPUTS["D6"]
SMALL = {
    "resnet50": {"width": 4, "blocks": (1, 1, 1, 1), "group_width": 4},
    "resnext50": {"width": 4, "blocks": (1, 1, 1, 1), "cardinality": 4, "group_width": 1},
    "convnext_tiny": {"widths": (8, 8, 8, 16), "blocks": (1, 1, 1, 1)},
    "densenet121": {"width": 8, "growth": 4, "blocks": (1, 2, 1, 1)},
    "rsnnet": {"stem_width": 8, "widths": (8, 8, 16), "stages": (1, 1, 1), "cardinality": 4, "se_ratio": 4},
    "lcznet": {"widths": (8, 8, 16), "blocks": (1, 1, 1), "se_ratio": 4},
    "mscnn": {"widths": (8, 8, 8)},
    "cnn_yoo": {"widths": (8, 8, 8), "hidden": 8},
}
IMAGENET, SMALL_STEM = {"stem": "imagenet"}, {"stem": "small"}


@pytest.mark.parametrize(
    ("name", "channels", "size", "options", "parameters", "mmac"),
    [
        ("resnet50", SO2SAT18, 32, IMAGENET, 23_589_905, 95.5),
        ("resnet50", SO2SAT18, 32, SMALL_STEM, 23_543_825, 1306.7),
        ("resnet50", SEN12LCZ19, 48, IMAGENET, 23_593_041, 241.8),
        ("resnext50", SO2SAT18, 32, IMAGENET, 23_061_777, 98.4),
        ("resnext50", SO2SAT18, 32, SMALL_STEM, 23_015_697, 1352.8),
        ("convnext_tiny", SO2SAT18, 32, IMAGENET, 27_856_241, 92.4),
        ("convnext_tiny", SO2SAT18, 32, SMALL_STEM, 27_835_505, 364.3),
        ("convnext_tiny", SO2SAT18, 32, {"stem": "pixel"}, 27_830_321, 1451.7),
        ("densenet121", SO2SAT18, 32, IMAGENET, 7_018_321, 69.9),
        ("densenet121", SO2SAT18, 32, SMALL_STEM, 6_972_241, 897.2),
        ("rsnnet", SEN12LCZ19, 48, {}, 1_520_569, 1389.0),
        ("rsnnet", SO2SAT18, 32, {}, 1_519_993, 428.0),
        ("rsnnet", SEN12LCZ19, 48, {"widths": (32, 64, 128)}, 393_765, 555.0),
        ("lcznet", S2_10.channels, 48, {}, 2_805_961, 957.0),
        ("lcznet", SEN12LCZ19, 48, {}, 2_811_145, 969.0),
        ("mscnn", S2_10.channels, 32, {}, 418_001, 83.0),
        ("mscnn", SEN12LCZ19, 48, {}, 424_337, 201.0),
        ("cnn_yoo", SO2SAT18, 32, {}, 362_033, 15.0),
        ("cnn_yoo", SEN12LCZ19, 48, {"image_size": 48}, 690_001, 34.4),
    ],
)
def test_parameters_are_exact_and_multiplications_agree(
    name: str, channels: tuple[str, ...], size: int, options: dict[str, object], parameters: int, mmac: float
) -> None:
    with torch.device("meta"):
        network = create_model(name, channels, **options).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, len(channels), size, size, device="meta"))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert counter.get_total_flops() / 2e6 == pytest.approx(mmac, rel=0.01)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet50", 25_557_032),
        ("resnext50", 25_028_904),
        ("convnext_tiny", 28_589_128),
        ("densenet121", 7_978_856),
    ],
)
def test_with_colour_pictures_the_baselines_have_the_published_number_of_parameters(name: str, published: int) -> None:
    with torch.device("meta"):
        network = create_model(name, ("B4", "B3", "B2"), num_classes=1000, preset="paper")
    assert sum(p.numel() for p in network.parameters()) == published


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("channels", "size"), [(SO2SAT18, 32), (SEN12LCZ19, 48), (S2_10.channels, 32)])
def test_two_patches_train_and_one_can_be_evaluated(name: str, channels: tuple[str, ...], size: int) -> None:
    options = {**SMALL[name], **({"image_size": size} if name == "cnn_yoo" else {})}
    network = create_model(name, channels, num_classes=5, **options)
    x = torch.randn(2, len(channels), size, size)
    network(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    network.eval()
    output = network(x, features=True)
    assert isinstance(output, ModelOutput)
    assert output.logits.shape == (2, 5)
    assert output.features.shape == (1, 2, network.classifier.in_features)
    torch.testing.assert_close(network.classifier(output.features[0]), output.logits)
    torch.testing.assert_close(network(x[:1]), output.logits[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_each_channel_reaches_the_logits(name: str) -> None:
    torch.manual_seed(47)
    network = create_model(name, S2_10.channels, **SMALL[name]).eval()
    x = torch.randn(1, 10, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x).square().sum(), x)
    assert (gradient.abs().sum(dim=(0, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", ["rsnnet", "lcznet"])
def test_one_number_of_blocks_per_width_is_needed(name: str) -> None:
    counts = "stages" if name == "rsnnet" else "blocks"
    with pytest.raises(ValueError, match=r"expected one number of blocks .* per width, got widths \(8, 16\)"):
        create_model(name, S2_10.channels, widths=(8, 16), **{counts: (1, 1, 1)})
