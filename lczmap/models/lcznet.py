"""LCZNet (Liu & Shi 2020, ISPRS Journal 164): residual learning and squeeze-and-excitation, Sentinel-2.

Re-implementation from the description, not official: the primary paper was not obtainable. Stated in its abstract and
in its repository (sjliu68/lcz): residual learning with squeeze-and-excitation, ten Sentinel-2 bands, best with patches
of 48 x 48 px. Our choice, for want of a source: all layers and widths. A later repository counts 3,181,809 parameters
for it; none of the usual arrangements gives that number, ours has 12 % fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.blocks import BasicBlock, ConvBNAct, GlobalAveragePool, init_he
from lczmap.models.registry import ModelOutput, Network, register


@register("lcznet", widths=(64, 128, 256), blocks=(2, 2, 2), se_ratio=16)
class LCZNet(Network):
    """Stem, three stages of two gated basic blocks (stride 1, 2, 2), average pooling, linear classifier.

    10 channels: 2,805,961 parameters, 0.96 GMAC at 48 x 48 px; 19 channels: 2,811,145.
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        se_ratio: int,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths or min(blocks) < 1:
            raise ValueError(f"expected one number of blocks (>= 1) per width, got widths {widths}, blocks {blocks}")
        layers: list[nn.Module] = [ConvBNAct(len(channels), widths[0])]
        in_width = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for i in range(count):
                layers.append(BasicBlock(in_width, width, stride=2 if stage and not i else 1, se_ratio=se_ratio))
                in_width = width
        self.trunk = nn.Sequential(*layers, GlobalAveragePool())
        self.classifier = nn.Linear(in_width, num_classes)
        init_he(self)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, last width)."""
        self.check_input(x)
        pooled = self.trunk(x)  # (B, widths[-1])
        logits = self.classifier(pooled)
        return ModelOutput(logits, pooled[None]) if features else logits
