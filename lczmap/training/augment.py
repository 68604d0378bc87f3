"""How training patches are varied. All random numbers are torch's global ones, which the module seeds at every step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lczmap.channels import channel_kind, channel_sensor, groups_for
from lczmap.classes import NUM_CLASSES
from lczmap.models.losses import one_hot
from lczmap.models.normalise import ChannelNormaliser
from lczmap.training.preset import Augmentation

Batch = tuple[torch.Tensor, torch.Tensor]


class Augmenter(nn.Module):
    """Normalise a batch and vary it as an `Augmentation` says.

    Speckle acts on physical units, before the normaliser; the rest after it. What is dropped gets the value of a
    missing pixel. With mixup or cutmix the targets become soft.
    """

    def __init__(
        self, settings: Augmentation, normaliser: ChannelNormaliser, *, num_classes: int = NUM_CLASSES
    ) -> None:
        super().__init__()
        channels = normaliser.normalisation.channels
        self.settings, self.normaliser, self.num_classes = settings, normaliser, num_classes
        kinds = [channel_kind(channel) for channel in channels]
        self._has_offset = torch.tensor([kind in ("reflectance", "intensity") for kind in kinds])[:, None, None]
        self._groups = _members(groups_for(channels).indices(channels) if settings.group_dropout else [], len(channels))
        self._sensors = _members(_by_sensor(channels), len(channels))
        self._gain_powers = torch.stack([gain_powers(channel) for channel in channels])  # (C, 2)

    def forward(self, x: torch.Tensor, target: torch.Tensor) -> Batch:
        """Return varied patches (B, C, H, W), normalised, and targets (B,) or (B, classes), from physical units."""
        settings = self.settings
        if settings.speckle and self._gain_powers.any():
            x = speckle(x, settings.speckle, self._gain_powers)
        x = self.normaliser(x)
        if settings.dihedral:
            x = dihedral(x, torch.randint(8, (len(x),)))
        if settings.shift:
            x = shift(x, torch.randint(-settings.shift, settings.shift + 1, (len(x), 2)))
        if settings.jitter:
            x = jitter(x, settings.jitter, self._has_offset)
        if settings.group_dropout or settings.modality_dropout:
            x = torch.where(self._dropped(len(x))[:, :, None, None].to(x.device), self.normaliser.fill, x)
        return self._mixed(x, target)

    def _dropped(self, batch: int) -> torch.Tensor:
        """Return (B, C), True for channels that a patch loses. Patches without a sensor keep their other groups."""
        lost = _choose(self._sensors, batch, self.settings.modality_dropout)
        group = _choose(self._groups, batch, self.settings.group_dropout)
        return torch.where(lost.any(dim=1, keepdim=True), lost, group)

    def _mixed(self, x: torch.Tensor, target: torch.Tensor) -> Batch:
        mixing, cutting = self.settings.mixup, self.settings.cutmix
        if not (mixing or cutting):
            return x, target
        if mixing and cutting:
            mixing, cutting = (mixing, 0.0) if torch.rand(()) < 0.5 else (0.0, cutting)
        share = float(torch.distributions.Beta(mixing or cutting, mixing or cutting).sample())
        partner, soft = torch.randperm(len(x)), one_hot(target, self.num_classes)
        if mixing:
            return mixup(x, soft, share=share, partner=partner)
        return cutmix(x, soft, share=share, partner=partner, centre=torch.rand(2))


def dihedral(x: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Turn patch i of (B, C, H, W) by `which[i]` % 4 quarter turns, and mirror it where `which[i]` >= 4.

    Complex radar channels go along as they are: their statistics do not depend on the direction.
    """
    out = torch.empty_like(x)
    for kind in range(8):
        members = (which == kind).to(x.device)
        turned = torch.rot90(x[members], kind % 4, dims=(2, 3))
        out[members] = turned.flip(3) if kind >= 4 else turned
    return out


def shift(x: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Move patch i of (B, C, H, W) so that pixel (r, c) shows what was at (r, c) + `by[i]` (B, 2), border reflected."""
    height, width = x.shape[2:]
    if int(by.abs().max()) >= min(height, width):
        raise ValueError(f"expected a shift of less than {min(height, width)} px, got {int(by.abs().max())}")
    rows, cols = (
        _reflected(torch.arange(size) + offset[:, None], size).to(x.device)
        for size, offset in ((height, by[:, 0]), (width, by[:, 1]))
    )  # (B, H) and (B, W)
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, cols[:, None, None, :].expand_as(x))


def jitter(x: torch.Tensor, strength: float, has_offset: torch.Tensor) -> torch.Tensor:
    """Scale every channel of every patch by 1 + N(0, strength) and shift it by N(0, strength).

    `has_offset` (C, 1, 1) is True where an offset makes sense: a complex amplitude or covariance has no other zero.
    """
    shape = (*x.shape[:2], 1, 1)
    gain = 1 + strength * torch.randn(shape).to(x.device)
    offset = strength * torch.randn(shape).to(x.device) * has_offset.to(x.device)
    return x * gain + offset


def speckle(x: torch.Tensor, strength: float, powers: torch.Tensor) -> torch.Tensor:
    """Multiply radar channels of (B, C, H, W), in physical units, by noise per pixel and polarisation.

    The power of each polarisation gets a gain g, gamma distributed with mean 1 and standard deviation `strength`.
    `powers` (C, 2) are the exponents of (g_VH, g_VV) for each channel, see `gain_powers`.
    """
    shape = torch.full((len(x), 2, *x.shape[2:]), strength**-2, device=x.device)
    log_gain = (torch._standard_gamma(shape) * strength**2).clamp(min=1e-6).log()  # (B, 2, H, W)
    powers = powers.to(x.device)[:, :, None, None, None]  # (C, 2, 1, 1, 1)
    return x * (powers[:, 0, 0] * log_gain[:, :1] + powers[:, 1, 0] * log_gain[:, 1:]).exp()


def gain_powers(channel: str) -> torch.Tensor:
    """Return the exponents (2,) with which the gains of VH's and VV's power act on a channel.

    An intensity takes its polarisation's gain, a complex amplitude its root, the covariance of both the root of each:
    so all channels stay those of one covariance matrix, and coherence and phase stay as they are. Filtered
    intensities take the same noise as single pixels, although theirs is smaller: keep the strength small. Ratios and
    angles (H/A/alpha) and reflectances take none.
    """
    kind = channel_kind(channel)
    if kind == "covariance":
        return torch.tensor([0.5, 0.5])
    power = {"intensity": 1.0, "complex": 0.5}.get(kind, 0.0)
    return torch.tensor([power, 0.0] if channel.startswith(("VH", "C11")) else [0.0, power])


def mixup(x: torch.Tensor, soft: torch.Tensor, *, share: float, partner: torch.Tensor) -> Batch:
    """Mix each patch with its partner's: `share` of its own and the rest of the other, soft targets alike."""
    return share * x + (1 - share) * x[partner], share * soft + (1 - share) * soft[partner]


def cutmix(x: torch.Tensor, soft: torch.Tensor, *, share: float, partner: torch.Tensor, centre: torch.Tensor) -> Batch:
    """Put a rectangle of the partner's patch into each, of 1 - `share` of the area where it does not reach the border.

    `centre` (2,) is its middle as a share of height and width. Targets are mixed by the area that was replaced.
    """
    height, width = x.shape[2:]
    half = (1 - share) ** 0.5 / 2
    top, bottom = (round(height * min(max(float(centre[0]) + side * half, 0), 1)) for side in (-1, 1))
    left, right = (round(width * min(max(float(centre[1]) + side * half, 0), 1)) for side in (-1, 1))
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = x[partner, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, kept * soft + (1 - kept) * soft[partner]


def _reflected(index: torch.Tensor, size: int) -> torch.Tensor:
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


def _by_sensor(channels: Sequence[str]) -> list[tuple[int, ...]]:
    sensors = [channel_sensor(channel) for channel in channels]
    return [tuple(i for i, s in enumerate(sensors) if s == sensor) for sensor in sorted(set(sensors))]


def _members(parts: Sequence[Sequence[int]], channels: int) -> torch.Tensor:
    """Return (P, C), True where part p holds channel c."""
    members = torch.zeros(len(parts), channels, dtype=torch.bool)
    for number, part in enumerate(parts):
        members[number, list(part)] = True
    return members


def _choose(parts: torch.Tensor, batch: int, probability: float) -> torch.Tensor:
    """Return (B, C): one of the `parts` (P, C) at random with `probability`, else none; none where P is below 2."""
    if not probability or len(parts) < 2:
        return torch.zeros(batch, parts.shape[1], dtype=torch.bool)
    chosen = parts[torch.randint(len(parts), (batch,))]
    return chosen & (torch.rand(batch, 1) < probability)
