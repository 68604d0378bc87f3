import pytest
import torch

from lczmap.channels import GRD4, RSNNET9, S2_10, SO2SAT8
from lczmap.models.blocks import GroupSplitter, PointwiseConv
from lczmap.models.encoders import EmbranchBranch
from lczmap.models.registry import create_model

SMALL = {"widths": (2, 4), "blocks": (1, 1)}


@pytest.mark.parametrize(
    ("channels", "sizes"),
    [
        (SO2SAT8.channels + S2_10.channels, (3, 3, 2, 3, 4, 1, 2)),
        (GRD4.channels + S2_10.channels, (2, 2, 3, 4, 1, 2)),
        (S2_10.channels, (3, 4, 1, 2)),
        (SO2SAT8.channels, (3, 3, 2)),
        (GRD4.channels, (2, 2)),
    ],
)
def test_each_band_group_gets_an_encoder_of_its_own_channels(channels: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    network = create_model("eb_cnn", channels, **SMALL)
    assert tuple(encoder.stem[0].in_channels for encoder in network.branches.encoders) == sizes
    assert network(torch.zeros(2, len(channels), 8, 8), features=True).features.shape == (len(sizes), 2, 4)


@pytest.mark.parametrize("name", ["eb_cnn", "bp_lcz_eb_cnn"])
def test_nineteen_channels_of_48_px_train_and_classify_with_eight_groups(name: str) -> None:
    options = SMALL if name == "eb_cnn" else {**SMALL, "width": 4, "text": {"encoder": "prototype"}}
    network = create_model(name, RSNNET9.channels + S2_10.channels, **options)
    output = network(torch.randn(2, 19, 48, 48), features=True)
    assert output.features.shape == (8, 2, 4)
    output.logits.square().sum().backward()
    image = [p for name, p in network.named_parameters() if not name.startswith("text.")]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in image)
    assert network.eval()(torch.randn(1, 19, 48, 48)).shape == (1, 17)


def test_the_groups_of_so2sat_sit_where_the_paper_says() -> None:
    groups = create_model("eb_cnn", SO2SAT8.channels + S2_10.channels, **SMALL).branches.groups
    table = dict(zip([g.name for g in groups.groups], groups.indices(SO2SAT8.channels + S2_10.channels), strict=True))
    assert table == {
        "VH": (0, 1, 4),
        "VV": (2, 3, 5),
        "PolSAR": (6, 7),
        "RGB": (8, 9, 10),
        "VRE": (11, 12, 13, 15),
        "NIR": (14,),
        "SWIR": (16, 17),
    }


def test_groups_follow_the_names_whatever_the_order_of_the_channels() -> None:
    backwards = create_model("eb_cnn", S2_10.channels[::-1], **SMALL).eval()
    forwards = create_model("eb_cnn", S2_10.channels, **SMALL).eval()
    forwards.load_state_dict(backwards.state_dict())
    x = torch.randn(1, 10, 16, 16)
    assert torch.equal(forwards(x), backwards(x.flip(1)))


def test_splitter_returns_the_channels_of_each_group() -> None:
    x = torch.arange(4.0).reshape(1, 4, 1, 1)
    parts = GroupSplitter([(3, 0), (1,)])(x)
    assert [part.flatten().tolist() for part in parts] == [[3.0, 0.0], [1.0]]


def test_a_change_in_one_group_changes_only_its_features() -> None:
    network = create_model("eb_cnn", S2_10.channels, **SMALL).eval()
    x = torch.randn(1, 10, 16, 16)
    changed = x.clone()
    changed[:, S2_10.channels.index("B8")] += 1
    same = network(x, features=True).features == network(changed, features=True).features
    assert same.all(dim=(1, 2)).tolist() == [True, True, False, True]  # RGB, VRE, NIR, SWIR


def test_a_branch_of_width_two_has_the_parameters_counted_by_hand() -> None:
    stem = 3 * 2 * 9 + 4
    same = 2 * (2 * 2 * 9 + 4)  # two convolutions and batch norms, identity shortcut
    halved = (2 * 4 * 9 + 8) + (4 * 4 * 9 + 8) + (2 * 4 + 8)
    branch = EmbranchBranch(3, (2, 4), (1, 1))
    assert sum(p.numel() for p in branch.parameters()) == stem + same + halved
    with pytest.raises(ValueError, match="one number of blocks"):
        EmbranchBranch(3, (2, 4), (1,))


def test_pointwise_convolution_equals_a_strided_one() -> None:
    pointwise = PointwiseConv(4, 8, step=2)
    x = torch.randn(2, 4, 9, 8)
    expected = torch.nn.functional.conv2d(x, pointwise.weight, pointwise.bias, stride=2)
    assert torch.allclose(pointwise(x), expected, atol=1e-6)


def test_no_network_has_a_strided_pointwise_convolution_which_can_crash() -> None:
    for name, channels in (("eb_cnn", S2_10.channels), ("gul_s2", S2_10.channels)):
        layers = [m for m in create_model(name, channels).modules() if isinstance(m, torch.nn.Conv2d)]
        assert not [m for m in layers if m.kernel_size == (1, 1) and m.stride != (1, 1)]


@pytest.mark.slow
def test_eb_cnn_learns_separable_patches_by_heart() -> None:
    torch.manual_seed(47)
    y = torch.arange(64) % 17
    x = torch.randn(17, 10, 1, 1)[y] + 0.3 * torch.randn(64, 10, 16, 16)
    network = create_model("eb_cnn", S2_10.channels, widths=(8, 16), blocks=(1, 1), dropout=0.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    assert (network.eval()(x).argmax(1) == y).float().mean() > 0.95
