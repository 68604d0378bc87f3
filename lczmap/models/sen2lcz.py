"""Sen2LCZ-Net-MF (Qiu et al. 2020, IEEE JSTARS): plain CNN with multi-level feature fusion, Sentinel-2 only.

Re-implementation; the layer order is a fact of the official Keras code (ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-
simple-tour, MIT), and its released weights (793,348 values) fit value by value. Published for these weights: OA 0.694,
kappa 0.664 on the So2Sat v2 test set (culture-10). Input: ten bands as reflectance, not normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d

from lczmap.models.blocks import batch_norm_keras, init_he
from lczmap.models.registry import ModelOutput, Network, register

MIN_PROBABILITY = 1e-7  # Keras clips probabilities there before the logarithm


class ConvStack(nn.Sequential):
    """`count` times conv3x3 (with bias), batch norm, ReLU."""

    def __init__(self, in_width: int, width: int, count: int) -> None:
        layers: list[nn.Module] = []
        for i in range(count):
            layers += [
                nn.Conv2d(width if i else in_width, width, 3, 1, 1),
                batch_norm_keras(width),
                nn.ReLU(),
            ]
        super().__init__(*layers)


@register(
    "sen2lcz",
    presets={"paper": {"dropout": 0.2}, "recipe": {"dropout": 0.2}},
    base_width=16,
    depth=17,
    fusion=True,
)
class Sen2LCZ(Network):
    """Four stacks at full, half, quarter and eighth size; between them max- and average-pooling side by side.

    With `fusion` (MF) a softmax head on every pooled map and one on the last stack; the output is the logarithm of
    their mean probabilities. Dropout follows the second and third pooling. 10 channels, base_width 16, depth 17:
    791,428 learnable parameters. Sizes divisible by 8.
    """

    outputs: ClassVar[Literal["logits", "log_probs"]] = "log_probs"

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        base_width: int,
        depth: int,
        fusion: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        if depth % 4 != 1 or depth < 5:
            raise ValueError(f"expected a depth of 4n + 1 (5, 9, 13, 17, ...), got {depth}")
        widths = [base_width * 2**i for i in range(4)]
        inputs = [len(channels), *(2 * w for w in widths[:3])]
        self.stacks = nn.ModuleList(ConvStack(i, w, (depth - 1) // 4) for i, w in zip(inputs, widths, strict=True))
        pooled = inputs[1:] if fusion else []
        self.heads = nn.ModuleList(nn.Linear(w, num_classes) for w in [*pooled, widths[-1]])
        self.fusion = fusion
        self.dropout = nn.Dropout(dropout)
        init_he(self)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return log-probabilities (B, classes); features are the last stack's pooled maps (1, B, 8 base_width)."""
        self.check_input(x)
        levels = []
        for i, stack in enumerate(self.stacks):
            x = stack(x)
            if i < 3:
                x = torch.cat([max_pool2d(x, 2), avg_pool2d(x, 2)], dim=1)  # (B, 2 width, H / 2, W / 2)
                x = self.dropout(x) if i else x
            levels.append(x.mean(dim=(2, 3)))
        used = levels if self.fusion else levels[-1:]
        probs = [head(level).softmax(dim=1) for head, level in zip(self.heads, used, strict=True)]
        log_probs = torch.stack(probs).mean(dim=0).clamp(min=MIN_PROBABILITY).log()  # (B, classes)
        return ModelOutput(log_probs, levels[-1][None]) if features else log_probs
