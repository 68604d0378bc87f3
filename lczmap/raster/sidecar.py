"""The `.aux.xml` beside a class map: names, colours and cell counts of the classes, as GDAL keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES
from lczmap.files import write_text

_INTEGER, _TEXT = "0", "2"  # GDALRATFieldType
_COLUMNS = (  # name, GDALRATFieldType, GDALRATFieldUsage
    ("Value", _INTEGER, "5"),
    ("Count", _INTEGER, "1"),
    ("Class", _TEXT, "2"),
    ("Red", _INTEGER, "6"),
    ("Green", _INTEGER, "7"),
    ("Blue", _INTEGER, "8"),
    ("Alpha", _INTEGER, "9"),
)


def write_class_names(
    path: Path, codes: npt.NDArray[np.uint8], colors: Mapping[int, tuple[int, int, int, int]]
) -> None:
    """Write `<path>.aux.xml`: category names for the codes 0..17 and an attribute table with a row for 1..17.

    GDAL, QGIS and ArcGIS read the names from it; QGIS from 3.30 on takes its legend from the attribute table where
    there is no .qml. rasterio has no call for either. `codes` are the map's cells, which are counted.
    """
    dataset = ET.Element("PAMDataset")
    band = ET.SubElement(dataset, "PAMRasterBand", band="1")
    names = ET.SubElement(band, "CategoryNames")
    for name in ("", *(c.title for c in CLASSES)):
        ET.SubElement(names, "Category").text = name
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for number, (name, kind, usage) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(number))
        for tag, text in (("Name", name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(column, tag).text = text
    counts = np.bincount(codes.ravel(), minlength=len(CLASSES) + 1)
    for c in CLASSES:
        row = ET.SubElement(table, "Row", index=str(c.index))
        for value in (c.code, counts[c.code], c.title, *colors[c.code]):
            ET.SubElement(row, "F").text = str(value)
    ET.indent(dataset, " ")
    write_text(path.with_name(path.name + ".aux.xml"), ET.tostring(dataset, encoding="unicode") + "\n")
