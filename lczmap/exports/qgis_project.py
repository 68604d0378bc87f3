"""A project of QGIS over the files of a run, with relative paths; written without QGIS, for QGIS 3.16 and later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import pyproj
from odc.geo.geobox import GeoBox

from lczmap.classes import PaletteName, class_colors
from lczmap.exports.area_layer import AREA_LAYER, CODE_FIELD
from lczmap.exports.qgis_styles import (
    DOCTYPE,
    QGIS_VERSION,
    areas_renderer,
    class_renderer,
    confidence_renderer,
    outline_renderer,
    picture_renderer,
    raster_pipe,
    xml_text,
)
from lczmap.files import write_text
from lczmap.raster import footprint, lattice

_OUTLINE = "#e6007e"  # magenta: in no class and in few scenes
_MARGIN = 0.02  # of the map's width and height, around it in the first view
_LONLAT = "EPSG:4326"
_VISIBLE = ("outline", "lcz", "picture")
_KEY_ENDING = "_layer_of_lczmap"  # QGIS takes an id of 10 characters or fewer for none


@dataclass(frozen=True)
class ProjectFiles:
    """The files of a run that a project shows; None where the run has none."""

    lcz: Path
    filtered: Path | None = None
    confidence: Path | None = None
    picture: Path | None = None
    outline: Path | None = None
    areas: Path | None = None


@dataclass(frozen=True)
class _Layer:
    """One layer: `source` is a path relative to the project, `crs` an EPSG code, `style` what draws it."""

    key: str
    title: str
    source: str
    crs: str
    style: Element
    visible: bool
    unfolded: bool

    @property
    def is_raster(self) -> bool:
        return self.style.tag == "rasterrenderer"


def write_project(files: ProjectFiles, out_path: Path, *, title: str, palette: PaletteName = "official") -> None:
    """Write a project that opens with the map over the natural-colour picture, in the map's CRS and extent.

    Layers, from the top: area of interest, training areas, filtered map, map, confidence, picture. Outline, map and
    picture are switched on. Files are named relative to the project, so that the folder can be moved as a whole; a
    file that is given must exist (ValueError).
    """
    pixels = lattice(files.lcz)
    if pixels.crs is None or pixels.crs.epsg is None:
        raise ValueError(
            f"{files.lcz}: expected a CRS with an EPSG code, got {pixels.crs}; make the map with this tool"
        )
    crs = f"EPSG:{pixels.crs.epsg}"
    layers = _layers(files, out_path.parent, crs, palette)
    root = Element("qgis", version=QGIS_VERSION, projectname=title)
    SubElement(root, "title").text = title
    root.append(_spatial_reference("projectCrs", crs))
    root.append(_tree(layers))
    root.append(_canvas(pixels, crs))
    shown = SubElement(root, "projectlayers")
    order = SubElement(root, "layerorder")
    for layer in layers:
        shown.append(_map_layer(layer))
        SubElement(order, "layer", id=layer.key)
    root.append(_properties())
    root.append(_view(pixels, crs))
    write_text(out_path, DOCTYPE + xml_text(root))


def _layers(files: ProjectFiles, folder: Path, crs: str, palette: PaletteName) -> list[_Layer]:
    described = (
        ("outline", files.outline, "Area of interest", outline_renderer(_OUTLINE)),
        ("areas", files.areas, "Training areas", areas_renderer(CODE_FIELD, class_colors(palette))),
        ("filtered", files.filtered, "Local Climate Zones, filtered", class_renderer(palette)),
        ("lcz", files.lcz, "Local Climate Zones", class_renderer(palette)),
        ("confidence", files.confidence, "Confidence (largest probability)", confidence_renderer()),
        ("picture", files.picture, "Sentinel-2, natural colour", picture_renderer()),
    )
    return [
        _Layer(
            f"{key}{_KEY_ENDING}",
            title,
            _source(path, folder) + (f"|layername={AREA_LAYER}" if key == "areas" else ""),
            _LONLAT if key == "outline" else crs,
            style,
            visible=key in _VISIBLE,
            unfolded=key == "lcz",
        )
        for key, path, title, style in described
        if path is not None
    ]


def _source(path: Path, folder: Path) -> str:
    """Return a path relative to the project's folder, as QGIS writes it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; make it first, or leave it out of the project")
    relative = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    return relative if relative.startswith("../") else f"./{relative}"


def _tree(layers: Sequence[_Layer]) -> Element:
    tree = Element("layer-tree-group")
    for layer in layers:
        SubElement(
            tree,
            "layer-tree-layer",
            id=layer.key,
            name=layer.title,
            source=layer.source,
            providerKey="gdal" if layer.is_raster else "ogr",
            checked="Qt::Checked" if layer.visible else "Qt::Unchecked",
            expanded="1" if layer.unfolded else "0",
        )
    return tree


def _map_layer(layer: _Layer) -> Element:
    kind = {"type": "raster"} if layer.is_raster else {"type": "vector", "geometry": "Polygon"}
    element = Element("maplayer", {**kind, "styleCategories": "AllStyleCategories"})
    SubElement(element, "id").text = layer.key
    SubElement(element, "datasource").text = layer.source
    SubElement(element, "layername").text = layer.title
    element.append(_spatial_reference("srs", layer.crs))
    if layer.is_raster:
        SubElement(element, "provider").text = "gdal"
        element.append(raster_pipe(layer.style))
    else:
        SubElement(element, "provider", encoding="UTF-8").text = "ogr"
        element.append(layer.style)
        SubElement(element, "layerOpacity").text = "1"
    SubElement(element, "blendMode").text = "0"
    return element


def _spatial_reference(tag: str, crs: str) -> Element:
    element = Element(tag)
    system = SubElement(element, "spatialrefsys")
    SubElement(system, "wkt").text = pyproj.CRS(crs).to_wkt("WKT2_2019")
    SubElement(system, "srid").text = crs.removeprefix("EPSG:")
    SubElement(system, "authid").text = crs
    return element


def _canvas(pixels: GeoBox, crs: str) -> Element:
    canvas = Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    SubElement(canvas, "units").text = "meters"
    extent = SubElement(canvas, "extent")
    for key, value in _view_edges(pixels, crs).items():
        SubElement(extent, key).text = value
    SubElement(canvas, "rotation").text = "0"
    canvas.append(_spatial_reference("destinationsrs", crs))
    return canvas


def _view(pixels: GeoBox, crs: str) -> Element:
    settings = Element("ProjectViewSettings", UseProjectScales="0", rotation="0")
    extent = SubElement(settings, "DefaultViewExtent", _view_edges(pixels, crs))
    extent.append(_spatial_reference("spatialrefsys", crs)[0])
    return settings


def _view_edges(pixels: GeoBox, crs: str) -> dict[str, str]:
    west, south, east, north = footprint(pixels, crs)
    across, up = _MARGIN * (east - west), _MARGIN * (north - south)
    edges = {"xmin": west - across, "ymin": south - up, "xmax": east + across, "ymax": north + up}
    return {key: f"{value:.3f}" for key, value in edges.items()}


def _properties() -> Element:
    properties = Element("properties")
    SubElement(SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    SubElement(SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled", type="int").text = "1"
    return properties
