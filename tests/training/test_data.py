import numpy as np
import pytest
import torch

from lczmap.models.losses import balanced_weights
from lczmap.training.data import (
    EpochBatches,
    PatchDataset,
    class_counts,
    sampling_weights,
    training_loader,
    validation_loader,
)


def test_order_follows_from_seed_and_epoch() -> None:
    batches = EpochBatches(10, 4, seed=1)
    first = list(batches)
    assert len(first) == len(batches) == 2  # the incomplete third batch is left out
    assert len({i for batch in first for i in batch}) == 8
    batches.set_epoch(1)
    second = list(batches)
    assert second != first
    batches.set_epoch(0)
    assert list(batches) == first
    assert [len(batch) for batch in EpochBatches(3, 32, seed=1)] == [3]


def test_sampling_makes_classes_as_frequent_as_asked() -> None:
    targets = torch.tensor([0] * 90 + [4] * 10)
    for sampling, share in (("balanced", 0.5), ("sqrt", 3 / 4)):  # sqrt 90 : sqrt 10 = 3 : 1
        weights = sampling_weights(targets, sampling)
        assert weights is not None
        assert weights[:90].sum() == pytest.approx(share)
        drawn = [i for b in EpochBatches(100, 50, seed=1, weights=weights) for i in b]
        assert (np.array(drawn) < 90).mean() == pytest.approx(share, abs=0.12)
    assert sampling_weights(targets, "natural") is None
    soft = torch.nn.functional.one_hot(targets, 5) * 0.8 + 0.04
    assert np.array_equal(sampling_weights(soft, "balanced"), sampling_weights(targets, "balanced"))


def test_soft_labels_count_by_their_shares() -> None:
    soft = torch.tensor([[0.6, 0.4, 0.0]] * 10)
    counts = class_counts(soft, 3)
    assert counts.tolist() == pytest.approx([6, 4, 0])
    assert balanced_weights(counts).tolist() == pytest.approx([10 / 12, 10 / 8, 0])  # n / (2 n_i)
    assert class_counts(torch.tensor([0, 2, 2]), 4).tolist() == [1, 0, 2, 0]


def test_loaders_deliver_batches_of_patches() -> None:
    dataset = PatchDataset(torch.arange(5.0).reshape(5, 1, 1, 1), torch.arange(5))
    batches = list(training_loader(dataset, 2, seed=0))
    assert [x.shape[0] for x, _ in batches] == [2, 2]
    assert all(torch.equal(x.flatten(), y.float()) for x, y in batches)
    watched = torch.cat([y for _, y in validation_loader(dataset, 2)])
    assert np.array_equal(watched.numpy(), np.arange(5))


def test_fingerprint_changes_with_pixels_and_with_targets() -> None:
    patches, targets = torch.zeros(2, 1, 1, 1), torch.zeros(2)
    known = PatchDataset(patches, targets).fingerprint()
    assert PatchDataset(patches.clone(), targets.clone()).fingerprint() == known
    assert PatchDataset(patches + 1, targets).fingerprint() != known
    assert PatchDataset(patches, targets + 1).fingerprint() != known


def test_targets_must_match_patches() -> None:
    with pytest.raises(ValueError, match="got 2 patches and 3 targets"):
        PatchDataset(torch.zeros(2, 1, 1, 1), torch.zeros(3))
