"""Measure how far each Sentinel-1 pass and each further Sentinel-2 date lies off Sentinel-2, once for the whole city.

Windows spread over the city are read one by one, so memory does not grow with the city. The result is
coregistration.json: one entry per scene, and what is left when the shift is applied, measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.files import write_json
from lczmap.grid import PIXEL_M, Grid
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.clouds import CloudMethod, cloud_mask, read_asset
from lczmap.scenes.composite import rank_by_usable
from lczmap.scenes.coregister import Correlation, FixedWindow, combine, correlate, prepare_fixed
from lczmap.scenes.mutual_information import (
    REACH_PX,
    InformationShift,
    classify_optical,
    classify_radar,
    estimate_by_information,
    joint_histograms,
)
from lczmap.scenes.overpass import Overpass, overpasses, seams
from lczmap.scenes.radar import radar_block
from lczmap.scenes.scale import fit_scale
from lczmap.scenes.verdict import Measurement, Verdict, describe, describe_still, judge
from lczmap.scenes.windows import Frame, spread_windows

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

REFERENCE_BANDS = ("B2", "B4", "B8", "B11")
"""Sentinel-2 bands whose structure is compared: visible, near and short-wave infrared edges differ."""
DATE_BANDS = ("B4", "B8", "B11")
"""The same between two dates of Sentinel-2, which need fewer to see alike."""
REFERENCE_DATES = 2
"""The clearest dates are used together: what is bare in one season and green in another shows its edges in both."""
MEASURED_DATES = 12
"""So many Sentinel-2 dates at most are measured against the clearest one, the clearest first."""
WINDOWS_PER_SIDE = (3, 6)
"""Least and greatest number of windows along rows and columns for a radar pass: 9 to 36 in all."""
DATE_WINDOWS_PER_SIDE = (3, 4)
"""The same for a Sentinel-2 date: 9 to 16 in all."""
INFORMATION_WINDOWS = 12
"""Mutual information looks at so many windows at most."""
LEAST_DATE_SHIFT_PX = 0.1
"""Sentinel-2 dates that lie closer together than this are left alone."""

_NO_SHIFT = (0.0, 0.0)


def estimate_city_shifts(
    scenes: Sequence[Scene], grid: Grid, out_path: Path, *, cloud_method: CloudMethod = "auto"
) -> dict[str, Any]:
    """Measure the shift of every pass against the clearest Sentinel-2 dates; write and return it as JSON.

    Scenes of one pass (overpass.py) have one shift, under the id of the first. `scenes.<id>` holds `sensor`,
    `shift_east_m`, `shift_north_m` (to be added to the scene's coordinates; 0 where not applied), `measured_east_m`,
    `measured_north_m`, `sigma_m` (of each, None where it could not be had), `windows_used`, `windows_total`,
    `contrast`, `reliable`, `significant`, `applied`, `reason` (why not applied, else empty), `doubt`, `scale_east`,
    `scale_north`, their `scale_sigma_…` and `consistent_georeference` (False: not applied; None: cannot be told),
    `mutual_information` (the second estimator, of radar only), `residual` (measured again with the shift applied) and
    `windows` (each window's centre and own shift). The first of `reference` stays where it is; further dates of
    Sentinel-2 are measured against it, radar against all of `reference`. A shift that cannot be relied on is not
    applied and is reported on the terminal. ValueError without Sentinel-2.
    """
    ranked = _by_clearness(scenes)
    passes, references = overpasses(scenes, "sentinel-1"), ranked[:REFERENCE_DATES]
    still = describe_still("sentinel-2", "the scene that others are measured against")
    entries = {ranked[0].id: still, **_measure_dates(ranked, grid, cloud_method)}
    entries |= _measure_passes(passes, references, entries, grid, cloud_method)
    content: dict[str, Any] = {
        "convention": "metres east and north in the grid's CRS, added to the scene's coordinates",
        "reference": [one.id for one in references],
        "scenes": entries,
    }
    write_json(out_path, content)
    return content


def reference_passes(scenes: Sequence[Scene]) -> list[Overpass]:
    """Return the clearest Sentinel-2 passes, at most `REFERENCE_DATES`, the clearest first."""
    return _by_clearness(scenes)[:REFERENCE_DATES]


def _by_clearness(scenes: Sequence[Scene]) -> list[Overpass]:
    optical = overpasses(scenes, "sentinel-2")
    if not optical:
        raise ValueError(f"expected a Sentinel-2 scene to measure others against, got {[s.id for s in scenes]}")
    ranks = rank_by_usable([one.usable_fraction or 0.0 for one in optical], [one.datetime for one in optical])
    return [one for _, one in sorted(zip(ranks, optical, strict=True), key=lambda pair: pair[0])]


def _measure_dates(ranked: Sequence[Overpass], grid: Grid, cloud_method: CloudMethod) -> dict[str, dict[str, Any]]:
    """Return the entries of all Sentinel-2 dates but the clearest, which comes first in `ranked`."""
    first, others, rest = ranked[0], ranked[1:MEASURED_DATES], ranked[MEASURED_DATES:]
    frame = spread_windows(grid, DATE_WINDOWS_PER_SIDE)

    def read(one: Overpass, window: GeoBox, shift_m: tuple[float, float] = _NO_SHIFT) -> Float:
        return _optical_window(one, DATE_BANDS, window, grid, cloud_method, shift_m)

    fixed = [prepare_fixed(read(first, window)) for window in frame.windows] if others else []

    def compare(one: Overpass, shift_m: tuple[float, float]) -> list[Correlation]:
        pairs = zip(fixed, frame.windows, strict=True)
        return [correlate(f, read(one, window, shift_m), optical=True) for f, window in pairs]

    entries = {one.id: _measure(one, frame, compare, least_px=LEAST_DATE_SHIFT_PX) for one in others}
    reason = f"not measured: only the {MEASURED_DATES} clearest dates are"
    return entries | {one.id: describe_still("sentinel-2", reason) for one in rest}


def _measure_passes(
    passes: Sequence[Overpass],
    references: Sequence[Overpass],
    known: Mapping[str, Mapping[str, Any]],
    grid: Grid,
    cloud_method: CloudMethod,
) -> dict[str, dict[str, Any]]:
    """Return the entries of all radar passes; `known` are those of the references, which are moved by them."""
    frame = spread_windows(grid, WINDOWS_PER_SIDE)
    chosen = _some(len(frame.windows), INFORMATION_WINDOWS)
    fixed: list[FixedWindow] = []
    classes: dict[int, Bytes] = {}
    for number, window in enumerate(frame.windows if passes else ()):
        dates = [
            _optical_window(s, REFERENCE_BANDS, window, grid, cloud_method, _moved(known[s.id])) for s in references
        ]
        bands = np.concatenate(dates)
        fixed.append(prepare_fixed(bands))
        if number in chosen:
            classes[number] = classify_optical(bands)

    # VH and VV power before any speckle filter: the refined Lee filter prefers the dark side and so moves edges
    def read(one: Overpass, window: GeoBox, shift_m: tuple[float, float]) -> Float:
        return radar_block(one, window, "grd4", shift_m)[:2]

    def compare(one: Overpass, shift_m: tuple[float, float]) -> list[Correlation]:
        return [correlate(f, read(one, window, shift_m)) for f, window in zip(fixed, frame.windows, strict=True)]

    def inform(one: Overpass) -> InformationShift:
        powers = {number: read(one, frame.windows[number], _NO_SHIFT) for number in classes}
        histograms = [joint_histograms(classes[number], classify_radar(power)) for number, power in powers.items()]
        rows, cols = frame.windows[0].shape
        return estimate_by_information(histograms, (rows - 2 * REACH_PX) * (cols - 2 * REACH_PX))

    return {one.id: _measure(one, frame, compare, inform=inform) for one in passes}


def _measure(
    one: Overpass,
    frame: Frame,
    compare: Callable[[Overpass, tuple[float, float]], list[Correlation]],
    *,
    inform: Callable[[Overpass], InformationShift] | None = None,
    least_px: float = 0.0,
) -> dict[str, Any]:
    correlations = compare(one, _NO_SHIFT)
    shift = combine(correlations)
    scale = fit_scale(correlations, frame.places, frame.size_px, is_related=shift.is_reliable)
    found = Measurement(shift, scale, None if inform is None else inform(one))
    verdict = judge(found, least_px=least_px)
    _report(one, found, verdict)
    residual = None
    if verdict.is_applied:
        residual = combine(compare(one, (verdict.east, verdict.north)))
    return describe(one.scenes[0].sensor, found, verdict, residual, frame.windows)


def _optical_window(
    one: Overpass,
    bands: Sequence[str],
    window: GeoBox,
    grid: Grid,
    cloud_method: CloudMethod,
    shift_m: tuple[float, float],
) -> Float:
    """Return reflectance (band, rows, cols), NaN under clouds, of a pass whose coordinates are moved by `shift_m`."""
    pictures = np.stack([_clear_bands(scene, bands, window, grid, cloud_method, shift_m) for scene in one.scenes])
    chosen = seams(np.asarray(np.isfinite(pictures).all(axis=1)))
    return np.asarray(np.take_along_axis(pictures, np.maximum(chosen, 0)[None, None], axis=0)[0])


def _clear_bands(
    scene: Scene,
    bands: Sequence[str],
    window: GeoBox,
    grid: Grid,
    cloud_method: CloudMethod,
    shift_m: tuple[float, float],
) -> Float:
    pixels = np.stack([read_asset(scene.assets[band], window, "cubic", shift_m=shift_m) for band in bands])
    if np.isfinite(pixels).any():
        pixels[:, cloud_mask(scene, window, grid, method=cloud_method, shift_m=shift_m)] = np.nan
    return pixels


def _moved(entry: Mapping[str, Any]) -> tuple[float, float]:
    return float(entry["shift_east_m"]), float(entry["shift_north_m"])


def _some(count: int, most: int) -> set[int]:
    # numbers spread over 0..count-1
    return {round(number) for number in np.linspace(0, count - 1, min(count, most))}


def _report(one: Overpass, found: Measurement, verdict: Verdict) -> None:
    if verdict.is_warning:
        print(f"warning: {one.id} is left where it is: {verdict.reason}", flush=True)
        return
    shift = found.shift
    done = f"moved {verdict.east:+.1f} m east, {verdict.north:+.1f} m north" if verdict.is_applied else "stays"
    notes = "".join(f"; {text}" for text in (verdict.reason, verdict.doubt) if text)
    used = f"{sum(shift.agrees)} of {len(shift.agrees)} windows"
    print(f"{one.id}: {done} (± {shift.sigma * PIXEL_M:.1f} m, {used}{notes})", flush=True)
