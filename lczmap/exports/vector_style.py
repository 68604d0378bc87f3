"""The colours of a GeoPackage of class polygons, stored in it where QGIS looks for a layer's default style."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from lczmap.classes import CLASSES
from lczmap.exports.qgis_styles import DOCTYPE, QGIS_VERSION, areas_renderer, xml_text

LAYER = "lcz"
"""Name of the layer of polygons."""
GEOMETRY = "geom"
"""GDAL's name of a GeoPackage's geometry column."""

# The table that QGIS itself makes for "Save style in database"
_TABLE = """CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""


def named_colors(table: Mapping[int, tuple[int, int, int, int]]) -> dict[int, str]:
    """Return the colour #rrggbb of the codes 1..17 from a map's colour table, the official one where it has none.

    Black counts as none: GDAL fills the entries that a table lacks with it, and class E is black anyway.
    """
    return {
        c.code: "#{:02x}{:02x}{:02x}".format(*table[c.code][:3]) if any(table.get(c.code, (0,))[:3]) else c.color
        for c in CLASSES
    }


def default_style(database: sqlite3.Connection, colors: Mapping[int, str]) -> None:
    """Add the style to an open GeoPackage as the default of its layer."""
    database.execute(_TABLE)
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles')"
    )
    database.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
        "styleQML, styleSLD, useAsDefault, description) VALUES ('', '', ?, ?, ?, ?, '', 1, 'Local Climate Zones')",
        (LAYER, GEOMETRY, LAYER, qml(colors)),
    )


def qml(colors: Mapping[int, str]) -> str:
    """Return a QGIS style: polygons without outline, one of 17 named categories for each value of `code`."""
    root = Element("qgis", version=QGIS_VERSION, styleCategories="Symbology")
    root.append(areas_renderer("code", [colors[c.code] for c in CLASSES], outlined=False))
    return DOCTYPE + xml_text(root)
