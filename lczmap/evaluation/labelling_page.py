"""The page on which people label the cells of a sample: one HTML file that needs no network and hides the map."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj

from lczmap.classes import CLASSES, PaletteName, class_colors
from lczmap.evaluation.cell_pictures import View, draw_pictures, surroundings
from lczmap.evaluation.sampling import Design
from lczmap.files import write_text
from lczmap.grid import PIXEL_M

_PARTS = files("lczmap.evaluation") / "labelling"


def write_labelling_page(
    path: Path, design: Design, views: Sequence[View], *, palette: PaletteName = "official"
) -> int:
    """Write the page of a sample with a picture of each view for every cell; returns the number of views shown.

    The classes have the colours of `palette`. A view without any pixel around the cells is left out; without views the
    page has links only. ValueError when there are views, and none has a pixel.
    """
    places = [surroundings(design.geobox, row, col) for row, col in zip(design.row, design.col, strict=True)]
    drawn = {view: [base64.b64encode(jpeg).decode() for jpeg in draw_pictures(view, places)] for view in views}
    shown = {view.title: pictures for view, pictures in drawn.items() if pictures}
    if views and not shown:
        raise ValueError(f"{views[0].paths[0]}: no pixel around the sample's cells; give the scenes of this city")
    content = {
        "sample": design.sample_id,
        "cell_m": round(abs(design.geobox.transform.a)),
        "context_m": places[0].shape[1] * PIXEL_M,
        "classes": [
            {"label": c.label, "name": c.name, "color": color}
            for c, color in zip(CLASSES, class_colors(palette), strict=True)
        ],
        "views": list(shown),
        "cells": lonlat(design).round(6).tolist(),
        "pictures": list(shown.values()),
    }
    write_text(path, _page(json.dumps(content)))
    return len(shown)


def lonlat(design: Design) -> npt.NDArray[np.float64]:
    """Return longitude and latitude (n, 2) of the cells' centres in degrees."""
    transform = design.geobox.transform
    x, y = transform.c + (design.col + 0.5) * transform.a, transform.f + (design.row + 0.5) * transform.e
    to_lonlat = pyproj.Transformer.from_crs(str(design.geobox.crs), "EPSG:4326", always_xy=True)
    return np.column_stack(to_lonlat.transform(x, y))


def _page(content: str) -> str:
    """Put the parts together; the policy admits this style and script and pictures in the file, nothing else."""
    style, csv, page = ((_PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "csv.js", "page.js"))
    script = csv + page
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    html = (_PARTS / "page.html").read_text(encoding="utf-8")
    # `<` would let a text end the script element; the data come last, so that nothing in them is replaced
    parts = {"policy": policy, "style": style, "script": script, "data": content.replace("<", "\\u003c")}
    for name, text in parts.items():
        html = html.replace(f"{{{{{name}}}}}", text, 1)
    return html


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
