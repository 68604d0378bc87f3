"""Patches of So2Sat LCZ42 for training: a choice of rows and channels, taken out a batch at a time.

Channels are those of the data set, and what follows from them: `grd4` has the powers of the complex amplitudes, and the
covariance and decomposition of `rsnnet9` are those of the refined Lee filter (7×7), because So2Sat has no other
filtered covariance. Scenes have them of the 5×5 mean; `derived_state` says so, and networks of one refuse the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from lczmap.channels import RSNNET9, channel_sensor
from lczmap.sar.polsar import h_a_alpha
from lczmap.sar.window import WINDOW_PX
from lczmap.so2sat.files import CHANNELS, STATE, State
from lczmap.so2sat.reader import check_indices

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

_LEE = {"C11_mean": "VH_lee", "C12_re_mean": "C12_re", "C12_im_mean": "C12_im", "C22_mean": "VV_lee"}
_DECOMPOSED = ("Entropy", "Anisotropy", "Alpha")  # in the order of polsar.h_a_alpha
_POWER = {"VH": ("VH_re", "VH_im"), "VV": ("VV_re", "VV_im")}


class So2SatSource(Protocol):
    """What patches are taken from: a file of the data set (`reader.open_h5`) or its copy (`cache.open_cache`)."""

    @property
    def labels(self) -> Index:
        """Return the class indices (N,) 0..16."""
        ...

    @property
    def cities(self) -> npt.NDArray[np.str_] | None:
        """Return the names of the cities (N,), None where they are not known."""
        ...

    def read(self, indices: npt.ArrayLike, channels: Sequence[str] = ...) -> Float:
        """Return patches (n, channels, 32, 32) in physical units, in the order of `indices`."""
        ...

    def fingerprint(self) -> str:
        """Return a digest that changes when pixels or labels change."""
        ...


class So2SatPatches:
    """Rows `indices` of a source as patches for training: (B, channels, 32, 32) float32 and class indices (B,).

    `channels` are names of `so2sat8`, `s2_10`, `grd4` or `rsnnet9`, in any order; ValueError for others.
    """

    def __init__(self, source: So2SatSource, indices: npt.ArrayLike, channels: Sequence[str] = CHANNELS) -> None:
        self.source = source
        self.indices = check_indices(indices, len(source.labels))
        self.channels = tuple(channels)
        self.state = derived_state(self.channels)
        self._targets = torch.from_numpy(source.labels[self.indices])

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.indices)

    def __getitem__(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches and class indices of a batch; `indices` count from 0 to len - 1."""
        chosen = check_indices(indices, len(self))
        pixels = read_channels(self.source, self.indices[chosen], self.channels)
        return torch.from_numpy(pixels), self._targets[torch.from_numpy(chosen)]

    @property
    def targets(self) -> torch.Tensor:
        """Return the class indices of all patches (N,)."""
        return self._targets

    def fingerprint(self) -> str:
        """Return a digest that changes when the source, the choice of rows or the channels change."""
        digest = hashlib.sha256(self.source.fingerprint().encode())
        digest.update(" ".join(self.channels).encode())
        digest.update(self.indices.tobytes())
        return digest.hexdigest()


def derived_state(channels: Sequence[str]) -> State:
    """Return what changes the values of these channels, by sensor (views.PIXEL_STATE): So2Sat's own, and how the
    covariance of `rsnnet9` was made. ValueError for a channel that does not follow from So2Sat's.
    """
    _needed(channels)
    sensors = {channel_sensor(name) for name in channels}
    state = {sensor: dict(own) for sensor, own in STATE.items() if sensor in sensors}
    if any(name in _LEE or name in _DECOMPOSED for name in channels):
        state["sentinel-1"]["polarimetry"] = f"refined lee {WINDOW_PX}x{WINDOW_PX}, C11 VH"
    return state


def read_channels(source: So2SatSource, indices: npt.ArrayLike, channels: Sequence[str]) -> Float:
    """Return patches (n, channels, 32, 32) with channels made from the source's own where it has not these."""
    needed = _needed(channels)
    pixels = source.read(indices, needed)
    if needed == tuple(channels):
        return pixels
    own = {name: pixels[:, i] for i, name in enumerate(needed)}  # (n, 32, 32) each
    made: dict[str, Float] = {}
    if any(name in _DECOMPOSED for name in channels):
        made = dict(zip(_DECOMPOSED, _decompose(own), strict=True))
    for name in channels:
        if name not in made:
            made[name] = _derive(name, own)
    return np.stack([made[name] for name in channels], axis=1)


def _derive(name: str, own: dict[str, Float]) -> Float:
    if name in _POWER:
        re, im = (own[part] for part in _POWER[name])
        return re * re + im * im
    return own[_LEE.get(name, name)]


def _decompose(own: dict[str, Float]) -> Float:
    # pixel by pixel: patches may lie beside each other in one image
    rows = own["VH_lee"].shape[-1]
    covariance = np.stack([own[name].reshape(-1, rows) for name in ("VH_lee", "C12_re", "C12_im", "VV_lee")])
    return h_a_alpha(covariance).reshape(3, -1, rows, rows)


def _needed(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the source's channels that these are made from, in the given order as far as they are the source's own."""
    needed: dict[str, None] = {}
    for name in channels:
        needed.update(dict.fromkeys(_parts_of(name)))
    if len(set(channels)) != len(channels) or not needed:
        raise ValueError(f"expected different channels, at least one, got {list(channels)}")
    return tuple(needed)


def _parts_of(name: str) -> tuple[str, ...]:
    if name in CHANNELS:
        return (name,)
    if name in _POWER:
        return _POWER[name]
    if name in _LEE:
        return (_LEE[name],)
    if name in _DECOMPOSED:
        return tuple(_LEE.values())
    made = [c for c in RSNNET9.channels if c not in CHANNELS]
    raise ValueError(f"no channel {name!r} follows from So2Sat's; expected {', '.join([*CHANNELS, *made])}")
