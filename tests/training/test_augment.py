import pytest
import torch

from lczmap.channels import S2_10, SO2SAT8
from lczmap.models.normalise import ChannelNormaliser, Normalisation, identity
from lczmap.training.augment import Augmenter, cutmix, dihedral, gain_powers, jitter, mixup, shift, speckle
from lczmap.training.preset import Augmentation

CHANNELS = SO2SAT8.channels + S2_10.channels


def augmenter(channels: tuple[str, ...] = CHANNELS, **settings: object) -> Augmenter:
    normaliser = ChannelNormaliser(identity(channels, fill=[-9.0] * len(channels)))
    return Augmenter(Augmentation(**({"dihedral": False} | settings)), normaliser)


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


def test_shift_shows_a_neighbouring_window_with_a_reflected_border() -> None:
    x = torch.arange(6.0).expand(2, 1, 6, 6)
    moved = shift(x, torch.tensor([[0, 2], [3, -2]]))
    assert moved[0, 0, 0].tolist() == [2, 3, 4, 5, 4, 3]
    assert moved[1, 0, 5].tolist() == [2, 1, 0, 1, 2, 3]
    assert shift(x.mT, torch.tensor([[2, 0], [0, 0]]))[0, 0, :, 0].tolist() == [2, 3, 4, 5, 4, 3]
    with pytest.raises(ValueError, match="a shift of less than 6 px, got 6"):
        shift(x, torch.tensor([[0, 6], [0, 0]]))


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


def test_speckle_keeps_all_radar_channels_those_of_one_matrix() -> None:
    torch.manual_seed(0)
    x = torch.rand(4, len(CHANNELS), 16, 16) + 0.5
    noisy = speckle(x, 0.3, torch.stack([gain_powers(c) for c in CHANNELS]))
    gain = dict(zip(CHANNELS, (noisy / x).unbind(1), strict=True))
    assert torch.equal(gain["B4"], torch.ones(4, 16, 16))
    assert torch.allclose(gain["VH_re"] ** 2, gain["VH_lee"], atol=1e-5)  # power = amplitude squared
    assert torch.allclose(gain["VV_re"], gain["VV_im"])  # the phase stays
    assert torch.allclose(gain["C12_re"] ** 2, gain["VH_lee"] * gain["VV_lee"], atol=1e-5)  # and the coherence
    assert gain["VV_lee"].mean() == pytest.approx(1, abs=0.03)
    assert gain["VV_lee"].std() == pytest.approx(0.3, abs=0.03)
    assert torch.corrcoef(torch.stack([gain["VH_lee"].flatten(), gain["VV_lee"].flatten()]))[0, 1].abs() < 0.15
    assert gain_powers("C11_mean").tolist() == [1, 0]
    assert gain_powers("Alpha").tolist() == [0, 0]


def test_patch_loses_one_group_of_channels_as_if_it_were_missing() -> None:
    torch.manual_seed(0)
    x, y = torch.zeros(60, len(CHANNELS), 8, 8), torch.zeros(60, dtype=torch.long)
    varied, _ = augmenter(group_dropout=0.5)(x, y)
    lost = (varied == -9).all(dim=(2, 3))
    groups = {"".join(c for c, gone in zip(CHANNELS, row, strict=True) if gone) for row in lost.tolist()}
    assert {"", "VH_reVH_imVH_lee", "B8", "B11B12"} <= groups
    assert len(groups) == 8  # seven groups, or none
    assert 15 < lost.any(dim=1).sum() < 45


def test_patch_loses_one_sensor_and_never_both() -> None:
    torch.manual_seed(0)
    x, y = torch.zeros(60, len(CHANNELS), 8, 8), torch.zeros(60, dtype=torch.long)
    varied, _ = augmenter(modality_dropout=0.9, group_dropout=0.9)(x, y)
    lost = (varied == -9).all(dim=(2, 3))
    radar, optical = lost[:, :8].all(dim=1), lost[:, 8:].all(dim=1)
    assert radar.any()
    assert optical.any()
    assert not (radar & optical).any()
    assert lost.sum(dim=1).max() == 10
    alone, _ = augmenter(S2_10.channels, modality_dropout=0.9)(x[:, 8:], y)
    assert torch.equal(alone, x[:, 8:])


def test_mixup_mixes_patches_and_labels_alike() -> None:
    x, y = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.eye(17)[[3, 16]]
    mixed, target = mixup(x, y, share=0.75, partner=torch.tensor([1, 0]))
    assert mixed.flatten().tolist() == [0.25, 0.75]
    assert target[0, 3] == 0.75
    assert target[0, 16] == 0.25


def test_cutmix_mixes_labels_by_the_area_that_was_replaced() -> None:
    x = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    centre, partner = torch.tensor([0.5, 0.0]), torch.tensor([1, 0])  # at the left border: half of the square is off
    mixed, target = cutmix(x, torch.eye(2), share=0.75, partner=partner, centre=centre)
    assert mixed[0, 0].nonzero().tolist() == [[r, c] for r in range(2, 6) for c in range(2)]  # 4 × 4 px, 2 columns left
    assert target[0].tolist() == [1 - 8 / 64, 8 / 64]
    assert mixed[0].mean() == pytest.approx(float(target[0, 1]))


def test_augmenter_without_switches_only_normalises() -> None:
    x, y = torch.rand(4, 2, 8, 8), torch.tensor([0, 1, 2, 3])
    halved = Normalisation(("VV_re", "B2"), ("none",) * 2, (1.0,) * 2, (0.0,) * 2, (2.0,) * 2, (0.0,) * 2)
    plain, same_y = Augmenter(Augmentation(dihedral=False), ChannelNormaliser(halved))(x, y)
    assert torch.equal(plain, x / 2)
    assert same_y is y


def test_everything_together_follows_from_torchs_seed() -> None:
    every = {"dihedral": True, "shift": 2, "jitter": 0.1, "speckle": 0.2, "group_dropout": 0.2, "mixup": 1, "cutmix": 1}
    vary = augmenter(modality_dropout=0.2, **every)
    x, y = torch.rand(6, len(CHANNELS), 8, 8), torch.arange(6)
    seen = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        seen.append(vary(x, y))
    assert torch.equal(seen[0][0], seen[1][0])
    assert torch.equal(seen[0][1], seen[1][1])
    assert not torch.equal(seen[0][0], seen[2][0])
    assert torch.allclose(seen[0][1].sum(dim=1), torch.ones(6))
