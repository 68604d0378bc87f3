"""Text side of BP-LCZ: prompts in, features (G, 17, d) out, by one of four encoders.

`hf` any text model of transformers (CLIP's text tower by default in the paper preset), `mini` a small transformer from
scratch that needs no download, `prototype` learnable vectors instead of words (is text needed at all?), `cached`
features from a file. None stands in for another: what is missing is an error with its remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from lczmap.channels import GroupSpec
from lczmap.classes import NUM_CLASSES
from lczmap.models.text.hf import HFEncoder
from lczmap.models.text.prompts import ClassText, Prompts, build_prompts, prompts_sha256


@dataclass(frozen=True)
class TextOptions:
    """Options of the text side.

    `mode`: `joint` trains the encoder with the images (the paper), `frozen` computes its features once, `last_n`
    trains the last `last_n` layers and what follows them. `source` is a local directory or hub name (`hf`) or an .npz
    (`cached`). `class_phrases` are the words of other classes than the 17 LCZ, one phrase per class in network order;
    `class_text` is without effect then. `layers`, `width` and `heads` are the size of `mini`.
    """

    encoder: Literal["hf", "mini", "prototype", "cached"]
    mode: Literal["joint", "frozen", "last_n"] = "joint"
    source: str | None = None
    last_n: int = 1
    class_text: ClassText = "extended"
    group_text: bool = True
    class_phrases: tuple[str, ...] | None = None
    layers: int = 4
    width: int = 256
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.encoder not in ("hf", "mini", "prototype", "cached"):
            raise ValueError(f"expected text encoder hf, mini, prototype or cached, got {self.encoder!r}")
        if self.mode not in ("joint", "frozen", "last_n"):
            raise ValueError(f"expected text mode joint, frozen or last_n, got {self.mode!r}")
        if self.encoder in ("hf", "cached") and not self.source:
            raise ValueError(
                f"text encoder {self.encoder} needs a source: a directory or hub name (hf), a .npz (cached)"
            )
        if self.encoder == "cached" and self.mode != "frozen":
            raise ValueError(f"text encoder cached cannot be trained: expected mode frozen, got {self.mode!r}")
        if self.encoder == "prototype" and self.mode != "joint":
            raise ValueError(f"text encoder prototype is learned only: expected mode joint, got {self.mode!r}")
        if self.mode == "last_n" and self.last_n < 1:
            raise ValueError(f"expected last_n of 1 or more layers, got {self.last_n}")


class PrototypeBank(nn.Module):
    """Learnable features e_class + e_group instead of words: (G, classes, d)."""

    def __init__(self, groups: int, classes: int, width: int, description: dict[str, Any]) -> None:
        super().__init__()
        self.by_class = nn.Parameter(torch.randn(classes, width) / math.sqrt(width))
        self.by_group = nn.Parameter(torch.randn(groups, width) / math.sqrt(width))
        self.description = description

    def forward(self) -> torch.Tensor:
        """Return the features (G, classes, d)."""
        return self.by_group[:, None] + self.by_class[None]


class PromptBank(nn.Module):
    """Features of prompts[group][class] by an encoder, each distinct prompt encoded once: (G, classes, d).

    `encoder()` returns (P, e) for the P distinct prompts in order of first use. With `frozen` it is run once, and
    dropped. Where e differs from d a linear adapter follows, which is trained in every mode.
    """

    index: torch.Tensor
    frozen: torch.Tensor

    def __init__(
        self, prompts: Prompts, encoder: nn.Module | torch.Tensor, width: int, description: dict[str, Any]
    ) -> None:
        super().__init__()
        self.description = description
        place = {text: i for i, text in enumerate(distinct(prompts))}
        rows = torch.tensor([[place[text] for text in row] for row in prompts])  # (G, classes)
        self.register_buffer("index", rows, persistent=False)
        if isinstance(encoder, torch.Tensor):
            self.encoder = None
            self.register_buffer("frozen", encoder)
            out_dim = encoder.shape[1]
        else:
            self.encoder = encoder
            out_dim = int(encoder.out_dim)  # type: ignore[arg-type]
        self.adapter = nn.Identity() if out_dim == width else nn.Linear(out_dim, width)

    def forward(self) -> torch.Tensor:
        """Return the features (G, classes, d)."""
        encoded = self.frozen if self.encoder is None else self.encoder()  # (P, e)
        return self.adapter(encoded)[self.index]  # type: ignore[no-any-return]  # (G, classes, d)


class MiniEncoder(nn.Module):
    """Small pre-norm transformer over words, from scratch; the mean over the words, projected, is the feature.

    Its vocabulary is the words of its prompts. 4 layers of width 256 for the 119 prompts: about 3.4 M parameters.
    """

    tokens: torch.Tensor

    def __init__(self, prompts: Sequence[str], out_dim: int, *, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.vocabulary = sorted({word for prompt in prompts for word in words(prompt)})
        number = {word: i + 1 for i, word in enumerate(self.vocabulary)}  # 0 is padding
        rows = [torch.tensor([number[word] for word in words(prompt)]) for prompt in prompts]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (P, L)
        self.register_buffer("tokens", tokens, persistent=False)
        self.out_dim = out_dim
        self.embedding = nn.Embedding(len(self.vocabulary) + 1, width, padding_idx=0)
        self.position = nn.Parameter(0.02 * torch.randn(tokens.shape[1], width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, out_dim)

    def forward(self) -> torch.Tensor:
        """Return the features of the prompts, (P, out_dim)."""
        padding = self.tokens == 0  # (P, L)
        x = self.embedding(self.tokens) + self.position  # (P, L, width)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        valid = (~padding).unsqueeze(-1)  # (P, L, 1)
        return self.projection((self.norm(x) * valid).sum(dim=1) / valid.sum(dim=1))  # type: ignore[no-any-return]


def build_text_side(
    options: Mapping[str, object], groups: GroupSpec, width: int, *, num_classes: int = NUM_CLASSES
) -> PrototypeBank | PromptBank:
    """Build the text side for these band groups and classes; `options` are the fields of `TextOptions`.

    `description` of the result is what a checkpoint says about it. ValueError for unknown or contradictory options, no
    encoder, classes without words, a missing source, or a prompt longer than the encoder's context.
    """
    if unknown := sorted(set(options) - {f.name for f in fields(TextOptions)}):
        raise ValueError(f"unknown text options {unknown}; known: {[f.name for f in fields(TextOptions)]}")
    if "encoder" not in options:
        raise ValueError(f"expected a text `encoder` (hf, mini, prototype or cached), got only {sorted(options)}")
    chosen = TextOptions(**options)  # type: ignore[arg-type]
    if chosen.encoder == "prototype":
        return PrototypeBank(len(groups.groups), num_classes, width, asdict(chosen))
    prompts = build_prompts(
        groups,
        class_text=chosen.class_text,
        group_text=chosen.group_text,
        num_classes=num_classes,
        phrases=chosen.class_phrases,
    )
    description: dict[str, Any] = {**asdict(chosen), "prompts_sha256": prompts_sha256(prompts)}
    if chosen.encoder == "cached":
        return PromptBank(prompts, load_text_features(Path(str(chosen.source)), prompts), width, description)
    encoder: HFEncoder | MiniEncoder
    if chosen.encoder == "hf":
        encoder = HFEncoder(distinct(prompts), str(chosen.source))
        description["revision"] = encoder.revision
    else:
        size = {"layers": chosen.layers, "width": chosen.width, "heads": chosen.heads}
        encoder = MiniEncoder(distinct(prompts), width, **size)
        description["vocabulary"] = encoder.vocabulary
    if chosen.mode == "frozen":
        with torch.no_grad():
            return PromptBank(prompts, encoder.eval()(), width, description)
    if chosen.mode == "last_n":
        train_last_layers(encoder, chosen.last_n)
    return PromptBank(prompts, encoder, width, description)


def save_text_features(path: Path, encoder: nn.Module, prompts: Prompts) -> None:
    """Write the features of the distinct prompts, with their hash, as the .npz that `cached` reads."""
    with torch.no_grad():
        features = encoder.eval()().float().cpu().numpy()
    np.savez(path, features=features, prompts_sha256=np.array(prompts_sha256(prompts)))


def load_text_features(path: Path, prompts: Prompts) -> torch.Tensor:
    """Read features (P, e) of the distinct prompts. ValueError when the file belongs to other prompts."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            features, actual = stored["features"], str(stored["prompts_sha256"])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"text features {path} cannot be read ({error}); write them with save_text_features"
        ) from error
    count = len(distinct(prompts))
    if actual != prompts_sha256(prompts) or features.ndim != 2 or len(features) != count:
        raise ValueError(
            f"{path} holds features {features.shape} of other prompts: expected ({count}, width) with prompt hash "
            f"{prompts_sha256(prompts)}, got {actual}. Write them again for these channels and text options"
        )
    return torch.from_numpy(features.astype(np.float32))


def train_last_layers(encoder: nn.Module, count: int) -> None:
    """Freeze all but the last `count` transformer layers and the parameters registered after them."""
    stack = max((m for m in encoder.modules() if isinstance(m, nn.ModuleList)), key=len)
    if count > len(stack):
        raise ValueError(f"expected last_n of at most {len(stack)} layers, got {count}")
    first = next(stack[len(stack) - count].parameters())
    trainable = False
    for parameter in encoder.parameters():
        trainable = trainable or parameter is first
        parameter.requires_grad_(trainable)


def distinct(prompts: Prompts) -> list[str]:
    """Return the distinct prompts in order of first use."""
    return list(dict.fromkeys(text for row in prompts for text in row))


def words(prompt: str) -> list[str]:
    """Split a prompt into lower-case words; hyphens and punctuation separate."""
    return re.findall(r"[a-z0-9]+", prompt.lower())
