"""Batches for training: patches from wherever they are, in an order that follows from seed and epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lczmap.models.losses.processes import rank_and_world

Batch = tuple[torch.Tensor, torch.Tensor]
Sampling = Literal["natural", "balanced", "sqrt"]


class Patches(Protocol):
    """Labelled patches that are taken out a batch of indices at a time, in physical units, NaN where missing."""

    def __len__(self) -> int:
        """Return the number of patches."""

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        """Return patches (B, C, H, W) float32, and class indices (B,) int64 or soft labels (B, classes)."""

    @property
    def targets(self) -> torch.Tensor:
        """All targets, (N,) or (N, classes)."""

    def fingerprint(self) -> str:
        """Return what changes when pixels or targets do; an interrupted training goes on with the same only."""


class PatchDataset(Dataset[Batch]):
    """Patches (N, C, H, W) in memory and their targets: class indices (N,) or soft labels (N, classes)."""

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

    def fingerprint(self) -> str:
        """Return a hash of all values."""
        digest = hashlib.sha256()
        for tensor in (self.patches, self.targets):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()


class EpochBatches(Sampler[list[int]]):
    """Batches of indices in an order that follows from the seed and the epoch alone, so that training can resume.

    lightning calls `set_epoch`. An incomplete last batch is left out (its patches come in other epochs), unless it
    is the only one. `weights` (size,) draw an epoch's indices with replacement; None takes each once. Of several
    processes that train together each gets its part of the same batch; ValueError where parts would differ in size.
    """

    def __init__(
        self, size: int, batch_size: int, *, seed: int, weights: npt.NDArray[np.float64] | None = None
    ) -> None:
        self.size, self.batch_size, self.seed, self.epoch = size, min(batch_size, size), seed, 0
        self.weights = weights

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.size // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the chosen epoch."""
        rank, world = rank_and_world()
        if self.batch_size % world:
            raise ValueError(f"expected a batch size that {world} devices can share, got {self.batch_size}")
        random = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = random.permutation(self.size)
        else:
            order = random.choice(self.size, self.size, p=self.weights)
        for number in range(len(self)):
            yield order[number * self.batch_size : (number + 1) * self.batch_size][rank::world].tolist()


class OrderedBatches(Sampler[list[int]]):
    """All indices once, in order; several processes take turns, a batch each."""

    def __init__(self, size: int, batch_size: int) -> None:
        self._batches = [list(range(start, min(start + batch_size, size))) for start in range(0, size, batch_size)]

    def __len__(self) -> int:
        """Return the number of this process's batches."""
        return len(self._own())

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's batches."""
        return iter(self._own())

    def _own(self) -> list[list[int]]:
        rank, world = rank_and_world()
        return self._batches[rank::world]


def class_index(targets: torch.Tensor) -> torch.Tensor:
    """Return class indices (N,): the targets themselves, or the most probable classes of soft labels."""
    return targets.argmax(dim=1) if targets.ndim == 2 else targets


def class_counts(targets: torch.Tensor, num_classes: int) -> npt.NDArray[np.float64]:
    """Return the number of patches of each class (classes,); of soft labels the sum of their shares."""
    if targets.ndim == 2:
        return targets.double().sum(dim=0).numpy()
    return np.bincount(targets.numpy(), minlength=num_classes).astype(np.float64)


def sampling_weights(targets: torch.Tensor, sampling: Sampling) -> npt.NDArray[np.float64] | None:
    """Return the probability (N,) with which each patch is drawn, None for `natural`: each once an epoch.

    `balanced` makes all classes equally frequent, `sqrt` as frequent as the root of their number of patches.
    """
    if sampling == "natural":
        return None
    index = class_index(targets).numpy()
    weights = np.bincount(index)[index] ** (-1.0 if sampling == "balanced" else -0.5)
    return weights / weights.sum()  # type: ignore[no-any-return]


def training_loader(
    dataset: Patches, batch_size: int, *, seed: int, sampling: Sampling = "natural"
) -> DataLoader[Batch]:
    """Return shuffled batches."""
    weights = sampling_weights(dataset.targets, sampling)
    batches = EpochBatches(len(dataset), batch_size, seed=seed, weights=weights)
    return DataLoader(dataset, sampler=batches, batch_size=None)  # type: ignore[arg-type]  # any sequence will do


def validation_loader(dataset: Patches, batch_size: int) -> DataLoader[Batch]:
    """Return all patches once, in order."""
    return DataLoader(dataset, sampler=OrderedBatches(len(dataset), batch_size), batch_size=None)  # type: ignore[arg-type]
