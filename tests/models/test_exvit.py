import json

import pytest
import torch
from torch.nn.functional import interpolate

from lczmap.channels import RSNNET9, S2_10, SO2SAT8
from lczmap.models.exvit import ExViTBranches, ExViTCore
from lczmap.models.registry import create_model
from lczmap.models.tokens import Attention, PositionTable, TokenSoftmaxPool

SO2SAT18 = SO2SAT8.channels + S2_10.channels
SEN12LCZ19 = RSNNET9.channels + S2_10.channels
TINY = {"self_depth": 1, "cross_depth": 1, "token_pool": 4}


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_official_houston_network_has_239_914_parameters() -> None:
    network = ExViTCore([144, 1], 15, image_size=13)
    assert count(network) == 239_914
    logits, pooled = network.eval()([torch.randn(1, 144, 13, 13), torch.randn(1, 1, 13, 13)])
    assert (logits.shape, pooled.shape) == ((1, 15), (1, 64))


@pytest.mark.parametrize(
    ("token_pool", "modalities", "expected"),
    [
        (1, "sensors", 291_462),
        (2, "sensors", 242_310),
        (4, "sensors", 230_022),
        (2, "groups", 697_910),
        (4, "groups", 685_622),
    ],
)
def test_parameters_follow_token_pooling_and_modalities(token_pool: int, modalities: str, expected: int) -> None:
    with torch.device("meta"):  # shapes without values
        assert count(create_model("exvit", SO2SAT18, token_pool=token_pool, modalities=modalities)) == expected


@pytest.mark.parametrize(("channels", "size"), [(SO2SAT18, 32), (SEN12LCZ19, 48), (S2_10.channels, 32)])
def test_it_trains_two_patches_and_evaluates_one(channels: tuple[str, ...], size: int) -> None:
    network = create_model("exvit", channels, **TINY, image_size=size)
    output = network(torch.randn(2, len(channels), size, size), features=True)
    assert output.logits.shape == (2, 17)
    assert output.features.shape == (1, 2, 64)
    output.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.eval()(torch.randn(1, len(channels), size, size)).isfinite().all()


def test_modalities_are_the_sensors_the_groups_or_lists_of_names() -> None:
    def sizes(channels: tuple[str, ...], **options: object) -> list[int]:
        network = create_model("exvit", channels, **TINY, **options)
        again = create_model("exvit", channels, **json.loads(json.dumps(network.spec.options)))
        assert count(again) == count(network)
        return [tokenizer[0].in_channels for tokenizer in network.core.tokens.tokenizers]

    assert sizes(SO2SAT18) == [8, 10]
    assert sizes(S2_10.channels) == [10]
    assert sizes(S2_10.channels, modalities="groups") == [3, 4, 1, 2]
    assert sizes(("B2", "B8", "B3"), modalities=[["B8"], ["B3", "B2"]]) == [1, 2]


@pytest.mark.parametrize("modalities", [[["B2"], ["B3"]], [["B2", "B3"], ["B3", "B8"]], [["B2", "B3", "B8"], []]])
def test_modalities_that_do_not_hold_each_channel_once_are_refused(modalities: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="each of the channels"):
        create_model("exvit", ("B2", "B3", "B8"), modalities=modalities)


def test_unknown_modalities_and_token_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="sensors, groups or lists"):
        create_model("exvit", S2_10.channels, modalities="bands")
    with pytest.raises(ValueError, match="divisible by it, got 4 and 30 px"):
        create_model("exvit", S2_10.channels, token_pool=4, image_size=30)


def test_channels_follow_their_names_whatever_their_order() -> None:
    forwards = create_model("exvit", SO2SAT18, **TINY, modalities="groups").eval()
    backwards = create_model("exvit", SO2SAT18[::-1], **TINY, modalities="groups").eval()
    backwards.load_state_dict(forwards.state_dict())
    x = torch.randn(1, 18, 16, 16)
    assert torch.equal(forwards(x), backwards(x.flip(1)))


def test_attention_is_the_softmax_of_scaled_products() -> None:
    attention = Attention(0.0).eval()
    x = torch.randn(2, 5, 64)
    query, key, value = attention.qkv(x).chunk(3, dim=-1)
    heads = []
    for i in range(4):
        part = slice(16 * i, 16 * (i + 1))
        weights = (query[..., part] @ key[..., part].transpose(1, 2) / 4).softmax(-1)  # 4 = sqrt(16)
        heads.append(weights @ value[..., part])
    assert torch.allclose(attention(x), attention.out(torch.cat(heads, dim=-1)), atol=1e-6)


def test_token_pooling_is_a_weighted_mean() -> None:
    pool = TokenSoftmaxPool()
    x = torch.randn(2, 5, 64)
    weights = pool.score(pool.norm(x))[..., 0].softmax(1)
    assert torch.allclose(pool(x)[1], sum(weights[1, t] * x[1, t] for t in range(5)), atol=1e-6)
    torch.nn.init.zeros_(pool.score.weight)
    assert torch.allclose(pool(x), x.mean(1), atol=1e-6)


def test_positions_are_interpolated_from_32_to_48_px_as_a_picture() -> None:
    table = PositionTable(8)
    assert table(8, 8) is table.table
    picture = table.table.detach()[0].reshape(8, 8, 64).permute(2, 0, 1)[None]  # rows first
    expected = interpolate(picture, (12, 12), mode="bicubic")
    assert torch.allclose(table(12, 12).reshape(12, 12, 64), expected[0].permute(1, 2, 0), atol=1e-6)
    rows = torch.arange(8.0).repeat_interleave(8)[None, :, None].expand(1, 64, 64)
    table.table.data = rows.clone()
    stretched = table(8, 16).reshape(8, 16, 64)
    assert torch.allclose(stretched, torch.arange(8.0)[:, None, None].expand(8, 16, 64), atol=1e-5)


def test_a_network_for_32_px_takes_48_px() -> None:
    network = create_model("exvit", S2_10.channels, **TINY).eval()
    assert network.core.tokens.position.table.shape == (1, 64, 64)
    assert network(torch.randn(1, 10, 48, 48)).isfinite().all()


@pytest.mark.parametrize("cross_attention", [False, True])
def test_only_cross_attention_lets_a_group_see_the_others(cross_attention: bool) -> None:
    torch.manual_seed(47)
    options = {"self_depth": 1, "cross_depth": 1, "token_pool": 4, "image_size": 16, "dropout": 0.0}
    branches = ExViTBranches(S2_10.channels, cross_attention=cross_attention, **options).eval()
    x = torch.randn(1, 10, 16, 16)
    changed = x.clone()
    changed[:, S2_10.channels.index("B8")] += 1
    same = [torch.equal(a, b) for a, b in zip(branches(x), branches(changed), strict=True)]
    assert same == ([False] * 4 if cross_attention else [True, True, False, True])  # RGB, VRE, NIR, SWIR


@pytest.mark.parametrize(
    ("token_pool", "cross_attention", "expected"),
    [
        (2, False, 1_242_492),
        (4, False, 1_230_204),
        (2, True, 1_242_492 - 12 * 20_896),  # 7 x 4 + 2 instead of 7 x 6 blocks
    ],
)
def test_bp_lcz_with_exvit_has_the_stated_number_of_parameters(
    token_pool: int, cross_attention: bool, expected: int
) -> None:
    options = {"token_pool": token_pool, "cross_attention": cross_attention, "text": None}
    with torch.device("meta"):
        assert count(create_model("bp_lcz_exvit", SO2SAT18, **options)) == expected


@pytest.mark.parametrize(
    ("channels", "size", "cross_attention"),
    [(SO2SAT18, 32, False), (SEN12LCZ19, 48, False), (S2_10.channels, 32, False), (S2_10.channels, 32, True)],
)
def test_bp_lcz_with_exvit_trains_two_patches_and_evaluates_one(
    channels: tuple[str, ...], size: int, cross_attention: bool
) -> None:
    text = {"encoder": "prototype"}
    network = create_model("bp_lcz_exvit", channels, **TINY, width=8, cross_attention=cross_attention, text=text)
    output = network(torch.randn(2, len(channels), size, size), features=True)
    assert output.features.shape == (len(network.group_names), 2, 8)
    output.logits.square().sum().backward()
    image = [p for name, p in network.named_parameters() if not name.startswith("text.")]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in image)
    assert network.eval()(torch.randn(1, len(channels), size, size)).shape == (1, 17)
