import math
from typing import Any

import numpy as np
import pytest
import torch

from lczmap.channels import S2_10
from lczmap.models.losses import (
    BPLoss,
    ClassificationLoss,
    balanced_weights,
    build_loss,
    class_similarity,
    contrastive_class_form,
    focal_alpha,
    inverse_weights,
    literal_bp_loss,
)
from lczmap.models.registry import ModelOutput, create_model

GROUPS, BATCH, CLASSES, WIDTH = 3, 12, 17, 8


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(GROUPS, BATCH, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def text() -> torch.Tensor:
    return torch.randn(GROUPS, CLASSES, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def target() -> torch.Tensor:
    return torch.tensor([0, 3, 3, 16, 5, 0, 3, 8, 9, 9, 1, 3])  # some classes several times, most not at all


@pytest.mark.parametrize(
    "options",
    [
        {"msm": msm, "contrast": contrast, "scale": scale, "bias": bias}
        for msm in (True, False)
        for contrast in ("bce", "softmax")
        for scale, bias in ((1.0, 0.0), (10.0, -2.34))
    ],
)
def test_class_form_equals_the_b_by_b_form_in_both_directions(
    features: torch.Tensor, text: torch.Tensor, target: torch.Tensor, options: dict[str, Any]
) -> None:
    image_to_text, text_to_image = literal_bp_loss(features, text, target, **options)
    logits = torch.zeros(BATCH, CLASSES)
    terms = BPLoss(**options)(ModelOutput(logits, features), target, text)
    literal = (image_to_text + text_to_image) / 2
    assert abs(float(terms.con - literal)) < 1e-6 * max(1.0, float(literal))
    if options["contrast"] == "bce":
        assert abs(float(image_to_text - text_to_image)) < 1e-6
    assert float(terms.total) == pytest.approx(math.log(17) + 2 * float(literal), abs=1e-5)


@pytest.mark.parametrize("msm", [True, False])
def test_class_form_has_the_gradient_of_the_b_by_b_form(
    features: torch.Tensor, text: torch.Tensor, target: torch.Tensor, msm: bool
) -> None:
    gradients = []
    for literal in (True, False):
        x = features.clone().requires_grad_()
        if literal:
            literal_bp_loss(x, text, target, msm=msm)[0].backward()
        else:
            soft = torch.nn.functional.one_hot(target, CLASSES).float()
            contrastive_class_form(class_similarity(x, text), soft, msm=msm).backward()
        gradients.append(x.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-8)


def test_two_samples_give_the_loss_worked_out_by_hand() -> None:
    features = torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])  # one group; lengths do not matter
    text = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # class 0 along x, class 1 along y
    target = torch.tensor([0, 1])
    terms = BPLoss(alpha=0.25)(ModelOutput(torch.zeros(2, 2), features), target, text)
    # S = 0.25 * identity, W = identity: two pairs with -log sigmoid(0.25), two with -log(1 - sigmoid(0))
    expected = (2 * math.log(1 + math.exp(-0.25)) + 2 * math.log(2)) / 4
    assert float(terms.con) == pytest.approx(expected, abs=1e-7)
    assert float(terms.cos_pos) == pytest.approx(1.0)
    assert float(terms.cos_neg) == pytest.approx(0.0)
    assert float(terms.cls) == pytest.approx(math.log(2))


@pytest.mark.parametrize("msm", [True, False])
def test_soft_targets_that_are_one_hot_give_the_hard_loss(
    features: torch.Tensor, text: torch.Tensor, target: torch.Tensor, msm: bool
) -> None:
    logits = torch.randn(BATCH, CLASSES)
    hard = BPLoss(msm=msm)(ModelOutput(logits, features), target, text)
    soft_target = torch.nn.functional.one_hot(target, CLASSES).float()
    soft = BPLoss(msm=msm)(ModelOutput(logits, features), soft_target, text)
    assert torch.equal(hard.total, soft.total)


def test_mixup_targets_follow_the_weighted_pair_sum(features: torch.Tensor, text: torch.Tensor) -> None:
    soft = torch.rand(BATCH, CLASSES, generator=torch.Generator().manual_seed(3)).softmax(1)
    similarity = class_similarity(features, text)
    total = 0.0
    for j in range(BATCH):
        for k in range(BATCH):
            for c in range(CLASSES):  # sample k carries class c with weight soft[k, c]
                z, y = float(similarity[j, c]), float(soft[j, c])
                total += float(soft[k, c]) * (math.log1p(math.exp(z)) - y * z)
    assert float(contrastive_class_form(similarity, soft)) == pytest.approx(total / BATCH**2, rel=1e-5)


def test_scale_and_bias_are_learned_only_where_asked() -> None:
    assert not [p for p in BPLoss().parameters() if p.requires_grad]
    network = create_model("bp_lcz_eb_cnn", ("B2", "B3", "B4", *_REST), widths=(2,), blocks=(1,), width=4, text=_TEXT)
    recipe = build_loss(network)
    log_scale, bias = (p.item() for p in recipe.parameters())
    assert (math.exp(log_scale), bias) == pytest.approx((10.0, -2.34))
    assert all(p.requires_grad for p in recipe.parameters())
    paper = build_loss(network, preset="paper", msm=False)
    assert isinstance(paper, BPLoss)
    assert not paper.msm
    assert [p.requires_grad for p in paper.parameters()] == [False, False]
    with pytest.raises(ValueError, match="logit scale"):
        BPLoss(scale=1000.0)


_REST = ("B5", "B6", "B7", "B8", "B8A", "B11", "B12")
_TEXT = {"encoder": "prototype"}


def test_unknown_options_of_the_loss_are_named() -> None:
    with pytest.raises(ValueError, match="expected the contrast bce or softmax, got 'clip'"):
        BPLoss(contrast="clip")  # type: ignore[arg-type]
    network = create_model("bp_lcz_eb_cnn", S2_10.channels, widths=(4,), blocks=(1,), text={"encoder": "prototype"})
    with pytest.raises(
        ValueError, match=r"unknown options \['betta'\] of the image-text loss; known: \['alpha', 'beta'"
    ):
        build_loss(network, betta=1.0)


def test_a_network_without_text_gets_the_classification_loss_alone() -> None:
    network = create_model("gul_s2", ("B2", "B3", "B4", *_REST))
    assert isinstance(build_loss(network), ClassificationLoss)
    with pytest.raises(ValueError, match="no text side"):
        build_loss(network, msm=False)
    with pytest.raises(ValueError, match="needs text features"):
        BPLoss()(ModelOutput(torch.zeros(1, 17), torch.zeros(1, 1, 4)), torch.zeros(1, dtype=torch.long), None)


def test_cross_entropy_agrees_with_torch_for_weights_and_smoothing() -> None:
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 0])
    weights = np.array([0.5, 1.0, 2.0, 4.0], np.float32)
    terms = ClassificationLoss(class_weights=weights)(ModelOutput(logits, torch.zeros(1, 6, 1)), target)
    summed = torch.nn.functional.cross_entropy(logits, target, torch.from_numpy(weights), reduction="sum")
    assert float(terms.total) == pytest.approx(float(summed) / 6, rel=1e-6)
    smooth = ClassificationLoss(label_smoothing=0.1)(ModelOutput(logits, torch.zeros(1, 6, 1)), target)
    expected = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.1)
    assert float(smooth.total) == pytest.approx(float(expected), rel=1e-6)
    assert math.isnan(float(smooth.cos_pos))


def test_log_probabilities_count_as_logits() -> None:
    log_probs = torch.tensor([[0.7, 0.2, 0.1]]).log()
    terms = ClassificationLoss()(ModelOutput(log_probs, torch.zeros(1, 1, 1)), torch.tensor([0]))
    assert float(terms.total) == pytest.approx(-math.log(0.7))


def test_balanced_weights_have_mean_one_over_the_samples() -> None:
    weights = balanced_weights(np.array([30, 10, 0, 20]))
    assert weights == pytest.approx([60 / 90, 60 / 30, 0.0, 60 / 60])
    with pytest.raises(ValueError, match="counts"):
        balanced_weights(np.array([0, 0]))


def test_bf16_features_give_float32_losses(features: torch.Tensor, text: torch.Tensor, target: torch.Tensor) -> None:
    output = ModelOutput(torch.zeros(BATCH, CLASSES, dtype=torch.bfloat16), features.bfloat16())
    assert BPLoss()(output, target, text.bfloat16()).total.dtype == torch.float32


def test_features_of_other_groups_or_targets_of_other_classes_are_refused(
    features: torch.Tensor, text: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match=r"\(3, 12, 8\) and text features \(2, 17, 8\)"):
        class_similarity(features, text[:2])
    with pytest.raises(ValueError, match=r"expected targets"):
        ClassificationLoss()(ModelOutput(torch.zeros(2, 17), features), torch.zeros(2, 5))


def test_focal_loss_without_focus_is_the_cross_entropy() -> None:
    random = torch.Generator().manual_seed(7)
    logits, target = 3 * torch.randn(6, 5, generator=random), torch.tensor([0, 4, 1, 1, 2, 3])
    output = ModelOutput(logits, torch.zeros(1, 6, 1))
    plain = torch.nn.functional.cross_entropy(logits, target)
    assert ClassificationLoss(gamma=0.0)(output, target).total == pytest.approx(float(plain))
    assert focal_alpha(np.array([1, 2]), "none") is None
    focused = ClassificationLoss(gamma=2.0)(output, target).total
    p = logits.softmax(dim=1)[torch.arange(6), target].numpy().astype(float)
    assert focused == pytest.approx((-((1 - p) ** 2) * np.log(p)).mean())
    assert focused < plain


def test_focal_loss_has_a_finite_slope_where_the_network_is_sure() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)  # p = 1 exactly in float32
    ClassificationLoss(gamma=0.5)(ModelOutput(logits, torch.zeros(1, 1, 1)), torch.tensor([0])).total.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_focal_alpha_is_inverse_class_frequency_on_three_scales() -> None:
    counts = np.array([10, 40, 0])  # 1/n: 0.1 and 0.025
    for kind, expected in (("max", [1, 0.25, 0]), ("mean1", [1.6, 0.4, 0]), ("sum1", [0.8, 0.2, 0])):
        alpha = focal_alpha(counts, kind)
        assert alpha is not None
        assert alpha.tolist() == pytest.approx(expected)


def test_inverse_weights_are_literal_and_the_batch_divides() -> None:
    weights = inverse_weights(np.array([1, 4, 5, 0]))
    assert weights.tolist() == [10, 2.5, 2, 0]  # n / n_i
    probabilities = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.6, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]])
    output = ModelOutput(probabilities.log(), torch.zeros(1, 3, 1))  # log-probabilities, as Sen2LCZ returns them
    loss = ClassificationLoss(class_weights=weights)
    by_hand = -(10 * np.log(0.5) + 2.5 * np.log(0.6) + 2 * np.log(0.25)) / 3  # divided by B, not by 14.5
    assert loss(output, torch.tensor([0, 1, 2])).total == pytest.approx(by_hand)
    soft = torch.tensor([[1.0, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 1, 0]])
    by_hand = -(10 * np.log(0.5) + 0.5 * (2.5 * np.log(0.6) + 2 * np.log(0.2)) + 2 * np.log(0.25)) / 3
    assert loss(output, soft).total == pytest.approx(by_hand)


def test_image_text_loss_uses_the_chosen_classification_loss(
    features: torch.Tensor, text: torch.Tensor, target: torch.Tensor
) -> None:
    output = ModelOutput(torch.randn(BATCH, CLASSES, generator=torch.Generator().manual_seed(3)), features)
    focal = ClassificationLoss(gamma=2.0, label_smoothing=0.1)
    terms, plain = BPLoss(classification=focal)(output, target, text), BPLoss()(output, target, text)
    assert terms.cls == pytest.approx(float(focal(output, target).total))
    assert terms.total == pytest.approx(float(terms.cls + 2 * plain.con))
    assert terms.con == plain.con
