"""Losses: classification with hard or soft targets, and the image-text loss of BP-LCZ around it."""

from __future__ import annotations

import inspect
from typing import Literal

from lczmap.models.losses.classification import (
    Alpha,
    ClassificationLoss,
    LossTerms,
    Weights,
    balanced_weights,
    focal_alpha,
    inverse_weights,
    one_hot,
)
from lczmap.models.losses.contrastive import (
    ALPHA,
    BETA,
    LITERAL_BIAS,
    LITERAL_SCALE,
    MAX_SCALE,
    RECIPE_BIAS,
    RECIPE_SCALE,
    BPLoss,
    Contrast,
    class_similarity,
    contrastive_class_form,
    literal_bp_loss,
)
from lczmap.models.losses.processes import gather_rows
from lczmap.models.registry import Network

__all__ = [
    "ALPHA",
    "BETA",
    "LITERAL_BIAS",
    "LITERAL_SCALE",
    "MAX_SCALE",
    "RECIPE_BIAS",
    "RECIPE_SCALE",
    "Alpha",
    "BPLoss",
    "ClassificationLoss",
    "Contrast",
    "LossTerms",
    "balanced_weights",
    "build_loss",
    "class_similarity",
    "contrastive_class_form",
    "focal_alpha",
    "gather_rows",
    "inverse_weights",
    "literal_bp_loss",
    "one_hot",
]


def build_loss(
    network: Network,
    *,
    preset: Literal["paper", "recipe"] = "recipe",
    class_weights: Weights | None = None,
    label_smoothing: float = 0.0,
    gamma: float = 0.0,
    **options: float | bool | str,
) -> ClassificationLoss | BPLoss:
    """Return the loss that fits a network: `BPLoss` for one with a text side, else `ClassificationLoss`.

    `gamma` above 0 makes the classification focal. The recipe preset of `BPLoss` uses a learnable scale and bias, the
    paper preset the published formula. `options` are passed to `BPLoss`; for a network without text they are a
    ValueError, and so are unknown ones.
    """
    classification = ClassificationLoss(class_weights=class_weights, label_smoothing=label_smoothing, gamma=gamma)
    if not network.has_text:
        if options:
            raise ValueError(f"{network.spec.name} has no text side; it does not take {sorted(options)}")
        return classification
    recipe = {"scale": RECIPE_SCALE, "bias": RECIPE_BIAS, "learnable": True} if preset == "recipe" else {}
    known = [name for name in inspect.signature(BPLoss).parameters if name != "classification"]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"unknown options {unknown} of the image-text loss; known: {known}")
    merged = {**recipe, **options}
    return BPLoss(classification=classification, **merged)  # type: ignore[arg-type]
