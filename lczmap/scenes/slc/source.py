"""What every archive of Sentinel-1 SLC offers: search for products of a city, say what they cost, bring them to disk.

Unlike the windows that other archives cut out, an SLC product comes as it is, whole or by bursts, and is processed
afterwards: it is large, and pixels of the map come out of it only by geocoding.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Protocol

from lczmap.grid import Grid
from lczmap.raster import footprint
from lczmap.scenes.sources.source import MARGIN_M, ArchiveError, Found, Request, Searchable

STATE = {"product": "slc", "calibration": "sigma0"}
"""The state of every SLC product found: what its scenes will be made of."""

Bounds = tuple[float, float, float, float]

PRODUCT_NAME = re.compile(r"S1[A-Z]_IW_SLC__1S[A-Z]{2}_[0-9A-Z_]+")
"""The name of a product, without .SAFE (Sentinel-1 Product Specification, naming convention)."""


class SlcSource(Searchable, Protocol):
    """An archive of Sentinel-1 SLC products of mode IW with both VV and VH."""

    def download(self, found: Found, folder: Path) -> Path:
        """Bring a product into `folder` and return its path: a SAFE folder or a zip that `open_slc` reads.

        It is complete under its name; what has come before an interruption is kept. ArchiveError after bounded retries.
        """
        ...


def check_request(name: str, request: Request) -> None:
    """Raise ArchiveError unless a request is for what SLC offers: Sentinel-1, calibrated to sigma0."""
    if (request.sensor, request.calibration) != ("sentinel-1", "sigma0"):
        raise ArchiveError(
            f"{name}: expected sentinel-1 calibrated to sigma0, got {request.sensor} and {request.calibration}; set "
            "`calibration: sigma0`, or take another source"
        )


def checked_text(pattern: re.Pattern[str], text: object, what: str) -> str:
    """Return a text of an archive's that becomes part of a path or an address; ArchiveError unless it is as expected.

    What a catalogue says, or a file of found products that anybody may have edited, shall not lead elsewhere.
    """
    if isinstance(text, str) and pattern.fullmatch(text):
        return text
    raise ArchiveError(f"{what}: expected {pattern.pattern}, got {str(text)[:100]!r}; search again, or report it")


def city_bounds(grid: Grid) -> Bounds:
    """Return what a search asks for: (west, south, east, north) in degrees of the city and `MARGIN_M` around it."""
    return footprint(grid.geobox.pad(math.ceil(MARGIN_M / 10)), "EPSG:4326")
