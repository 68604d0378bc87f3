import json
import math
from dataclasses import replace

import pytest
import torch

from lczmap.channels import GRD4, S2_10, SO2SAT8
from lczmap.models.losses import ClassificationLoss, build_loss, literal_bp_loss
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


@pytest.mark.slow
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


TEN = ("annual crops", "forest", "shrubs", "roads", "industry", "pasture", "orchards", "houses", "rivers", "the sea")


@pytest.fixture(scope="module")
def trained() -> Network:
    """Return a network whose text features are in its `text_bank`; tests must not change it."""
    torch.manual_seed(47)
    network = small().eval()
    network.strip_text()
    return network


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a @ b / (a.norm() * b.norm())).item()


def test_group_support_is_the_cosine_of_each_group_with_its_prompts(trained: Network) -> None:
    x = torch.randn(3, 10, 16, 16)
    support, image = trained.group_support(x), trained(x, features=True).features
    assert trained.group_names == ("RGB", "VRE", "NIR", "SWIR")
    assert support.shape == (4, 3, 17)
    for group, patch, lcz in ((0, 0, 0), (1, 2, 16), (3, 1, 5)):
        expected = cosine(image[group, patch], trained.text_bank[group, lcz])
        assert support[group, patch, lcz].item() == pytest.approx(expected, abs=1e-5)


def test_heads_are_the_classifier_the_prompts_and_the_sum_of_both(trained: Network) -> None:
    x = torch.randn(2, 10, 16, 16)
    outputs = {}
    for head in ("classifier", "prompt", "ensemble"):
        network = small(head=head, head_scale=5.0, head_weight=0.5, text=None).eval()
        network.load_state_dict(trained.state_dict())
        outputs[head] = network(x)
    similar = 5.0 * 0.25 * trained.group_support(x).sum(0)
    assert torch.equal(outputs["classifier"], trained(x))
    assert torch.allclose(outputs["prompt"], similar, atol=1e-5)
    both = trained(x).log_softmax(1) + 0.5 * similar.log_softmax(1)
    assert torch.allclose(outputs["ensemble"], both, atol=1e-5)


@pytest.mark.parametrize("name", ["bp_lcz_eb_cnn", "bp_lcz_exvit"])
@pytest.mark.parametrize("head", ["prompt", "ensemble"])
def test_stripping_the_text_leaves_the_logits_of_every_head(name: str, head: str) -> None:
    size = {"token_pool": 4, "self_depth": 1, "cross_depth": 0} if name == "bp_lcz_exvit" else SMALL
    network = create_model(name, S2_10.channels, **{**size, "width": 16, "text": MINI, "head": head}).eval()
    x = torch.randn(2, 10, 16, 16)
    with torch.no_grad():
        before = network(x)
        network.strip_text()
        assert torch.equal(network(x), before)
    again = create_model(name, S2_10.channels, **json.loads(json.dumps(network.spec.options))).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x), before)


def test_training_is_with_the_classifier_whatever_the_head() -> None:
    x = torch.randn(2, 10, 16, 16)
    network = small(head="prompt").train()
    output = network(x, features=True)
    fused = output.features.transpose(0, 1).flatten(1)
    assert torch.allclose(output.logits, network.classifier(fused), atol=1e-6)


def test_the_head_can_be_changed_after_training(trained: Network) -> None:
    x = torch.randn(1, 10, 16, 16)
    network = small(text=None, head="prompt").eval()
    network.load_state_dict(trained.state_dict())
    assert torch.allclose(network(x), 10 * 0.25 * trained.group_support(x).sum(0), atol=1e-5)


def test_prompt_heads_and_explanations_need_text_features() -> None:
    network = small(text=None, head="prompt").eval()
    for use in (network, network.group_support):
        with pytest.raises(ValueError, match="no text features to compare with"):
            use(torch.randn(1, 10, 16, 16))
    with pytest.raises(ValueError, match="classifier, prompt or ensemble"):
        small(text=None, head="words")
    with pytest.raises(ValueError, match="head_scale above 0"):
        small(text=None, head_scale=0.0)


@pytest.mark.parametrize("class_text", ["extended", "name", "index"])
@pytest.mark.parametrize("group_text", [True, False])
def test_every_prompt_variant_gives_its_own_features(class_text: str, group_text: bool) -> None:
    network = small(text={**MINI, "class_text": class_text, "group_text": group_text})
    text = network.text_features()
    assert text is not None
    assert text.shape == (4, 17, 16)
    assert torch.equal(text[0], text[1]) != group_text
    assert len({tuple(row) for row in text[0].tolist()}) == 17


def test_other_classes_bring_their_own_phrases() -> None:
    network = create_model("bp_lcz_eb_cnn", S2_10.channels, 10, **SMALL, text={**MINI, "class_phrases": TEN})
    loss = build_loss(network)
    output = network(torch.randn(4, 10, 16, 16), features=True)
    text = network.text_features()
    assert output.logits.shape == (4, 10)
    assert text is not None
    assert text.shape == (4, 10, 16)
    loss(output, torch.arange(4), text).total.backward()
    assert network.text_description["class_phrases"] == TEN  # type: ignore[index]
    assert "orchards" in network.text_description["vocabulary"]  # type: ignore[index, operator]
    again = create_model("bp_lcz_eb_cnn", S2_10.channels, 10, **json.loads(json.dumps(network.spec.options)))
    assert again.text_description["prompts_sha256"] == network.text_description["prompts_sha256"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINI, "17 Local Climate Zones, got 10 classes: give one phrase per class"),
        ({**MINI, "class_phrases": TEN[:9]}, "class_phrases for 10 classes, got 9"),
        ({**MINI, "class_phrases": "abcdefghij"}, "class_phrases for 10 classes"),
        ({**MINI, "class_phrases": (*TEN[:9], "forest")}, "10 different class_phrases"),
    ],
)
def test_classes_without_words_of_their_own_are_refused(text: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_model("bp_lcz_eb_cnn", S2_10.channels, 10, **SMALL, text=text)


def test_other_classes_need_no_words_with_prototypes_or_without_text() -> None:
    for text in ({"encoder": "prototype"}, None):
        network = create_model("bp_lcz_eb_cnn", S2_10.channels, 10, **SMALL, text=text)
        assert network.text_bank.shape == (4, 10, 16)


def test_the_rows_of_table_three_are_eb_cnn_and_two_losses() -> None:
    without = create_model("eb_cnn", S2_10.channels, widths=(4, 8), blocks=(1, 1), dropout=0.0)
    assert isinstance(build_loss(without), ClassificationLoss)
    network = small()
    output, text = network(torch.randn(6, 10, 16, 16), features=True), network.text_features()
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    for msm in (False, True):
        terms = build_loss(network, preset="paper", msm=msm)(output, y, text)
        literal, _ = literal_bp_loss(output.features, text, y, msm=msm)
        assert terms.con.item() == pytest.approx(literal.item(), abs=1e-5)


def test_tensor_names_of_earlier_checkpoints_still_fit() -> None:
    names = {name.split(".")[0] + "." + name.split(".")[1] for name in small().state_dict() if "." in name}
    assert names == {"branches.encoders", "projections.0", "projections.1", "projections.2", "projections.3"} | {
        "classifier.weight",
        "classifier.bias",
        "text.encoder",
    }
