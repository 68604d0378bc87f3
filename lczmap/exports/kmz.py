"""The map for Google Earth: a KMZ with the map draped over the ground, its legend and the outline of the area."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from shapely.geometry.base import BaseGeometry

from lczmap.classes import NODATA_CODE, rgb
from lczmap.exports.facts import RunFacts
from lczmap.exports.kml import document, ground_overlay, outline, screen_overlay
from lczmap.exports.legend import draw_legend
from lczmap.exports.outline import lonlat_outline
from lczmap.exports.overlay import MAX_PX, Overlay, lonlat_overlay
from lczmap.exports.vector_style import named_colors
from lczmap.files import replacing
from lczmap.grid import Grid
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import encode_png, read_colors, read_tags

_PICTURES = {"Filtered LCZ map": "files/filtered.png", "LCZ map": "files/map.png"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same map gives the same bytes


def export_kmz(
    lcz_path: Path,
    out: Path,
    *,
    filtered_path: Path | None = None,
    grid: Grid | None = None,
    facts: RunFacts | None = None,
    max_px: int = MAX_PX,
) -> None:
    """Write a KMZ of a class map in its own colours.

    With `filtered_path` that map is shown and the unfiltered one is there to be switched on. `grid` gives the outline
    of the area of interest, `facts` the description. Pictures are at most `max_px` pixels wide or high; larger maps
    are thinned out, which the description says. ValueError for a map without a class.
    """
    maps = {"LCZ map": lcz_path} if filtered_path is None else {"Filtered LCZ map": filtered_path, "LCZ map": lcz_path}
    overlays = {name: lonlat_overlay(path, max_px=max_px) for name, path in maps.items()}
    colors = named_colors(read_colors(lcz_path))
    table = {NODATA_CODE: (0, 0, 0, 0)} | {code: (*rgb(color), 255) for code, color in colors.items()}
    files = {_PICTURES[name]: encode_png(overlay.codes, table) for name, overlay in overlays.items()}
    present = {int(code) for overlay in overlays.values() for code in np.unique(overlay.codes)}
    files["files/legend.png"] = draw_legend(colors, present)
    title = "Local Climate Zones" if facts is None else facts.title
    area = None if grid is None else lonlat_outline(grid)
    features = _features(overlays, area)
    text = document(title, _description(lcz_path, facts, overlays["LCZ map"].cells_per_px), features)
    _write_zip(out, {"doc.kml": text, **files})


def _features(overlays: dict[str, Overlay], area: BaseGeometry | None) -> Iterator[ET.Element]:
    for number, (name, drawn) in enumerate(overlays.items()):
        box = {"north": drawn.north, "south": drawn.south, "east": drawn.east, "west": drawn.west}
        yield ground_overlay(name, _PICTURES[name], box, visible=number == 0)
    yield screen_overlay("Legend", "files/legend.png")
    if area is not None:
        yield outline("Area of interest", area)


def _description(lcz_path: Path, facts: RunFacts | None, cells_per_px: float) -> str:
    """Return the balloon's HTML."""
    tags = read_tags(lcz_path)
    lines = [] if facts is None else [facts.description]
    if RELIABILITY_TAG in tags:
        lines.append(tags[RELIABILITY_TAG])
    if cells_per_px > 1:
        lines.append(
            f"Thinned out for display: a pixel for every {cells_per_px:.1f} cells along each axis; the GeoTIFF has all."
        )
    lines.append("The pictures are for display: each pixel has the class of the cell at its centre.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _write_zip(out: Path, files: dict[str, bytes]) -> None:
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in files.items():  # doc.kml first: readers take the first KML as the document
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
