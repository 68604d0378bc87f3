"""Classification losses for hard or soft targets: cross-entropy and focal loss, with class weights.

All of them divide by the batch size B, never by the sum of weights, as Keras does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import one_hot as one_hot_index

from lczmap.models.registry import ModelOutput

Alpha = Literal["none", "max", "mean1", "sum1"]
Counts = npt.NDArray[np.integer | np.floating]
Weights = npt.NDArray[np.float32]
_SMALLEST = 1e-6  # of 1 - p: its power's slope is infinite at 0 for gamma < 1


@dataclass(frozen=True)
class LossTerms:
    """Scalars of one batch. `total` is to be minimised; the others are for logging.

    `cls` cross-entropy, `con` contrastive term (0 without text), `cos_pos` and `cos_neg` mean cosine of images with
    the prompts of their own and of other classes (NaN without text).
    """

    total: torch.Tensor
    cls: torch.Tensor
    con: torch.Tensor
    cos_pos: torch.Tensor
    cos_neg: torch.Tensor


def one_hot(target: torch.Tensor, classes: int) -> torch.Tensor:
    """Return targets as (B, classes) float32 rows: class indices (B,) become one-hot, soft targets pass."""
    if target.ndim == 1:
        return one_hot_index(target, classes).float()
    if target.ndim != 2 or target.shape[1] != classes:
        raise ValueError(f"expected targets (B,) or (B, {classes}), got {tuple(target.shape)}")
    return target.float()


def balanced_weights(counts: Counts) -> Weights:
    """Return class weights inversely proportional to the counts, with mean 1 over the samples.

    The counts of soft targets are their column sums. A class without samples gets weight 0: no target can name it.
    """
    inverse = inverse_weights(counts)
    return inverse / np.float32((inverse > 0).sum())


def inverse_weights(counts: Counts) -> Weights:
    """Return the literal class weights n / n_i of Gawlikowski et al.; a class without samples gets 0.

    Over the samples their mean is the number of classes present, not 1.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.sum() <= 0 or counts.min() < 0:
        raise ValueError(f"expected non-negative counts of one or more samples, got {counts.tolist()}")
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / counts[present]
    return weights.astype(np.float32)


def focal_alpha(counts: Counts, kind: Alpha) -> Weights | None:
    """Return the focal loss's alpha_i by inverse class frequency, None for `none` (1 for all classes).

    `max` divides 1/n_i by its maximum, so that alpha lies in [0, 1] as Zhou et al. state (how they normalise, they do
    not say); `mean1` and `sum1` scale it to a mean or sum of 1 over the classes that have samples.
    """
    if kind == "none":
        return None
    inverse = inverse_weights(counts)
    scale = {"max": inverse.max(), "mean1": inverse[inverse > 0].mean(), "sum1": inverse.sum()}[kind]
    return inverse / scale  # type: ignore[no-any-return]


class ClassificationLoss(nn.Module):
    """Sum of w_c * (1 - p_jc)^gamma * Y_jc * -log p_jc over the batch, divided by B.

    With `gamma` 0 this is the cross-entropy, above 0 the focal loss; `class_weights` (classes,) hold its alpha_c too.
    `label_smoothing` mixes the target with the uniform distribution. Takes logits or log-probabilities.
    """

    class_weights: torch.Tensor | None

    def __init__(
        self, *, class_weights: Weights | None = None, label_smoothing: float = 0.0, gamma: float = 0.0
    ) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f"expected a focal gamma of 0 or more, got {gamma}")
        self.label_smoothing, self.gamma = label_smoothing, gamma
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights)

    def forward(
        self,
        output: ModelOutput,
        target: torch.Tensor,
        text_features: torch.Tensor | None = None,  # noqa: ARG002 (same call as BPLoss)
    ) -> LossTerms:
        """Return the terms for `target`: class indices (B,) or soft targets (B, classes). Text is ignored."""
        cls = self.classify(output.logits, one_hot(target, output.logits.shape[1]))
        return LossTerms(cls, cls.detach(), cls.new_zeros(()), cls.new_full((), math.nan), cls.new_full((), math.nan))

    def classify(self, logits: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits or log-probabilities and soft targets, both (B, classes)."""
        log_probs = logits.float().log_softmax(dim=1)  # leaves log-probabilities as they are
        soft = soft * (1 - self.label_smoothing) + self.label_smoothing / soft.shape[1]
        if self.class_weights is not None:
            soft = soft * self.class_weights
        if self.gamma:
            soft = soft * (-torch.expm1(log_probs)).clamp(min=_SMALLEST) ** self.gamma
        return -(soft * log_probs).sum() / len(soft)
