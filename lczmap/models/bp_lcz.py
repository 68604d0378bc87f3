"""BP-LCZ: band groups with dedicated image encoders, compared with text prompts during training (Lan et al.).

Re-implementation from the description, not official; no code was found. Stated in the paper: groups, prompts,
I_i = E_m(X_i) and T_i = E_t(t_i), cosine similarities summed over groups with alpha = 0.25, concatenation of the I_i,
a classifier D, L = CE + 2 L_con, text and image encoders trained jointly. Our choices where it is silent: separate
weights per image encoder ("dedicated image encoders"), a linear projection to d = 512 (CLIP's width), a linear D on
the un-normalised features. At inference no text is needed: `strip_text` drops the tower and keeps the features of the
prompts in the buffer `text_bank`. The rows of Table III: no BGP is `eb_cnn` (or `exvit`), BGP without MSM is the loss
option `msm: false`, both is the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import log_softmax, normalize

from lczmap.models.encoders import BranchEncoder, EmbranchBranches
from lczmap.models.exvit import ExViTBranches
from lczmap.models.losses import ALPHA, class_similarity
from lczmap.models.registry import ModelOutput, Network, register
from lczmap.models.text.encoders import build_text_side

Head = Literal["classifier", "prompt", "ensemble"]
ClassifierKind = Literal["linear", "mlp"]
TextSide = Mapping[str, object] | None

PRESETS: dict[str, dict[str, object]] = {
    "paper": {
        "dropout": 0.0,
        "text": {"encoder": "hf", "source": "openai/clip-vit-base-patch32", "mode": "joint"},
    },
    "recipe": {"dropout": 0.2, "text": {"encoder": "mini", "mode": "joint"}},
}
DEFAULTS: dict[str, object] = {
    "width": 512,
    "classifier": "linear",
    "normalize_fused": False,
    "head": "classifier",
    "head_scale": 10.0,  # ours: the recipe's scale of the similarities in the loss, before training
    "head_weight": 1.0,  # ours: lambda
}
MLP_WIDTH, MLP_DROPOUT = 512, 0.2


class BPLCZ(Network):
    """Any branch encoder, one projection to `width` per band group, concatenation, classifier D; text for training.

    `text` are the options of `lczmap.models.text.encoders.TextOptions`; None builds the image path only (no
    contrastive training). `head` says what is returned in evaluation mode: `classifier` the logits of D, `prompt`
    head_scale * alpha * (sum of the cosines with the prompts of the groups), `ensemble` the log-softmax of D plus
    head_weight times that of the prompts. In training mode it is always D, as the paper trains it, so that the same
    weights serve every head.
    """

    text_bank: torch.Tensor

    def __init__(
        self,
        branches: BranchEncoder,
        num_classes: int,
        *,
        width: int,
        classifier: ClassifierKind,
        normalize_fused: bool,
        head: Head,
        head_scale: float,
        head_weight: float,
        dropout: float,
        text: TextSide,
    ) -> None:
        super().__init__()
        if head_scale <= 0:
            raise ValueError(f"expected a head_scale above 0, got {head_scale}")
        groups = branches.groups
        self.normalize_fused = normalize_fused
        self.head, self.head_scale, self.head_weight = check_head(head), head_scale, head_weight
        self.group_names = tuple(group.name for group in groups.groups)
        self.branches = branches
        self.projections = nn.ModuleList(nn.Linear(branches.out_dim, width) for _ in groups.groups)
        self.dropout = nn.Dropout(dropout)
        self.classifier = _classifier(classifier, len(groups.groups) * width, num_classes)
        self.register_buffer("text_bank", torch.zeros(len(groups.groups), num_classes, width))
        self.text = None if text is None else build_text_side(text, groups, width, num_classes=num_classes)
        self.text_description = None if self.text is None else self.text.description

    @property
    def has_text(self) -> bool:
        """True with a text tower, or with the text features that a tower left behind."""
        return self.text is not None or bool(self.text_bank.any())

    def text_features(self) -> torch.Tensor | None:
        """Return the prompts' features (G, classes, width), with gradients while a tower is being trained."""
        if self.text is not None:
            return self.text()  # type: ignore[no-any-return]
        return self.text_bank if self.has_text else None

    def store_text(self) -> None:
        """Copy the prompts' present features into `text_bank`."""
        if self.text is not None:
            with torch.no_grad():
                self.text_bank.copy_(self.text())

    def strip_text(self) -> None:
        """Store the prompts' features in `text_bank` and drop the text tower; the logits do not change."""
        self.store_text()
        self.text = None
        self.spec = replace(self.spec, options={**self.spec.options, "text": None})

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return logits (B, classes); features are the projected branch outputs I_i (G, B, width), un-normalised."""
        parts = self._project(x)
        logits = self._logits(parts)
        return ModelOutput(logits, parts) if features else logits

    def group_support(self, x: torch.Tensor) -> torch.Tensor:
        """Return how much each band group speaks for each class: cosines with its prompts, (G, B, classes), -1..1.

        The groups are those of `group_names`. ValueError without text features.
        """
        image, text = normalize(self._project(x).float(), dim=-1), normalize(self._text().float(), dim=-1)
        return image @ text.transpose(1, 2)  # (G, B, classes)

    def _project(self, x: torch.Tensor) -> torch.Tensor:
        self.check_input(x)
        branches = zip(self.projections, self.branches(x), strict=True)
        return torch.stack([project(part) for project, part in branches])  # (G, B, width)

    def _logits(self, parts: torch.Tensor) -> torch.Tensor:
        if self.head == "prompt" and not self.training:
            return self._similarity(parts)
        fused = normalize(parts, dim=-1) if self.normalize_fused else parts
        logits: torch.Tensor = self.classifier(self.dropout(fused.transpose(0, 1).flatten(1)))  # (B, classes)
        if self.head == "classifier" or self.training:
            return logits
        return log_softmax(logits, dim=1) + self.head_weight * log_softmax(self._similarity(parts), dim=1)

    def _similarity(self, parts: torch.Tensor) -> torch.Tensor:
        return self.head_scale * class_similarity(parts, self._text(), alpha=ALPHA)  # (B, classes)

    def _text(self) -> torch.Tensor:
        text = self.text_features()
        if text is None:
            raise ValueError(
                f"{self.spec.name} has no text features to compare with: train it with text, load a checkpoint that "
                "holds its text_bank, or choose head: classifier"
            )
        return text


@register("bp_lcz_eb_cnn_large", presets=PRESETS, widths=(64, 128, 256), blocks=(2, 2, 2), **DEFAULTS)
@register("bp_lcz_eb_cnn", presets=PRESETS, widths=(32, 64, 128), blocks=(2, 2, 2), **DEFAULTS)
class EmbranchBPLCZ(BPLCZ):
    """BP-LCZ with EB-CNN's branches. 18 channels at the default widths: 5,389,713 parameters without text."""

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        width: int,
        classifier: ClassifierKind,
        normalize_fused: bool,
        head: Head,
        head_scale: float,
        head_weight: float,
        dropout: float,
        text: TextSide,
    ) -> None:
        super().__init__(
            EmbranchBranches(channels, widths, blocks),
            num_classes,
            width=width,
            classifier=classifier,
            normalize_fused=normalize_fused,
            head=head,
            head_scale=head_scale,
            head_weight=head_weight,
            dropout=dropout,
            text=text,
        )


@register(
    "bp_lcz_exvit",
    presets=PRESETS,
    cross_attention=False,
    self_depth=4,
    cross_depth=2,
    token_pool=2,
    image_size=32,
    block_dropout=0.1,
    **DEFAULTS,
)
class ExViTBPLCZ(BPLCZ):
    """BP-LCZ with ExViT's tokens per band group; `cross_attention` is explained at `ExViTBranches`.

    18 channels, 32 x 32 px, without text: 1,242,492 parameters and 0.60 GMAC at token_pool 2, 1,230,204 and 0.10 at 4.
    With cross_attention: 991,740 parameters and 1.31 GMAC, 979,452 and 0.15.
    """

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        cross_attention: bool,
        self_depth: int,
        cross_depth: int,
        token_pool: int,
        image_size: int,
        block_dropout: float,
        width: int,
        classifier: ClassifierKind,
        normalize_fused: bool,
        head: Head,
        head_scale: float,
        head_weight: float,
        dropout: float,
        text: TextSide,
    ) -> None:
        branches = ExViTBranches(
            channels,
            cross_attention=cross_attention,
            self_depth=self_depth,
            cross_depth=cross_depth,
            token_pool=token_pool,
            image_size=image_size,
            dropout=block_dropout,
        )
        super().__init__(
            branches,
            num_classes,
            width=width,
            classifier=classifier,
            normalize_fused=normalize_fused,
            head=head,
            head_scale=head_scale,
            head_weight=head_weight,
            dropout=dropout,
            text=text,
        )


def check_head(head: Head) -> Head:
    """Return `head`. ValueError for an unknown one."""
    if head not in ("classifier", "prompt", "ensemble"):
        raise ValueError(f"expected head classifier, prompt or ensemble, got {head!r}")
    return head


def _classifier(kind: ClassifierKind, in_width: int, num_classes: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(in_width, num_classes)
    if kind == "mlp":
        hidden = nn.Linear(in_width, MLP_WIDTH)
        return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(MLP_DROPOUT), nn.Linear(MLP_WIDTH, num_classes))
    raise ValueError(f"expected classifier linear or mlp, got {kind!r}")
