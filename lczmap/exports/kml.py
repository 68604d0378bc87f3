"""The few elements of KML 2.2 that a draped map needs (OGC 07-147r2), their children in the schema's order."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import shapely
from shapely.geometry.base import BaseGeometry

NAMESPACE = "http://www.opengis.net/kml/2.2"


def document(name: str, description: str, features: Iterator[ET.Element]) -> bytes:
    """Return a KML file; `description` is HTML."""
    root = ET.Element("kml", xmlns=NAMESPACE)
    inside = ET.SubElement(root, "Document")
    _texts(inside, name=name, open="1", description=description)
    inside.extend(features)
    ET.indent(root, " ")
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def ground_overlay(name: str, href: str, box: dict[str, float], *, visible: bool) -> ET.Element:
    """Return a picture laid over the ground; `box` has north, south, east and west in degrees.

    Across the antimeridian east goes on above 180: an east below west would be drawn the long way round.
    """
    overlay = ET.Element("GroundOverlay")
    _texts(overlay, name=name, visibility=str(int(visible)))
    _texts(ET.SubElement(overlay, "Icon"), href=href)
    edges = {edge: f"{box[edge]:.9f}" for edge in ("north", "south", "east", "west")}
    _texts(ET.SubElement(overlay, "LatLonBox"), **edges)
    return overlay


def screen_overlay(name: str, href: str) -> ET.Element:
    """Return a picture in the lower left corner of the window, in its own size, clear of the logo there."""
    overlay = ET.Element("ScreenOverlay")
    _texts(overlay, name=name)
    _texts(ET.SubElement(overlay, "Icon"), href=href)
    ET.SubElement(overlay, "overlayXY", x="0", y="0", xunits="fraction", yunits="fraction")
    ET.SubElement(overlay, "screenXY", x="12", y="48", xunits="pixels", yunits="pixels")
    ET.SubElement(overlay, "size", x="-1", y="-1", xunits="pixels", yunits="pixels")
    return overlay


def outline(name: str, area: BaseGeometry) -> ET.Element:
    """Return polygons in longitude and latitude as a line on the ground, not filled."""
    placemark = ET.Element("Placemark")
    _texts(placemark, name=name)
    style = ET.SubElement(placemark, "Style")
    _texts(ET.SubElement(style, "LineStyle"), color="ffffffff", width="2")
    _texts(ET.SubElement(style, "PolyStyle"), fill="0")
    parts = ET.SubElement(placemark, "MultiGeometry")
    for polygon in shapely.get_parts(area):
        drawn = ET.SubElement(parts, "Polygon")
        _texts(drawn, tessellate="1")
        for border, ring in (
            ("outerBoundaryIs", polygon.exterior),
            *(("innerBoundaryIs", r) for r in polygon.interiors),
        ):
            points = " ".join(f"{x:.7f},{y:.7f}" for x, y in ring.coords)
            _texts(ET.SubElement(ET.SubElement(drawn, border), "LinearRing"), coordinates=points)
    return placemark


def _texts(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = text
