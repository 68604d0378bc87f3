import math

import numpy as np
import pytest
import torch

from lczmap.channels import GRD4, S2_10, SO2SAT8
from lczmap.models.normalise import (
    ChannelNormaliser,
    Normalisation,
    channel_transform,
    fit_normalisation,
    identity,
)


def test_recipe_transforms_by_kind_and_paper_does_not() -> None:
    recipe = [channel_transform(c, "recipe") for c in (*SO2SAT8.channels, "B2")]
    assert recipe == ["asinh"] * 4 + ["db"] * 2 + ["asinh"] * 2 + ["none"]
    assert {channel_transform(c, "recipe") for c in GRD4.channels} == {"db"}
    assert {channel_transform(c, "paper") for c in SO2SAT8.channels + S2_10.channels} == {"none"}


def test_reflectance_becomes_a_z_score_and_nan_the_mean() -> None:
    patches = np.array([[[[0.1, 0.3], [np.nan, 0.2]]]], np.float32)  # mean 0.2, std sqrt(2/300)
    normaliser = ChannelNormaliser.fit(("B2",), patches)
    result = normaliser(torch.from_numpy(patches)).flatten().tolist()
    z = 0.1 / math.sqrt(0.02 / 3)
    assert result == pytest.approx([-z, z, 0.0, 0.0], abs=1e-6)


def test_intensity_goes_through_decibels_with_a_floor() -> None:
    patches = np.array([[[[0.1, 0.001], [0.0, np.nan]]]], np.float32)  # -10, -30 and the floor of -50 dB
    normalisation = fit_normalisation(("VH",), patches)
    assert normalisation.mean == pytest.approx([-30.0], abs=1e-5)
    assert normalisation.std == pytest.approx([math.sqrt(800 / 3)], rel=1e-6)
    result = ChannelNormaliser(normalisation)(torch.from_numpy(patches)).flatten()
    assert result.tolist() == pytest.approx([1.2247449, 0.0, -1.2247449, 0.0], abs=1e-5)


def test_complex_parts_go_through_asinh_of_robust_sigmas() -> None:
    generator = np.random.default_rng(1)
    patches = generator.normal(0, 3, (50, 1, 32, 32)).astype(np.float32)
    normalisation = fit_normalisation(("VV_re",), patches)
    assert normalisation.scale == pytest.approx([3.0], rel=0.02)
    normalised = ChannelNormaliser(normalisation)(torch.from_numpy(patches))
    assert float(normalised.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(normalised.std()) == pytest.approx(1.0, abs=1e-3)
    outlier = ChannelNormaliser(normalisation)(torch.full((1, 1, 1, 1), 3000.0))  # 1000 sigma
    assert float(outlier) < 12


def test_so2sat_stack_has_no_nan_and_unit_variance_after_the_recipe() -> None:
    generator = np.random.default_rng(2)
    channels = SO2SAT8.channels + S2_10.channels
    patches = generator.exponential(0.1, (8, 18, 32, 32)).astype(np.float32)
    patches[:, 3, :4] = np.nan
    normalised = ChannelNormaliser.fit(channels, patches)(torch.from_numpy(patches))
    assert not normalised.isnan().any()
    assert normalised[:, 0].std() == pytest.approx(1.0, abs=1e-3)


def test_identity_changes_nothing_but_missing_pixels() -> None:
    normaliser = ChannelNormaliser(identity(("B2", "B3"), fill=(0.12, 0.11)))
    x = torch.tensor([[[[0.5, float("nan")]], [[float("nan"), 0.25]]]])
    assert normaliser(x).flatten().tolist() == pytest.approx([0.5, 0.12, 0.11, 0.25])


def test_a_channel_without_values_or_without_variation_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="channel B3 has no valid pixel"):
        fit_normalisation(("B2", "B3"), np.stack([np.eye(4), np.full((4, 4), np.nan)])[None].astype(np.float32))
    with pytest.raises(ValueError, match=r"channel B2 has the same value 0\.3"):
        fit_normalisation(("B2",), np.full((2, 1, 4, 4), 0.3, np.float32))
    with pytest.raises(ValueError, match=r"expected patches \(N, 2, H, W\)"):
        fit_normalisation(("B2", "B3"), np.zeros((2, 1, 4, 4), np.float32))


def test_json_keeps_every_bit() -> None:
    generator = np.random.default_rng(3)
    patches = generator.exponential(0.1, (4, 18, 8, 8)).astype(np.float32)
    normalisation = fit_normalisation(SO2SAT8.channels + S2_10.channels, patches)
    assert Normalisation.from_json(normalisation.to_json()) == normalisation


def test_a_damaged_description_is_refused() -> None:
    fields = identity(("B2",)).to_json()
    with pytest.raises(ValueError, match="expected the normalisation fields"):
        Normalisation.from_json({k: v for k, v in fields.items() if k != "mean"})
    with pytest.raises(ValueError, match="transforms none, db or asinh"):
        Normalisation.from_json({**fields, "transforms": ["sqrt"]})
    with pytest.raises(ValueError, match="one value per channel"):
        Normalisation.from_json({**fields, "mean": [0.0, 1.0]})
    with pytest.raises(ValueError, match="positive"):
        Normalisation.from_json({**fields, "std": [0.0]})
