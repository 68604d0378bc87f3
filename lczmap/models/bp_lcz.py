"""BP-LCZ: band groups with dedicated image encoders, compared with text prompts during training (Lan et al.).

Re-implementation from the description, not official; no code was found. Stated in the paper: groups, prompts,
I_i = E_m(X_i) and T_i = E_t(t_i), cosine similarities summed over groups with alpha = 0.25, concatenation of the I_i,
a classifier D, L = CE + 2 L_con, text and image encoders trained jointly. Our choices where it is silent: separate
weights per image encoder ("dedicated image encoders"), a linear projection to d = 512 (CLIP's width), a linear D on
the un-normalised features. At inference no text is needed: `strip_text` drops the tower and keeps the features of the
prompts in the buffer `text_bank`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import normalize

from lczmap.models.eb_cnn import GroupBranches
from lczmap.models.registry import ModelOutput, Network, register
from lczmap.models.text.encoders import build_text_side

PRESETS: dict[str, dict[str, object]] = {
    "paper": {
        "dropout": 0.0,
        "text": {"encoder": "hf", "source": "openai/clip-vit-base-patch32", "mode": "joint"},
    },
    "recipe": {"dropout": 0.2, "text": {"encoder": "mini", "mode": "joint"}},
}
DEFAULTS: dict[str, object] = {
    "blocks": (2, 2, 2),
    "width": 512,
    "classifier": "linear",
    "normalize_fused": False,
}
MLP_WIDTH, MLP_DROPOUT = 512, 0.2


@register("bp_lcz_eb_cnn_large", presets=PRESETS, widths=(64, 128, 256), **DEFAULTS)
@register("bp_lcz_eb_cnn", presets=PRESETS, widths=(32, 64, 128), **DEFAULTS)
class BPLCZ(Network):
    """EB-CNN branches, one projection to `width` per branch, concatenation, classifier; text side for training.

    18 channels at the default widths: 5,389,713 parameters without text. `text` are the options of
    `lczmap.models.text.encoders.TextOptions`; None builds the image path only (no contrastive training).
    """

    text_bank: torch.Tensor

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        width: int,
        classifier: Literal["linear", "mlp"],
        normalize_fused: bool,
        dropout: float,
        text: Mapping[str, object] | None,
    ) -> None:
        super().__init__()
        self.normalize_fused = normalize_fused
        self.branches = GroupBranches(channels, widths, blocks)
        groups = self.branches.groups
        self.projections = nn.ModuleList(nn.Linear(self.branches.out_dim, width) for _ in groups.groups)
        self.dropout = nn.Dropout(dropout)
        self.classifier = _classifier(classifier, len(groups.groups) * width, num_classes)
        self.register_buffer("text_bank", torch.zeros(len(groups.groups), num_classes, width))
        self.text = None if text is None else build_text_side(text, groups, width)
        self.text_description = None if self.text is None else self.text.description

    @property
    def has_text(self) -> bool:
        """True with a text tower, or with the text features that a tower left behind."""
        return self.text is not None or bool(self.text_bank.any())

    def text_features(self) -> torch.Tensor | None:
        """Return the prompts' features (G, classes, width), with gradients while a tower is being trained."""
        if self.text is not None:
            return self.text()  # type: ignore[no-any-return]
        return self.text_bank if self.has_text else None

    def store_text(self) -> None:
        """Copy the prompts' present features into `text_bank`."""
        if self.text is not None:
            with torch.no_grad():
                self.text_bank.copy_(self.text())

    def strip_text(self) -> None:
        """Store the prompts' features in `text_bank` and drop the text tower; the logits do not change."""
        self.store_text()
        self.text = None
        self.spec = replace(self.spec, options={**self.spec.options, "text": None})

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the projected branch outputs I_i (G, B, width), un-normalised."""
        self.check_input(x)
        parts = [project(part) for project, part in zip(self.projections, self.branches(x), strict=True)]
        fused = [normalize(part, dim=1) for part in parts] if self.normalize_fused else parts
        logits = self.classifier(self.dropout(torch.cat(fused, dim=1)))  # (B, classes)
        return ModelOutput(logits, torch.stack(parts)) if features else logits


def _classifier(kind: str, in_width: int, num_classes: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(in_width, num_classes)
    if kind == "mlp":
        hidden = nn.Linear(in_width, MLP_WIDTH)
        return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(MLP_DROPOUT), nn.Linear(MLP_WIDTH, num_classes))
    raise ValueError(f"expected classifier linear or mlp, got {kind!r}")
