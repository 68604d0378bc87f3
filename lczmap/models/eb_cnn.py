"""EB-CNN: one convolutional branch per band group, late fusion by concatenation.

Re-implementation from the description, not official: the primary paper (Feng et al., IGARSS 2019) was not obtainable
and no code was found.
Stated second-hand: grouping of the bands by physical property, one branch per group, fusion at one fixed depth (BP-LCZ
II-A; Gawlikowski et al. 2020, 2.2). Our choice, for want of a source: all layers and widths.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.encoders import EmbranchBranches
from lczmap.models.registry import ModelOutput, Network, register

PRESETS = {"paper": {"dropout": 0.0}, "recipe": {"dropout": 0.2}}


@register("eb_cnn_large", presets=PRESETS, widths=(64, 128, 256), blocks=(2, 2, 2))
@register("eb_cnn", presets=PRESETS, widths=(32, 64, 128), blocks=(2, 2, 2))
class EBCNN(Network):
    """Branches, concatenation, dropout, linear classifier.

    18 channels at the default widths: 4,881,681 parameters, 0.74 GMAC for 32 x 32 px.
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.branches = EmbranchBranches(channels, widths, blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(len(self.branches.encoders) * self.branches.out_dim, num_classes)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the branches' pooled outputs (G, B, d)."""
        self.check_input(x)
        parts = self.branches(x)
        logits = self.classifier(self.dropout(torch.cat(parts, dim=1)))  # (B, classes)
        return ModelOutput(logits, torch.stack(parts)) if features else logits
