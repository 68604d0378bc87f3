"""Stacks: the channels of one sensor on the pixels of a tile and its halo, written as one GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_10, channel_kind, channel_set
from lczmap.grid import Grid, Tile, tile_geobox
from lczmap.raster import ResamplingName, Stack, write_stack
from lczmap.scenes.blocks import assemble
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.clouds import CloudMethod, cloud_mask, mask_name, read_asset
from lczmap.scenes.composite import CompositeMethod, composite, pixel_quality, rank_by_usable
from lczmap.scenes.overpass import Overpass, overpasses, same_track, seams
from lczmap.scenes.radar import radar_block
from lczmap.views import ABSENT, PROVENANCE_STATE, pixels_alike

Float = npt.NDArray[np.float32]
Dates = Literal["single", "mean", "softmax"]

CLEAR_COUNT = "clear_count"
"""Further band of a Sentinel-2 stack: how many dates were clear (0..255)."""


@dataclass(frozen=True)
class OpticalOptions:
    """How Sentinel-2 dates become one picture.

    `months` (1..12, empty: all) narrows the dates; `upsampling` brings 20 m and 60 m bands to 10 m: cubic convolution
    as the makers of So2Sat GUL did (project2utm_s2.sh), or nearest as RSNNet did.
    """

    clouds: CloudMethod = "auto"
    method: CompositeMethod = "median"
    upsampling: ResamplingName = "cubic"
    months: tuple[int, ...] = ()


def stack_sentinel2(
    scenes: Sequence[Scene],
    grid: Grid,
    tile: Tile,
    out_path: Path,
    options: OpticalOptions | None = None,
    *,
    shifts: Mapping[str, Any] | None = None,
) -> npt.NDArray[np.uint8]:
    """Write a tile's ten bands, the composite of all Sentinel-2 `scenes`, as reflectance in DN/10000, clipped at 0.

    A further band `clear_count` holds the number of clear dates; a pixel that none shows stays nodata. Each pass
    moves by its shift in `shifts` (the content of coregistration.json). Returns the counts (y, x) of core and halo.
    ValueError when no scene is left, scenes differ in level, or several passes come without `usable_fraction`, which
    ranks them for the whole city.
    """
    options = options or OpticalOptions()
    chosen = [s for s in scenes if s.sensor == "sentinel-2" and _in_months(s, options.months)]
    if not chosen:
        raise ValueError(f"expected Sentinel-2 scenes in the months {options.months or 'all'}; extend the period")
    state = _sentinel2_state(chosen, options)
    passes = overpasses(chosen, "sentinel-2")
    rank = _ranks(passes)
    moved = {one.id: (0.0, 0.0) if shifts is None else applied_shift(shifts, one.id) for one in passes}
    geobox = tile_geobox(grid, tile)

    def make_block(block: GeoBox) -> Float:
        observed = [_observe(one, block, grid, options, moved[one.id]) for one in passes]
        pixels = np.stack([bands for bands, _ in observed])  # (time, band, y, x)
        clear = np.stack([shown for _, shown in observed])
        values, count = composite(pixels, clear, rank, method=options.method, quality=pixel_quality(pixels, rank))
        return np.concatenate([values, count[None].astype(np.float32)])

    made = assemble(geobox, grid, len(S2_10.channels) + 1, make_block)
    count: npt.NDArray[np.uint8] = made[-1].astype(np.uint8)
    stack = Stack(made[:-1], S2_10.channels, geobox, state)
    write_stack(out_path, stack, encoding="uint16_reflectance", counts={CLEAR_COUNT: count})
    return np.asarray(count)


def stack_sentinel1(
    scenes: Sequence[Scene],
    grid: Grid,
    tile: Tile,
    out_path: Path,
    *,
    channels: str,
    shifts: Mapping[str, Any] | None = None,
    dates: Dates = "single",
    max_dates: int = 3,
    number: int = 1,
    placed: Sequence[Scene] | None = None,
) -> None:
    """Write a tile's radar channels, each pass moved by its measured shift, in linear power.

    `channels` names the channel set, `shifts` is the content of coregistration.json, None for no correction. `placed`
    are the same scenes with pixels that were made at that shift (slc/batch.py), so that nothing is left to move.
    `dates`:
    `single` is the best pass (`rank_passes`); `softmax` the best pass number `number` (from 1) of `max_dates`, each of
    which is classified on its own; `mean` the mean power of up to `max_dates` passes of the best one's platform,
    relative orbit and state, where all of them show a pixel; its number of looks is theirs together. Without a
    Sentinel-1 scene every pixel is missing and the state says so.
    """
    names, geobox = channel_set(channels).channels, tile_geobox(grid, tile)
    ranked = rank_passes(scenes)
    if not ranked:
        pixels = np.full((len(names), *geobox.shape), np.nan, np.float32)
        write_stack(out_path, Stack(pixels, names, geobox, dict(ABSENT)))
        return
    used = choose_passes(ranked, dates, max_dates, number)
    if len(used) > 1 and not {channel_kind(name) for name in names} <= {"intensity", "covariance"}:
        raise ValueError(f"the channels {channels} are those of one date; use grd4, or `dates: softmax`")
    moves = [(0.0, 0.0) if shifts is None else applied_shift(shifts, one.id) for one in used]
    read = (
        list(zip(used, moves, strict=True)) if placed is None else [(_placed(one, placed), (0.0, 0.0)) for one in used]
    )

    def make_block(block: GeoBox) -> Float:
        total = radar_block(read[0][0], block, channels, read[0][1])
        for one, shift_m in read[1:]:
            total += radar_block(one, block, channels, shift_m)
        return total / np.float32(len(used))

    pixels = assemble(geobox, grid, len(names), make_block)
    write_stack(out_path, Stack(pixels, names, geobox, _sentinel1_state(used, moves)))


def rank_passes(scenes: Sequence[Scene]) -> list[Overpass]:
    """Return the Sentinel-1 passes, the best first: most of the city (to 0.1 %), then the earlier one."""
    passes = overpasses(scenes, "sentinel-1")
    return sorted(passes, key=lambda p: (-round(p.usable_fraction or 0.0, 3), p.datetime, p.id))


def choose_passes(ranked: Sequence[Overpass], dates: Dates, max_dates: int, number: int) -> list[Overpass]:
    """Return the passes that a stack is made of, see `stack_sentinel1`; ValueError when there are too few."""
    best = ranked[0].scenes[0]
    if dates == "mean":
        alike = [p for p in ranked if same_track(p.scenes[0], best) and pixels_alike(p.scenes[0].state, best.state)]
        return alike[:max_dates]
    if number > len(ranked):
        raise ValueError(
            f"`sentinel1.dates: softmax` with max_dates {max_dates} needs as many passes, the run has {len(ranked)}; "
            "lower `sentinel1.max_dates`, or extend the period"
        )
    return [ranked[number - 1]]


def applied_shift(coregistration: Mapping[str, Any], pass_id: str) -> tuple[float, float]:
    """Return the (east, north) metres by which coregistration.json moves a pass; 0 where it was not significant."""
    passes = coregistration.get("scenes", {})
    if pass_id not in passes:
        raise ValueError(f"no shift of scene {pass_id} in the co-registration of {sorted(passes)}; measure it first")
    entry = passes[pass_id]
    return (float(entry["shift_east_m"]), float(entry["shift_north_m"])) if entry["applied"] else (0.0, 0.0)


def read_reflectance(
    scene: Scene, geobox: GeoBox, *, upsampling: ResamplingName = "cubic", shift_m: tuple[float, float] = (0.0, 0.0)
) -> Float:
    """Return the ten bands of a Sentinel-2 scene on `geobox` as reflectance >= 0 (band, y, x), NaN where missing."""
    bands = [read_asset(scene.assets[band], geobox, upsampling, shift_m=shift_m) for band in S2_10.channels]
    return np.maximum(np.stack(bands), np.float32(0))  # cubic convolution can undershoot; NaN stays


def _observe(
    one: Overpass, block: GeoBox, grid: Grid, options: OpticalOptions, shift_m: tuple[float, float]
) -> tuple[Float, npt.NDArray[np.bool_]]:
    """Return what a pass shows: its bands (band, y, x), and where they are clear (y, x)."""
    pictures = np.stack(
        [read_reflectance(s, block, upsampling=options.upsampling, shift_m=shift_m) for s in one.scenes]
    )  # (scene, band, y, x)
    if len(one.scenes) == 1:
        shown = np.asarray(np.isfinite(pictures[0]).all(axis=0))
        if shown.any():
            shown &= ~cloud_mask(one.scenes[0], block, grid, method=options.clouds, shift_m=shift_m)
        return pictures[0], shown
    chosen = seams(np.asarray(np.isfinite(pictures).all(axis=1)))
    clear = np.zeros(block.shape, np.bool_)
    for number, scene in enumerate(one.scenes):
        shown = chosen == number
        if shown.any():
            clear |= shown & ~cloud_mask(scene, block, grid, method=options.clouds, shift_m=shift_m)
    return np.take_along_axis(pictures, np.maximum(chosen, 0)[None, None], axis=0)[0], clear


def _in_months(scene: Scene, months: Sequence[int]) -> bool:
    return not months or int(scene.datetime[5:7]) in months


def _sentinel2_state(scenes: Sequence[Scene], options: OpticalOptions) -> dict[str, str]:
    levels = {scene.state.get("level", "?") for scene in scenes}
    if len(levels) != 1:
        raise ValueError(
            f"expected Sentinel-2 scenes of one level, got {len(scenes)} scenes of levels {sorted(levels)}"
        )
    return {
        "level": levels.pop(),
        "scenes": " ".join(scene.id for scene in scenes),
        "cloud_mask": " ".join(mask_name(scene, options.clouds) for scene in scenes),
        "composite": options.method,
        "upsampling": options.upsampling,
    }


def _placed(one: Overpass, placed: Sequence[Scene]) -> Overpass:
    ids = [scene.id for scene in one.scenes]
    found = tuple(scene for scene in placed if scene.id in ids)
    if len(found) != len(ids):
        raise ValueError(f"expected the placed scenes {ids}, got {[scene.id for scene in found]}; place them again")
    return Overpass(found)


def _sentinel1_state(used: Sequence[Overpass], moves: Sequence[tuple[float, float]]) -> dict[str, str]:
    first = used[0].scenes[0]
    scenes = [scene for one in used for scene in one.scenes]
    made = {key: "; ".join(dict.fromkeys(s.state.get(key, "unknown") for s in scenes)) for key in PROVENANCE_STATE}
    return {
        **first.state,
        **{key: value for key, value in made.items() if key in first.state},
        "looks": f"{float(first.state['looks']) * len(used):g}",
        "scene": " ".join(scene.id for one in used for scene in one.scenes),
        "platform": first.platform,
        "datetime": " ".join(one.datetime for one in used),
        "orbit_direction": first.orbit_direction or "unknown",
        "relative_orbit": "unknown" if first.relative_orbit is None else str(first.relative_orbit),
        "shift_east_m": " ".join(f"{east:.3f}" for east, _ in moves),
        "shift_north_m": " ".join(f"{north:.3f}" for _, north in moves),
    }


def _ranks(passes: Sequence[Overpass]) -> tuple[int, ...]:
    unknown = [one.id for one in passes if one.usable_fraction is None]
    if unknown and len(passes) > 1:
        raise ValueError(f"scenes {unknown} have no usable_fraction to rank them by; run `find-scenes` first")
    return rank_by_usable([one.usable_fraction or 0.0 for one in passes], [one.datetime for one in passes])
