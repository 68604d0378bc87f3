"""Sentinel-1 channels of a scene on the city's pixels.

Everything that is not linear (decibels, power of complex amplitudes, the refined Lee filter) happens on the scene's
own pixels, before the one resampling: intensities and covariances are interpolated bilinearly in linear power, the
others (complex amplitudes, entropy, angles) take the nearest pixel, which moves them by whole pixels only and keeps
their statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.channels import Kind, channel_kind, channel_set
from lczmap.raster import ResamplingName, covering, lattice, warp
from lczmap.sar.window import WINDOW_PX
from lczmap.scenes.catalogue import Asset, Scene, radar_assets
from lczmap.scenes.clouds import read_asset
from lczmap.scenes.overpass import Overpass, seams

Float = npt.NDArray[np.float32]

_RESAMPLING: dict[Kind, ResamplingName] = {
    "intensity": "bilinear",
    "covariance": "bilinear",
    "complex": "nearest",
    "ratio": "nearest",
    "angle": "nearest",
}
_MARGIN_PX = WINDOW_PX // 2 + 3  # the filter's reach and the interpolation's, in the scene's own pixels


def radar_block(
    one: Overpass | Scene, geobox: GeoBox, channels: str, shift_m: tuple[float, float] = (0.0, 0.0)
) -> Float:
    """Return the channel set `channels` of a Sentinel-1 pass on `geobox` as (channel, y, x), NaN where missing.

    Slices of the pass are joined (overpass.seams). `shift_m` (east, north) in metres of the geobox's CRS
    is added to the scenes' coordinates in the same resampling. ValueError when a scene's channels lie on different
    pixels, or one is missing.
    """
    scenes = [one] if isinstance(one, Scene) else one.scenes
    pictures = [_scene_block(scene, geobox, channels, shift_m) for scene in scenes]
    if len(pictures) == 1:
        return pictures[0]
    chosen = seams(np.stack([np.isfinite(picture).all(axis=0) for picture in pictures]))
    return np.asarray(np.take_along_axis(np.stack(pictures), np.maximum(chosen, 0)[None, None], axis=0)[0])


def _scene_block(scene: Scene, geobox: GeoBox, channels: str, shift_m: tuple[float, float]) -> Float:
    names = radar_assets(scene, channels)
    native = covering(_lattice(scene, names), geobox, margin=_MARGIN_PX, shift_m=shift_m)
    own = {name: _linear(scene.assets[name], native) for name in names}
    wanted = channel_set(channels).channels
    made = derive_channels(own, wanted, looks=float(scene.state["looks"]))
    return np.stack(
        [warp(made[c], native, geobox, resampling=_RESAMPLING[channel_kind(c)], shift_m=shift_m) for c in wanted]
    )


def derive_channels(own: Mapping[str, Float], wanted: tuple[str, ...], *, looks: float) -> dict[str, Float]:
    """Return the `wanted` channels from a scene's own (each (y, x), one pixel lattice, linear units).

    An intensity that is not there is the power of its complex amplitude; filtered intensities that are not there
    come from the refined Lee filter with `looks`, the equivalent number of looks of the intensities.
    """
    made = dict(own)
    for name in ("VH", "VV"):
        if name in wanted and name not in made:
            made[name] = made[f"{name}_re"] ** 2 + made[f"{name}_im"] ** 2
    if "VH_lee" in wanted and "VH_lee" not in made:
        from lczmap.sar.polsar import intensity_lee  # brings numba, half a second that filtered archives save

        made["VH_lee"], made["VV_lee"] = intensity_lee(made["VH"], made["VV"], looks=looks)
    return {name: made[name] for name in wanted}


def _linear(asset: Asset, geobox: GeoBox) -> Float:
    value = read_asset(asset, geobox, "nearest")
    if asset.unit == "dB":
        value = np.power(np.float32(10), value / np.float32(10))
    return value


def _lattice(scene: Scene, names: tuple[str, ...]) -> GeoBox:
    """Return the pixels that all these channels of a scene share."""
    files = {(asset.path, asset.crs, asset.transform) for asset in (scene.assets[name] for name in names)}
    first, *others = [lattice(path, crs=crs, transform=transform) for path, crs, transform in sorted(files, key=str)]
    for other in others:
        if other != first:
            raise ValueError(
                f"scene {scene.id}: expected {', '.join(names)} on the same pixels, got {tuple(first.transform)[:6]} "
                f"in {first.crs} and {tuple(other.transform)[:6]} in {other.crs}"
            )
    return first
