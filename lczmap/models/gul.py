"""Networks of the So2Sat Global Urban LCZ product (TUM): ResNet v2 of depth 20 for 32 x 32 patches.

Re-implementation from the description and from names and shapes of the public Keras weights
(zhu-xlab/So2Sat-LCZ-Classification-Demo, MIT). Checked: all stored values fit (576,897 and 576,465), and real
Sentinel-2 patches get plausible classes. Input of `gul_s2`: ten Sentinel-2 L1C bands as reflectance, not normalised
further. Input of `gul_s1`: the eight radar channels of So2Sat in physical units; its seven features are in
radar_features.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.channels import SO2SAT8
from lczmap.models.blocks import PointwiseConv, batch_norm_keras, init_he
from lczmap.models.radar_features import FEATURES, Moments, radar_features
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
        return self._classify(x, features=features)

    def _classify(self, x: torch.Tensor, *, features: bool) -> torch.Tensor | ModelOutput:
        x = self.blocks(torch.relu(self.stem_bn(self.stem(x))))  # (B, 256, H / 4, W / 4)
        pooled = torch.relu(self.final_bn(x)).mean(dim=(2, 3))  # (B, 256)
        logits = self.classifier(pooled)
        return ModelOutput(logits, pooled[None]) if features else logits


@register("gul_s1", margin_px=0)
class GulRadar(GulResNet):
    """The network on seven features of the radar channels, standardised over the scene: see `radar_features`.

    `scene_mean` and `scene_std` (7,) are those of all valid pixels of a city's scene, as in the product: `adapt-model`
    sets them for a city, `prepare` from training patches; until then every answer is an error. A missing pixel (no
    refined Lee power) is 0 after standardising, the scene's mean. `margin_px` pixels are cut off each side once the
    features are made: with 1 and patches of 34 px every 3 x 3 window is whole, as in the product, which makes its
    features before it cuts patches; with 0 the windows at a patch's border are the part that is there.
    7 features: 572,977 learnable parameters.
    """

    missing_value = 0.0  # no power: not valid, as in the product
    positions: torch.Tensor
    scene_mean: torch.Tensor
    scene_std: torch.Tensor

    def __init__(self, channels: Sequence[str], num_classes: int, *, margin_px: int) -> None:
        if set(channels) != set(SO2SAT8.channels) or len(channels) != len(SO2SAT8.channels):
            raise ValueError(f"gul_s1 needs the channels {list(SO2SAT8.channels)}, got {list(channels)}")
        if margin_px not in (0, 1):
            raise ValueError(f"expected a margin of 0 or 1 px, got {margin_px}")
        super().__init__(FEATURES, num_classes)
        self.margin_px = margin_px
        positions = torch.tensor([tuple(channels).index(name) for name in SO2SAT8.channels])
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("scene_mean", torch.zeros(len(FEATURES)))
        self.register_buffer("scene_std", torch.zeros(len(FEATURES)))  # 0: not known yet

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled maps (1, B, 256)."""
        self.check_input(x)
        if not self.scene_std.all():
            raise ValueError(
                "gul_s1 does not know the mean and standard deviation of its features over the city's scene: run "
                "`lczmap adapt-model` with the city's stacks first, or train the network"
            )
        values, valid = self.features_of(x)  # (B, 7, H, W), (B, 1, H, W)
        values = (values - self.scene_mean[:, None, None]) / self.scene_std[:, None, None]
        values = torch.where(valid, values, 0.0)
        inside = slice(self.margin_px, -self.margin_px or None)
        return self._classify(values[:, :, inside, inside], features=features)  # (B, 7, H - 2 margin, W - 2 margin)

    def features_of(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features (B, 7, H, W) of channels in physical units, not standardised, and where they are valid
        (B, 1, H, W).
        """
        return radar_features(x[:, self.positions])

    def set_scene(self, moments: Moments) -> None:
        """Take mean and standard deviation of the features over a scene. ValueError where one does not vary."""
        mean, std = moments.mean_and_std()
        if not (std > 0).all():
            raise ValueError(
                f"the radar features {FEATURES} have the standard deviations {std.tolist()} over the "
                f"{moments.count} valid pixels; expected positive ones: check the Sentinel-1 stacks"
            )
        self.scene_mean.copy_(mean)
        self.scene_std.copy_(std)

    def prepare(self, sample: torch.Tensor) -> None:
        """Set the scene's statistics from training patches (N, 8, H, W) in physical units.

        ValueError when intensities are negative: the recipe must not normalise (`normalisation: none`).
        """
        intensities = sample[:, [int(self.positions[SO2SAT8.channels.index(n)]) for n in ("VH_lee", "VV_lee")]]
        if intensities.amin() < 0:
            raise ValueError(
                f"gul_s1 makes its features from physical units, expected intensities >= 0, got {intensities.amin():g}"
                "; use a preset with `normalisation: none`"
            )
        moments = Moments()
        for part in torch.split(sample, 64):
            moments = moments.plus(*self.features_of(part))
        self.set_scene(moments)
