"""Stacks: the channels of one sensor on the pixels of a tile and its halo, written as one GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_10, channel_set
from lczmap.grid import Grid, Tile, tile_geobox
from lczmap.raster import ResamplingName, Stack, write_stack
from lczmap.scenes.blocks import assemble
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.clouds import CloudMethod, cloud_mask, read_asset, resolve_method
from lczmap.scenes.composite import clear_median, rank_by_usable
from lczmap.scenes.radar import radar_block

Float = npt.NDArray[np.float32]

S2_RESAMPLING: ResamplingName = (
    "cubic"  # of the 20 m and 60 m bands, as the makers of So2Sat GUL did (project2utm_s2.sh)
)


def stack_sentinel2(
    scenes: Sequence[Scene], grid: Grid, tile: Tile, out_path: Path, *, cloud_method: CloudMethod = "auto"
) -> npt.NDArray[np.uint8]:
    """Write a tile's ten bands, the clear-sky median of all Sentinel-2 `scenes`, as reflectance in DN/10000.

    Bands are brought to 10 m by cubic convolution and clipped at 0. A pixel that no scene shows stays nodata.
    Returns how many clear dates each pixel (y, x) of core and halo has. ValueError when scenes differ in level, or
    several scenes come without `usable_fraction`, which ranks them for the whole city.
    """
    chosen = [scene for scene in scenes if scene.sensor == "sentinel-2"]
    state = _sentinel2_state(chosen, cloud_method)
    rank = _ranks(chosen)
    geobox = tile_geobox(grid, tile)

    def make_block(block: GeoBox) -> Float:
        observed = [_observe(scene, block, grid, cloud_method) for scene in chosen]
        pixels = np.stack([bands for bands, _ in observed])  # (time, band, y, x)
        median, count = clear_median(pixels, np.stack([clear for _, clear in observed]), rank)
        return np.concatenate([median, count[None].astype(np.float32)])

    made = assemble(geobox, grid, len(S2_10.channels) + 1, make_block)
    write_stack(out_path, Stack(made[:-1], S2_10.channels, geobox, state), encoding="uint16_reflectance")
    return np.asarray(made[-1], dtype=np.uint8)


def stack_sentinel1(
    scenes: Sequence[Scene],
    grid: Grid,
    tile: Tile,
    out_path: Path,
    *,
    channels: str,
    shifts: Mapping[str, Any] | None = None,
    scene_id: str | None = None,
) -> None:
    """Write a tile's radar channels of one pass, moved by its measured shift, in linear sigma0.

    `channels` is `so2sat8` or `grd4`. `shifts` is the content of coregistration.json, None for no correction.
    The pass is `scene_id`, else the one of `choose_pass`. ValueError when the pass has no entry in `shifts`.
    """
    scene = choose_pass(scenes, scene_id=scene_id)
    shift_m = (0.0, 0.0) if shifts is None else applied_shift(shifts, scene.id)
    geobox = tile_geobox(grid, tile)
    names = channel_set(channels).channels
    pixels = assemble(geobox, grid, len(names), lambda block: radar_block(scene, block, channels, shift_m))
    write_stack(out_path, Stack(pixels, names, geobox, _sentinel1_state(scene, shift_m)))


def choose_pass(scenes: Sequence[Scene], *, scene_id: str | None = None) -> Scene:
    """Return the Sentinel-1 scene of a run: `scene_id`, else the first that shows most of the city.

    One pass only, because networks expect the statistics of a single date. Shares of the city that agree to 0.1 %
    count as equal; then the earlier scene is taken.
    """
    passes = [scene for scene in scenes if scene.sensor == "sentinel-1"]
    if scene_id is not None:
        passes = [scene for scene in passes if scene.id == scene_id]
    if not passes:
        known = [scene.id for scene in scenes if scene.sensor == "sentinel-1"]
        raise ValueError(f"expected a Sentinel-1 scene{f' {scene_id!r}' if scene_id else ''}, the run has {known}")
    return min(passes, key=lambda s: (-round(s.usable_fraction or 0.0, 3), s.datetime, s.id))


def applied_shift(coregistration: Mapping[str, Any], scene_id: str) -> tuple[float, float]:
    """Return the (east, north) metres by which coregistration.json moves a scene; 0 where it was not significant."""
    passes = coregistration.get("scenes", {})
    if scene_id not in passes:
        raise ValueError(f"no shift of scene {scene_id} in the co-registration of {sorted(passes)}; measure it first")
    entry = passes[scene_id]
    return (float(entry["shift_east_m"]), float(entry["shift_north_m"])) if entry["applied"] else (0.0, 0.0)


def read_reflectance(scene: Scene, geobox: GeoBox) -> Float:
    """Return the ten bands of a Sentinel-2 scene on `geobox` as reflectance >= 0 (band, y, x), NaN where missing."""
    bands = [read_asset(scene.assets[band], geobox, S2_RESAMPLING) for band in S2_10.channels]
    return np.maximum(np.stack(bands), np.float32(0))  # cubic convolution can undershoot; NaN stays


def _observe(scene: Scene, block: GeoBox, grid: Grid, method: CloudMethod) -> tuple[Float, npt.NDArray[np.bool_]]:
    bands = read_reflectance(scene, block)
    valid = np.asarray(np.isfinite(bands).all(axis=0))
    if valid.any():
        valid &= ~cloud_mask(scene, block, grid, method=method)
    return bands, valid


def _sentinel2_state(scenes: Sequence[Scene], method: CloudMethod) -> dict[str, str]:
    levels = {scene.state.get("level", "?") for scene in scenes}
    if len(levels) != 1:
        raise ValueError(
            f"expected Sentinel-2 scenes of one level, got {len(scenes)} scenes of levels {sorted(levels)}"
        )
    return {
        "level": levels.pop(),
        "scenes": " ".join(scene.id for scene in scenes),
        "cloud_mask": " ".join(resolve_method(scene, method) for scene in scenes),
        "composite": "clear-sky median",
    }


def _sentinel1_state(scene: Scene, shift_m: tuple[float, float]) -> dict[str, str]:
    return {
        **scene.state,
        "scene": scene.id,
        "platform": scene.platform,
        "datetime": scene.datetime,
        "orbit_direction": scene.orbit_direction or "unknown",
        "relative_orbit": "unknown" if scene.relative_orbit is None else str(scene.relative_orbit),
        "shift_east_m": f"{shift_m[0]:.3f}",
        "shift_north_m": f"{shift_m[1]:.3f}",
    }


def _ranks(scenes: Sequence[Scene]) -> tuple[int, ...]:
    shares = [scene.usable_fraction for scene in scenes]
    unknown = [scene.id for scene in scenes if scene.usable_fraction is None]
    if unknown and len(scenes) > 1:
        raise ValueError(f"scenes {unknown} have no usable_fraction to rank them by; run `find-scenes` first")
    return rank_by_usable([share or 0.0 for share in shares], [scene.datetime for scene in scenes])
