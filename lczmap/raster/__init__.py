"""Reading and writing rasters: the only module that opens them.

Arrays are (band, y, x), rows run north to south, missing pixels are NaN in float arrays. Every writer writes to a
temporary name in the same folder and renames at the end, so a file under its final name is complete.
"""

from lczmap.raster.categories import Category, write_categories
from lczmap.raster.cells import check_grid, read_at, strips_at
from lczmap.raster.exchange import write_generator_bands
from lczmap.raster.facts import BandFacts, band_facts, sample_band
from lczmap.raster.files import Float
from lczmap.raster.maps import read_class_map, read_classes_onto, write_class_map, write_probabilities
from lczmap.raster.pictures import encode_jpeg, read_colors, read_small, read_strips
from lczmap.raster.pixels import (
    band_names,
    lattice,
    read_onto,
    read_part,
    read_tags,
    read_window,
    scale_offset,
)
from lczmap.raster.png import encode_png
from lczmap.raster.polygons import area_polygons, cells_inside
from lczmap.raster.products import (
    MAX_AREA_ERROR,
    RasterHeader,
    check_true_metres,
    read_header,
    square_pixel_m,
    write_float_cog,
)
from lczmap.raster.stacks import (
    Stack,
    StackEncoding,
    read_cells,
    read_stack,
    read_state,
    write_cells,
    write_parts,
    write_stack,
)
from lczmap.raster.true_color import write_picture
from lczmap.raster.warping import ResamplingName, covering, footprint, turned, warp
from lczmap.raster.windows import read_windows

__all__ = [
    "MAX_AREA_ERROR",
    "BandFacts",
    "Category",
    "Float",
    "RasterHeader",
    "ResamplingName",
    "Stack",
    "StackEncoding",
    "area_polygons",
    "band_facts",
    "band_names",
    "cells_inside",
    "check_grid",
    "check_true_metres",
    "covering",
    "encode_jpeg",
    "encode_png",
    "footprint",
    "lattice",
    "read_at",
    "read_cells",
    "read_class_map",
    "read_classes_onto",
    "read_colors",
    "read_header",
    "read_onto",
    "read_part",
    "read_small",
    "read_stack",
    "read_state",
    "read_strips",
    "read_tags",
    "read_window",
    "read_windows",
    "sample_band",
    "scale_offset",
    "square_pixel_m",
    "strips_at",
    "turned",
    "warp",
    "write_categories",
    "write_cells",
    "write_class_map",
    "write_float_cog",
    "write_generator_bands",
    "write_parts",
    "write_picture",
    "write_probabilities",
    "write_stack",
]
