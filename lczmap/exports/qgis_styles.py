"""Styles of QGIS as XML: classes, confidence, pictures and polygons; written without QGIS, for QGIS 3.16 and later.

The same elements stand in a `.qml` beside a raster and in a project (qgis_project.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from lczmap.classes import CLASSES, PaletteName, class_colors, code_to_wudapt, rgb
from lczmap.evaluation.map_agreement import DIFFERENCES
from lczmap.files import write_text
from lczmap.raster import Category, band_names, read_part

Numbering = Literal["lcz", "wudapt"]
CODES = tuple(c.code for c in CLASSES)
QGIS_VERSION = "3.16.0"  # the oldest whose form these files have; newer ones convert it as they read
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

_VIRIDIS = (  # 0, 0.1 .. 1 of viridis (van der Walt and Smith 2015, CC0): even steps to the eye, also without colours
    *("#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151"),
    *("#bddf26", "#fde725"),
)
_CLASS_BAND = {("LCZ",): 1, ("lcz", "lczFilter", "classProbability"): 2}
_CONFIDENCE = ("confidence", "entropy")
_DIFFERENCE = ("difference",)
_FINE_MM, _BOLD_MM = "0.26", "0.66"  # widths of outlines


def write_style(raster: Path, *, palette: PaletteName = "official", numbering: Numbering = "lcz") -> tuple[Path, ...]:
    """Write NAME.qml beside a raster NAME.tif of classes, confidence or difference; beside classes NAME.clr too.

    The band names say what the raster is; of the LCZ Generator's three bands the filtered map is shown. `numbering` is
    that of the raster's codes. Returns the files. ValueError for any other raster, or codes of another numbering.
    """
    names = band_names(raster)
    qml, clr = raster.with_suffix(".qml"), raster.with_suffix(".clr")
    if names in (_CONFIDENCE, _DIFFERENCE):
        write_text(qml, qml_text(confidence_renderer() if names == _CONFIDENCE else difference_renderer()))
        return (qml,)
    if names not in _CLASS_BAND:
        raise ValueError(
            f"{raster}: expected a class map (one band LCZ, or the LCZ Generator's three), a confidence map (bands "
            f"confidence, entropy) or a comparison (band difference), got the bands {names}; give lcz.tif, "
            "lcz_filtered.tif, confidence.tif, difference.tif or an export"
        )
    band = _CLASS_BAND[names]
    numbers = class_numbers(numbering)
    stray = sorted(set(np.unique(read_part(raster, band=band)[0]).tolist()) - {0, *numbers})
    if stray:
        raise ValueError(f"{raster}: expected the codes {numbers} of the numbering {numbering!r}, got {stray}")
    write_text(qml, qml_text(class_renderer(palette, band=band, numbers=numbers)))
    write_text(clr, clr_text(palette, numbers=numbers))
    return qml, clr


def class_numbers(numbering: Numbering) -> tuple[int, ...]:
    """Return the numbers of the 17 classes on disk: 1..17, or WUDAPT's 1..10 and 101..107."""
    codes = np.array([c.code for c in CLASSES])
    return tuple(int(code) for code in (code_to_wudapt(codes) if numbering == "wudapt" else codes))


def qml_text(renderer: Element) -> str:
    """Return the style file of a raster layer."""
    root = Element("qgis", version=QGIS_VERSION, styleCategories="AllStyleCategories")
    root.append(raster_pipe(renderer))
    SubElement(root, "blendMode").text = "0"
    return DOCTYPE + xml_text(root)


def clr_text(palette: PaletteName = "official", *, numbers: Sequence[int] = CODES) -> str:
    """Return a colour map of lines `code red green blue alpha label`, apart by spaces.

    QGIS (Paletted/Unique values, Load color map from file) takes a comma and a colon for a gap as well, so labels are
    without.
    """
    rows = zip(numbers, CLASSES, class_colors(palette), strict=True)
    return "".join(
        f"{number} {' '.join(str(part) for part in rgb(color))} 255 {_plain(c.title)}\n" for number, c, color in rows
    )


def class_renderer(palette: PaletteName = "official", *, band: int = 1, numbers: Sequence[int] = CODES) -> Element:
    """Return the renderer of a class map: 17 rows `LCZ 6: Open lowrise`; any other value is transparent."""
    rows = zip(numbers, CLASSES, class_colors(palette), strict=True)
    return _paletted_renderer(band, [Category(number, c.title, color) for number, c, color in rows])


def difference_renderer() -> Element:
    """Return the renderer of difference.tif: its kinds in their colours; any other value is transparent."""
    return _paletted_renderer(1, DIFFERENCES)


def confidence_renderer() -> Element:
    """Return the renderer of the first band of confidence.tif: viridis from 0 to 1, the same for every city."""
    renderer = _raster_renderer("singlebandpseudocolor", 1)
    renderer.set("classificationMin", "0")
    renderer.set("classificationMax", "1")
    shader = SubElement(SubElement(renderer, "rastershader"), "colorrampshader")
    for key, value in {
        "colorRampType": "INTERPOLATED",
        "classificationMode": "1",
        "clip": "0",
        "minimumValue": "0",
        "maximumValue": "1",
        "labelPrecision": "1",
    }.items():
        shader.set(key, value)
    for step, color in enumerate(_VIRIDIS):
        value = f"{step / (len(_VIRIDIS) - 1):.1f}"
        SubElement(shader, "item", value=value, label=value, color=color, alpha="255")
    return renderer


def picture_renderer() -> Element:
    """Return the renderer of a raster whose three bands are red, green and blue, as they are."""
    renderer = _raster_renderer("multibandcolor", 1)
    del renderer.attrib["band"]
    for number, name in enumerate(("redBand", "greenBand", "blueBand"), start=1):
        renderer.set(name, str(number))
    return renderer


def raster_pipe(renderer: Element) -> Element:
    """Return the chain from a raster's cells to the screen, in which cells are drawn as they are, not smoothed."""
    pipe = Element("pipe")
    pipe.append(renderer)
    SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    SubElement(pipe, "rasterresampler", maxOversampling="2")
    return pipe


def outline_renderer(color: str) -> Element:
    """Return the renderer of polygons of which only the outline is drawn."""
    renderer = Element("renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    SubElement(renderer, "symbols").append(_fill("0", {"style": "no", "outline": color, "width": _BOLD_MM}))
    return renderer


def areas_renderer(field: str, colors: Sequence[str], *, outlined: bool = True) -> Element:
    """Return the renderer of polygons by the class code 1..17 in the attribute `field`.

    `colors` are those of the codes 1..17, #rrggbb. With `outlined` the outline is black, that of black ones white.
    """
    renderer = Element("renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0", enableorderby="0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for c, color in zip(CLASSES, colors, strict=True):
        SubElement(
            categories, "category", value=str(c.code), type="long", symbol=str(c.index), label=c.title, render="true"
        )
        look = {"style": "solid", "color": color}
        if outlined:
            look |= {"outline": "#ffffff" if color == "#000000" else "#000000", "width": _FINE_MM}
        symbols.append(_fill(str(c.index), look))
    return renderer


def xml_text(root: Element) -> str:
    """Return an element as indented text with a final newline."""
    indent(root, " ")
    return tostring(root, encoding="unicode") + "\n"


def _raster_renderer(kind: str, band: int) -> Element:
    return Element("rasterrenderer", type=kind, band=str(band), opacity="1", alphaBand="-1", nodataColor="")


def _paletted_renderer(band: int, categories: Sequence[Category]) -> Element:
    renderer = _raster_renderer("paletted", band)
    rows = SubElement(renderer, "colorPalette")
    for c in categories:
        SubElement(rows, "paletteEntry", value=str(c.value), color=c.color, label=c.name, alpha="255")
    return renderer


def _fill(name: str, look: Mapping[str, str]) -> Element:
    symbol = Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    layer = SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
    properties = {
        "style": look["style"],
        "color": _rgba(look.get("color", "#000000")),
        "outline_color": _rgba(look.get("outline", "#000000")),
        "outline_style": "solid" if "outline" in look else "no",
        "outline_width": look.get("width", _FINE_MM),
        "outline_width_unit": "MM",
        "joinstyle": "miter",
    }
    options = SubElement(layer, "Option", type="Map")  # read from QGIS 3.22 on
    for key, value in properties.items():
        SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in properties.items():  # read before
        SubElement(layer, "prop", k=key, v=value)
    return symbol


def _rgba(color: str) -> str:
    return ",".join(str(part) for part in (*rgb(color), 255))


def _plain(label: str) -> str:
    return label.replace(":", "").replace(",", "")
