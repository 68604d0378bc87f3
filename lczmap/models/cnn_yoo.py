"""CNN of Yoo et al. (2019, ISPRS Journal 157): a small plain CNN with a hidden layer, for patches of one size.

Re-implementation from the description, not official: only the abstract was obtainable (CNNs on neighbourhoods of
Landsat pixels beat random forests). Our choice, for want of a source: all layers and widths.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.models.blocks import init_he
from lczmap.models.registry import ModelOutput, Network, register


@register("cnn_yoo", image_size=32, widths=(32, 64, 128), hidden=128, dropout=0.5)
class CNNYoo(Network):
    """conv3x3, ReLU and max-pooling for each width, flatten, hidden layer with ReLU, dropout, linear classifier.

    `image_size` is the patches' side in pixels: the hidden layer has a weight for every pixel of the last map.
    18 channels at 32 px: 362,033 parameters, 15 MMAC; 19 channels at 48 px: 690,001.
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        image_size: int,
        widths: Sequence[int],
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        map_size = image_size // 2 ** len(widths)
        if map_size < 1:
            raise ValueError(f"expected an image_size of at least {2 ** len(widths)} px, got {image_size}")
        layers: list[nn.Module] = []
        in_width = len(channels)
        for width in widths:
            layers += [nn.Conv2d(in_width, width, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            in_width = width
        self.trunk = nn.Sequential(*layers)
        self.hidden = nn.Linear(in_width * map_size**2, hidden)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden, num_classes)
        self.min_size_px = image_size
        init_he(self)

    def check_input(self, x: torch.Tensor) -> None:
        """Refuse also patches of another size than `image_size`."""
        if x.ndim == 4 and tuple(x.shape[2:]) != (self.min_size_px, self.min_size_px):
            raise ValueError(
                f"{self.spec.name} was built for patches of {self.min_size_px} x {self.min_size_px} px, got "
                f"{x.shape[2]} x {x.shape[3]}; build it with image_size set to the patches' size"
            )
        super().check_input(x)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the hidden layer's outputs (1, B, hidden)."""
        self.check_input(x)
        maps = self.trunk(x)  # (B, widths[-1], size / 8, size / 8)
        hidden = torch.relu_(self.hidden(maps.flatten(1)))  # (B, hidden)
        logits = self.classifier(self.dropout(hidden))
        return ModelOutput(logits, hidden[None]) if features else logits
