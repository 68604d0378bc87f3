"""Branch encoders: one image encoder per band group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn

from lczmap.channels import GroupSpec, groups_for
from lczmap.models.blocks import BasicBlock, ConvBNAct, GroupSplitter, init_he


class BranchEncoder(Protocol):
    """Encodes the band groups of a batch: (B, C, H, W) -> one (B, out_dim) per group, in the groups' order."""

    groups: GroupSpec
    out_dim: int

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of the groups."""


class EmbranchBranch(nn.Module):
    """Branch of EB-CNN: stem, one stage of basic blocks per width (stride 2 from the second on), average pooling.

    The layers are our choice: Feng et al. 2019 was not obtainable (docs of `EBCNN`). Any size of 8 px or more.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths or min(blocks) < 1:
            raise ValueError(f"expected one number of blocks (>= 1) per width, got widths {widths}, blocks {blocks}")
        self.stem = ConvBNAct(in_channels, widths[0])
        layers: list[nn.Module] = []
        in_width = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                layers.append(BasicBlock(in_width, width, stride=2 if stage and not block else 1))
                in_width = width
        self.trunk = nn.Sequential(*layers)
        self.out_dim = in_width
        init_he(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_channels, H, W) -> (B, out_dim)."""
        x = self.trunk(self.stem(x))  # (B, out_dim, H / 2^(stages - 1), W / ...)
        return x.mean(dim=(2, 3))  # (B, out_dim)


class EmbranchBranches(nn.Module):
    """The EB-CNN branches of the band groups that cover `channels`: (B, C, H, W) -> list of (B, out_dim)."""

    def __init__(self, channels: Sequence[str], widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.groups = groups_for(channels)
        indices = self.groups.indices(channels)
        self.split = GroupSplitter(indices)
        self.encoders = nn.ModuleList(EmbranchBranch(len(positions), widths, blocks) for positions in indices)
        self.out_dim = widths[-1]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return one (B, out_dim) per band group, in the groups' order."""
        return [encoder(part) for encoder, part in zip(self.encoders, self.split(x), strict=True)]
