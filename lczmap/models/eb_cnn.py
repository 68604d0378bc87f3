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

from lczmap.channels import groups_for
from lczmap.models.blocks import GroupSplitter
from lczmap.models.encoders import EmbranchBranch
from lczmap.models.registry import ModelOutput, Network, register

PRESETS = {"paper": {"dropout": 0.0}, "recipe": {"dropout": 0.2}}


class GroupBranches(nn.Module):
    """The dedicated encoders of the band groups that cover `channels`: (B, C, H, W) -> list of (B, out_dim)."""

    def __init__(self, channels: Sequence[str], widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.groups = groups_for(channels)
        indices = self.groups.indices(channels)
        self.split = GroupSplitter(indices)
        self.encoders = nn.ModuleList(EmbranchBranch(len(positions), widths, blocks) for positions in indices)
        self.out_dim = widths[-1]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return one (B, out_dim) per band group, in the groups' order."""
        return [encoder(part) for encoder, part in zip(self.encoders, self.split(x), strict=True)]


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
        self.branches = GroupBranches(channels, widths, blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(len(self.branches.encoders) * self.branches.out_dim, num_classes)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the branches' pooled outputs (G, B, d)."""
        self.check_input(x)
        parts = self.branches(x)
        logits = self.classifier(self.dropout(torch.cat(parts, dim=1)))  # (B, classes)
        return ModelOutput(logits, torch.stack(parts)) if features else logits
