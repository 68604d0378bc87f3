"""Fusion network of Gawlikowski et al. (IGARSS 2020): where along the network do the sensors or band groups meet?

Re-implementation from the description, not official; no code was found, and the figure that shows the layers was not
obtainable. Stated: five convolution layers and one dense layer in blocks B1..B6; each branch runs `stage` blocks
(0..6) before the branches are concatenated, 6 means that their softmax outputs are summed; dropout 0.4 after the dense
layer; a batch norm after the first layer; branches are not made narrower. Our choices where it is silent: 3 x 3
kernels, widths 32, 64, 64, 128, 128, max-pooling after B2 and B4, global average pooling after B5, a dense layer of 128
before the classifier, `bn` (`first` or `all`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn

from lczmap.channels import channel_sensor, groups_for
from lczmap.models.blocks import GroupSplitter, init_he
from lczmap.models.exvit import SENSORS, modality_indices
from lczmap.models.registry import ModelOutput, Network, register

WIDTHS = (32, 64, 64, 128, 128)  # B1..B5
POOLED = (2, 4)  # blocks that end with max-pooling
DENSE_WIDTH, STAGES = 128, 6

Split = Literal["sar", "optical", "sar_optical", "groups"]
BatchNormPlace = Literal["first", "all"]


class ConvBlock(nn.Sequential):
    """B1..B5: 3 x 3 convolution, batch norm where wanted, ReLU, then max-pooling (B2, B4) or global mean (B5)."""

    def __init__(self, number: int, in_width: int, bn: BatchNormPlace) -> None:
        width = WIDTHS[number - 1]
        layers: list[nn.Module] = [nn.Conv2d(in_width, width, 3, 1, 1)]
        if number == 1 or bn == "all":
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        if number in POOLED:
            layers.append(nn.MaxPool2d(2))
        if number == len(WIDTHS):
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers)


class Head(nn.Module):
    """B6: dense layer, ReLU, dropout, classifier: (B, in_width) -> logits (B, classes) and hidden values (B, 128)."""

    def __init__(self, in_width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(in_width, DENSE_WIDTH), nn.ReLU(), nn.Dropout(dropout))
        self.classifier = nn.Linear(DENSE_WIDTH, num_classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and hidden values."""
        hidden = self.hidden(x)
        return self.classifier(hidden), hidden


@register(
    "fusion",
    presets={"paper": {"dropout": 0.4}, "recipe": {"dropout": 0.4}},
    split="groups",
    stage=3,
    sum="dependent",
    bn="first",
)
class Fusion(Network):
    """Branches of `stage` blocks, concatenation, the remaining blocks; at stage 6 the mean of the branches' softmax.

    `split` names the branches: `sar_optical` (Sentinel-1 | Sentinel-2), `groups` (all band groups), or the band groups
    of radar channels alone (`sar`) or optical ones (`optical`). Stage 6 is the paper's dependent sum, trained as
    one network; the independent sum joins networks trained one by one. Outputs are log-probabilities. 18 channels, 7
    groups, stages 0 to 6: 300,849, 412,017, 633,585, 1,076,337, 1,961,841, 2,060,913 and 2,074,839 parameters.
    """

    outputs: ClassVar[Literal["logits", "log_probs"]] = "log_probs"

    def __init__(
        self,
        channels: Sequence[str],
        num_classes: int,
        *,
        split: Split,
        stage: int,
        sum: Literal["dependent"],  # the paper's word
        bn: BatchNormPlace,
        dropout: float,
    ) -> None:
        super().__init__()
        if stage not in range(STAGES + 1):
            raise ValueError(f"expected a fusion stage 0 to {STAGES}, got {stage!r}")
        if bn not in ("first", "all"):
            raise ValueError(f"expected bn first or all, got {bn!r}")
        check_sum(sum)
        indices = split_indices(channels, split)
        self.stage = stage
        self.split = GroupSplitter(indices)
        branches = [_blocks(range(1, stage + 1), len(positions), bn) for positions in indices] if stage else []
        self.branches = nn.ModuleList(branches)
        joined = len(indices) * WIDTHS[stage - 1] if 0 < stage < STAGES else len(channels)
        self.trunk = _blocks(range(stage + 1, STAGES), joined, bn)
        heads = len(indices) if stage == STAGES else 1
        in_width = joined if stage == STAGES - 1 else WIDTHS[-1]
        self.heads = nn.ModuleList(Head(in_width, num_classes, dropout) for _ in range(heads))
        init_he(self)

    def forward(self, x: torch.Tensor, *, features: bool = False) -> torch.Tensor | ModelOutput:
        """Return log-probabilities (B, classes); features are the dense layers' outputs (heads, B, 128)."""
        self.check_input(x)
        split = self.split(x) if self.stage else []
        parts = [branch(part) for branch, part in zip(self.branches, split, strict=True)] or [x]
        if self.stage < STAGES:
            parts = [self.trunk(torch.cat(parts, dim=1))]  # (B, in_width)
        outputs = [head(part) for head, part in zip(self.heads, parts, strict=True)]
        log_probs = torch.stack([logits.log_softmax(dim=1) for logits, _ in outputs])  # (heads, B, classes)
        mean = log_probs.logsumexp(dim=0) - math.log(len(outputs))  # (B, classes)
        return ModelOutput(mean, torch.stack([hidden for _, hidden in outputs])) if features else mean


def split_indices(channels: Sequence[str], split: Split) -> tuple[tuple[int, ...], ...]:
    """Return each branch's positions in `channels`. ValueError for channels of sensors that the split does not take."""
    wanted = {"sar": SENSORS[:1], "optical": SENSORS[1:], "sar_optical": SENSORS}
    if split == "groups":
        return groups_for(channels).indices(channels)
    if split not in wanted:
        raise ValueError(f"expected split sar, optical, sar_optical or groups, got {split!r}")
    present = {channel_sensor(channel) for channel in channels}
    if present != set(wanted[split]):
        raise ValueError(
            f"split {split!r} takes channels of {' and '.join(wanted[split])}, got {sorted(present)}: give the network "
            "those channels only, or choose split: groups, which takes either"
        )
    if split == "sar_optical":
        return modality_indices(channels, "sensors")
    return groups_for(channels).indices(channels)


def check_sum(kind: str) -> None:
    """Refuse a sum that one network cannot be trained with."""
    if kind == "independent":
        raise ValueError(
            "the independent sum joins networks that are trained one by one: train a fusion network of stage 0 per "
            "sensor or band group, and join their checkpoints with `lczmap join-models`"
        )
    if kind != "dependent":
        raise ValueError(f"expected sum dependent or independent, got {kind!r}")


def _blocks(numbers: range, in_width: int, bn: BatchNormPlace) -> nn.Sequential:
    """Return the blocks of these numbers that are convolutions (6 is the head)."""
    blocks = []
    for number in numbers:
        if number <= len(WIDTHS):
            blocks.append(ConvBlock(number, in_width, bn))
            in_width = WIDTHS[number - 1]
    return nn.Sequential(*blocks)
