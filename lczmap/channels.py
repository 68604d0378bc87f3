"""Channels, channel sets and band groups, by name. Band order lives here and nowhere else.

Physical units at every border: Sentinel-2 bands are reflectance (0..~1.6, NaN where missing), Sentinel-1
channels are linear sigma0 (power for intensities and covariances, amplitude for the complex channels), NaN where
missing. The 18 channels of So2Sat LCZ42 in data-set order are `so2sat8` followed by `s2_10`.
Sources: zhu-xlab/So2Sat-LCZ42 README (18 bands), Lan et al. BP-LCZ (seven groups and their prompt words), Zhou et al.
2022, RSNNet (the nine radar channels of Sen12LCZ and their order).
A channel that several sets share, such as the unfiltered intensity VH, is the same quantity in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["reflectance", "complex", "intensity", "covariance", "ratio", "angle"]


@dataclass(frozen=True)
class ChannelSet:
    """An ordered set of channels of one sensor.

    `kinds[i]` says how channel i may be resampled and transformed: `complex` (one part of a complex amplitude:
    moved by whole pixels only), `intensity` (linear power, never negative), `covariance` (signed linear power),
    `ratio` (0..1) and `angle` (degrees), which are no linear function of power, so that the mean of two pixels is not
    that of their mean power: moved by whole pixels too; `reflectance`.
    """

    name: str
    sensor: Literal["sentinel-1", "sentinel-2"]
    channels: tuple[str, ...]
    kinds: tuple[Kind, ...]


S2_10 = ChannelSet(
    "s2_10",
    "sentinel-2",
    ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
    ("reflectance",) * 10,
)
SO2SAT8 = ChannelSet(
    "so2sat8",
    "sentinel-1",
    ("VH_re", "VH_im", "VV_re", "VV_im", "VH_lee", "VV_lee", "C12_re", "C12_im"),
    ("complex",) * 4 + ("intensity",) * 2 + ("covariance",) * 2,
)
GRD4 = ChannelSet("grd4", "sentinel-1", ("VH", "VV", "VH_lee", "VV_lee"), ("intensity",) * 4)
RSNNET9 = ChannelSet(
    "rsnnet9",
    "sentinel-1",
    ("Alpha", "Anisotropy", "Entropy", "C11_mean", "C12_im_mean", "C12_re_mean", "C22_mean", "VH", "VV"),
    ("angle", "ratio", "ratio", "intensity", "covariance", "covariance", "intensity", "intensity", "intensity"),
)
"""The radar channels of RSNNet in the order of Zhou et al. (2022), Table 2: Alpha, Anisotropy, Entropy, C11, C12_img,
C12_real, C22, Intensity_VH, Intensity_VV. Unknown and therefore ours: C11 = |VH|², C22 = |VV|² (the paper does not say;
SNAP up to version 7 ordered them so, from 8 on the other way round, which turns alpha into 90° - alpha and C12 into its
conjugate); covariance and decomposition are those of the 5×5 mean (SNAP's default before a decomposition), as the
suffix `_mean` says; the intensities are single pixels, without any filter."""

CHANNEL_SETS: dict[str, ChannelSet] = {s.name: s for s in (S2_10, SO2SAT8, GRD4, RSNNET9)}
_KIND_OF: dict[str, Kind] = {
    channel: kind for s in CHANNEL_SETS.values() for channel, kind in zip(s.channels, s.kinds, strict=True)
}

_SENSOR_OF = {channel: s.sensor for s in CHANNEL_SETS.values() for channel in s.channels}

_DECOMPOSED = ("Alpha", "Anisotropy", "Entropy")
_COVARIANCE = ("C11_mean", "C12_im_mean", "C12_re_mean", "C22_mean")
_INTENSITIES = ("VH", "VV")
INPUTS: dict[str, tuple[str, ...]] = {
    "D1": RSNNET9.channels,
    "D2": S2_10.channels,
    "D3": (*_DECOMPOSED, *S2_10.channels),
    "D4": (*_COVARIANCE, *S2_10.channels),
    "D5": (*_INTENSITIES, *S2_10.channels),
    "D6": (*RSNNET9.channels, *S2_10.channels),
    "D7": (*_DECOMPOSED, *_INTENSITIES, *S2_10.channels),
}
"""Named selections of channels: the inputs that Zhou et al. (2022), Table 4, compare. Radar first, as in So2Sat."""

S2_BANDS_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
"""All 13 Sentinel-2 bands, in the order of the instrument."""

S2_RESOLUTION_M = {
    **dict.fromkeys(("B2", "B3", "B4", "B8"), 10),
    **dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), 20),
    **dict.fromkeys(("B1", "B9", "B10"), 60),
}
"""Native pixel size in metres (ESA Sentinel-2 User Handbook)."""


@dataclass(frozen=True)
class BandGroup:
    """A named group of channels that share a physical meaning; `prompt` are its words in the text prompt."""

    name: str
    channels: tuple[str, ...]
    prompt: str


@dataclass(frozen=True)
class GroupSpec:
    """A partition of channels into band groups."""

    name: str
    groups: tuple[BandGroup, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels of all groups, in group order."""
        return tuple(c for g in self.groups for c in g.channels)

    def indices(self, channels: Iterable[str]) -> tuple[tuple[int, ...], ...]:
        """Return each group's positions in `channels`.

        ValueError when a group names a channel that `channels` lacks, or `channels` has one that no group names.
        """
        have = tuple(channels)
        missing = sorted(set(self.channels) - set(have))
        unused = sorted(set(have) - set(self.channels))
        if missing or unused or len(set(have)) != len(have):
            raise ValueError(
                f"band groups {self.name!r} do not fit the channels {list(have)}: missing {missing}, unused {unused}"
            )
        return tuple(tuple(have.index(c) for c in g.channels) for g in self.groups)

    def restrict(self, channels: Iterable[str]) -> GroupSpec:
        """Return the groups whose channels are all in `channels` (an optical-only or radar-only network)."""
        have = set(channels)
        return GroupSpec(self.name, tuple(g for g in self.groups if set(g.channels) <= have))


_OPTICAL = (
    BandGroup("RGB", ("B2", "B3", "B4"), "red green blue"),
    BandGroup("VRE", ("B5", "B6", "B7", "B8A"), "vegetation red edge"),
    BandGroup("NIR", ("B8",), "near infrared"),
    BandGroup("SWIR", ("B11", "B12"), "short wave infrared"),
)
BP7 = GroupSpec(
    "bp7",
    (
        BandGroup("VH", ("VH_re", "VH_im", "VH_lee"), "vh"),
        BandGroup("VV", ("VV_re", "VV_im", "VV_lee"), "vv"),
        BandGroup("PolSAR", ("C12_re", "C12_im"), "pol"),
        *_OPTICAL,
    ),
)
BP6 = GroupSpec(
    "bp6",
    (BandGroup("VH", ("VH", "VH_lee"), "vh"), BandGroup("VV", ("VV", "VV_lee"), "vv"), *_OPTICAL),
)
SEN12LCZ_BP = GroupSpec(
    "sen12lcz_bp",
    (
        BandGroup("VH", ("VH",), "vh"),
        BandGroup("VV", ("VV",), "vv"),
        BandGroup("PolSAR", ("C11_mean", "C22_mean", "C12_re_mean", "C12_im_mean"), "pol"),
        BandGroup("HAA", ("Alpha", "Anisotropy", "Entropy"), "polarimetric decomposition"),
        *_OPTICAL,
    ),
)
"""Eight groups for `rsnnet9` + `s2_10`: an extension of BP-LCZ's grouping, in no paper."""
GROUP_SPECS: dict[str, GroupSpec] = {s.name: s for s in (BP7, BP6, SEN12LCZ_BP)}


def channel_set(name: str) -> ChannelSet:
    """Look up a channel set by name; ValueError names the known ones."""
    if name not in CHANNEL_SETS:
        raise ValueError(f"unknown channel set {name!r}; known: {', '.join(sorted(CHANNEL_SETS))}")
    return CHANNEL_SETS[name]


def channel_kind(channel: str) -> Kind:
    """Return how a channel may be resampled and transformed; ValueError for an unknown channel."""
    if channel not in _KIND_OF:
        raise ValueError(f"unknown channel {channel!r}; known: {', '.join(_KIND_OF)}")
    return _KIND_OF[channel]


def channel_sensor(channel: str) -> str:
    """Return the sensor of a channel, `sentinel-1` or `sentinel-2`; ValueError for an unknown channel."""
    if channel not in _SENSOR_OF:
        raise ValueError(f"unknown channel {channel!r}; known: {', '.join(_SENSOR_OF)}")
    return _SENSOR_OF[channel]


def input_channels(name: str) -> tuple[str, ...]:
    """Return the channels of a named selection (INPUTS); ValueError names the known ones."""
    if name not in INPUTS:
        raise ValueError(f"unknown selection of channels {name!r}; known: {', '.join(INPUTS)}")
    return INPUTS[name]


def groups_for(channels: Iterable[str]) -> GroupSpec:
    """Return the band groups that cover exactly these channels, taken from the known specifications.

    `so2sat8` + `s2_10` gives the seven groups of BP-LCZ, `grd4` + `s2_10` six, `rsnnet9` + `s2_10` eight, one
    sensor alone its own groups.
    """
    have = tuple(channels)
    for spec in GROUP_SPECS.values():
        part = spec.restrict(have)
        if part.groups and set(part.channels) == set(have):
            return part
    raise ValueError(f"no band groups cover the channels {list(have)}; known: {', '.join(GROUP_SPECS)}")
