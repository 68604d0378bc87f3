"""The interactive map of the page: what it holds, and its controls. The scripts are in assets/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from lczmap.classes import CLASSES
from lczmap.evaluation.map_agreement import DIFFERENCES
from lczmap.grid import Grid
from lczmap.raster import Category, encode_jpeg, read_colors, read_small, read_tags
from lczmap.report.layers import (
    MAX_CELLS,
    TOP,
    Bytes,
    coarsening,
    packed,
    shown_classes,
    shown_probabilities,
    shown_values,
)
from lczmap.report.markup import Html, data_address, join, json_script, paragraph, tag
from lczmap.report.run_folder import RunFolder, Section

RGB_PX = 2400
"""Longest side of the true-colour picture in the page."""
_MESH_M = 3000.0  # distance of the nodes of longitude and latitude: less than 2 m off in between, to 70° of latitude
_MOST_NODES = 65
_JPEG_QUALITY = 82
_RAMP = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")  # viridis
_HINT = "To zoom, hold Ctrl (⌘) and turn the wheel, or click the map first."
_UNCERTAIN = "Entropy of the probabilities, 0 % where one class is certain, 100 % where all 17 are alike."


@dataclass(frozen=True)
class Layer:
    """One thing that the map can show: `kind` is `classes` or `values`, `plane` its bytes.

    `categories` replace the 17 classes where the codes mean something else.
    """

    key: str
    title: str
    kind: str
    note: str
    plane: Bytes
    categories: tuple[Category, ...] = ()


def map_section(run: RunFolder) -> Section:
    """Return the section of the interactive map, with everything that it shows inside."""
    shape = run.grid.cells_shape
    factor = coarsening(shape)
    layers = _layers(run, factor)
    description = _description(run.grid, factor, layers[0].plane.shape) | {
        "classes": _classes(run.folder / "lcz.tif"),
        "ramp": _RAMP,
        "main": layers[0].key,
        "layers": [_described(one) for one in layers],
    }
    planes = {one.key: one.plane for one in layers}
    if run.has("probabilities.tif"):
        codes, shares = shown_probabilities(run.folder / "probabilities.tif", shape, factor)
        planes |= {f"code{k}": plane for k, plane in enumerate(codes)}
        planes |= {f"share{k}": plane for k, plane in enumerate(shares)}
    picture, bounds = _true_colors(run)
    description |= {"planes": list(planes), "top": TOP, "rgb": bounds}
    content = join(
        [
            *_notes(run, factor),
            _controls(layers, with_picture=picture is not None),
            picture,
            json_script("map-description", description),
            json_script("map-cells", packed(list(planes.values()))),
        ]
    )
    return Section("map", "Map", content)


def _layers(run: RunFolder, factor: int) -> list[Layer]:
    shape = run.grid.cells_shape

    def classes(key: str, title: str, note: str, name: str) -> Layer:
        return Layer(key, title, "classes", note, shown_classes(run.folder / name, shape, factor))

    def values(key: str, title: str, note: str, band: int) -> Layer:
        plane = shown_values(run.folder / "confidence.tif", shape, factor, band=band)
        return Layer(key, title, "values", note, plane)

    layers = [classes("lcz", "Classes", "The most probable class of every cell.", "lcz.tif")]
    if run.has("lcz_filtered.tif"):
        note = "Classes after the Gaussian filter of the LCZ Generator: single cells give way to their surroundings."
        layers.append(classes("filtered", "Filtered classes", note, "lcz_filtered.tif"))
    if run.has("confidence.tif"):
        layers.append(values("confidence", "Confidence", "Probability of the most probable class.", 1))
        layers.append(values("entropy", "Entropy", _UNCERTAIN, 2))
    for name in run.networks():
        note = f"Classes of the compared network {name}."
        layers.append(classes(f"network-{name}", f"Network {name}", note, f"models/{name}/lcz.tif"))
    for path in run.found("other_maps/*/difference.tif"):
        name = path.parent.name
        compared = read_tags(path).get("LCZMAP_COMPARED")
        note = f"Where this map and {name} name different classes{f' ({compared})' if compared else ''}."
        layer = classes(f"difference-{name}", f"Difference to {name}", note, f"other_maps/{name}/difference.tif")
        layers.append(replace(layer, categories=DIFFERENCES))
    return layers


def _described(layer: Layer) -> dict[str, Any]:
    """Return what the page's scripts need to know of a layer beside its bytes."""
    words = {"key": layer.key, "title": layer.title, "kind": layer.kind, "note": layer.note}
    legend = [{"code": one.value, "title": one.name, "color": one.color} for one in layer.categories]
    return words | ({"legend": legend} if legend else {})


def class_colors(path: Path) -> dict[int, str]:
    """Return #rrggbb of each code: the colours in the raster's own table, the official ones where it has none."""
    table = read_colors(path)
    return {c.code: "#{:02x}{:02x}{:02x}".format(*table.get(c.code, c.rgb)[:3]) for c in CLASSES}


def _classes(path: Path) -> list[dict[str, Any]]:
    colors = class_colors(path)
    return [{"code": c.code, "title": c.title, "color": colors[c.code]} for c in CLASSES]


def _description(grid: Grid, factor: int, shape: Sequence[int]) -> dict[str, Any]:
    cell_m = grid.cell_m * factor
    simple = shapely.simplify(grid.aoi, cell_m / 10)
    rings = [list(part.exterior.coords) for part in shapely.get_parts(simple)]
    rings += [list(hole.coords) for part in shapely.get_parts(simple) for hole in part.interiors]
    return {
        "shape": list(shape),
        "cell_m": cell_m,
        "west": grid.west,
        "north": grid.north,
        "crs": grid.crs,
        "aoi": [[[round(x, 1), round(y, 1)] for x, y, *_ in ring] for ring in rings],
        "mesh": mesh_of(grid, shape[1] * cell_m, shape[0] * cell_m),
    }


def mesh_of(grid: Grid, width_m: float, height_m: float) -> dict[str, list[list[float]]]:
    """Return longitude and latitude of even nodes over the map, rows from north to south.

    Longitude goes on beyond ±180 on a map that crosses it, so that what lies between two nodes is between their values.
    """

    def nodes(length: float) -> npt.NDArray[np.float64]:
        return np.linspace(0, length, int(np.clip(np.ceil(length / _MESH_M) + 1, 2, _MOST_NODES)))

    x, y = np.meshgrid(grid.west + nodes(width_m), grid.north - nodes(height_m))
    lon, lat = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    lon = np.unwrap(np.unwrap(lon, period=360, axis=1), period=360, axis=0)
    return {"lon": np.round(lon, 7).tolist(), "lat": np.round(lat, 7).tolist()}


def _true_colors(run: RunFolder) -> tuple[Html | None, dict[str, float] | None]:
    """Return the picture from space as a hidden image, and the ground that it covers."""
    if not run.has("rgb.tif"):
        return None, None
    pixels, geobox = read_small(run.folder / "rgb.tif", longest_px=RGB_PX)
    west, south, east, north = geobox.boundingbox.bbox
    source = data_address(encode_jpeg(pixels, quality=_JPEG_QUALITY), "image/jpeg")
    image = tag("img", id="map-rgb", src=source, alt="", hidden=True)
    return image, {"west": west, "north": north, "width": east - west, "height": north - south}


def _notes(run: RunFolder, factor: int) -> list[Html]:
    notes = []
    if factor > 1:
        notes.append(
            f"This map has more than {MAX_CELLS:,} cells: it is shown in blocks of {factor} × {factor} cells, each "
            "with its most frequent class and mean probabilities. The rasters hold every cell."
        )
    lacking = {
        "lcz_filtered.tif": "the filtered map",
        "confidence.tif": "the confidence",
        "rgb.tif": "the picture from space",
        "probabilities.tif": "the probabilities of the classes",
    }
    missing = [what for name, what in lacking.items() if not run.has(name)]
    if missing:
        notes.append(f"Not in this run: {', '.join(missing)}. The workflow makes them: `snakemake` with this city.")
    return [paragraph(note, class_="absent") for note in notes]


def _controls(layers: Sequence[Layer], *, with_picture: bool) -> Html:
    choices = [(one.key, one.title) for one in layers] + ([("none", "Picture only")] if with_picture else [])
    radios = [
        tag("label", tag("input", type="radio", name="layer", value=key), title, class_="choice")
        for key, title in choices
    ]
    slider = tag("input", type="range", min=0, max=100, value=100, id="map-opacity")
    legend = tag("ul", id="map-legend", class_="legend", aria_label="Legend: share of the cells shown")
    side = [
        tag("fieldset", tag("legend", "Layer"), *radios),
        tag("label", "Opacity over the picture", slider, class_="slider") if with_picture else _hidden(slider),
        tag("p", id="map-note", class_="note"),
        tag("div", "Press a cell to read it.", id="map-cell", class_="cell", aria_live="polite"),
    ]
    return tag("div", _frame(), legend, tag("div", *side, class_="side"), id="map-box", class_="map-box")


def _hidden(element: Html) -> Html:
    return tag("div", element, hidden=True)


def _frame() -> Html:
    help_text = (
        "Map. Arrow keys move it, plus and minus zoom, 0 shows all, Enter reads the middle cell, Escape leaves it."
    )
    buttons = [
        tag("button", sign, type="button", id=key, aria_label=name, title=name)
        for key, sign, name in (
            ("map-in", "+", "Larger"),
            ("map-out", "−", "Smaller"),
            ("map-fit", "⤢", "Whole map"),
        )
    ]
    north = tag("div", tag("span", "▲"), "N", class_="north", title="Grid north", aria_hidden="true")
    return tag(
        "div",
        tag("canvas", id="map-canvas", tabindex=0, role="application", aria_label=help_text),
        tag("div", *buttons, class_="buttons"),
        north,
        tag("div", id="map-scale", class_="scale", aria_hidden="true"),
        tag("div", _HINT, id="map-hint", class_="hint", aria_hidden="true"),
        class_="frame",
    )
