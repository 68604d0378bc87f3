"""Normalisation inside the classifier: a transform per channel, then z-scores, then NaN becomes the mean.

Physical units go in (reflectance, linear power, amplitude). The recipe takes intensities to dB and complex and
covariance channels through asinh(x / s), because linear Sentinel-1 values are extremely heavy-tailed (So2Sat LCZ42:
standard deviation 8.3 at a mean of 0.26 for the VV intensity). The paper preset is the z-score only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lczmap.channels import channel_kind
from lczmap.models.registry import Preset

Transform = Literal["none", "db", "asinh"]
DB_FLOOR = 1e-5  # linear power; -50 dB, below the noise floor of Sentinel-1
GAUSSIAN_MEDIAN = 0.6745  # median of |x| of a standard normal variable

SO2SAT_S2_MEAN = (0.12376, 0.10928, 0.10109, 0.11424, 0.15927, 0.18147, 0.17457, 0.19502, 0.15428, 0.10905)
"""Mean reflectance of So2Sat LCZ42 v2 training, B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 (torchgeo datamodules/so2sat.py)."""


@dataclass(frozen=True)
class Normalisation:
    """Parameters per channel, in channel order: transform, scale of asinh (physical units), mean and standard deviation
    of the transformed values, and `fill`, the normalised value that a missing pixel gets.
    """

    channels: tuple[str, ...]
    transforms: tuple[Transform, ...]
    scale: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fill: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and values that cannot be divided by."""
        lengths = {name: len(values) for name, values in asdict(self).items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"expected one value per channel, got {lengths}")
        if min(self.std) <= 0 or min(self.scale) <= 0:
            raise ValueError(f"expected positive scales and standard deviations, got {self.scale} and {self.std}")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary that `from_json` reads."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Normalisation:
        """Read what `to_json` wrote; ValueError for missing or unknown fields or transforms."""
        expected = {"channels", "transforms", "scale", "mean", "std", "fill"}
        if set(fields) != expected:
            raise ValueError(f"expected the normalisation fields {sorted(expected)}, got {sorted(fields)}")
        if unknown := set(fields["transforms"]) - {"none", "db", "asinh"}:
            raise ValueError(f"expected transforms none, db or asinh, got {sorted(unknown)}")
        return cls(**{name: tuple(values) for name, values in fields.items()})


def identity(channels: Sequence[str], *, fill: Sequence[float] | None = None) -> Normalisation:
    """Return a normalisation that changes no value; missing pixels become `fill` (physical units, default 0)."""
    n = len(channels)
    missing = tuple(fill) if fill is not None else (0.0,) * n
    unchanged: Transform = "none"
    transforms = (unchanged,) * n
    return Normalisation(tuple(channels), transforms, (1.0,) * n, (0.0,) * n, (1.0,) * n, missing)


def fit_normalisation(
    channels: Sequence[str], patches: npt.NDArray[np.float32], preset: Preset = "recipe"
) -> Normalisation:
    """Estimate the parameters from sample patches (N, C, H, W), physical units, NaN where missing.

    Use training patches only. ValueError for a channel without any value or without any variation.
    """
    if patches.ndim != 4 or patches.shape[1] != len(channels):
        raise ValueError(f"expected patches (N, {len(channels)}, H, W), got {patches.shape}")
    columns = [_fit_channel(name, patches[:, i], preset) for i, name in enumerate(channels)]
    transforms, scale, mean, std = zip(*columns, strict=True)
    return Normalisation(tuple(channels), transforms, scale, mean, std, (0.0,) * len(channels))


def channel_transform(channel: str, preset: Preset) -> Transform:
    """Return the transform of a channel: by its kind in the recipe, none in the paper preset."""
    if preset == "paper":
        return "none"
    by_kind: dict[str, Transform] = {"intensity": "db", "complex": "asinh", "covariance": "asinh"}
    return by_kind.get(channel_kind(channel), "none")


class ChannelNormaliser(nn.Module):
    """Apply a `Normalisation` to (B, C, H, W) float32 in physical units; the result has no NaN."""

    scale: torch.Tensor
    mean: torch.Tensor
    inverse_std: torch.Tensor
    fill: torch.Tensor
    is_db: torch.Tensor
    is_asinh: torch.Tensor

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        self.normalisation = normalisation
        columns = {
            "scale": normalisation.scale,
            "mean": normalisation.mean,
            "inverse_std": [1 / s for s in normalisation.std],
            "fill": normalisation.fill,
            "is_db": [t == "db" for t in normalisation.transforms],
            "is_asinh": [t == "asinh" for t in normalisation.transforms],
        }
        for name, values in columns.items():
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)  # (C, 1, 1)

    @classmethod
    def fit(
        cls, channels: Sequence[str], patches: npt.NDArray[np.float32], preset: Preset = "recipe"
    ) -> ChannelNormaliser:
        """Build a normaliser from sample patches; see `fit_normalisation`."""
        return cls(fit_normalisation(channels, patches, preset))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return normalised values of the same shape; NaN becomes the channel's `fill`."""
        if "db" in self.normalisation.transforms:
            x = torch.where(self.is_db, 10 * x.clamp(min=DB_FLOOR).log10(), x)
        if "asinh" in self.normalisation.transforms:
            x = torch.where(self.is_asinh, torch.asinh(x / self.scale), x)
        x = (x - self.mean) * self.inverse_std
        return torch.where(x.isnan(), self.fill, x)


def _fit_channel(
    channel: str, values: npt.NDArray[np.float32], preset: Preset
) -> tuple[Transform, float, float, float]:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        raise ValueError(f"channel {channel} has no valid pixel in the {len(values)} sample patches; check its stack")
    transform = channel_transform(channel, preset)
    scale = 1.0
    if transform == "asinh":
        scale = float(np.median(np.abs(known)) / GAUSSIAN_MEDIAN) or 1.0
        known = np.arcsinh(known / scale)
    elif transform == "db":
        known = 10 * np.log10(np.maximum(known, DB_FLOOR))
    std = float(known.std())
    if std < 1e-9 * max(1.0, abs(float(known.mean()))):
        raise ValueError(
            f"channel {channel} has the same value {known[0]:g} in all sample patches; nothing can be learned from it: "
            "check its stack or leave it out"
        )
    return transform, scale, float(known.mean()), std
