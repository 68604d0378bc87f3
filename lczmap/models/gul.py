"""Network of the So2Sat Global Urban LCZ product (TUM): ResNet v2 of depth 20 for 32 x 32 patches.

Re-implementation from the description and from names and shapes of the public Keras weights
(zhu-xlab/So2Sat-LCZ-Classification-Demo, MIT). Checked: all 576,897 stored values fit, and real Sentinel-2 patches get
plausible classes. Input of `gul_s2`: ten Sentinel-2 L1C bands as reflectance, not normalised further.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.blocks import PointwiseConv, batch_norm_keras, init_he
from lczmap.models.registry import ModelOutput, Network, register

STEM_WIDTH = 16
STAGES = ((16, 64), (64, 128), (128, 256))  # bottleneck and output width; two blocks each


class PreActivationBottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions, each after batch norm and ReLU, plus shortcut (He et al. 2016, v2).

    `bn1` is absent in the network's first block, which follows the stem's own ReLU. The first block of a stage has a
    convolution on the raw block input as its shortcut. Layers are registered in the order Keras numbered them, which
    the import of the public weights relies on.
    """

    def __init__(self, in_width: int, bottleneck: int, width: int, *, stride: int, first: bool, project: bool) -> None:
        super().__init__()
        self.bn1 = nn.Identity() if first else batch_norm_keras(in_width)
        self.conv1 = PointwiseConv(in_width, bottleneck, step=stride)
        self.bn2 = batch_norm_keras(bottleneck)
        self.conv2 = nn.Conv2d(bottleneck, bottleneck, 3, 1, 1)
        self.bn3 = batch_norm_keras(bottleneck)
        self.conv3 = PointwiseConv(bottleneck, width)
        self.shortcut = PointwiseConv(in_width, width, step=stride) if project else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, width, H / stride, W / stride)."""
        y = self.conv1(torch.relu(self.bn1(x)))  # the stem's output is positive already: its ReLU changes nothing
        y = self.conv2(torch.relu(self.bn2(y)))
        y = self.conv3(torch.relu(self.bn3(y)))
        return y + self.shortcut(x)  # type: ignore[no-any-return]


@register("gul_s2")
class GulResNet(Network):
    """Stem, three stages of two bottleneck blocks (stride 1, 2, 2), BN-ReLU, average pooling, linear classifier.

    10 channels: 573,409 learnable parameters.
    """

    def __init__(self, channels: Sequence[str], num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(len(channels), STEM_WIDTH, 3, 1, 1)
        self.stem_bn = batch_norm_keras(STEM_WIDTH)
        blocks: list[nn.Module] = []
        in_width = STEM_WIDTH
        for stage, (bottleneck, width) in enumerate(STAGES):
            stride = 2 if stage else 1
            first = stage == 0
            blocks.append(
                PreActivationBottleneck(in_width, bottleneck, width, stride=stride, first=first, project=True)
            )
            blocks.append(PreActivationBottleneck(width, bottleneck, width, stride=1, first=False, project=False))
            in_width = width
        self.blocks = nn.Sequential(*blocks)
        self.final_bn = batch_norm_keras(in_width)
        self.classifier = nn.Linear(in_width, num_classes)
        init_he(self)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, 256)."""
        self.check_input(x)
        x = self.blocks(torch.relu(self.stem_bn(self.stem(x))))  # (B, 256, H / 4, W / 4)
        pooled = torch.relu(self.final_bn(x)).mean(dim=(2, 3))  # (B, 256)
        logits = self.classifier(pooled)
        return ModelOutput(logits, pooled[None]) if features else logits
