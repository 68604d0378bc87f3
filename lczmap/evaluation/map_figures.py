"""Pictures of two maps beside each other and of what differs, with legends and the main figures."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.classes import CLASSES, PaletteName, palette_of, rgb
from lczmap.classes import class_colors as palette_colors
from lczmap.evaluation.figures import Bytes, Panel, class_colors
from lczmap.evaluation.map_agreement import DIFFERENCES
from lczmap.evaluation.map_change import SURE
from lczmap.files import replacing
from lczmap.raster import Category, read_cells, read_class_map, read_tags

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANGES = (
    Category(1, "same class", "#d9d9d9"),
    Category(2, f"another class, below {SURE[0]:g}", "#fdcc8a"),
    Category(3, f"another class, {SURE[0]:g} to {SURE[1]:g}", "#fc8d59"),
    Category(4, f"another class, {SURE[1]:g} or more", "#b30000"),
)
DPI = 130

_MOST_PX = 1200  # long side of a panel's image
_PANEL, _LEGEND, _MARGIN, _TOP = 4.6, 3.6, 0.6, 0.85  # inches
_LINE = 0.21  # inches between lines of the legend
_CHARACTERS = 54  # of a line
_COLUMN_ENTRIES = 9  # of a legend; a longer one gets two columns


@dataclass(frozen=True)
class Legend:
    """Entries (text, colour #rrggbb) under a heading, in two columns where they are many."""

    heading: str
    entries: Sequence[tuple[str, str]]

    @property
    def lines(self) -> int:
        """Lines that the entries take."""
        return math.ceil(len(self.entries) / 2) if len(self.entries) > _COLUMN_ENTRIES else len(self.entries)


def draw_comparison(ours: Path, other: Path, difference: Path, report: Path, out_png: Path, *, title: str = "") -> None:
    """Draw a map, another map on its grid, and where they differ, with the figures of the comparison, as PNG.

    Both maps have the colours of the first one's palette.
    """
    (codes, geobox), (theirs, _) = read_class_map(ours), read_class_map(other)
    kinds = read_cells(difference, expected=geobox)[0][0]
    palette = palette_of(read_tags(ours))
    figures: Mapping[str, Any] = json.loads(report.read_text())
    panels = [
        Panel(f"this map: {figures['map']}", class_colors(_thinned(codes), palette)),
        Panel(f"other map: {figures['other']['file']}", class_colors(_thinned(theirs), palette)),
        Panel("difference", category_colors(_thinned(kinds), DIFFERENCES)),
    ]
    cells = figures["cells"]
    entries = [(f"{c.name}: {figures['differences'][c.name] / cells:.1%}", c.color) for c in DIFFERENCES]
    legends = [Legend("difference", entries), _class_legend(palette, codes, theirs)]
    _save(panels, geobox, legends, title or "Comparison of two LCZ maps", _agreement_lines(figures), out_png)


def draw_change(earlier: Path, later: Path, change: Path, report: Path, out_png: Path, *, title: str = "") -> None:
    """Draw two maps of one city, in the palette of the earlier one, and how surely each cell has changed, as PNG."""
    (before, geobox), (after, _) = read_class_map(earlier), read_class_map(later)
    probability = read_cells(change, expected=geobox)[0][1]
    figures: Mapping[str, Any] = json.loads(report.read_text())
    kinds = change_kinds(before, after, probability)
    palette = palette_of(read_tags(earlier))
    panels = [
        Panel("before", class_colors(_thinned(before), palette)),
        Panel("after", class_colors(_thinned(after), palette)),
        Panel("change", category_colors(_thinned(kinds), CHANGES)),
    ]
    shares = np.bincount(kinds.ravel(), minlength=len(CHANGES) + 1) / figures["cells"]
    entries = [(f"{c.name}: {shares[c.value]:.1%}", c.color) for c in CHANGES]
    lines = [f"{figures['changed']['share']:.1%} of {figures['km2']:.1f} km² has another class", *figures["warnings"]]
    legends = [Legend("change, by its least probability", entries), _class_legend(palette, before, after)]
    _save(panels, geobox, legends, title or "Change between two LCZ maps", lines, out_png)


def change_kinds(before: Bytes, after: Bytes, probability: npt.NDArray[np.floating]) -> Bytes:
    """Return the value of CHANGES (y, x), 0 where one map has no class."""
    kinds: Bytes = (2 + np.digitize(np.nan_to_num(probability), SURE)).astype(np.uint8)
    kinds[before == after] = 1
    kinds[(before == 0) | (after == 0)] = 0
    return kinds


def category_colors(values: Bytes, categories: Sequence[Category]) -> Bytes:
    """Return the colours (y, x, 4) of categories (y, x); 0 is transparent."""
    table = np.zeros((max(c.value for c in categories) + 1, 4), np.uint8)
    for c in categories:
        table[c.value] = (*rgb(c.color), 255)
    colors: Bytes = table[values]
    return colors


def _agreement_lines(figures: Mapping[str, Any]) -> list[str]:
    def text(name: str) -> str:
        figure = figures[name]
        interval = f" ({figure['low']:.2f} to {figure['high']:.2f})" if figure["low"] is not None else ""
        return f"{figure['value']:.2f}{interval}" if figure["value"] is not None else "not defined"

    return [
        f"agreement {text('agreement')}",
        f"kappa {text('kappa')}",
        f"weighted by similarity {text('weighted')}",
        f"chance line of that {text('weighted_chance')}",
        f"built or natural {text('built_or_natural')}",
        f"{figures['cells']} cells, {figures['km2']:.1f} km²; 95 % intervals",
        "Neither map is the truth.",
        *figures["warnings"],
    ]


def _thinned(values: Bytes) -> Bytes:
    """Return every nth row and column (y, x) of a map, so that its long side has at most _MOST_PX."""
    step = max(math.ceil(max(values.shape) / _MOST_PX), 1)
    return values[::step, ::step]


def _class_legend(palette: PaletteName, *maps: Bytes) -> Legend:
    found = {code for codes in maps for code in np.unique(codes).tolist()}
    colors = zip(CLASSES, palette_colors(palette), strict=True)
    return Legend("classes of the maps", [(f"{c.label}  {c.name}", color) for c, color in colors if c.code in found])


def _save(
    panels: Sequence[Panel],
    geobox: GeoBox,
    legends: Sequence[Legend],
    title: str,
    lines: Sequence[str],
    out_png: Path,
) -> None:
    figure = _figure(panels, geobox, legends, title, lines)
    with replacing(out_png) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")


def _figure(
    panels: Sequence[Panel], geobox: GeoBox, legends: Sequence[Legend], title: str, lines: Sequence[str]
) -> Figure:
    """Lay the panels out in a row, or in a column where the maps are wide, with the legends on the right."""
    from matplotlib.figure import Figure

    lines = [part for line in lines for part in textwrap.wrap(line, _CHARACTERS, subsequent_indent="  ")]
    rows, cols = geobox.shape
    scale = _PANEL / math.sqrt(rows * cols)
    width, height = (min(max(side * scale, 1.5), 2.5 * _PANEL) for side in (cols, rows))
    down, across = (len(panels), 1) if cols / rows > 1.7 else (1, len(panels))
    text_height = _LINE * (sum(legend.lines + 2.7 for legend in legends) + len(lines) + 1)
    body = max(down * (height + _MARGIN), text_height)
    page = (_MARGIN + across * (width + _MARGIN / 2) + _LEGEND, _TOP + body)
    figure = Figure(figsize=page)
    figure.text(_MARGIN / page[0], 1 - 0.3 / page[1], title, fontsize=13, fontweight="bold", va="center")
    for k, panel in enumerate(panels):
        row, col = divmod(k, across)
        left, top = _MARGIN + col * (width + _MARGIN / 2), _TOP + row * (height + _MARGIN)
        ax = figure.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]))
        _draw_panel(ax, panel, geobox)
        ax.tick_params(labelleft=col == 0, labelbottom=row == down - 1)
        if row == down - 1:
            ax.set_xlabel(f"easting, km ({pyproj.CRS(str(geobox.crs)).name})", fontsize=8)
        if col == 0:
            ax.set_ylabel("northing, km", fontsize=8)
    left = page[0] - _LEGEND + 0.1
    ax = figure.add_axes((left / page[0], 1 - (_TOP + body) / page[1], (_LEGEND - 0.15) / page[0], body / page[1]))
    _draw_legends(ax, legends, lines, body)
    return figure


def _draw_panel(ax: Axes, panel: Panel, geobox: GeoBox) -> None:
    west, south, east, north = (edge / 1000 for edge in geobox.extent.boundingbox.bbox)
    ax.imshow(panel.image, extent=(west, east, south, north), interpolation="nearest", aspect="auto")
    ax.set_title(panel.title, fontsize=10)
    ax.locator_params(nbins=4)
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(labelsize=7, length=2)


def _draw_legends(ax: Axes, legends: Sequence[Legend], lines: Sequence[str], height: float) -> None:
    ax.set(xlim=(0, 1), ylim=(height / _LINE, 0))
    ax.axis("off")
    y = 0.5
    for line in lines:
        ax.text(0, y, line, fontsize=8.5, va="center")
        y += 1
    for legend in legends:
        y += 0.7
        ax.text(0, y, legend.heading, fontsize=8.5, va="center", fontweight="bold")
        for number, (text, color) in enumerate(legend.entries):
            column, line_number = divmod(number, legend.lines)
            ax.barh(y + 1 + line_number, 0.07, left=0.5 * column, height=0.75, color=color, edgecolor="0.6", lw=0.4)
            ax.text(0.5 * column + 0.09, y + 1 + line_number, text, fontsize=8, va="center")
        y += legend.lines + 1
