"""What every map that is read here must have."""

from __future__ import annotations

from pathlib import Path

from lczmap.raster import RasterHeader


def check_crs(path: Path, header: RasterHeader) -> None:
    """Raise ValueError for a map without a CRS."""
    if header.crs is None:
        raise ValueError(
            f"{path}: expected a map with a CRS, it has none; set it in the file (gdal_edit.py -a_srs EPSG:… {path})"
        )
