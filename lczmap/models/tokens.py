"""Building blocks of ExViT: pixels to tokens, transformer blocks, positions, pooling of tokens.

Layers, widths and their order are facts of the official code (jingyao16/ExViT); see `lczmap.models.exvit`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, scaled_dot_product_attention

TOKEN_WIDTH, HEADS, HEAD_WIDTH, MLP_WIDTH = 64, 4, 16, 32  # official code; the hidden layer is narrower than a token
TOKENIZER_WIDTHS = (16, 32, TOKEN_WIDTH)


class SeparableTokenizer(nn.Sequential):
    """Three times depthwise 3 x 3 and 1 x 1 convolution (biases on), batch norm, GELU: (B, C, H, W) -> 64 channels."""

    def __init__(self, in_channels: int) -> None:
        layers: list[nn.Module] = []
        for width in TOKENIZER_WIDTHS:
            depthwise = nn.Conv2d(in_channels, in_channels, 3, 1, 1, groups=in_channels)
            layers += [depthwise, nn.Conv2d(in_channels, width, 1), nn.BatchNorm2d(width), nn.GELU()]
            in_channels = width
        super().__init__(*layers)


class Attention(nn.Module):
    """Self-attention over tokens; query, key and value from one linear layer without bias."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(TOKEN_WIDTH, 3 * HEADS * HEAD_WIDTH, bias=False)
        self.out = nn.Linear(HEADS * HEAD_WIDTH, TOKEN_WIDTH)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, 64) -> (B, T, 64)."""
        qkv = self.qkv(x).unflatten(-1, (3, HEADS, HEAD_WIDTH))  # (B, T, 3, heads, 16)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, T, 16) each
        y = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, T, 64)
        return self.dropout(self.out(y))  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(TOKEN_WIDTH)
        self.attention = Attention(dropout)
        self.norm2 = nn.LayerNorm(TOKEN_WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(TOKEN_WIDTH, MLP_WIDTH),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(MLP_WIDTH, TOKEN_WIDTH),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, 64) -> (B, T, 64)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PositionTable(nn.Module):
    """Learnable position embeddings of a square grid of tokens, interpolated (bicubic) for other grids."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.table = nn.Parameter(torch.randn(1, side * side, TOKEN_WIDTH))

    def forward(self, height: int, width: int) -> torch.Tensor:
        """Return the embeddings of a height x width grid, (1, height * width, 64), rows first."""
        if (height, width) == (self.side, self.side):
            return self.table
        square = self.table.transpose(1, 2).reshape(1, TOKEN_WIDTH, self.side, self.side)  # (1, 64, side, side)
        resized = interpolate(square, (height, width), mode="bicubic", align_corners=False)
        return resized.flatten(2).transpose(1, 2)  # (1, height * width, 64)


class TokenSoftmaxPool(nn.Module):
    """Weighted mean of the tokens, (B, T, 64) -> (B, 64); the weights are a softmax over linear scores."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(TOKEN_WIDTH)
        self.score = nn.Linear(TOKEN_WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled tokens."""
        weights = self.score(self.norm(x)).softmax(dim=1)  # (B, T, 1)
        return (weights * x).sum(dim=1)  # type: ignore[no-any-return]  # (B, 64)


class ModalityTokens(nn.Module):
    """Tokens of each modality: own tokenizer, own projection, shared positions, `depth` own blocks.

    `in_channels` are the numbers of channels of the modalities; `image_size` (px) is the size the position table is
    made for, divisible by `token_pool`.
    """

    def __init__(
        self, in_channels: Sequence[int], *, depth: int, token_pool: int, image_size: int, dropout: float
    ) -> None:
        super().__init__()
        if token_pool not in (1, 2, 4) or image_size % token_pool or image_size < token_pool:
            raise ValueError(
                f"expected token_pool 1, 2 or 4 and an image size divisible by it, got {token_pool} and {image_size} px"
            )
        self.token_pool = token_pool
        self.tokenizers = nn.ModuleList(SeparableTokenizer(count) for count in in_channels)
        self.projections = nn.ModuleList(nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH) for _ in in_channels)
        self.position = PositionTable(image_size // token_pool)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(stack_blocks(depth, dropout) for _ in in_channels)

    def forward(self, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the tokens (B, T, 64) of each part (B, C_i, H, W)."""
        return [self._tokens(i, part) for i, part in enumerate(parts)]

    def _tokens(self, i: int, x: torch.Tensor) -> torch.Tensor:
        x = self.tokenizers[i](x)  # (B, 64, H, W)
        x = avg_pool2d(x, self.token_pool) if self.token_pool > 1 else x
        position = self.position(*x.shape[2:])  # (1, T, 64)
        tokens = self.projections[i](x.flatten(2).transpose(1, 2))  # (B, T, 64)
        return self.blocks[i](self.dropout(tokens + position))  # type: ignore[no-any-return]


def stack_blocks(depth: int, dropout: float) -> nn.Sequential:
    """Return `depth` transformer blocks, one after the other; 0 leaves the tokens as they are."""
    if depth < 0:
        raise ValueError(f"expected a depth of 0 or more blocks, got {depth}")
    return nn.Sequential(*(Block(dropout) for _ in range(depth)))
