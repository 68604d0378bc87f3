"""DenseNet-121 (Huang et al. 2017) for patches of many channels.

Checked: with 3 channels and 1000 classes it has the published 7,978,856 parameters.
BP-LCZ and Zhou et al. 2022 name DenseNet121 as a baseline; neither says how the channels enter, how the stem was fitted
to small patches, nor whether weights were pretrained. Ours: all channels stacked, weights from scratch, two stems.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.baseline import Baseline, convolution_stem
from lczmap.models.blocks import GlobalAveragePool, PointwiseConv, conv3x3
from lczmap.models.registry import register

PRESETS = {"paper": {"stem": "imagenet"}, "recipe": {"stem": "small"}}
BOTTLENECK = 4  # width of a layer's 1 x 1 convolution over the growth


class DenseLayer(nn.Module):
    """BN-ReLU-conv1x1-BN-ReLU-conv3x3: appends `growth` channels to its input."""

    def __init__(self, in_width: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_width)
        self.conv1 = PointwiseConv(in_width, BOTTLENECK * growth, bias=False)
        self.bn2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = conv3x3(BOTTLENECK * growth, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, in_width + growth, H, W)."""
        y = self.conv1(torch.relu_(self.bn1(x)))
        y = self.conv2(torch.relu_(self.bn2(y)))
        return torch.cat([x, y], dim=1)


class Transition(nn.Sequential):
    """BN-ReLU-conv1x1 to half the width, then 2 x 2 average pooling."""

    def __init__(self, in_width: int) -> None:
        super().__init__(
            nn.BatchNorm2d(in_width),
            nn.ReLU(inplace=True),
            PointwiseConv(in_width, in_width // 2, bias=False),
            nn.AvgPool2d(2),
        )


@register("densenet121", presets=PRESETS, width=64, growth=32, blocks=(6, 12, 24, 16), upsample=1)
class DenseNet(Baseline):
    """Stem, dense blocks with transitions between them, BN-ReLU, average pooling, linear classifier.

    With the stem `imagenet` a map of 32 px ends as one pixel, with `small` as 4 x 4.
    18 channels, 17 classes: 7,018,321 parameters (stem `small` 6,972,241).
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        stem: str,
        width: int,
        growth: int,
        blocks: Sequence[int],
        upsample: int,
    ) -> None:
        layers = convolution_stem(stem, len(channels), width)
        for stage, count in enumerate(blocks):
            if stage:
                layers.append(Transition(width))
                width //= 2
            for _ in range(count):
                layers.append(DenseLayer(width, growth))
                width += growth
        trunk = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(inplace=True), GlobalAveragePool())
        halvings = 2 ** (len(blocks) - 1)  # of the transitions, which round down; the stem rounds up
        stem_stride = 4 if stem == "imagenet" else 1
        single_px = stem_stride * (2 * halvings - 1)
        super().__init__(
            trunk, width, num_classes, upsample=upsample, min_px=stem_stride * halvings, single_px=single_px
        )
        self.reset()

    def reset(self) -> None:
        """Initialise as the public implementations do: He normal over the inputs, bias of the classifier 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(self.classifier.bias)
