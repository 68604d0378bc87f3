"""Building blocks of the convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def conv3x3(in_width: int, width: int, *, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution with padding 1, without bias (a batch norm follows)."""
    return nn.Conv2d(in_width, width, 3, stride, 1, bias=False)


def batch_norm_keras(width: int) -> nn.BatchNorm2d:
    """Return a batch norm with the defaults of Keras: epsilon 1e-3, 0.99 of the old running statistics kept."""
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


class PointwiseConv(nn.Conv2d):
    """1 x 1 convolution with a stride: every `step`-th pixel from the first on, then stride 1. The same result."""

    # HACK: oneDNN writes past its workspace in the weight gradient of a strided 1 x 1 convolution in channels-last
    # layout with fewer input channels than a vector (github.com/uxlfoundation/oneDNN/issues/6035). Torch 2.13 with
    # oneDNN 3.12 crashed with 4 and 8 channels in. Can become a plain strided convolution once that is fixed.

    def __init__(self, in_width: int, width: int, *, step: int = 1, bias: bool = True) -> None:
        super().__init__(in_width, width, 1, bias=bias)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, width, ceil(H / step), ceil(W / step))."""
        return super().forward(x[:, :, :: self.step, :: self.step] if self.step > 1 else x)


class ConvBNAct(nn.Sequential):
    """3 x 3 convolution without bias, batch norm, ReLU."""

    def __init__(self, in_width: int, width: int, *, stride: int = 1) -> None:
        super().__init__(conv3x3(in_width, width, stride=stride), nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class BasicBlock(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN plus shortcut, ReLU (He et al. 2016).

    The shortcut is the identity, or a 1 x 1 convolution with batch norm where width or size changes.
    """

    def __init__(self, in_width: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_width, width, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        changes = stride != 1 or in_width != width
        self.shortcut = (
            nn.Sequential(PointwiseConv(in_width, width, step=stride, bias=False), nn.BatchNorm2d(width))
            if changes
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, width, H / stride, W / stride)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(y)).add_(self.shortcut(x)))


class GroupSplitter(nn.Module):
    """Split (B, C, H, W) into one tensor per band group; `indices` are the groups' channel positions."""

    def __init__(self, indices: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.count = len(indices)
        for i, positions in enumerate(indices):
            self.register_buffer(f"index{i}", torch.tensor(positions), persistent=False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the groups' channels, (B, C_i, H, W) each, in the order of the groups."""
        return [x.index_select(1, self.get_buffer(f"index{i}")) for i in range(self.count)]


def init_he(module: nn.Module) -> None:
    """Initialise convolutions as He et al. 2015: normal, fan out, ReLU; biases 0. Other layers keep torch's default."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
