"""Channel profiles: the radar channels of the named sets, made from calibrated single-look complex amplitudes.

`so2sat8` is what the makers of So2Sat LCZ42 let ESA SNAP make: complex amplitudes, and the refined Lee filter of the
covariance (7×7, one look). `rsnnet9` is the entropy, anisotropy and alpha angle of the covariance's 5×5 mean, that mean
and the intensities. `grd4` has intensities, and the Lee-filtered ones of `so2sat8`: direction and weight come from VH
and VV of one look, so they are other statistics than the `grd4` of a multilooked ground-range product. The state of a
stack (`profile_state`) says so, and a network refuses the other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lczmap.channels import GRD4, RSNNET9, SO2SAT8, channel_set
from lczmap.sar.polsar import BOXCAR_PX, boxcar, covariance, h_a_alpha, refined_lee
from lczmap.sar.window import WINDOW_PX

Float = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

MARGIN_PX = max(WINDOW_PX, BOXCAR_PX) // 2
"""Radar pixels around a window that its channels depend on."""
_COMPLEX = SO2SAT8.channels[:4]
_LEE = ("VH_lee", "C12_re", "C12_im", "VV_lee")  # of the filtered covariance, in its order
_MEAN = ("C11_mean", "C12_re_mean", "C12_im_mean", "C22_mean")
_DECOMPOSED = ("Entropy", "Anisotropy", "Alpha")
_MADE = tuple(dict.fromkeys([*SO2SAT8.channels, *GRD4.channels, *RSNNET9.channels]))


def radar_layers(vh: Complex, vv: Complex, channels: Sequence[str]) -> Float:
    """Return channels (n, lines, samples) of calibrated amplitudes (lines, samples), linear units, NaN where missing.

    `channels` are names of the sets `so2sat8`, `rsnnet9` and `grd4`, in any order and mixture. A pixel that lacks VH or
    VV lacks every channel. At the edges of the arrays the filters take what is there: give MARGIN_PX more on each side
    where there is more. ValueError for an unknown or repeated channel.
    """
    unknown = [name for name in channels if name not in _MADE]
    if unknown or len(set(channels)) != len(channels):
        raise ValueError(f"expected different channels of {', '.join(_MADE)}; got {list(channels)}")
    out = np.empty((len(channels), *vh.shape), np.float32)
    for names, layers in _make(vh, vv, frozenset(channels)):
        for name, layer in zip(names, layers, strict=True):
            if name in channels:
                out[channels.index(name)] = layer
    return out


def _make(vh: Complex, vv: Complex, wanted: frozenset[str]) -> Iterator[tuple[tuple[str, ...], Sequence[Float]]]:
    # groups of channels that are made together, each only where one of it is wanted
    c2 = covariance(vh, vv)
    yield ("VH", "VV"), (c2[0], c2[3])
    if not wanted.isdisjoint(_COMPLEX):
        missing = np.isnan(c2[0])
        yield _COMPLEX, [np.where(missing, np.float32(np.nan), part) for part in (vh.real, vh.imag, vv.real, vv.imag)]
    if not wanted.isdisjoint(_LEE):
        yield _LEE, tuple(refined_lee(c2, looks=1.0))
    if not wanted.isdisjoint((*_MEAN, *_DECOMPOSED)):
        mean = boxcar(c2)
        yield _MEAN, tuple(mean)
        yield _DECOMPOSED, tuple(h_a_alpha(mean))


def grd4_from_so2sat8(pixels: Float) -> Float:
    """Return the `grd4` channels (..., 4, y, x) of `so2sat8` pixels (..., 8, y, x), such as patches of So2Sat LCZ42.

    Intensities are the power of the complex amplitudes, the filtered ones are taken as they are. Their state is that of
    `profile_state`. ValueError for another number of channels.
    """
    if pixels.ndim < 3 or pixels.shape[-3] != len(SO2SAT8.channels):
        raise ValueError(f"expected so2sat8 pixels (..., {len(SO2SAT8.channels)}, y, x), got {pixels.shape}")
    own = {name: pixels[..., i, :, :] for i, name in enumerate(SO2SAT8.channels)}
    made = {pol: own[f"{pol}_re"] ** 2 + own[f"{pol}_im"] ** 2 for pol in ("VH", "VV")} | own
    return np.stack([made[name] for name in GRD4.channels], axis=-3)


def profile_state(channels: str) -> dict[str, str]:
    """Return what changes the values of a channel set made from SLC products (views.PIXEL_STATE).

    `so2sat8` has the state of the data set itself, of its global product and of simulated scenes, so that a network
    trained on any of them takes it. `rsnnet9` says which mean its covariance is. ValueError for a set that is not made
    here.
    """
    if not set(channel_set(channels).channels) <= set(_MADE):
        raise ValueError(f"the channel set {channels!r} is not made from SLC products; use so2sat8, rsnnet9 or grd4")
    state = {"product": "slc", "calibration": "sigma0", "noise_removed": "false", "looks": "1"}
    if channels == RSNNET9.name:
        state["polarimetry"] = f"mean {BOXCAR_PX}x{BOXCAR_PX}, C11 VH"
    return state
