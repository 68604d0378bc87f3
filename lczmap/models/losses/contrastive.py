"""The image-text loss of BP-LCZ in its exact class form.

Source: Lan et al., BP-LCZ. The paper writes the similarities as a B x B matrix S between the images and the prompts
of a batch. A prompt depends on class and band group only, so S has at most 17 distinct columns, and the loss can be
computed from B x 17 values without any approximation; `literal_bp_loss` is the B x B form, kept as the reference of
the tests. Both directions of the paper (image to text, text to image) are equal, because S^ = S^T, W = W^T and binary
cross-entropy is element-wise. All loss terms are computed in float32.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize, softplus
from torch.nn.functional import cross_entropy as mean_cross_entropy

from lczmap.models.losses.classification import ClassificationLoss, LossTerms, one_hot
from lczmap.models.losses.processes import gather_rows
from lczmap.models.registry import ModelOutput

ALPHA = 0.25  # weight of the sum over band groups, BP-LCZ eq. 4
BETA = 2.0  # weight of the contrastive term, BP-LCZ eq. 10
LITERAL_SCALE, LITERAL_BIAS = 1.0, 0.0  # the published formula has neither
RECIPE_SCALE, RECIPE_BIAS = 10.0, -2.34  # bias = log(p / (1 - p)), p = 0.088: share of pairs of one class at B = 32
MAX_SCALE = 100.0  # as in CLIP

Contrast = Literal["bce", "softmax"]


class BPLoss(nn.Module):
    """L = CE + beta * L_con of BP-LCZ, in class form.

    `msm` is the paper's multivariate supervised matrix W_jk = 1[y_j = y_k]; without it only the diagonal is positive.
    `scale` and `bias` act on S before the sigmoid. The paper states neither (1 and 0: `literal`), and with them its
    optimum pushes all cosines below zero; the recipe's values, learnable, are ours (after SigLIP).
    Several processes that train together (gather_rows) compare the images of all of them, as one process would.
    `contrast="softmax"` is CLIP's symmetric softmax cross-entropy with row-normalised W. Over a whole batch it is the
    same with and without `msm`.
    """

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        beta: float = BETA,
        msm: bool = True,
        contrast: Contrast = "bce",
        scale: float = LITERAL_SCALE,
        bias: float = LITERAL_BIAS,
        learnable: bool = False,
        classification: ClassificationLoss | None = None,
    ) -> None:
        super().__init__()
        if scale <= 0 or scale > MAX_SCALE:
            raise ValueError(f"expected a logit scale in (0, {MAX_SCALE:g}], got {scale}")
        if contrast not in get_args(Contrast):
            raise ValueError(f"expected the contrast {' or '.join(get_args(Contrast))}, got {contrast!r}")
        self.alpha, self.beta, self.msm, self.contrast = alpha, beta, msm, contrast
        self.classification = classification or ClassificationLoss()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learnable)
        self.bias = nn.Parameter(torch.tensor(float(bias)), requires_grad=learnable)

    def forward(self, output: ModelOutput, target: torch.Tensor, text_features: torch.Tensor | None) -> LossTerms:
        """Return the terms of one batch.

        `output.features` is (G, B, d) and `text_features` (G, classes, d), both un-normalised; `target` is class
        indices (B,) or soft targets (B, classes), as mixup makes them.
        """
        if text_features is None:
            raise ValueError("BPLoss needs text features; the network has no text side: use ClassificationLoss")
        soft = one_hot(target, output.logits.shape[1])
        similarity = class_similarity(output.features, text_features, alpha=self.alpha)  # (B, classes)
        logits = self.log_scale.exp().clamp(max=MAX_SCALE) * similarity + self.bias
        whole = (gather_rows(logits), gather_rows(soft)) if self.training else (logits, soft)
        con = contrastive_class_form(*whole, msm=self.msm, contrast=self.contrast)
        cls = self.classification.classify(output.logits, soft)
        cosine = similarity.detach() / (self.alpha * len(text_features))
        cos_pos = (soft * cosine).sum() / soft.sum()
        cos_neg = ((1 - soft) * cosine).sum() / (1 - soft).sum()
        return LossTerms(cls + self.beta * con, cls.detach(), con.detach(), cos_pos, cos_neg)


def class_similarity(features: torch.Tensor, text_features: torch.Tensor, *, alpha: float = ALPHA) -> torch.Tensor:
    """Return alpha * sum over groups of the cosines of images (G, B, d) and prompts (G, classes, d): (B, classes)."""
    if features.shape[0] != text_features.shape[0] or features.shape[2] != text_features.shape[2]:
        raise ValueError(
            f"image features {tuple(features.shape)} and text features {tuple(text_features.shape)} must agree in "
            "groups (first) and width (last)"
        )
    image = normalize(features.float(), dim=-1)
    text = normalize(text_features.float(), dim=-1)
    return alpha * torch.einsum("gbd,gcd->bc", image, text)


def contrastive_class_form(
    logits: torch.Tensor, soft: torch.Tensor, *, msm: bool = True, contrast: Contrast = "bce"
) -> torch.Tensor:
    """Return the mean of the B x B contrastive loss from class logits and soft targets, both (B, classes).

    With n_c the column sums of the targets Y:
    bce, msm   1/B^2 * sum_jc n_c * BCE(Z_jc, Y_jc);
    bce        1/B^2 * (sum_jc n_c * softplus(Z_jc) - sum_jc Y_jc Z_jc);
    softmax    half of rows (log-sum-exp over prompts) plus columns (over images), minus sum_jc Y_jc Z_jc, over B.
    """
    logits, soft = logits.float(), soft.float()
    batch = len(logits)
    counts = soft.sum(dim=0)  # (classes,)
    if contrast == "softmax":
        rows = (logits + counts.log()).logsumexp(dim=1).sum()  # a class without samples counts as exp(-inf) = 0
        columns = (counts * logits.logsumexp(dim=0)).sum()
        return ((rows + columns) / 2 - (soft * logits).sum()) / batch
    if msm:
        bce = binary_cross_entropy_with_logits(logits, soft, reduction="none")
        return (counts * bce).sum() / batch**2
    return ((counts * softplus(logits)).sum() - (soft * logits).sum()) / batch**2


def literal_bp_loss(
    features: torch.Tensor,
    text_features: torch.Tensor,
    target: torch.Tensor,
    *,
    alpha: float = ALPHA,
    msm: bool = True,
    scale: float = LITERAL_SCALE,
    bias: float = LITERAL_BIAS,
    contrast: Contrast = "bce",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (image to text, text to image) losses from the B x B matrices as the paper writes them.

    Reference of the tests, for hard targets (B,). Each sample brings its own prompt T_i per group.
    """
    image = normalize(features.float(), dim=-1)  # (G, B, d)
    text = normalize(text_features.float(), dim=-1)[:, target]  # (G, B, d)
    forward = scale * alpha * (image @ text.transpose(1, 2)).sum(dim=0) + bias  # (B, B)
    backward = scale * alpha * (text @ image.transpose(1, 2)).sum(dim=0) + bias
    matrix = (target[:, None] == target[None, :]).float() if msm else torch.eye(len(target))
    if contrast == "softmax":
        rows = matrix / matrix.sum(dim=1, keepdim=True)
        return mean_cross_entropy(forward, rows), mean_cross_entropy(backward, rows)
    return binary_cross_entropy_with_logits(forward, matrix), binary_cross_entropy_with_logits(backward, matrix)
