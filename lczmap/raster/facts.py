"""What a raster says of one of its bands, and a thinned-out look at its values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.errors import RasterioError

from lczmap.raster.files import Float, opened


@dataclass(frozen=True)
class BandFacts:
    """A band of a raster of `count` bands: values are numbers · `scale` + `offset` in `unit`; "" where not said.

    `tags` are the file's and the band's, names in lower case.
    """

    count: int
    dtype: str
    unit: str
    scale: float
    offset: float
    nodata: float | None
    tags: Mapping[str, str]


def band_facts(path: Path, *, band: int = 1) -> BandFacts:
    """Read what a raster says of a band; ValueError for a file that cannot be read or has no such band."""
    with opened(path) as source:
        if not 1 <= band <= source.count:
            raise ValueError(f"{path}: expected band {band}, the file has {source.count}")
        tags = {key.lower(): str(value) for key, value in (source.tags() | source.tags(band)).items()}
        return BandFacts(
            count=source.count,
            dtype=source.dtypes[band - 1],
            unit=source.units[band - 1] or "",
            scale=float(source.scales[band - 1]),
            offset=float(source.offsets[band - 1]),
            nodata=source.nodatavals[band - 1],
            tags=tags,
        )


def sample_band(path: Path, *, band: int = 1, longest_px: int = 1024) -> Float:
    """Return a band's numbers as stored, thinned out to at most `longest_px` a side; NaN where it has no data."""
    with opened(path) as source:
        thinning = max(1.0, max(source.shape) / longest_px)
        shape = tuple(max(round(n / thinning), 1) for n in source.shape)
        try:
            raw = source.read(band, out_shape=shape)
        except RasterioError as error:
            raise ValueError(f"{path}: the raster is corrupt ({error}); fetch or make it again") from error
        nodata = source.nodatavals[band - 1]
    pixels: Float = raw.astype(np.float32)
    if nodata is not None and not math.isnan(nodata):
        pixels[raw == nodata] = np.nan
    return pixels
