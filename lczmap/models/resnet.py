"""ResNet-50 (He et al. 2016) and ResNeXt-50 32x4d (Xie et al. 2017) for patches of many channels.

Checked: with 3 channels and 1000 classes they have the published 25,557,032 and 25,028,904 parameters.
BP-LCZ names ResNet50 and ResNeXt as baselines, Zhou et al. 2022 ResNet-50. Neither says how the channels enter, how the
stem was fitted to small patches, nor whether weights were pretrained; BP-LCZ does not say which ResNeXt. Ours: all
channels stacked, weights from scratch, the 50-layer 32x4d variant, and two stems to choose from.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lczmap.models.baseline import Baseline, convolution_stem
from lczmap.models.blocks import BottleneckBlock, GlobalAveragePool, init_he
from lczmap.models.registry import register

PRESETS = {
    "paper": {"stem": "imagenet", "zero_residual": False},
    "recipe": {"stem": "small", "zero_residual": True},
}
EXPANSION = 4  # output width of a block of ResNet-50 over the stage's width


@register("resnext50", presets=PRESETS, width=64, blocks=(3, 4, 6, 3), cardinality=32, group_width=4, upsample=1)
@register("resnet50", presets=PRESETS, width=64, blocks=(3, 4, 6, 3), cardinality=1, group_width=64, upsample=1)
class ResNet(Baseline):
    """Stem, stages of bottleneck blocks (stride 1, 2, 2, 2), average pooling, linear classifier.

    `width` is that of the stem and the first stage, doubled by each stage; `group_width` is the width of one of the
    `cardinality` groups of its 3 x 3 convolution. `zero_residual` starts the last batch norm of each block at
    gamma 0 (Goyal et al. 2017). With the stem `imagenet` a map of 32 px ends as one pixel, with `small` as 4 x 4.
    18 channels, 17 classes: resnet50 has 23,589,905 parameters (stem `small` 23,543,825), resnext50 23,061,777
    (23,015,697).
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        stem: str,
        width: int,
        blocks: Sequence[int],
        cardinality: int,
        group_width: int,
        zero_residual: bool,
        upsample: int,
    ) -> None:
        layers = convolution_stem(stem, len(channels), width)
        in_width = width
        for stage, count in enumerate(blocks):
            bottleneck = cardinality * group_width * 2**stage
            out_width = EXPANSION * width * 2**stage
            for i in range(count):
                stride = 2 if stage and not i else 1
                layers.append(BottleneckBlock(in_width, bottleneck, out_width, stride=stride, cardinality=cardinality))
                in_width = out_width
        trunk = nn.Sequential(*layers, GlobalAveragePool())
        single_px = (4 if stem == "imagenet" else 1) * 2 ** (len(blocks) - 1)  # total stride
        super().__init__(trunk, in_width, num_classes, upsample=upsample, min_px=8, single_px=single_px)
        init_he(self)
        if zero_residual:
            for block in self.trunk.modules():
                if isinstance(block, BottleneckBlock):
                    nn.init.zeros_(block.bn3.weight)
