"""How much of the city each class covers."""

from __future__ import annotations

import numpy as np

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.raster import read_class_map
from lczmap.report.markup import Html, Number, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section


def areas_section(run: RunFolder, colors: dict[int, str]) -> Section:
    """Return the table and the bars of the classes' areas; `colors` is the code's #rrggbb on the map."""
    counts = {"": _cells(run, "lcz.tif")}
    if run.has("lcz_filtered.tif"):
        counts["filtered "] = _cells(run, "lcz_filtered.tif")
    cell_km2 = (run.grid.cell_m / 1000) ** 2
    header: list[str] = ["class"]
    for name in counts:
        header += [f"{name}km²", f"{name}%"]
    longest = max(float((count / max(count.sum(), 1)).max()) for count in counts.values()) or 1.0
    rows = []
    for c in CLASSES:
        shares = [float(count[c.index] / max(count.sum(), 1)) for count in counts.values()]
        cells: list[str | Html] = [class_name(c.title, colors[c.code])]
        for count, share in zip(counts.values(), shares, strict=True):
            cells += [Number(f"{count[c.index] * cell_km2:,.2f}"), Number(f"{share:.1%}")]
        rows.append([*cells, _bars(shares, longest, colors[c.code], c.title)])
    note = "Upper bar: the map; lower, narrow bar: the filtered map." if len(counts) > 1 else None
    content = [
        tag("div", table([*header, ""], rows, caption="Area of each class in mapped cells"), class_="areas"),
        None if note is None else paragraph(note, class_="note"),
        paragraph(
            "These are areas of the map. Where the map confuses classes they are biased: `lczmap sample` and "
            "`lczmap assess` estimate true areas with their uncertainty.",
            class_="note",
        ),
    ]
    return Section("areas", "Area of the classes", join(content))


def class_name(title: str, color: str) -> Html:
    """Return a class's name with a square of its colour."""
    return tag("span", tag("span", class_="swatch", style=f"background:{color}"), title, class_="class-name")


def _cells(run: RunFolder, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    codes, _ = read_class_map(run.folder / name)
    counts = np.bincount(codes.ravel(), minlength=NUM_CLASSES + 1)
    return counts[1:].astype(np.int64)  # (17,)


def _bars(shares: list[float], longest: float, color: str, title: str) -> Html:
    heights = ((0, 62), (70, 26)) if len(shares) > 1 else ((14, 72),)
    rectangles = [
        tag("rect", x=0, y=y, width=f"{100 * share / longest:.2f}", height=height, fill=color, stroke="#555",
            stroke_width="0.5", vector_effect="non-scaling-stroke")
        for share, (y, height) in zip(shares, heights, strict=True)
        if share > 0
    ]  # fmt: skip
    label = f"{title}: {', filtered '.join(f'{share:.1%}' for share in shares)}"
    return tag("svg", *rectangles, viewBox="0 0 100 100", preserveAspectRatio="none", role="img", aria_label=label)
