import numpy as np
import pytest
import torch

from lczmap.training.data import (
    Augmenter,
    EpochBatches,
    PatchDataset,
    dihedral,
    jitter,
    mixup,
    training_loader,
    validation_loader,
)
from lczmap.training.preset import Augmentation


def test_eight_ways_are_the_symmetries_of_the_square() -> None:
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = square.expand(8, 1, 2, 2).contiguous()
    turned = dihedral(x, torch.arange(8))[:, 0]
    assert turned[1].tolist() == [[2, 4], [1, 3]]  # a quarter turn, counter-clockwise
    assert turned[4].tolist() == [[2, 1], [4, 3]]  # mirrored
    assert len({tuple(t.flatten().tolist()) for t in turned}) == 8
    assert torch.equal(turned[0], square)


def test_all_channels_of_a_patch_turn_together() -> None:
    one = torch.rand(5, 1, 4, 4)
    x = torch.cat([one, 10 * one], dim=1)
    turned = dihedral(x, torch.tensor([0, 3, 4, 6, 7]))
    assert torch.equal(turned[:, 1], 10 * turned[:, 0])


def test_jitter_is_one_gain_and_offset_per_channel_and_no_offset_for_amplitudes() -> None:
    torch.manual_seed(0)
    x = torch.rand(3, 2, 4, 4)
    varied = jitter(x, 0.1, torch.tensor([True, False])[:, None, None])
    ratio = varied[:, 1] / x[:, 1]
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), atol=1e-5)
    slope = (varied[:, 0] - varied[:, 0, :1, :1]) / (x[:, 0] - x[:, 0, :1, :1])
    offset = varied[:, 0] - slope[:, 1:2, 1:2] * x[:, 0]
    assert torch.allclose(offset, offset[:, :1, :1].expand_as(offset), atol=1e-4)
    assert offset.abs().max() > 0.001


def test_mixup_mixes_patches_and_labels_alike() -> None:
    x = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    mixed, target = mixup(x, torch.tensor([3, 16]), share=0.75, partner=torch.tensor([1, 0]))
    assert mixed.flatten().tolist() == [0.25, 0.75]
    assert target[0, 3] == 0.75
    assert target[0, 16] == 0.25
    again, soft = mixup(x, target, share=1.0, partner=torch.tensor([1, 0]))
    assert torch.equal(again, x)
    assert torch.equal(soft, target)


def test_augmenter_without_switches_changes_nothing() -> None:
    x, y = torch.rand(4, 2, 8, 8), torch.tensor([0, 1, 2, 3])
    same_x, same_y = Augmenter(Augmentation(dihedral=False), ["VV_re", "B2"])(x, y)
    assert same_x is x
    assert same_y is y
    mixed_x, mixed_y = Augmenter(Augmentation(jitter=0.1, mixup=0.2), ["VV_re", "B2"])(x, y)
    assert mixed_x.shape == x.shape
    assert torch.allclose(mixed_y.sum(dim=1), torch.ones(4))


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


def test_loaders_deliver_batches_of_patches() -> None:
    dataset = PatchDataset(torch.arange(5.0).reshape(5, 1, 1, 1), torch.arange(5))
    batches = list(training_loader(dataset, 2, seed=0))
    assert [x.shape[0] for x, _ in batches] == [2, 2]
    assert all(torch.equal(x.flatten(), y.float()) for x, y in batches)
    watched = torch.cat([y for _, y in validation_loader(dataset, 2)])
    assert np.array_equal(watched.numpy(), np.arange(5))


def test_targets_must_match_patches() -> None:
    with pytest.raises(ValueError, match="got 2 patches and 3 targets"):
        PatchDataset(torch.zeros(2, 1, 1, 1), torch.zeros(3))
