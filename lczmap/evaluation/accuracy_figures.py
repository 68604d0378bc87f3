"""Pictures of the accuracy report: box plot of the draws, mean confusion matrix, reliability diagram."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NUM_CLASSES, PaletteName, class_colors
from lczmap.evaluation.records import Report, read_report
from lczmap.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
_MEASURES = {"oa": "OA", "aa": "AA", "oau": "OAu", "oabu": "OAbu", "oaw": "OAw"}
_ACCURACY_KEYS = (*_MEASURES, "classes", "calibration", "ece")
_BOOTSTRAP_KEYS = ("n", "protocol", "polygons", "figures", "mean_confusion", "mean_confusion_normalised")
_BOX, _CHANCE, _MAP = "#4c78a8", "#d62728", "black"
_QUIET = "0.45"
_BUILT = sum(c.is_built for c in CLASSES)

Float = npt.NDArray[np.float64]


def draw_accuracy(
    accuracy_json: Path,
    bootstraps_json: Path,
    out_boxes: Path,
    out_confusion: Path,
    out_calibration: Path,
    *,
    title: str = "",
    palette: PaletteName = "official",
) -> None:
    """Draw accuracy.json and bootstraps.json as three PNGs: box plot, confusion matrix, calibration.

    Classes have the colours of `palette`. ValueError where a file is not what `assess-map` or `bootstrap-accuracy`
    writes.
    """
    accuracy = read_report(accuracy_json, _ACCURACY_KEYS, verb="assess-map")
    bootstraps = read_report(bootstraps_json, _BOOTSTRAP_KEYS, verb="bootstrap-accuracy")
    figures = (
        (boxes_figure(bootstraps, accuracy, title=title, palette=palette), out_boxes),
        (confusion_figure(bootstraps, title=title, palette=palette), out_confusion),
        (calibration_figure(accuracy, title=title), out_calibration),
    )
    for figure, path in figures:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")


def boxes_figure(bootstraps: Report, accuracy: Report, *, title: str = "", palette: PaletteName = "official") -> Figure:
    """Draw OA, AA, OAu, OAbu, OAw with its chance line, and F1 per class, over the draws, on a common scale.

    Black diamonds are the map's own figures, from accuracy.json. Classes without polygons are named as such.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(5, NUM_CLASSES), sharey=True)
    values = bootstraps["figures"]
    _draw_boxes(left, [values[name] for name in _MEASURES], [_BOX] * len(_MEASURES))
    _mark_map(left, [accuracy[name]["value"] for name in _MEASURES])
    _draw_chance(left, list(_MEASURES).index("oaw"), values["oaw_chance"])
    left.set_xticks(range(len(_MEASURES)), list(_MEASURES.values()))
    left.set(ylim=(-0.02, 1.02), ylabel="accuracy")
    left.set_title("whole map", fontsize=10)
    _draw_boxes(right, [values["f1"].get(c.label, []) for c in CLASSES], class_colors(palette))
    _mark_map(
        right,
        [row["f1"] if c.label in values["f1"] else None for c, row in zip(CLASSES, accuracy["classes"], strict=True)],
    )
    _name_classes(right, bootstraps["polygons"], values["f1"])
    right.set_title("F1 of each class", fontsize=10)
    for ax in (left, right):
        ax.grid(axis="y", color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    _add_title(figure, title, "accuracy on reference polygons", bootstraps["protocol"])
    return figure


def confusion_figure(bootstraps: Report, *, title: str = "", palette: PaletteName = "official") -> Figure:
    """Draw the mean confusion matrix of the draws: cells on the left, percent of each reference class on the right."""
    from matplotlib.figure import Figure

    counts = np.array(bootstraps["mean_confusion"], np.float64)
    shares = np.array(bootstraps["mean_confusion_normalised"], np.float64)  # None becomes NaN
    figure = Figure(figsize=(15.5, 7.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_matrix(left, shares, [[_cells_text(v) for v in row] for row in counts])
    _draw_matrix(right, shares, [[_percent_text(v) for v in row] for row in shares])
    for ax in (left, right):
        _edge_with_classes(ax, class_colors(palette))
    left.set_title("cells, mean of the draws", fontsize=11)
    right.set_title("percent of the reference class", fontsize=11)
    left.set_ylabel("reference")
    _add_title(figure, title, f"mean confusion matrix of {bootstraps['n']} draws", bootstraps["protocol"])
    return figure


def calibration_figure(accuracy: Report, *, title: str = "") -> Figure:
    """Draw accuracy over confidence, bin by bin, with the calibration error, and how many cells each bin holds."""
    from matplotlib.figure import Figure

    bins = accuracy["calibration"]
    edges = [b["low"] for b in bins]
    width = bins[0]["high"] - bins[0]["low"]
    filled = [b for b in bins if b["cells"]]
    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", linewidth=1, label="perfect")
    for b in filled:
        top.plot([b["confidence"]] * 2, [b["confidence"], b["accuracy"]], color=_CHANCE, linewidth=1.2, alpha=0.6)
    line = ([b["confidence"] for b in filled], [b["accuracy"] for b in filled])
    top.plot(*line, color=_BOX, marker="o", linewidth=1.5, label="map")
    top.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="share of cells that are right")
    top.legend(loc="upper left", frameon=False, fontsize=9, bbox_to_anchor=(0.02, 1))
    ece = accuracy["ece"]
    interval = "" if ece["low"] is None else f"\n({ece['low']:.2f} to {ece['high']:.2f})"
    top.text(0.97, 0.04, f"ECE {ece['value']:.2f}{interval}", ha="right", fontsize=11, transform=top.transAxes)
    bottom.bar(edges, [b["cells"] for b in bins], width=width, align="edge", color="0.75", edgecolor="white")
    bottom.set(xlabel="confidence: probability of the mapped class", ylabel="cells")
    for ax in (top, bottom):
        ax.spines[["top", "right"]].set_visible(False)
    note = (
        "On reference polygons, which are chosen as clear examples: the calibration looks better than it is elsewhere."
    )
    _add_title(figure, title, "calibration on reference polygons", note)
    return figure


def _draw_boxes(ax: Axes, values: Sequence[Sequence[float | None]], colors: Sequence[str]) -> None:
    """Draw a box for each list of values that has any, and its values beside; whiskers reach the extremes."""
    from matplotlib.patheffects import withStroke

    rim = [withStroke(linewidth=4, foreground="white")]  # the median shows on dark colours too
    spread = np.linspace(-0.22, 0.22, 7)
    for position, (given, color) in enumerate(zip(values, colors, strict=True)):
        defined = [value for value in given if value is not None]
        if not defined:
            continue
        style = {"color": "0.25", "linewidth": 1}
        ax.boxplot(
            [defined],
            positions=[position],
            widths=0.62,
            whis=(0, 100),
            patch_artist=True,
            boxprops={"facecolor": color, "edgecolor": "0.25", "alpha": 0.75},
            medianprops={"color": "black", "linewidth": 2, "path_effects": rim},
            whiskerprops=style,
            capprops=style,
            manage_ticks=False,
        )
        x = position + np.resize(spread, len(defined))
        ax.plot(x, defined, ".", color="0.2", markersize=2.5, alpha=0.5, zorder=3)


def _mark_map(ax: Axes, values: Sequence[float | None]) -> None:
    known = [(position, value) for position, value in enumerate(values) if value is not None]
    ax.plot(
        *zip(*known, strict=True), linestyle="", marker="D", color=_MAP, markersize=5, markerfacecolor="white", zorder=4
    )


def _draw_chance(ax: Axes, position: int, values: Sequence[float | None]) -> None:
    """Mark the OAw of an unrelated map with the same class shares, the median of the draws."""
    defined = [value for value in values if value is not None]
    if defined:
        level = float(np.median(defined))
        ax.plot([position - 0.45, position + 0.45], [level, level], color=_CHANCE, linewidth=2.2, zorder=4)
        ax.annotate(
            f"chance\n{level:.2f}",
            (position, level),
            (0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
            color=_CHANCE,
        )


def _name_classes(ax: Axes, polygons: Mapping[str, int], tested: Mapping[str, Any]) -> None:
    """Write the labels and numbers of polygons below the axis, and in place of a box why there is none."""
    names = [f"{c.label}\n{polygons[c.label] or '–'}" for c in CLASSES]
    ax.set_xticks(range(NUM_CLASSES), names, fontsize=9)
    ax.set(xlim=(-0.7, NUM_CLASSES - 0.3), xlabel="class, and below it the number of its polygons    ◇ the map itself")
    ax.axvline(_BUILT - 0.5, color="0.8", linewidth=0.8)
    for c in CLASSES:
        if c.label not in tested:
            words = "never tested" if polygons[c.label] else "no polygons"
            ax.text(c.index, 0.5, words, rotation=90, ha="center", va="center", fontsize=8, color=_QUIET)


def _draw_matrix(ax: Axes, shares: Float, texts: Sequence[Sequence[str]]) -> None:
    """Draw texts (17, 17) on the shades of `shares`; rows without a reference are grey."""
    ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1.15)
    for row, values in enumerate(shares):
        if np.isnan(values).all():
            ax.axhspan(row - 0.5, row + 0.5, color="0.93")
            ax.text(
                NUM_CLASSES / 2 - 0.5, row, "no polygons tested", ha="center", va="center", fontsize=8, color=_QUIET
            )
            continue
        for col, share in enumerate(values):
            ax.text(
                col,
                row,
                texts[row][col],
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if share > 0.6 else "black",
                fontweight="bold" if row == col else "normal",
            ).set_in_layout(False)  # 289 texts that lie inside anyway: the layout is twice as fast
    labels = [c.label for c in CLASSES]
    ax.set_xticks(range(NUM_CLASSES), labels, fontsize=9)
    ax.set_yticks(range(NUM_CLASSES), [f"{c.name}  {c.label}" for c in CLASSES], fontsize=8)
    ax.set_xlabel("map")
    ax.tick_params(length=0)
    for edge in (ax.axhline, ax.axvline):
        edge(_BUILT - 0.5, color="0.4", linewidth=1)


def _edge_with_classes(ax: Axes, colors: Sequence[str]) -> None:
    """Draw the classes' colours along both axes of a matrix."""
    ax.tick_params(pad=9)
    for index, color in enumerate(colors):
        ax.add_patch(_rectangle((index - 0.5, NUM_CLASSES - 0.5), 1, 0.22, color))
        ax.add_patch(_rectangle((-0.72, index - 0.5), 0.22, 1, color))


def _rectangle(corner: tuple[float, float], width: float, height: float, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=color, edgecolor="0.6", linewidth=0.3, clip_on=False)


def _cells_text(value: float) -> str:
    if value < 0.05:
        return ""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _percent_text(share: float) -> str:
    return "" if np.isnan(share) or share < 0.005 else f"{100 * share:.0f}"


def _add_title(figure: Figure, title: str, words: str, note: str) -> None:
    width = figure.get_size_inches()[0]
    heading = f"{title}: {words}" if title else words[0].upper() + words[1:]
    figure.suptitle("\n".join(textwrap.wrap(heading, int(9 * width))), fontsize=12, fontweight="bold")
    lines = "\n".join(textwrap.wrap(note, int(16 * width)))
    figure.supxlabel(lines, fontsize=8, color="0.35", x=0.01, ha="left")
