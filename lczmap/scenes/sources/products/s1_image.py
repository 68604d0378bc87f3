"""The two images of a Sentinel-1 GRD product, calibrated window by window on their own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.raster import read_window
from lczmap.sar.grd_radiometry import BORDER_GROWTH_PX, BORDER_MEAN_PX, calibrate, look_up, no_value_border, noise_power
from lczmap.scenes.sources.products.s1_annotation import Annotation
from lczmap.scenes.sources.products.s1_safe import Image, Safe

Float = npt.NDArray[np.float32]

POLARISATIONS = ("VH", "VV")
BORDER_REACH_PX = 3000
"""No-value borders are looked for this near to the image's edges."""
_MARGIN_PX = BORDER_MEAN_PX + BORDER_GROWTH_PX


class CalibratedImages:
    """VH and VV of a product; images of a zip file are unpacked into `scratch` when first read.

    ValueError when noise is to be removed and the product says nothing about it.
    """

    def __init__(self, safe: Safe, images: Mapping[str, Image], remove_noise: bool, scratch: Path) -> None:
        self.safe, self.images, self.remove_noise, self.scratch = safe, images, remove_noise, scratch
        for name in POLARISATIONS:
            if remove_noise and images[name].noise is None:
                raise ValueError(
                    f"{safe.path}: expected the noise annotation of {name}, no such file; get the product again or "
                    "set `remove_noise: false`"
                )

    @property
    def annotation(self) -> Annotation:
        """The annotation of VV; both polarisations share their geometry."""
        return self.images["VV"].annotation

    def power(self, rows: slice, cols: slice) -> dict[str, Float]:
        """Return calibrated power of VH and VV on image lines `rows` and pixels `cols`, NaN where is no ground."""
        size = self.annotation.lines, self.annotation.pixels
        rows_read, cols_read = (_to_edges(part, count) for part, count in zip((rows, cols), size, strict=True))
        inner = slice(rows.start - rows_read.start, rows.stop - rows_read.start)
        inner_cols = slice(cols.start - cols_read.start, cols.stop - cols_read.start)
        power, border = {}, None
        for name in ("VV", "VH"):  # borders are told from VV, which stands further above the noise
            image = self.images[name]
            digital = read_window(
                self.safe.place(image.measurement, self.scratch), rows_read, cols_read, driver="GTiff"
            )
            if border is None:
                border = self._border(digital, rows_read, cols_read)[inner, inner_cols]
            noise = noise_power(image.noise, rows, cols) if self.remove_noise and image.noise else None
            amplitude = look_up(image.calibration, rows, cols)
            power[name] = calibrate(digital[inner, inner_cols], amplitude, noise)
            power[name][border] = np.nan
        return power

    def _border(self, digital: npt.NDArray[np.uint16], rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        noise = self.images["VV"].noise
        expected = np.zeros((1, 1), np.float32) if noise is None else noise_power(noise, rows, cols)
        return no_value_border(
            digital,
            expected,
            left=cols.start == 0,
            right=cols.stop == self.annotation.pixels,
            top=rows.start == 0,
            bottom=rows.stop == self.annotation.lines,
        )


def _to_edges(part: slice, count: int) -> slice:
    # further pixels to see borders by: a margin, or all up to an edge that is near
    start, stop = max(part.start - _MARGIN_PX, 0), min(part.stop + _MARGIN_PX, count)
    return slice(0 if start < BORDER_REACH_PX else start, count if stop > count - BORDER_REACH_PX else stop)
