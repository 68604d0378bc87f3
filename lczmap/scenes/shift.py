"""Measure how far each Sentinel-1 pass lies off Sentinel-2, once for the whole city.

Windows spread over the city are read one by one, so memory does not grow with the city. The result is
coregistration.json: one entry per pass, and what is left when the shift is applied, measured again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.files import write_json
from lczmap.grid import PIXEL_M, Grid
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.clouds import CloudMethod, cloud_mask, read_asset
from lczmap.scenes.composite import rank_by_usable
from lczmap.scenes.coregister import SEARCH_PX, FixedWindow, Shift, combine, correlate, prepare_fixed
from lczmap.scenes.radar import radar_block

REFERENCE_BANDS = ("B2", "B4", "B8", "B11")
"""Sentinel-2 bands whose structure is compared: visible, near and short-wave infrared edges differ."""
REFERENCE_DATES = 2
"""The clearest dates are used together: what is bare in one season and green in another shows its edges in both."""
WINDOW_PX = 256
"""Largest side of a window's core; a smaller city has smaller windows."""
WINDOWS_PER_SIDE = (3, 6)
"""Least and greatest number of windows along rows and columns: 9 to 36 in all."""
SIGNIFICANT_SIGMA = 2.0


def estimate_city_shifts(
    scenes: Sequence[Scene], grid: Grid, out_path: Path, *, cloud_method: CloudMethod = "auto"
) -> dict[str, Any]:
    """Measure the shift of every Sentinel-1 scene against the clearest Sentinel-2 dates; write and return it as JSON.

    `scenes.<id>` of the result holds `shift_east_m`, `shift_north_m` (to be added to the scene's coordinates; 0 where
    not applied), `measured_east_m`, `measured_north_m`, `sigma_m` (of each, None where it could not be had),
    `windows_used`, `windows_total`, `contrast`, `significant`, `applied`, `reason` (why not applied, else empty),
    `residual` (the same measured again with the shift applied) and `windows` (each window's centre and own shift).
    A shift that is not reliable is not applied and is reported on the terminal. ValueError without Sentinel-2.
    """
    passes = [scene for scene in scenes if scene.sensor == "sentinel-1"]
    references = reference_scenes(scenes)
    windows = window_geoboxes(grid)
    fixed = [_reference(references, window, grid, cloud_method) for window in windows] if passes else []
    content: dict[str, Any] = {
        "convention": "metres east and north in the grid's CRS, added to Sentinel-1's coordinates",
        "reference": [scene.id for scene in references],
        "scenes": {scene.id: _measure_pass(scene, windows, fixed) for scene in passes},
    }
    write_json(out_path, content)
    return content


def reference_scenes(scenes: Sequence[Scene]) -> list[Scene]:
    """Return the clearest Sentinel-2 scenes, at most `REFERENCE_DATES`, the clearest first."""
    optical = [scene for scene in scenes if scene.sensor == "sentinel-2"]
    if not optical:
        raise ValueError(f"expected a Sentinel-2 scene to measure Sentinel-1 against, got {[s.id for s in scenes]}")
    ranks = rank_by_usable([scene.usable_fraction or 0.0 for scene in optical], [scene.datetime for scene in optical])
    return [scene for _, scene in sorted(zip(ranks, optical, strict=True), key=lambda pair: pair[0])][:REFERENCE_DATES]


def window_geoboxes(grid: Grid) -> list[GeoBox]:
    """Spread windows evenly over the city; each is a core of at most `WINDOW_PX` with `SEARCH_PX` more around."""
    rows, height = _spread(grid.height)
    cols, width = _spread(grid.width)
    shape = (height + 2 * SEARCH_PX, width + 2 * SEARCH_PX)
    return [
        GeoBox(shape, grid.geobox.transform @ Affine.translation(col - SEARCH_PX, row - SEARCH_PX), grid.crs)
        for row in rows
        for col in cols
    ]


def _spread(length: int) -> tuple[list[int], int]:
    # first pixels of the cores along one side, and the cores' length
    count = int(np.clip(math.ceil(length / WINDOW_PX), *WINDOWS_PER_SIDE))
    core = min(WINDOW_PX, max(length // count, 1))
    return [round(start) for start in np.linspace(0, length - core, count)], core


def _reference(scenes: Sequence[Scene], window: GeoBox, grid: Grid, cloud_method: CloudMethod) -> FixedWindow:
    dates = []
    for scene in scenes:
        bands = np.stack([read_asset(scene.assets[band], window, "cubic") for band in REFERENCE_BANDS])
        dates.append(np.where(cloud_mask(scene, window, grid, method=cloud_method), np.float32(np.nan), bands))
    return prepare_fixed(np.concatenate(dates))


def _estimate(
    scene: Scene, windows: Sequence[GeoBox], fixed: Sequence[FixedWindow], shift_m: tuple[float, float]
) -> Shift:
    # VH and VV power before any speckle filter: the refined Lee filter prefers the dark side and so moves edges
    intensities = (radar_block(scene, window, "grd4", shift_m)[:2] for window in windows)
    return combine([correlate(f, m) for f, m in zip(fixed, intensities, strict=True)])


def _measure_pass(scene: Scene, windows: Sequence[GeoBox], fixed: Sequence[FixedWindow]) -> dict[str, Any]:
    shift = _estimate(scene, windows, fixed, (0.0, 0.0))
    east, north = shift.right * PIXEL_M, -shift.down * PIXEL_M  # rows run north to south
    significant = shift.is_reliable and math.hypot(east, north) > SIGNIFICANT_SIGMA * shift.sigma * PIXEL_M
    reason = shift.reason or ("" if significant else f"not larger than {SIGNIFICANT_SIGMA:g} standard deviations")
    applied = (east, north) if significant else (0.0, 0.0)
    residual = None
    if significant:
        residual = _as_metres(_estimate(scene, windows, fixed, applied))
    _report(scene, shift, applied, reason)
    return {
        "shift_east_m": round(applied[0], 3),
        "shift_north_m": round(applied[1], 3),
        **_as_metres(shift),
        "applied": significant,
        "significant": significant,
        "reason": reason,
        "residual": residual,
        "windows": _window_list(windows, shift),
    }


def _as_metres(shift: Shift) -> dict[str, Any]:
    return {
        "measured_east_m": round(shift.right * PIXEL_M, 3),
        "measured_north_m": round(-shift.down * PIXEL_M, 3),
        "sigma_m": _finite(shift.sigma * PIXEL_M),
        "contrast": round(shift.contrast, 1),
        "windows_used": sum(shift.agrees),
        "windows_total": len(shift.agrees),
        "reliable": shift.is_reliable,
    }


def _window_list(windows: Sequence[GeoBox], shift: Shift) -> list[dict[str, Any]]:
    entries = []
    for window, (right, down), agrees in zip(windows, shift.window_shifts, shift.agrees, strict=True):
        x, y = window.transform @ (window.shape[1] / 2, window.shape[0] / 2)
        own = {"shift_east_m": _finite(right * PIXEL_M), "shift_north_m": _finite(-down * PIXEL_M)}
        entries.append({"x": x, "y": y, **own, "agrees": agrees})
    return entries


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _report(scene: Scene, shift: Shift, applied: tuple[float, float], reason: str) -> None:
    if not shift.is_reliable:
        print(f"warning: {scene.id} is left where it is: {reason}", flush=True)
        return
    sigma, used = shift.sigma * PIXEL_M, sum(shift.agrees)
    print(
        f"{scene.id}: moved {applied[0]:+.1f} m east, {applied[1]:+.1f} m north (± {sigma:.1f} m, "
        f"{used} of {len(shift.agrees)} windows{'; ' + reason if reason else ''})",
        flush=True,
    )
