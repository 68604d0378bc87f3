"""The picture of heat islands: temperatures of the zones in their colours, beside the island."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lczmap.classes import CLASSES, PaletteName, class_colors, rgb
from lczmap.heat.rows import Island

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN, _WIDTH_IN = 4.6, 11.0  # inches
_EDGE = "0.25"


def draw_islands(islands: Sequence[Island], *, palette: PaletteName = "official") -> Figure:
    """Draw a row for each island: temperature per class on the left, difference from the reference on the right.

    Classes have the colours of `palette`, that of the map. Boxes hold the middle half of a class's cells, whiskers
    90 %; dots are stations; bars are 95 % intervals. Stations with several hours of the day get a third panel.
    """
    from matplotlib.figure import Figure

    colors = class_colors(palette)
    figure = Figure(figsize=(_WIDTH_IN, _ROW_IN * len(islands)), layout="constrained")
    for part, island in zip(_parts(figure, len(islands)), islands, strict=True):
        has_hours = len(island.get("hours", ())) > 1
        axes = part.subplots(1, 3 if has_hours else 2, width_ratios=[1, 1, 1.1] if has_hours else [1, 1])
        rows = [row for row in island["classes"] if row["temperature_c"]]
        part.suptitle(_title(island), fontsize=10, fontweight="bold", x=0.01, ha="left")
        _draw_temperatures(axes[0], rows, island, colors)
        _draw_differences(axes[1], rows, island, colors)
        if has_hours:
            _draw_hours(axes[2], island, colors)
    return figure


def _parts(figure: Figure, number: int) -> list[Any]:
    parts = figure.subfigures(number, 1, squeeze=False)
    return list(parts[:, 0])


def _title(island: Island) -> str:
    when = f", {island['time']}" if island["time"] else ""
    return f"{island['name']} from {island['file']}{when}"


def _draw_temperatures(ax: Axes, rows: Sequence[dict[str, Any]], island: Island, colors: Sequence[str]) -> None:
    for place, row in enumerate(rows):
        color = colors[row["code"] - 1]
        dots = [s["mean_c"] for s in island.get("stations", ()) if s["code"] == row["code"] and s["values"]]
        quantiles = row.get("quantiles_c")
        if quantiles is not None and quantiles[0] == quantiles[-1]:
            dots = [quantiles[0]]  # one cell: a box would have no height
        elif quantiles is not None:
            _draw_box(ax, place, quantiles, color)
        ax.scatter([place] * len(dots), dots, s=26, color=color, edgecolor=_EDGE, linewidth=0.7, zorder=3)
    _label_classes(ax, rows)
    ax.set_ylabel("temperature, °C", fontsize=8)
    ax.set_title("Stations, mean over time" if "stations" in island else "Cells of each zone", fontsize=9)


def _draw_box(ax: Axes, place: int, quantiles: Sequence[float], color: str) -> None:
    names = ("whislo", "q1", "med", "q3", "whishi")
    line = {"color": _EDGE, "linewidth": 0.8}
    ax.bxp(
        [dict(zip(names, quantiles, strict=True))],
        positions=[place],
        widths=0.62,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": color, "edgecolor": _EDGE, "linewidth": 0.8},
        medianprops={"color": line_color(color)},
        whiskerprops=line,
        capprops=line,
    )


def _draw_differences(ax: Axes, rows: Sequence[dict[str, Any]], island: Island, colors: Sequence[str]) -> None:
    reference = island["reference"]
    if not reference["present"]:
        ax.axis("off")
        ax.text(0, 0.9, "\n".join(textwrap.wrap(reference["why_not"], 52)), va="top", fontsize=8)
        return
    ax.axhline(0, color="0.4", linewidth=0.8)
    for place, row in enumerate(rows):
        figure = row["island_k"]
        if figure is None:
            continue
        ax.bar(place, figure["value"], width=0.62, color=colors[row["code"] - 1], edgecolor=_EDGE, linewidth=0.8)
        if math.isfinite(figure["low"]):
            ax.plot([place] * 2, [figure["low"], figure["high"]], color="white", linewidth=3.2, solid_capstyle="butt")
            ax.plot(
                [place] * 2, [figure["low"], figure["high"]], color="black", linewidth=1.4, marker="_", markersize=7
            )
    _label_classes(ax, rows)
    ax.set_ylabel(f"{island['name']}: difference from LCZ {reference['label']}, K", fontsize=8)
    ax.set_title(f"Difference from LCZ {reference['label']}, 95 % interval", fontsize=9)


def _draw_hours(ax: Axes, island: Island, colors: Sequence[str]) -> None:
    """Draw each class's difference from the reference, or its temperature where there is none, by hour of day."""
    key = "island_k" if island["reference"]["present"] else "temperature_c"
    for c in CLASSES:
        if key == "island_k" and c.label == island["reference"]["label"]:
            continue
        steps = [
            (s["when"], r[key]["value"])
            for s in island["hours"]
            for r in s["classes"]
            if r["code"] == c.code and r[key]
        ]
        if steps:
            hours, values = zip(*steps, strict=True)
            ax.plot(hours, values, color=_EDGE, linewidth=2.6)
            ax.plot(hours, values, color=colors[c.index], linewidth=1.7, marker="o", markersize=3, label=c.label)
    ax.legend(title="LCZ", fontsize=7, title_fontsize=7, ncols=2)
    ax.set_xlabel("hour of the day, as in the table", fontsize=8)
    ax.set_ylabel("K" if key == "island_k" else "°C", fontsize=8)
    ax.set_title("By hour of the day", fontsize=9)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.3, linewidth=0.5)


def _label_classes(ax: Axes, rows: Sequence[dict[str, Any]]) -> None:
    ax.set_xticks(range(len(rows)), [f"{row['label']}\n{row['n']}" for row in rows], fontsize=7)
    ax.set_xlim(-0.6, max(len(rows), 4) - 0.4)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="y", alpha=0.3, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_xlabel("LCZ, number of cells or stations below", fontsize=8)


def line_color(color: str) -> str:
    """Return black or white, whichever stands out more on a colour #rrggbb (contrast ratio of WCAG 2.2)."""
    parts = [part / 255 for part in rgb(color)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"
