"""ExViT (Yao et al., IEEE TGRS 2023): transformer over the pixels of several modalities, each with its own tokenizer.

Re-implementation; layers, widths and their order are facts of the official code (jingyao16/ExViT), and the number of
parameters is that of its released Houston 2013 network (239,914, a test). Theirs: separable convolutions without
down-sampling, one token per pixel, a position table shared by the modalities, modality-specific blocks, shared
cross-modality blocks, softmax pooling of the tokens, no final layer norm. Ours, for 32 x 32 px: Sentinel-1 and
Sentinel-2 as the two modalities, average pooling before the tokens (`token_pool` 2 gives 256 tokens per modality,
1 is literal), more than two modalities, bicubic interpolation of the position table for other sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from lczmap.channels import channel_sensor, groups_for
from lczmap.models.blocks import GroupSplitter
from lczmap.models.registry import ModelOutput, Network, register
from lczmap.models.tokens import TOKEN_WIDTH, ModalityTokens, TokenSoftmaxPool, stack_blocks

SENSORS = ("sentinel-1", "sentinel-2")

Modalities = Literal["sensors", "groups"] | Sequence[Sequence[str]]


class ExViTCore(nn.Module):
    """ExViT for modalities of given numbers of channels, whatever the channels are."""

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        self_depth: int = 4,
        cross_depth: int = 2,
        token_pool: int = 1,
        image_size: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.tokens = ModalityTokens(
            in_channels, depth=self_depth, token_pool=token_pool, image_size=image_size, dropout=dropout
        )
        self.cross = stack_blocks(cross_depth, dropout)
        self.pool = TokenSoftmaxPool()
        self.norm = nn.LayerNorm(TOKEN_WIDTH)
        self.classifier = nn.Linear(TOKEN_WIDTH, num_classes)

    def forward(self, parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, classes) and pooled tokens (B, 64) of the modalities, (B, C_i, H, W) each."""
        tokens = self.cross(torch.cat(self.tokens(parts), dim=1))  # (B, modalities * T, 64)
        pooled = self.pool(tokens)
        return self.classifier(self.norm(pooled)), pooled


class ExViTBranches(nn.Module):
    """ExViT as the image encoders of BP-LCZ: (B, C, H, W) -> list of (B, 64), one per band group.

    The paper does not say how an image feature per group comes about. Without `cross_attention` each group has its own
    tokenizer, projection and all self_depth + cross_depth blocks, and sees no other group ("each group is processed
    separately by dedicated image encoders"). With it the last blocks are shared and see the tokens of all groups,
    which are then cut into groups again. Either way each group pools its own tokens; the position table is shared.
    """

    def __init__(
        self,
        channels: Sequence[str],
        *,
        cross_attention: bool,
        self_depth: int,
        cross_depth: int,
        token_pool: int,
        image_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.groups = groups_for(channels)
        self.out_dim = TOKEN_WIDTH
        indices = self.groups.indices(channels)
        self.split = GroupSplitter(indices)
        self.tokens = ModalityTokens(
            [len(positions) for positions in indices],
            depth=self_depth if cross_attention else self_depth + cross_depth,
            token_pool=token_pool,
            image_size=image_size,
            dropout=dropout,
        )
        self.cross = stack_blocks(cross_depth, dropout) if cross_attention else None
        self.pools = nn.ModuleList(TokenSoftmaxPool() for _ in indices)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return one (B, 64) per band group, in the groups' order."""
        tokens = self.tokens(self.split(x))  # (B, T, 64) each
        if self.cross is not None:
            tokens = self.cross(torch.cat(tokens, dim=1)).chunk(len(tokens), dim=1)
        return [pool(part) for pool, part in zip(self.pools, tokens, strict=True)]


@register(
    "exvit",
    presets={"paper": {"dropout": 0.1}, "recipe": {"dropout": 0.1}},
    modalities="sensors",
    self_depth=4,
    cross_depth=2,
    token_pool=2,
    image_size=32,
)
class ExViT(Network):
    """ExViT with modalities by channel name: `sensors` (Sentinel-1 | Sentinel-2), band `groups`, or lists of names.

    Channels of one sensor only are one modality. 8 + 10 channels, 32 x 32 px, token_pool 1, 2, 4: 291,462, 242,310
    and 230,022 parameters, 2.41, 0.21 and 0.03 GMAC.
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        modalities: Modalities,
        self_depth: int,
        cross_depth: int,
        token_pool: int,
        image_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        indices = modality_indices(channels, modalities)
        self.split = GroupSplitter(indices)
        self.core = ExViTCore(
            [len(positions) for positions in indices],
            num_classes,
            self_depth=self_depth,
            cross_depth=cross_depth,
            token_pool=token_pool,
            image_size=image_size,
            dropout=dropout,
        )

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the pooled tokens (1, B, 64)."""
        self.check_input(x)
        logits, pooled = self.core(self.split(x))
        return ModelOutput(logits, pooled[None]) if features else logits


def modality_indices(channels: Sequence[str], modalities: Modalities) -> tuple[tuple[int, ...], ...]:
    """Return each modality's positions in `channels`. ValueError unless every channel is in exactly one modality."""
    if modalities == "groups":
        return groups_for(channels).indices(channels)
    if modalities == "sensors":
        by_sensor = [[c for c in channels if channel_sensor(c) == sensor] for sensor in SENSORS]
        modalities = [names for names in by_sensor if names]
    if isinstance(modalities, str):
        raise ValueError(f"expected modalities sensors, groups or lists of channel names, got {modalities!r}")
    named = [name for names in modalities for name in names]
    if sorted(named) != sorted(channels) or not all(modalities):
        raise ValueError(f"modalities must hold each of the channels {list(channels)} once, got {modalities}")
    return tuple(tuple(channels.index(name) for name in names) for names in modalities)
