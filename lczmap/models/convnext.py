"""ConvNeXt-T (Liu et al. 2022) for patches of many channels.

Checked: with 3 channels and 1000 classes it has the published 28,589,128 parameters.
BP-LCZ names ConvNeXt as a baseline, without its size, stem, handling of the channels or pretraining. Ours: the tiny
variant, all channels stacked, weights from scratch, and three stems to choose from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn.functional import gelu

from lczmap.models.baseline import Baseline, check_stem
from lczmap.models.blocks import GlobalAveragePool, StochasticDepth
from lczmap.models.registry import register

PRESETS = {
    "paper": {"stem": "imagenet", "stochastic_depth": 0.0},
    "recipe": {"stem": "small", "stochastic_depth": 0.1},
}
STEM_PX = {"imagenet": 4, "small": 2, "pixel": 1}  # size and stride of the stem's convolution
NORM_EPS = 1e-6
LAYER_SCALE = 1e-6  # initial factor of a block's residual
INITIAL_STD = 0.02


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map; without a copy where the map is channels-last."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, H, W) -> the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise conv7x7, layer norm, linear to four times the width, GELU, linear back, layer scale, plus shortcut."""

    def __init__(self, width: int, stochastic_depth: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), LAYER_SCALE))
        self.drop = StochasticDepth(stochastic_depth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, H, W) -> the same shape."""
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))  # (B, H, W, width)
        y = self.contract(gelu(self.expand(y))) * self.scale  # (B, H, W, width)
        return x + cast(torch.Tensor, self.drop(y)).permute(0, 3, 1, 2)


@register("convnext_tiny", presets=PRESETS, widths=(96, 192, 384, 768), blocks=(3, 3, 9, 3), upsample=1)
class ConvNeXt(Baseline):
    """Patch stem, stages of ConvNeXt blocks with 2 x 2 convolutions of stride 2 between, pooling, norm, classifier.

    `stem`: `imagenet` 4 x 4 with stride 4 (a map of 32 px ends as one pixel), `small` 2 x 2 with stride 2, `pixel`
    1 x 1. `stochastic_depth` is the last block's rate, rising linearly from 0 at the first.
    18 channels, 17 classes: 27,856,241 parameters (stem `small` 27,835,505, `pixel` 27,830,321).
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        stem: str,
        widths: Sequence[int],
        blocks: Sequence[int],
        stochastic_depth: float,
        upsample: int,
    ) -> None:
        check_stem(stem, tuple(STEM_PX))
        if len(widths) != len(blocks):
            raise ValueError(f"expected one number of blocks per width, got widths {widths}, blocks {blocks}")
        rates = torch.linspace(0, stochastic_depth, sum(blocks), device="cpu").tolist()
        side = STEM_PX[stem]
        layers: list[nn.Module] = [nn.Conv2d(len(channels), widths[0], side, side), ChannelNorm(widths[0])]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            if stage:
                layers += [ChannelNorm(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, 2)]
            layers += [ConvNeXtBlock(width, rates.pop(0)) for _ in range(count)]
        trunk = nn.Sequential(*layers, GlobalAveragePool(), nn.LayerNorm(widths[-1], eps=NORM_EPS))
        min_px = side * 2 ** (len(widths) - 1)
        super().__init__(trunk, widths[-1], num_classes, upsample=upsample, min_px=min_px, single_px=0)
        self.reset()

    def reset(self) -> None:
        """Initialise as the authors do: weights truncated normal with 0.02, biases 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=INITIAL_STD)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
