"""MSCNN (Kim et al. 2020, arXiv 2011.01436): convolutions of three sizes side by side, then a plain CNN.

Re-implementation from the description, not official: only the abstract was obtainable, which says multi-scale. The
first layer (5 x 5, 3 x 3 and 1 x 1 convolutions with 16, 32 and 16 channels) is that of the same author's later
repository (minhokim93/LCZ_MSMLA). Our choice, for want of a source: everything after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.blocks import ConvBNAct, GlobalAveragePool, init_he
from lczmap.models.registry import ModelOutput, Network, register

SCALES = ((5, 16), (3, 32), (1, 16))  # size and width of the parallel convolutions


class MultiScaleConv(nn.Module):
    """Parallel convolutions of several sizes, concatenated."""

    def __init__(self, in_width: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(nn.Conv2d(in_width, width, size, 1, size // 2) for size, width in SCALES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, 64, H, W)."""
        x = x.contiguous(memory_format=torch.channels_last)  # once, not in each convolution
        return torch.cat([scale(x) for scale in self.scales], dim=1)


@register("mscnn", widths=(64, 128, 256), dropout=0.2)
class MSCNN(Network):
    """Multi-scale layer, then conv3x3, batch norm, ReLU and max-pooling for each width, pooling, dropout, classifier.

    10 channels: 418,001 parameters, 83 MMAC at 32 x 32 px; 19 channels: 424,337.
    """

    def __init__(self, channels: Sequence[str], num_classes: int, *, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        in_width = sum(width for _, width in SCALES)
        layers: list[nn.Module] = [MultiScaleConv(len(channels)), nn.BatchNorm2d(in_width), nn.ReLU(inplace=True)]
        for width in widths:
            layers += [ConvBNAct(in_width, width), nn.MaxPool2d(2)]
            in_width = width
        self.trunk = nn.Sequential(*layers, GlobalAveragePool())
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(in_width, num_classes)
        self.min_size_px = 2 ** len(widths)
        init_he(self)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, last width)."""
        self.check_input(x)
        pooled = self.trunk(x)  # (B, widths[-1])
        logits = self.classifier(self.dropout(pooled))
        return ModelOutput(logits, pooled[None]) if features else logits
