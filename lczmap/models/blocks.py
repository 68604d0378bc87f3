"""Building blocks of the convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import max_pool2d, scaled_dot_product_attention

NON_LOCAL_STD = 0.01  # initial weights of a non-local block, as in its authors' public configuration


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


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate that all channels' means decide (Hu et al. 2018): linear, ReLU, linear, sigmoid."""

    def __init__(self, width: int, *, ratio: int) -> None:
        super().__init__()
        if not 1 <= ratio <= width:
            raise ValueError(f"expected a reduction of 1 to {width} for {width} channels, got {ratio}")
        self.squeeze = nn.Linear(width, width // ratio)
        self.excite = nn.Linear(width // ratio, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, H, W) -> the same shape."""
        hidden = torch.relu_(self.squeeze(x.mean(dim=(2, 3))))  # (B, width / ratio)
        gate: torch.Tensor = self.excite(hidden).sigmoid_()  # (B, width)
        return x * gate[:, :, None, None]


def residual_shortcut(in_width: int, width: int, *, stride: int) -> nn.Module:
    """Return the identity, or a 1 x 1 convolution with batch norm where width or size changes."""
    if stride == 1 and in_width == width:
        return nn.Identity()
    return nn.Sequential(PointwiseConv(in_width, width, step=stride, bias=False), nn.BatchNorm2d(width))


class BasicBlock(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN plus shortcut, ReLU (He et al. 2016).

    With `se_ratio` a squeeze-and-excitation gate scales the block's output before the shortcut is added.
    """

    def __init__(self, in_width: int, width: int, *, stride: int = 1, se_ratio: int | None = None) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_width, width, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.gate = SqueezeExcitation(width, ratio=se_ratio) if se_ratio else nn.Identity()
        self.shortcut = residual_shortcut(in_width, width, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, width, H / stride, W / stride)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.gate(self.bn2(self.conv2(y)))
        return torch.relu_(y.add_(self.shortcut(x)))


class BottleneckBlock(nn.Module):
    """conv1x1-BN-ReLU-conv3x3-BN-ReLU-conv1x1-BN plus shortcut, ReLU (He et al. 2016).

    With `cardinality` the 3 x 3 convolution runs in that many groups: the building block of ResNeXt (Xie et al. 2017).
    With `se_ratio` a squeeze-and-excitation gate scales the block's output before the shortcut is added. A stride is in
    the 3 x 3 convolution, as in today's public implementations.
    """

    def __init__(
        self,
        in_width: int,
        bottleneck: int,
        width: int,
        *,
        stride: int = 1,
        cardinality: int = 1,
        se_ratio: int | None = None,
    ) -> None:
        super().__init__()
        if bottleneck % cardinality:
            raise ValueError(f"expected a width that {cardinality} groups divide, got {bottleneck}")
        self.conv1 = PointwiseConv(in_width, bottleneck, bias=False)
        self.bn1 = nn.BatchNorm2d(bottleneck)
        self.conv2 = nn.Conv2d(bottleneck, bottleneck, 3, stride, 1, groups=cardinality, bias=False)
        self.bn2 = nn.BatchNorm2d(bottleneck)
        self.conv3 = PointwiseConv(bottleneck, width, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.gate = SqueezeExcitation(width, ratio=se_ratio) if se_ratio else nn.Identity()
        self.shortcut = residual_shortcut(in_width, width, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_width, H, W) -> (B, width, H / stride, W / stride)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = torch.relu_(self.bn2(self.conv2(y)))
        y = self.gate(self.bn3(self.conv3(y)))
        return torch.relu_(y.add_(self.shortcut(x)))


class NonLocal2d(nn.Module):
    """Every pixel attends to all pixels, plus shortcut (Wang et al. 2018, embedded Gaussian).

    Queries, keys and values are 1 x 1 convolutions to half the width; similarities are plain dot products, not scaled;
    a 1 x 1 convolution and a batch norm lead back. That norm's gamma starts at 0, so that the block starts as the
    identity. With `subsample` keys and values are max-pooled 2 x 2: a quarter of the work.
    """

    def __init__(self, width: int, *, subsample: bool = False) -> None:
        super().__init__()
        inner = width // 2
        self.subsample = subsample
        self.query = PointwiseConv(width, inner)
        self.key = PointwiseConv(width, inner)
        self.value = PointwiseConv(width, inner)
        self.project = PointwiseConv(inner, width)
        self.bn = nn.BatchNorm2d(width)
        self.reset()

    def reset(self) -> None:
        """Initialise as the authors do: small normal weights (similarities near 0), biases 0, gamma 0."""
        for layer in (self.query, self.key, self.value, self.project):
            nn.init.normal_(layer.weight, std=NON_LOCAL_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.bn.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, H, W) -> the same shape."""
        query, key, value = self.query(x), self.key(x), self.value(x)  # (B, width / 2, H, W)
        if self.subsample:
            key, value = max_pool2d(key, 2), max_pool2d(value, 2)  # (B, width / 2, H / 2, W / 2)
        query, key, value = (_pixels_as_tokens(maps) for maps in (query, key, value))  # (B, 1, pixels, width / 2)
        seen = scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]  # (B, H W, width / 2)
        maps = seen.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])  # (B, width / 2, H, W)
        residual: torch.Tensor = self.bn(self.project(maps))  # (B, width, H, W)
        return x + residual


def _pixels_as_tokens(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) -> (B, 1, H W, C): one head; a view where the maps are channels-last."""
    return maps.flatten(2).transpose(1, 2)[:, None]


class StochasticDepth(nn.Module):
    """Drop a block's residual for some patches of a training batch, scale it for the rest (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"expected a rate of stochastic depth in 0 <= rate < 1, got {rate}")
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, ...) -> the same shape."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty(len(x), *[1] * (x.ndim - 1), device=x.device, dtype=x.dtype).bernoulli_(1 - self.rate)
        return x * kept.div_(1 - self.rate)


class GlobalAveragePool(nn.Module):
    """Mean over all pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C)."""
        return x.mean(dim=(2, 3))


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
