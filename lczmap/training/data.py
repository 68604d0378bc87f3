"""Batches for training: patches in memory, shuffled by epoch, varied on the fly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, Dataset, Sampler

from lczmap.channels import channel_kind
from lczmap.classes import NUM_CLASSES
from lczmap.training.preset import Augmentation

Batch = tuple[torch.Tensor, torch.Tensor]


class PatchDataset(Dataset[Batch]):
    """Normalised patches (N, C, H, W) and their targets, taken out a batch of indices at a time.

    Targets are class indices (N,) or soft labels (N, 17).
    """

    def __init__(self, patches: torch.Tensor, targets: torch.Tensor) -> None:
        if len(patches) != len(targets):
            raise ValueError(f"expected one target per patch, got {len(patches)} patches and {len(targets)} targets")
        self.patches = patches
        self.targets = targets

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.patches)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        """Return the patches and targets of a batch of indices."""
        chosen = torch.as_tensor(indices)
        return self.patches[chosen], self.targets[chosen]


class EpochBatches(Sampler[list[int]]):
    """Batches of indices in an order that follows from the seed and the epoch alone, so that training can resume.

    lightning calls `set_epoch`. An incomplete last batch is left out (its patches come in other epochs), unless it
    is the only one.
    """

    def __init__(self, size: int, batch_size: int, *, seed: int) -> None:
        self.size, self.batch_size, self.seed, self.epoch = size, min(batch_size, size), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.size // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the chosen epoch."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        for number in range(len(self)):
            yield order[number * self.batch_size : (number + 1) * self.batch_size].tolist()


def training_loader(dataset: PatchDataset, batch_size: int, *, seed: int) -> DataLoader[Batch]:
    """Return shuffled batches."""
    return DataLoader(dataset, sampler=EpochBatches(len(dataset), batch_size, seed=seed), batch_size=None)


def validation_loader(dataset: PatchDataset, batch_size: int) -> DataLoader[Batch]:
    """Return all patches once, in order."""
    size = len(dataset)
    batches = [list(range(start, min(start + batch_size, size))) for start in range(0, size, batch_size)]
    return DataLoader(dataset, sampler=batches, batch_size=None)


class Augmenter:
    """Vary a batch of normalised patches as an `Augmentation` says; random numbers are torch's global ones."""

    def __init__(self, settings: Augmentation, channels: Sequence[str]) -> None:
        self.settings = settings
        kinds = [channel_kind(channel) for channel in channels]
        self._has_offset = torch.tensor([kind in ("reflectance", "intensity") for kind in kinds])[:, None, None]

    def __call__(self, x: torch.Tensor, target: torch.Tensor) -> Batch:
        """Return varied patches (B, C, H, W) and targets; with mixup the targets become soft (B, 17)."""
        if self.settings.dihedral:
            x = dihedral(x, torch.randint(8, (len(x),)))
        if self.settings.jitter:
            x = jitter(x, self.settings.jitter, self._has_offset)
        if self.settings.mixup:
            share = torch.distributions.Beta(self.settings.mixup, self.settings.mixup).sample()
            x, target = mixup(x, target, share=float(share), partner=torch.randperm(len(x)))
        return x, target


def dihedral(x: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Turn patch i of (B, C, H, W) by `which[i]` % 4 quarter turns, and mirror it where `which[i]` >= 4.

    Complex radar channels go along as they are: their statistics do not depend on the direction.
    """
    out = torch.empty_like(x)
    for kind in range(8):
        members = which == kind
        turned = torch.rot90(x[members], kind % 4, dims=(2, 3))
        out[members] = turned.flip(3) if kind >= 4 else turned
    return out


def jitter(x: torch.Tensor, strength: float, has_offset: torch.Tensor) -> torch.Tensor:
    """Scale each channel of each patch by a gain around 1 and add an offset, both of standard deviation `strength`.

    `has_offset` (C, 1, 1) is True where an offset makes sense: a complex amplitude or covariance has no other zero.
    """
    shape = (*x.shape[:2], 1, 1)
    gain = 1 + strength * torch.randn(shape).to(x.device)
    offset = strength * torch.randn(shape).to(x.device) * has_offset.to(x.device)
    return x * gain + offset


def mixup(x: torch.Tensor, target: torch.Tensor, *, share: float, partner: torch.Tensor) -> Batch:
    """Mix each patch with its partner's: `share` of its own and the rest of the other, targets alike (B, 17)."""
    soft = one_hot(target, NUM_CLASSES).float() if target.ndim == 1 else target
    return share * x + (1 - share) * x[partner], share * soft + (1 - share) * soft[partner]
