"""The map in WUDAPT's older numbering, 1..10 and 101..107, that the LCZ tools of UMEP and SUEWS expect.

UMEP's LCZ converter takes 11..17 for paved ground and stops at a raster without a nodata value (UMEP issues 442, 133):
the file has uint8 codes 1..10 and 101..107, and 0 as nodata.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lczmap.classes import CLASSES, PALETTE_TAG, PaletteName, class_colors, code_to_wudapt
from lczmap.provenance import own_tags
from lczmap.raster import Category, read_class_map, read_tags, write_categories


def export_wudapt(lcz: Path, out: Path, *, palette: PaletteName = "official") -> None:
    """Write a class map (codes 1..17, 0 nodata) with the codes 1..10, 101..107 on the same grid."""
    codes, geobox = read_class_map(lcz)
    numbers = code_to_wudapt(np.array([c.code for c in CLASSES]))
    categories = [
        Category(int(number), c.title, color)
        for number, c, color in zip(numbers, CLASSES, class_colors(palette), strict=True)
    ]
    tags = own_tags(read_tags(lcz)) | {PALETTE_TAG: palette}
    write_categories(out, code_to_wudapt(codes), geobox, name="LCZ", categories=categories, tags=tags)
