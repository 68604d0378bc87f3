"""What the generic image classifiers share: early fusion of all channels, upsampling, stems, the linear classifier."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import interpolate

from lczmap.models.blocks import conv3x3
from lczmap.models.registry import ModelOutput, Network


class Baseline(Network):
    """A published image classifier with all channels stacked as its input.

    `trunk` maps (B, C, H, W) to pooled features (B, width). `upsample` is a whole factor of bilinear upsampling before
    it. `min_px` is the smallest size that the trunk can take; up to `single_px` (0: no such size) its last batch norm
    sees one pixel per patch, which cannot be normalised in training with a single patch.
    """

    def __init__(
        self, trunk: nn.Module, width: int, num_classes: int, *, upsample: int, min_px: int, single_px: int
    ) -> None:
        super().__init__()
        if upsample < 1:
            raise ValueError(f"expected a whole factor of upsampling of 1 or more, got {upsample}")
        self.trunk = trunk
        self.classifier = nn.Linear(width, num_classes)
        self.upsample = upsample
        self.min_size_px = -(-min_px // upsample)
        self.single_px = single_px

    def check_input(self, x: torch.Tensor) -> None:
        """Refuse also a training batch whose last batch norm would see one value per channel."""
        super().check_input(x)
        if self.training and len(x) == 1 and max(x.shape[2:]) * self.upsample <= self.single_px:
            raise ValueError(
                f"{self.spec.name} cannot train on a batch of one patch of {x.shape[2]} x {x.shape[3]} px: its last "
                f"batch norm would see one value per channel; use batches of two patches or more, or larger patches"
            )

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, width)."""
        self.check_input(x)
        if self.upsample > 1:
            x = interpolate(x, scale_factor=float(self.upsample), mode="bilinear")  # (B, C, upsample H, upsample W)
        pooled = self.trunk(x)  # (B, width)
        logits = self.classifier(pooled)
        return ModelOutput(logits, pooled[None]) if features else logits


def check_stem(stem: str, known: tuple[str, ...] = ("imagenet", "small")) -> None:
    """Refuse an unknown stem with ValueError."""
    if stem not in known:
        raise ValueError(f"unknown stem {stem!r}; known: {', '.join(known)}")


def convolution_stem(stem: str, channels: int, width: int) -> list[nn.Module]:
    """Return the stem of ResNet and DenseNet, convolution, batch norm, ReLU and perhaps pooling.

    `imagenet`: 7 x 7 with stride 2, then 3 x 3 max-pooling with stride 2, a quarter of the size. `small`: 3 x 3 with
    stride 1 and no pooling, at full size.
    """
    check_stem(stem)
    if stem == "small":
        return [conv3x3(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    convolution = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
