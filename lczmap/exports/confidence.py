"""The largest probability of a map's cells, for the exports that carry it."""

from __future__ import annotations

from pathlib import Path

from odc.geo.geobox import GeoBox

from lczmap.raster import Float, band_names, lattice, read_onto

CONFIDENCE_BAND = "confidence"


def read_confidence(path: Path, geobox: GeoBox) -> Float:
    """Read the band CONFIDENCE_BAND (y, x), 0..1, NaN where unknown, of a file on the map's grid `geobox`.

    ValueError for a file without the band or on another grid.
    """
    names = band_names(path)
    if CONFIDENCE_BAND not in names:
        raise ValueError(
            f"{path}: expected a band named {CONFIDENCE_BAND!r}, got {', '.join(names)}; `write-confidence` makes it"
        )
    if lattice(path) != geobox:
        raise ValueError(
            f"{path}: expected the map's grid, {geobox.shape} in {geobox.crs}, got another; make both of one run"
        )
    return read_onto(path, geobox, band=names.index(CONFIDENCE_BAND) + 1, resampling="nearest")
