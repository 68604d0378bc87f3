"""RSNNet (Zhou et al. 2022, Geo-spatial Information Science 25:3): ResNeXt blocks with gates, non-local blocks.

Re-implementation from the description; no code was found. Stated: patches of 48 x 48 px; blocks of ResNeXt with
squeeze-and-excitation, three of which make a stage; a non-local block after the first and the second stage; global
average pooling and a softmax layer. Our choice, for want of a statement: stem, three stages, widths, cardinality 32,
strides 1, 2, 2, reduction 16, the gate before the shortcut is added (as in SENet), the embedded Gaussian form of the
non-local blocks without scaling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.blocks import BottleneckBlock, ConvBNAct, GlobalAveragePool, NonLocal2d, init_he
from lczmap.models.registry import ModelOutput, Network, register

NON_LOCAL_STAGES = 2  # the first stages, which a non-local block follows


@register(
    "rsnnet", stem_width=64, widths=(64, 128, 256), stages=(3, 3, 3), cardinality=32, se_ratio=16, nl_subsample=False
)
class RSNNet(Network):
    """Stem, stages of gated ResNeXt blocks, non-local blocks after the first two, average pooling, classifier.

    `widths` are the widths of the 3 x 3 convolutions by stage, half of the stage's output; `stages` the numbers of
    blocks. `nl_subsample` lets the non-local blocks attend to maps max-pooled 2 x 2.
    19 channels: 1,520,569 parameters, 1.39 GMAC at 48 x 48 px; 18 channels: 1,519,993 (widths 32, 64, 128 with 19
    channels: 393,765).
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        stem_width: int,
        widths: Sequence[int],
        stages: Sequence[int],
        cardinality: int,
        se_ratio: int,
        nl_subsample: bool,
    ) -> None:
        super().__init__()
        if len(widths) != len(stages) or not widths or min(stages) < 1:
            raise ValueError(f"expected one number of blocks (>= 1) per width, got widths {widths}, stages {stages}")
        self.stem = ConvBNAct(len(channels), stem_width)
        layers: list[nn.Module] = []
        in_width = stem_width
        for stage, (width, count) in enumerate(zip(widths, stages, strict=True)):
            for i in range(count):
                stride = 2 if stage and not i else 1
                layers.append(
                    BottleneckBlock(
                        in_width, width, 2 * width, stride=stride, cardinality=cardinality, se_ratio=se_ratio
                    )
                )
                in_width = 2 * width
            if stage < NON_LOCAL_STAGES:
                layers.append(NonLocal2d(in_width, subsample=nl_subsample))
        self.trunk = nn.Sequential(*layers, GlobalAveragePool())
        self.classifier = nn.Linear(in_width, num_classes)
        init_he(self)
        for layer in layers:
            if isinstance(layer, NonLocal2d):
                layer.reset()

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, twice the last width)."""
        self.check_input(x)
        pooled = self.trunk(self.stem(x))  # (B, 2 widths[-1])
        logits = self.classifier(pooled)
        return ModelOutput(logits, pooled[None]) if features else logits
