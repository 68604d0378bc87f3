import math
from dataclasses import replace

import pytest
import torch

from lczmap.channels import GRD4, S2_10, SO2SAT8
from lczmap.models.losses import build_loss
from lczmap.models.registry import Network, create_model

SO2SAT18 = SO2SAT8.channels + S2_10.channels
MINI = {"encoder": "mini", "layers": 1, "width": 16, "heads": 2}
SMALL = {"widths": (4, 8), "blocks": (1, 1), "width": 16, "dropout": 0.0}


def small(channels: tuple[str, ...] = S2_10.channels, **options: object) -> Network:
    return create_model("bp_lcz_eb_cnn", channels, **{**SMALL, "text": MINI, **options})


@pytest.mark.parametrize(
    ("channels", "groups"), [(SO2SAT18, 7), (GRD4.channels + S2_10.channels, 6), (GRD4.channels, 2)]
)
def test_image_and_text_features_have_one_row_per_group(channels: tuple[str, ...], groups: int) -> None:
    network = small(channels)
    output = network(torch.randn(3, len(channels), 16, 16), features=True)
    assert output.features.shape == (groups, 3, 16)
    text = network.text_features()
    assert text is not None
    assert text.shape == (groups, 17, 16)


def test_logits_are_the_classifier_on_the_concatenated_unnormalised_features() -> None:
    network = small().eval()
    output = network(torch.randn(2, 10, 16, 16), features=True)
    fused = output.features.transpose(0, 1).flatten(1)  # (B, G * width)
    assert torch.allclose(output.logits, network.classifier(fused), atol=1e-6)


def test_normalize_fused_makes_the_classifier_see_unit_vectors() -> None:
    network = small(normalize_fused=True).eval()
    output = network(torch.randn(2, 10, 16, 16), features=True)
    unit = torch.nn.functional.normalize(output.features, dim=-1).transpose(0, 1).flatten(1)
    assert torch.allclose(output.logits, network.classifier(unit), atol=1e-6)


def test_mlp_classifier_has_the_parameters_counted_by_hand() -> None:
    linear, mlp = (small(classifier=kind, text=None) for kind in ("linear", "mlp"))
    difference = sum(p.numel() for p in mlp.parameters()) - sum(p.numel() for p in linear.parameters())
    fused = 4 * 16
    assert difference == (fused * 512 + 512 + 512 * 17 + 17) - (fused * 17 + 17)
    with pytest.raises(ValueError, match="linear or mlp"):
        small(classifier="forest")


def test_stripping_the_text_leaves_the_logits_and_the_prompts_features() -> None:
    network = small().eval()
    x = torch.randn(2, 10, 16, 16)
    before, text = network(x), network.text_features()
    network.strip_text()
    assert torch.equal(network(x), before)
    kept = network.text_features()
    assert text is not None
    assert kept is not None
    assert torch.allclose(kept, text, atol=1e-6)  # torch has a second path for attention without gradients
    assert not [name for name in network.state_dict() if name.startswith("text.")]
    assert network.has_text
    assert network.spec.options["text"] is None


def test_a_network_without_text_has_none() -> None:
    network = small(text=None)
    assert not network.has_text
    assert network.text_features() is None
    network.strip_text()
    assert network.text_features() is None


def test_presets_name_the_encoders_of_the_paper_and_of_the_recipe() -> None:
    recipe = small(text={"encoder": "prototype"}).spec
    assert recipe.options["classifier"] == "linear"
    with pytest.raises(ValueError, match="hf needs a source"):
        small(text={"encoder": "hf"})
    assert create_model("bp_lcz_eb_cnn", S2_10.channels, **SMALL).text_description["encoder"] == "mini"  # type: ignore[index]


def test_joint_training_moves_text_and_image_encoders_and_aligns_them() -> None:
    torch.manual_seed(47)
    network = small(channels=S2_10.channels)
    loss = build_loss(network)
    y = torch.arange(64) % 17
    x = torch.randn(17, 10, 1, 1)[y] + 0.3 * torch.randn(64, 10, 16, 16)
    optimizer = torch.optim.AdamW([*network.parameters(), *loss.parameters()], lr=5e-3)
    first = None
    for _ in range(50):
        optimizer.zero_grad()
        terms = loss(network(x, features=True), y, network.text_features())
        first = first or terms
        terms.total.backward()
        optimizer.step()
    assert first is not None
    assert (network.eval()(x).argmax(1) == y).float().mean() > 0.95
    assert terms.con < first.con / 2
    assert terms.cos_pos - terms.cos_neg > 0.2
    assert all(p.grad is not None for p in network.parameters())


def test_the_literal_loss_starts_near_ln_17_plus_2_ln_2() -> None:
    torch.manual_seed(47)
    network = small(SO2SAT18, width=64)
    loss = build_loss(network, preset="paper")
    y = torch.arange(34) % 17
    terms = loss(network(torch.randn(34, 18, 16, 16), features=True), y, network.text_features())
    expected = math.log(17) + 2 * math.log(2)  # 4.22
    assert abs(terms.total.item() - expected) < 0.3


def test_two_runs_with_seed_47_give_the_same_losses() -> None:
    totals = []
    for _ in range(2):
        torch.manual_seed(47)
        network = small()
        loss = build_loss(network)
        optimizer = torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=0.1)
        for _ in range(3):
            terms = loss(network(torch.randn(17, 10, 16, 16), features=True), torch.arange(17), network.text_features())
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
        totals.append(terms.total.item())
    assert totals[0] == totals[1]


def test_spec_survives_a_change_of_value() -> None:
    spec = small().spec
    assert replace(spec, num_classes=3).options == spec.options
