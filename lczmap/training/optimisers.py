"""Optimisers and schedules of the learning rate, by the names of a preset."""

from __future__ import annotations

import math

import torch
from torch import nn

from lczmap.training.preset import Optimiser


def build_optimiser(module: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters that require gradients.

    `sgd`, `adam` and `nadam` decay all of them, as in the papers; `adamw` matrices and kernels only.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    lr, decay = settings.lr, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=settings.momentum, weight_decay=decay)
    if settings.name == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=decay)
    if settings.name == "nadam":
        return torch.optim.NAdam(parameters, lr=lr, weight_decay=decay, momentum_decay=settings.momentum_decay)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def cosine_factor(step: int, steps: int, warmup: int) -> float:
    """Return the learning rate at `step` of `steps` as a share of its maximum: linear rise, then half a cosine."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def step_factor(epoch: int, settings: Optimiser) -> float:
    """Return the learning rate in `epoch` (from 0) as a share of its first value, for `schedule: step`."""
    return float(settings.step_factor ** (epoch // settings.step_epochs))
