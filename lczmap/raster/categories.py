"""Rasters of categories: their colours are inside the file, their names in the `.aux.xml` beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lczmap.classes import rgb
from lczmap.files import write_text
from lczmap.raster.cog import write_cog
from lczmap.raster.files import profile_of

_STRIP_ROWS = 512
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


@dataclass(frozen=True)
class Category:
    """One value of a raster of categories: its number, name and colour #rrggbb."""

    value: int
    name: str
    color: str


def write_categories(
    path: Path,
    values: npt.NDArray[np.uint8],
    geobox: GeoBox,
    *,
    name: str,
    categories: Sequence[Category],
    tags: Mapping[str, str],
) -> None:
    """Write one band (y, x) of categories, 0 = nodata and transparent, as cloud-optimised GeoTIFF with their colours.

    Overviews are by mode, so that none shows a category that is not there. Names are in the `.aux.xml` beside it.
    """
    rows, cols = geobox.shape
    if values.shape != (rows, cols) or values.dtype != np.uint8:
        raise ValueError(f"{path}: expected uint8 of the shape {(rows, cols)}, got {values.dtype} {values.shape}")
    colors = {0: (0, 0, 0, 0)} | {c.value: (*rgb(c.color), 255) for c in categories}
    whole = [((slice(0, rows), slice(0, cols)), values[np.newaxis])]
    profile = profile_of(geobox, 1, "uint8", 0)
    write_cog(path, whole, profile, names=[name], tags=tags, overviews="mode", colors=colors)
    _write_names(path, categories, count_values(values))


def count_values(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return how often each value 0..255 occurs (256,), in strips: numpy counts in eight bytes a cell."""
    counts = np.zeros(256, np.int64)
    for top in range(0, len(values), _STRIP_ROWS):
        counts += np.bincount(values[top : top + _STRIP_ROWS].ravel(), minlength=256)
    return counts


def _write_names(path: Path, categories: Sequence[Category], counts: npt.NDArray[np.int64]) -> None:
    """Write `<path>.aux.xml`: category names, and an attribute table with a row for each category.

    GDAL, QGIS and ArcGIS read the names from it; QGIS from 3.30 on takes its legend from the attribute table where
    there is no .qml. rasterio has no call for either.
    """
    names = {c.value: c.name for c in categories}
    dataset = ET.Element("PAMDataset")
    band = ET.SubElement(dataset, "PAMRasterBand", band="1")
    listed = ET.SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        ET.SubElement(listed, "Category").text = names.get(value, "")
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for number, (column_name, kind, usage) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(number))
        for tag, text in (("Name", column_name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(column, tag).text = text
    for index, c in enumerate(categories):
        row = ET.SubElement(table, "Row", index=str(index))
        for cell in (c.value, counts[c.value], c.name, *rgb(c.color), 255):
            ET.SubElement(row, "F").text = str(cell)
    ET.indent(dataset, " ")
    write_text(path.with_name(path.name + ".aux.xml"), ET.tostring(dataset, encoding="unicode") + "\n")
