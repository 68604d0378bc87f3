"""What is made of a measured shift: apply it or not, and why; and how coregistration.json says so. Pure values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odc.geo.geobox import GeoBox

from lczmap.grid import PIXEL_M
from lczmap.scenes.coregister import Shift
from lczmap.scenes.mutual_information import AGREEMENT_PX, InformationShift
from lczmap.scenes.scale import UNKNOWN, Scale

SIGNIFICANT_SIGMA = 2.0
"""Standard deviations that a shift must exceed to be applied."""


@dataclass(frozen=True)
class Measurement:
    """What the windows say of one scene; `information` is None where only structure was compared."""

    shift: Shift
    scale: Scale
    information: InformationShift | None


@dataclass(frozen=True)
class Verdict:
    """What is done with a scene: `east`, `north` in metres are added to its coordinates, 0 where not `is_applied`.

    `reason` says why not, else it is empty. `is_warning`: the scene may lie off and nothing was done about it.
    `doubt` is what speaks against a shift that is applied.
    """

    east: float
    north: float
    is_applied: bool
    is_significant: bool
    is_warning: bool
    reason: str
    doubt: str


def judge(found: Measurement, *, least_px: float = 0.0) -> Verdict:
    """Decide about a scene. A shift below `least_px` pixels is left alone even when it is significant."""
    shift = found.shift
    length = math.hypot(shift.right, shift.down)
    is_significant = shift.is_reliable and length > SIGNIFICANT_SIGMA * shift.sigma
    warning = _inconsistency(found.scale) or shift.reason or _contradiction(shift, found.information)
    reason = warning
    if not reason and not is_significant:
        reason = f"not larger than {SIGNIFICANT_SIGMA:g} standard deviations"
    elif not reason and length <= least_px:
        reason = f"not larger than {least_px:g} px"
    doubt = ""
    if found.information is not None and not warning and not found.information.is_clear:
        doubt = "mutual information finds no clear shift: the structure's rests on one estimator"
    # rows run north to south
    east, north = (0.0, 0.0) if reason else (shift.right * PIXEL_M, -shift.down * PIXEL_M)
    return Verdict(east, north, not reason, is_significant, bool(warning), reason, doubt)


def _inconsistency(scale: Scale) -> str:
    if scale.is_consistent is not False:
        return ""
    return (
        f"inconsistent georeference: pixel sizes differ by a factor of {scale.right:.4f} ± {scale.sigma_right:.4f} "
        f"east, {scale.down:.4f} ± {scale.sigma_down:.4f} north; check the CRS and transform of the files"
    )


def _contradiction(shift: Shift, information: InformationShift | None) -> str:
    if information is None or not information.is_clear:
        return ""
    if information.agrees(shift.right, shift.down, shift.sigma):
        return ""
    apart = math.hypot(information.right - shift.right, information.down - shift.down)
    return (
        f"structure and mutual information disagree by {apart:.2f} px (accepted: {AGREEMENT_PX:g} px or twice their "
        "joint uncertainty)"
    )


def describe(
    sensor: str, found: Measurement, verdict: Verdict, residual: Shift | None, windows: Sequence[GeoBox]
) -> dict[str, Any]:
    """Return a scene's entry of coregistration.json; `residual` is the shift that is left, None where not applied."""
    return {
        "sensor": sensor,
        "shift_east_m": round(verdict.east, 3),
        "shift_north_m": round(verdict.north, 3),
        "applied": verdict.is_applied,
        "significant": verdict.is_significant,
        "reason": verdict.reason,
        "doubt": verdict.doubt,
        **_describe_shift(found.shift),
        **_describe_scale(found.scale),
        "mutual_information": _describe_information(found),
        "residual": None if residual is None else _describe_shift(residual),
        "windows": _describe_windows(windows, found.shift),
    }


def describe_still(sensor: str, reason: str) -> dict[str, Any]:
    """Return the entry of a scene that is not measured and stays where it is, with the same keys."""
    nothing = Measurement(Shift(math.nan, math.nan, math.inf, 0.0, (), (), False, ""), UNKNOWN, None)
    return describe(sensor, nothing, Verdict(0.0, 0.0, False, False, False, reason, ""), None, ())


def _describe_shift(shift: Shift) -> dict[str, Any]:
    """Return what a shift says, in metres east and north."""
    return {
        "measured_east_m": _finite(shift.right * PIXEL_M) if math.isfinite(shift.sigma) else None,
        "measured_north_m": _finite(-shift.down * PIXEL_M) if math.isfinite(shift.sigma) else None,
        "sigma_m": _finite(shift.sigma * PIXEL_M),
        "contrast": round(shift.contrast, 1),
        "windows_used": sum(shift.agrees),
        "windows_total": len(shift.agrees),
        "reliable": shift.is_reliable,
    }


def _describe_scale(scale: Scale) -> dict[str, Any]:
    return {
        "scale_east": _finite(scale.right, 6),
        "scale_north": _finite(scale.down, 6),
        "scale_sigma_east": _finite(scale.sigma_right, 6),
        "scale_sigma_north": _finite(scale.sigma_down, 6),
        "consistent_georeference": scale.is_consistent,
    }


def _describe_information(found: Measurement) -> dict[str, Any] | None:
    information, shift = found.information, found.shift
    if information is None:
        return None
    agrees = information.agrees(shift.right, shift.down, shift.sigma) if information.is_clear else None
    return {
        "measured_east_m": _finite(information.right * PIXEL_M),
        "measured_north_m": _finite(-information.down * PIXEL_M),
        "sigma_m": _finite(information.sigma * PIXEL_M),
        "contrast": round(information.contrast, 1),
        "agrees": agrees,
    }


def _describe_windows(windows: Sequence[GeoBox], shift: Shift) -> list[dict[str, Any]]:
    entries = []
    for window, (right, down), agrees in zip(windows, shift.window_shifts, shift.agrees, strict=True):
        x, y = window.transform @ (window.shape[1] / 2, window.shape[0] / 2)
        own = {"shift_east_m": _finite(right * PIXEL_M), "shift_north_m": _finite(-down * PIXEL_M)}
        entries.append({"x": x, "y": y, **own, "agrees": agrees})
    return entries


def _finite(value: float, digits: int = 3) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
