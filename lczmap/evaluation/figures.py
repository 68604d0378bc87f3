"""Pictures of a map: the classes in the colours of its palette beside what the satellite saw."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox

from lczmap.classes import CLASSES, NUM_CLASSES, PaletteName, palette, palette_of
from lczmap.classes import class_colors as palette_colors
from lczmap.files import replacing
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import Float, band_names, read_class_map, read_classes_onto, read_onto, read_tags

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREVIEW_PX = 900  # long side of the RGB quick-look
DPI = 150
_RGB_BANDS = ("B4", "B3", "B2")
_STRETCH = (1.0, 99.0)  # percentiles of reflectance shown as black and as white
_WIDE = 1.7  # width over height from which panels are stacked

# the page, in inches
_PANEL, _LONGEST = 5.0, 8.0  # side of a square panel, to whose area others are scaled, and the longest side
_LEFT, _TOP, _BOTTOM, _GAP = 0.8, 0.75, 0.6, 0.4  # margins, and the space between panels
_LEGEND_WIDTH, _LEGEND_HEIGHT = 2.4, 4.6
_NOTE_LINE, _NOTE_CHARACTERS = 0.15, 19  # height of a line of the note below, and its characters per inch

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One picture of a figure: `image` (y, x, 4), red, green, blue, alpha 0..255, over the whole map."""

    title: str
    image: Bytes


def draw_map(
    lcz_path: Path,
    out_png: Path,
    *,
    rgb_stack_paths: Sequence[Path] = (),
    title: str = "",
    truth_path: Path | None = None,
    truth_title: str = "Reference",
) -> None:
    """Draw a map with legend, coordinates and scale bar as PNG.

    `rgb_stack_paths` are the tiles' Sentinel-2 stacks for an RGB quick-look beside the map; `truth_path` is another
    LCZ map of any pixel size for a third panel. Nodata is transparent on a white page. What the map's tags say
    of its network's reliability stands below.
    """
    codes, geobox = read_class_map(lcz_path)
    tags = read_tags(lcz_path)
    colors = palette_of(tags)
    panels = [Panel("Local Climate Zones", class_colors(codes, colors))]
    if rgb_stack_paths:
        panels.append(Panel("Sentinel-2, natural colour", stretch_colors(_quick_look(rgb_stack_paths, geobox))))
    if truth_path is not None:
        truth, _ = read_classes_onto(truth_path, geobox)
        panels.append(Panel(truth_title, class_colors(truth, colors)))
    sensors = tags.get("LCZMAP_SENSORS", "")
    made_from = "" if not sensors or " " in sensors else f" (from {sensors.title()} alone)"
    note = tags.get(RELIABILITY_TAG, "")
    figure = _figure(panels, geobox, class_shares(codes), colors, title=title + made_from, note=note)
    with replacing(out_png) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")


def class_colors(codes: Bytes, name: PaletteName = "official") -> Bytes:
    """Return the colours (y, x, 4) that the palette `name` gives codes 0..17 (y, x); 0 is transparent."""
    table = np.array([palette(name)[code] for code in range(NUM_CLASSES + 1)], np.uint8)
    colors: Bytes = table[codes]
    return colors


def class_shares(codes: Bytes) -> npt.NDArray[np.float64]:
    """Return each class's share (17,) of the mapped cells; zeros for an empty map."""
    counts = np.bincount(codes.ravel(), minlength=NUM_CLASSES + 1)[1:]
    shares: npt.NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


def stretch_colors(reflectance: Float) -> Bytes:
    """Return a picture (y, x, 4) of reflectance (3, y, x): each band from its 1st to 99th percentile.

    Pixels with a missing band are transparent.
    """
    valid = ~np.isnan(reflectance).any(axis=0)
    out = np.zeros((*valid.shape, 4), np.uint8)
    out[..., 3] = np.where(valid, 255, 0)
    if valid.any():
        seen = reflectance[:, valid].astype(np.float64)  # (3, N)
        low, high = np.percentile(seen, _STRETCH, axis=1)[..., np.newaxis]
        bright = np.clip((seen - low) / np.maximum(high - low, 1e-6), 0, 1)
        out[valid, :3] = np.rint(255 * bright).T
    return out


def _quick_look(stack_paths: Sequence[Path], geobox: GeoBox) -> Float:
    """Return red, green, blue reflectance (3, y, x) of the stacks over the map, decimated; NaN where missing."""
    rows, cols = (max(round(n * PREVIEW_PX / max(geobox.shape)), 1) for n in geobox.shape)
    preview = geobox.zoom_to((rows, cols))
    out = np.full((3, *preview.shape), np.nan, np.float32)
    for path in stack_paths:
        names = band_names(path)
        if not set(_RGB_BANDS) <= set(names):
            raise ValueError(f"{path}: expected the bands {_RGB_BANDS} for a quick-look, got {names}")
        for band, name in zip(out, _RGB_BANDS, strict=True):
            tile = read_onto(path, preview, band=names.index(name) + 1, resampling="average")
            np.copyto(band, tile, where=np.isnan(band))
    return out


def _figure(
    panels: Sequence[Panel],
    geobox: GeoBox,
    shares: npt.NDArray[np.float64],
    colors: PaletteName,
    *,
    title: str,
    note: str,
) -> Figure:
    """Lay panels out in a row, or in a column where the map is wide, with the legend on the right, a note below."""
    from matplotlib.figure import Figure

    rows, cols = geobox.shape
    scale = min(_PANEL / math.sqrt(rows * cols), _LONGEST / max(rows, cols))
    width, height = cols * scale, rows * scale
    down, across = (len(panels), 1) if cols / rows > _WIDE else (1, len(panels))
    legend_left = _LEFT + across * (width + _GAP)
    body = max(down * (height + _GAP) - _GAP, _LEGEND_HEIGHT)
    note_lines = textwrap.wrap(note, int(_NOTE_CHARACTERS * (legend_left + _LEGEND_WIDTH - _LEFT)))
    page = (legend_left + _LEGEND_WIDTH, _TOP + body + _BOTTOM + _NOTE_LINE * len(note_lines))
    figure = Figure(figsize=page)
    figure.text(_LEFT / page[0], 0.08 / page[1], "\n".join(note_lines), va="bottom", fontsize=7, color="0.35")
    figure.text(0.5, 1 - 0.2 / page[1], title, ha="center", va="center", fontsize=13, fontweight="bold")

    def add_axes(left: float, top: float, width: float, height: float) -> Axes:
        return figure.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]))

    for k, panel in enumerate(panels):
        row, col = divmod(k, across)
        ax = add_axes(_LEFT + col * (width + _GAP), _TOP + row * (height + _GAP), width, height)
        _draw_panel(ax, panel, geobox)
        ax.tick_params(labelleft=col == 0, labelbottom=row == down - 1)
        if row == down - 1:
            ax.set_xlabel(f"easting, km ({pyproj.CRS(str(geobox.crs)).name})", fontsize=8)
        if col == 0:
            ax.set_ylabel("northing, km", fontsize=8)
        if k == 0:
            _add_scale_bar(ax, geobox)
    _draw_legend(
        add_axes(legend_left, _TOP, _LEGEND_WIDTH - 0.1, max(min(body, _PANEL), _LEGEND_HEIGHT)), shares, colors
    )
    return figure


def _draw_panel(ax: Axes, panel: Panel, geobox: GeoBox) -> None:
    west, south, east, north = (edge / 1000 for edge in geobox.extent.boundingbox.bbox)
    ax.imshow(panel.image, extent=(west, east, south, north), interpolation="nearest")
    ax.set_title(panel.title, fontsize=10)
    ax.locator_params(nbins=4)
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(labelsize=7, length=2)


def _draw_legend(ax: Axes, shares: npt.NDArray[np.float64], colors: PaletteName) -> None:
    """List all 17 classes with their share of the map."""
    ax.set(xlim=(0, 1), ylim=(NUM_CLASSES + 1.5, -1))
    ax.axis("off")
    ax.text(1, -0.4, "share of map", ha="right", va="center", fontsize=7, color="0.35")
    for c, share, color in zip(CLASSES, shares, palette_colors(colors), strict=True):
        y = c.index + 0.6 + (0.5 if not c.is_built else 0)  # a gap between built and natural classes
        ax.barh(y, 0.09, height=0.72, color=color, edgecolor="0.6", linewidth=0.4)
        ax.text(0.13, y, f"{c.label}  {c.name}", va="center", fontsize=8, color="black" if share else "0.55")
        ax.text(1, y, f"{100 * share:.1f} %" if share else "–", ha="right", va="center", fontsize=8, color="0.35")


def _add_scale_bar(ax: Axes, geobox: GeoBox) -> None:
    """Draw a bar of 1, 2 or 5 · 10ⁿ m, at most a fifth of the map's width, with a white rim."""
    from matplotlib.patheffects import AbstractPathEffect, withStroke

    west, south, east, north = (edge / 1000 for edge in geobox.extent.boundingbox.bbox)
    fifth = (east - west) / 5
    power = 10.0 ** np.floor(np.log10(fifth))
    length = max(step * power for step in (1, 2, 5) if step * power <= fifth)
    text = f"{length:g} km" if length >= 1 else f"{1000 * length:g} m"
    x, y = west + fifth / 6, south + fifth / 6
    rim: list[AbstractPathEffect] = [withStroke(linewidth=4, foreground="white")]
    ax.plot([x, x + length], [y, y], color="black", linewidth=2.5, solid_capstyle="butt", path_effects=rim)
    label = ax.annotate(text, (x + length / 2, y), (0, 5), textcoords="offset points", ha="center", fontsize=8)
    label.set_path_effects(rim)
    ax.set(xlim=(west, east), ylim=(south, north))
