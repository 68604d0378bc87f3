"""Reading and writing rasters: the only module that opens them.

Arrays are (band, y, x), rows run north to south, missing pixels are NaN in float arrays. Every writer writes to a
temporary name in the same folder and renames at the end, so a file under its final name is complete.
"""

from lczmap.raster.files import Float
from lczmap.raster.maps import read_class_map, write_class_map, write_probabilities
from lczmap.raster.pixels import (
    ResamplingName,
    band_names,
    covering,
    footprint,
    lattice,
    read_onto,
    read_part,
    read_tags,
    read_window,
    scale_offset,
    warp,
)
from lczmap.raster.stacks import Stack, StackEncoding, read_cells, read_stack, write_cells, write_parts, write_stack

__all__ = [
    "Float",
    "ResamplingName",
    "Stack",
    "StackEncoding",
    "band_names",
    "covering",
    "footprint",
    "lattice",
    "read_cells",
    "read_class_map",
    "read_onto",
    "read_part",
    "read_stack",
    "read_tags",
    "read_window",
    "scale_offset",
    "warp",
    "write_cells",
    "write_class_map",
    "write_parts",
    "write_probabilities",
    "write_stack",
]
