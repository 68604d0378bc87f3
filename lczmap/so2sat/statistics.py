"""Mean and standard deviation of So2Sat's channels, over all pixels, one block at a time; compared with published ones.

The published figures are those of the training file of version 2 (torchgeo datamodules/so2sat.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.so2sat.files import CHANNELS, KnownFile

Float64 = npt.NDArray[np.float64]

PUBLISHED_MEAN: dict[str, float] = dict(
    zip(
        CHANNELS,
        (
            *(-3.591e-5, -7.659e-6, 5.937e-5, 2.517e-5, 0.0442011, 0.2576103, 7.5567e-4, 1.35035e-3),
            *(0.123757, 0.109277, 0.101086, 0.114240, 0.159266, 0.181472, 0.174574, 0.195016, 0.154285, 0.109051),
        ),
        strict=True,
    )
)
PUBLISHED_STD: dict[str, float] = dict(
    zip(
        CHANNELS,
        (
            *(0.175552, 0.175565, 0.459988, 0.455989, 2.855991, 8.324801, 2.449876, 1.464735),
            *(0.039588, 0.047778, 0.066366, 0.063589, 0.077444, 0.091016, 0.092185, 0.101646, 0.099918, 0.087806),
        ),
        strict=True,
    )
)
"""Of the training file of version 2: reflectance 0..2.8, linear radar of heavy tails (VV_lee: mean 0.26, std 8.3)."""
MEAN_NOISE = 1e-5
"""Share of the standard deviation that a mean may differ by beside the relative tolerance: means of complex amplitudes
are zero but for the last digits."""


@dataclass(frozen=True)
class Statistics:
    """Figures per channel over all pixels, in `channels` order; `missing` counts pixels that are not finite."""

    channels: tuple[str, ...]
    count: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    missing: tuple[int, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Statistics:
        """Read what `dataclasses.asdict` gave."""
        columns = {name: tuple(value) for name, value in fields.items() if name != "count"}
        return cls(count=int(fields["count"]), **columns)


class RunningStatistics:
    """Sums in float64 that blocks of pixels are added to; `state` restores them exactly, after a break."""

    def __init__(self, channels: Sequence[str], state: Mapping[str, Any] | None = None) -> None:
        self.channels = tuple(channels)
        size = len(self.channels)
        kept = state or {}
        self.known: Float64 = np.array(kept.get("known", [0.0] * size))
        self.mean: Float64 = np.array(kept.get("mean", [0.0] * size))
        self.squares: Float64 = np.array(kept.get("squares", [0.0] * size))
        self.minimum: Float64 = np.array(kept.get("minimum", [np.inf] * size), np.float64)
        self.maximum: Float64 = np.array(kept.get("maximum", [-np.inf] * size), np.float64)
        self.count: int = kept.get("count", 0)

    def add(self, first_channel: int, pixels: Float64) -> None:
        """Add a block (pixels, channels) of the channels from `first_channel` on; what is not finite is left out."""
        part = slice(first_channel, first_channel + pixels.shape[1])
        finite = np.isfinite(pixels)
        known = finite.sum(axis=0).astype(np.float64)
        values = pixels if finite.all() else np.where(finite, pixels, 0.0)
        own_mean = values.sum(axis=0) / np.maximum(known, 1)
        deviations = values - own_mean
        if values is not pixels:
            deviations[~finite] = 0.0
        total = np.maximum(self.known[part] + known, 1)
        delta = own_mean - self.mean[part]
        self.squares[part] += (deviations**2).sum(axis=0) + delta**2 * self.known[part] * known / total
        self.mean[part] += delta * known / total
        self.known[part] += known
        self.minimum[part] = np.minimum(self.minimum[part], np.where(finite, pixels, np.inf).min(axis=0))
        self.maximum[part] = np.maximum(self.maximum[part], np.where(finite, pixels, -np.inf).max(axis=0))
        if first_channel == 0:
            self.count += len(pixels)

    def state(self) -> dict[str, Any]:
        """Return the sums as JSON-able values."""
        names = ("known", "mean", "squares", "minimum", "maximum")
        return {name: getattr(self, name).tolist() for name in names} | {"count": self.count}

    def result(self) -> Statistics:
        """Return the figures of all that was added; ValueError for a channel without any value."""
        if not self.known.all():
            empty = [name for name, known in zip(self.channels, self.known, strict=True) if not known]
            raise ValueError(f"the channels {empty} have no finite value")
        return Statistics(
            self.channels,
            self.count,
            tuple(self.mean.tolist()),
            tuple(np.sqrt(self.squares / self.known).tolist()),
            tuple(self.minimum.tolist()),
            tuple(self.maximum.tolist()),
            tuple((self.count - self.known).astype(int).tolist()),
        )


def compare_statistics(
    found: Statistics,
    mean: Mapping[str, float] = PUBLISHED_MEAN,
    std: Mapping[str, float] = PUBLISHED_STD,
    *,
    rtol: float = 1e-2,
) -> list[str]:
    """Return a sentence per mean or standard deviation that differs from the published one by more than `rtol`.

    Only the training file of version 2 (and 4) has the published figures.
    """
    differences = []
    for name, own_mean, own_std in zip(found.channels, found.mean, found.std, strict=True):
        if abs(own_mean - mean[name]) > rtol * abs(mean[name]) + MEAN_NOISE * std[name]:
            differences.append(f"{name}: mean {own_mean:.6g}, published {mean[name]:.6g}")
        if abs(own_std - std[name]) > rtol * std[name]:
            differences.append(f"{name}: standard deviation {own_std:.6g}, published {std[name]:.6g}")
    return differences


def compare_counts(class_counts: Sequence[int], known: KnownFile) -> list[str]:
    """Return a sentence per class whose number of patches is another than published; none where none are published."""
    if known.class_counts is None:
        return []
    return [
        f"class {i}: {own} patches, published {published}"
        for i, (own, published) in enumerate(zip(class_counts, known.class_counts, strict=True))
        if own != published
    ]
