"""The legend of a class map as a picture of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from io import BytesIO

from lczmap.classes import CLASSES

_WIDTH, _ROW = 2.1, 0.2  # inches
_DPI = 120


def draw_legend(colors: Mapping[int, str], present: Collection[int]) -> bytes:
    """Return a PNG of the 17 classes with their colours #rrggbb by code; those not `present` are grey text."""
    from matplotlib.figure import Figure

    rows = len(CLASSES) + 2.2  # a title, and a gap between built and natural classes
    figure = Figure(figsize=(_WIDTH, rows * _ROW), dpi=_DPI)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set(xlim=(0, _WIDTH), ylim=(rows, 0))
    ax.axis("off")
    ax.text(0.1, 0.75, "Local Climate Zones", fontsize=8, fontweight="bold", va="center")
    for c in CLASSES:
        y = 1.9 + c.index + (0 if c.is_built else 0.3)
        ax.barh(y, 0.25, left=0.1, height=0.75, color=colors[c.code], edgecolor="0.5", linewidth=0.4)
        shade = "black" if c.code in present else "0.6"
        ax.text(0.45, y, c.label, fontsize=7, va="center", color=shade)
        ax.text(0.65, y, c.name, fontsize=7, va="center", color=shade)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", facecolor=(1, 1, 1, 0.9), metadata={"Software": None})
    return buffer.getvalue()
