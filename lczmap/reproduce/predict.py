"""What trained networks say of test patches: probabilities, and the features that a t-SNE draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from lczmap.classes import NUM_CLASSES
from lczmap.models.classifier import TorchClassifier
from lczmap.models.registry import ModelOutput
from lczmap.reproduce.data import JoinedPatches

ROWS = 256
"""Test patches that are read and classified together."""

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


def on_accelerator(classifier: TorchClassifier) -> TorchClassifier:
    """Return the classifier on the GPU where there is one, else as it is."""
    if not torch.cuda.is_available():
        return classifier
    return TorchClassifier(
        classifier.network,
        classifier.normaliser,
        state=classifier.state,
        patch_px=classifier.patch_px,
        inference=classifier.inference,
        device="cuda",
    )


def mean_probabilities(classifiers: Sequence[TorchClassifier], patches: Sequence[JoinedPatches]) -> Float:
    """Return the mean of the networks' probabilities (N, 17); `patches` are the same ones as each network sees them."""
    total = np.zeros((len(patches[0]), NUM_CLASSES), np.float32)
    for classifier, seen in zip(classifiers, patches, strict=True):
        for start, batch in _batches(seen, np.arange(len(seen))):
            total[start : start + len(batch)] += classifier.probabilities(batch.numpy())
    return total / np.float32(len(classifiers))


def joined_features(classifiers: Sequence[TorchClassifier], patches: Sequence[JoinedPatches], rows: Index) -> Float:
    """Return the features (n, d) of chosen patches, those of all branches and networks side by side."""
    columns = []
    for classifier, seen in zip(classifiers, patches, strict=True):
        parts = [_features(classifier, batch) for _, batch in _batches(seen, rows)]
        columns.append(np.concatenate(parts))
    return np.concatenate(columns, axis=1)


def sample_per_class(labels: Index, count: int, *, seed: int) -> Index:
    """Return sorted positions of up to `count` patches of each class 0..16, drawn with `seed`."""
    dice = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == index) for index in range(NUM_CLASSES)]
    return np.sort(np.concatenate([dice.choice(m, min(count, m.size), replace=False) for m in members]))


def _features(classifier: TorchClassifier, batch: torch.Tensor) -> Float:
    with torch.inference_mode():
        output = classifier.network(classifier.normaliser(batch.to(classifier.device)), features=True)
    if not isinstance(output, ModelOutput):
        raise ValueError(f"{classifier.name} gives no features")
    branches = output.features.float()  # (G, B, d)
    return branches.transpose(0, 1).flatten(1).cpu().numpy()  # (B, G d)


def _batches(patches: JoinedPatches, rows: Index) -> Iterator[tuple[int, torch.Tensor]]:
    for start in range(0, len(rows), ROWS):
        yield start, patches[rows[start : start + ROWS].tolist()][0]
