"""Pictures of the co-registration: what each window found, and how two sensors lie on each other before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lczmap.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
_PANEL = 4.6  # inches, side of a panel
_CAPTION = 1.1  # inches below each panel for its figures
_MOST_COLUMNS = 3
_ARROW_SHARE = 0.1  # of the city's side: length of the arrow in the key
_LONGEST = 3.0  # key arrows; longer arrows are cut and drawn dotted
_AGREES, _REJECTED, _JOINT, _SECOND = "#0072b2", "#999999", "black", "#d55e00"  # told apart by colour-blind eyes too
_STRETCH = (2.0, 98.0)  # percentiles shown as black and as full colour

Real = npt.NDArray[np.floating]


def draw_shifts(
    coregistration: Mapping[str, Any], out_png: Path, *, title: str = "", sensors: Sequence[str] = ("sentinel-1",)
) -> None:
    """Draw the content of coregistration.json as PNG: one panel per measured scene of `sensors`.

    Arrows are the shifts that windows found on their own, at the windows' places; the black arrow is the joint shift
    with its 2-sigma circle, the orange one that of mutual information. A run without such scenes gives a page that
    says so.
    """
    from matplotlib.figure import Figure

    entries = {k: e for k, e in coregistration["scenes"].items() if e.get("sensor") in sensors and e.get("windows")}
    columns = min(max(len(entries), 1), _MOST_COLUMNS)
    rows = math.ceil(max(len(entries), 1) / columns)
    figure = Figure(figsize=(columns * (_PANEL + 0.6), rows * (_PANEL + _CAPTION) + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.suptitle(title or "Shift of each scene against Sentinel-2", fontweight="bold")
    for ax, (name, entry) in zip(axes, entries.items(), strict=False):
        _draw_scene(ax, name, entry)
    for ax in axes[len(entries) :]:
        ax.axis("off")
    if not entries:
        axes[0].text(0.5, 0.5, f"no measured scene of {', '.join(sensors)}", ha="center", va="center")
    _add_legend(figure)
    with replacing(out_png) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")


def draw_overlay(optical: Real, before: Real, after: Real, out_png: Path, *, title: str = "") -> None:
    """Draw radar over optical before and after the shift as PNG: optical in cyan, radar in red.

    All are (y, x) of the same pixels in any increasing unit, NaN where missing; a pixel that one of the three misses
    is black. Where bright things of both lie on each other they turn white; a shift gives red and cyan fringes.
    """
    from matplotlib.figure import Figure

    if not optical.shape == before.shape == after.shape:
        raise ValueError(f"expected pictures of one shape, got {optical.shape}, {before.shape} and {after.shape}")
    shown = np.isfinite(optical) & np.isfinite(before) & np.isfinite(after)
    optical, before, after = (np.where(shown, image, np.nan) for image in (optical, before, after))
    rows, cols = optical.shape
    figure = Figure(figsize=(2 * 6.0, 6.0 * rows / cols + 0.7), layout="constrained")
    for ax, radar, name in zip(figure.subplots(1, 2), (before, after), ("before", "after"), strict=True):
        ax.imshow(overlay_colors(optical, radar), interpolation="nearest")
        ax.set_title(name, fontsize=10)
        ax.axis("off")
    figure.suptitle(title, fontweight="bold", fontsize=11)
    with replacing(out_png) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")


def overlay_colors(optical: Real, radar: Real) -> npt.NDArray[np.float64]:
    """Return a picture (y, x, 3), 0..1: radar in red, optical in green and blue, each stretched to its own range."""
    red, cyan = _stretch(radar), _stretch(optical)
    return np.stack([red, cyan, cyan], axis=-1)


def _stretch(image: Real) -> npt.NDArray[np.float64]:
    if not np.isfinite(image).any():
        return np.zeros(image.shape)
    low, high = np.nanpercentile(image, _STRETCH)
    return np.asarray(np.nan_to_num(np.clip((image - low) / max(high - low, 1e-12), 0, 1)), dtype=np.float64)


def _add_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    meanings = {
        "a window's own shift": _AGREES,
        "a window that was left out (dotted: longer than drawn)": _REJECTED,
        "all windows together, circle: two standard deviations": _JOINT,
        "mutual information": _SECOND,
    }
    handles = [Line2D([], [], color=color, label=meaning) for meaning, color in meanings.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=7, frameon=False)


def _draw_scene(ax: Axes, name: str, entry: Mapping[str, Any]) -> None:
    windows = entry["windows"]
    x, y = (np.array([window[key] for window in windows]) / 1000 for key in ("x", "y"))
    centre, side = (x.mean(), y.mean()), max(float(np.ptp(x)), float(np.ptp(y)), 0.1) * 1.5
    key_m = _key_length([entry["measured_east_m"] or 0.0, entry["measured_north_m"] or 0.0])
    km_per_m = _ARROW_SHARE * side / key_m
    for window, e, n in zip(windows, x, y, strict=True):
        own = (window["shift_east_m"], window["shift_north_m"])
        if own[0] is None:
            ax.plot(e, n, "x", color=_REJECTED, markersize=5)
            continue
        color = _AGREES if window["agrees"] else _REJECTED
        _draw_arrow(ax, (e, n), own, km_per_m, _LONGEST * key_m, color, 1.2)
    _draw_joint(ax, centre, entry, km_per_m)
    ax.set(xlim=(centre[0] - 0.55 * side, centre[0] + 0.55 * side))
    ax.set(ylim=(centre[1] - 0.55 * side, centre[1] + 0.55 * side))
    start = (centre[0] - 0.5 * side, centre[1] - 0.5 * side)
    _draw_arrow(ax, start, (key_m, 0.0), km_per_m, math.inf, _JOINT, 1.0)
    ax.text(start[0], start[1] + 0.015 * side, f"{key_m:g} m", fontsize=7, va="bottom")
    ax.set_aspect("equal")
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(labelsize=6, length=2)
    ax.locator_params(nbins=4)
    ax.set_title(_short(name), fontsize=7)
    ax.set_xlabel("km east\n" + _caption(entry), fontsize=7)


def _draw_joint(ax: Axes, centre: tuple[float, float], entry: Mapping[str, Any], km_per_m: float) -> None:
    from matplotlib.patches import Circle

    measured = (entry["measured_east_m"], entry["measured_north_m"])
    second = entry.get("mutual_information")
    if second and second["measured_east_m"] is not None:
        shift = (second["measured_east_m"], second["measured_north_m"])
        _draw_arrow(ax, centre, shift, km_per_m, math.inf, _SECOND, 2.0)
    if measured[0] is not None and entry["sigma_m"] is not None:
        _draw_arrow(ax, centre, measured, km_per_m, math.inf, _JOINT, 2.4)
        tip = (centre[0] + measured[0] * km_per_m, centre[1] + measured[1] * km_per_m)
        ax.add_patch(Circle(tip, 2 * entry["sigma_m"] * km_per_m, fill=False, color=_JOINT, linewidth=0.8))


def _draw_arrow(
    ax: Axes,
    start: tuple[float, float],
    shift_m: Sequence[float],
    km_per_m: float,
    longest_m: float,
    color: str,
    width: float,
) -> None:
    length = math.hypot(*shift_m)
    cut = min(1.0, longest_m / length) if length else 1.0
    tip = (start[0] + shift_m[0] * cut * km_per_m, start[1] + shift_m[1] * cut * km_per_m)
    style = {"arrowstyle": "-|>", "color": color, "lw": width, "ls": ":" if cut < 1 else "-"}
    arrow = {**style, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8, "clip_on": True}
    drawn = ax.annotate("", tip, start, arrowprops=arrow, annotation_clip=False)
    if drawn.arrow_patch is not None:
        drawn.arrow_patch.set_clip_path(ax.patch)  # a long arrow ends at the frame


def _key_length(shift_m: Sequence[float]) -> float:
    """Return 1, 2 or 5 · 10ⁿ metres, about as long as the shift, at least one metre."""
    length = max(math.hypot(*shift_m), 1.0)
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length)


def _caption(entry: Mapping[str, Any]) -> str:
    lines = [f"structure: {_metres(entry)}, {entry['windows_used']} of {entry['windows_total']} windows"]
    second = entry.get("mutual_information")
    if second:
        verdict = {True: "agrees", False: "DISAGREES", None: "no clear peak"}[second["agrees"]]
        lines.append(f"mutual information: {_metres(second)}, {verdict}")
    if entry["consistent_georeference"] is False:
        scales = f"{entry['scale_east']:.4f} east, {entry['scale_north']:.4f} north"
        lines.append(f"INCONSISTENT GEOREFERENCE: scale {scales}")
    if entry["residual"]:
        lines.append(f"applied; left after it: {_metres(entry['residual'])}")
    else:
        lines.append("not applied")
    return "\n".join([*lines, ""])  # the empty line keeps the legend off


def _metres(entry: Mapping[str, Any]) -> str:
    east, north, sigma = (entry[key] for key in ("measured_east_m", "measured_north_m", "sigma_m"))
    if east is None or sigma is None:
        return "not measured"
    return f"{east:+.1f} m E, {north:+.1f} m N ± {sigma:.1f} m"


def _short(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:31]}…{name[-30:]}"
