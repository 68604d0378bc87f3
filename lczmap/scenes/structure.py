"""Structure images: what an optical and a radar picture of one place have in common. Pure arrays.

The sensors agree on where things change, seldom on which side of an edge is brighter. So a band becomes its edges:
the gradient magnitude of its logarithm, without the local mean. Of the radar the logarithm itself is kept as well. Of
the optical sensor the ratios of neighbouring bands are taken too: sun shadows darken all bands alike, lie beside what
throws them and would draw the estimate towards the sun; in a ratio they cancel, and a regression on both can do
without them. The optical logarithms are left out: on simulated cities, where shadows and roofs lie beside the walls
that radar sees, errors were up to 0.16 px with them and 0.08 px without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Real = npt.NDArray[np.floating]

FIXED_SMOOTHING_PX = 1.0
"""Gaussian sigma before the logarithm of an optical band."""
MOVING_SMOOTHING_PX = 1.5
"""The same of radar power: tames single-look speckle."""
_HIGH_PASS_PX = 8.0  # Gaussian sigma of the local mean that is taken off a structure image
_TRUNCATE = 3.0  # sigmas after which a Gaussian ends
_CLIP = 3.0  # robust standard deviations; a few bright targets must not decide


@dataclass(frozen=True)
class Structure:
    """Structure images of one window, (image, rows, cols): zero mean, unit variance, 0 where missing.

    `valid` (rows, cols) is 1 where any image has a value.
    """

    images: Float
    valid: Float


def fixed_structure(bands: Float) -> Structure:
    """Return the edges of an optical sensor, (band, rows, cols) positive, and of ratios of neighbouring bands."""
    present = np.where(bands > 0, bands, np.float32(np.nan))
    return details(np.concatenate([present, present[:-1] / present[1:]]), FIXED_SMOOTHING_PX, with_logarithm=False)


def moving_structure(bands: Float) -> Structure:
    """Return the logarithm and the edges of a radar, (band, rows, cols) positive: linear power."""
    return details(bands, MOVING_SMOOTHING_PX, with_logarithm=True)


def details(bands: Float, smoothing_px: float, *, with_logarithm: bool) -> Structure:
    """Return each band's edges, before them its logarithm where asked, both without the local mean.

    `bands` (band, rows, cols) are positive, else missing; `smoothing_px` is the Gaussian sigma before the logarithm.
    """
    images, validity = [], []
    for band in bands:
        positive = np.isfinite(band) & (band > 0)
        smooth = _local_mean(np.where(positive, band, 0), _weight(positive, smoothing_px), smoothing_px)
        logarithm = np.log(np.where(positive, np.maximum(smooth, 1e-30), 1))
        edges = np.sqrt(np.hypot(*np.gradient(logarithm)))  # the root keeps weak edges in play
        # smoothing and gradient reach this far into missing pixels
        valid = ndimage.binary_erosion(positive, iterations=2, border_value=1)
        weight = _weight(valid, _HIGH_PASS_PX)
        images += [_detail(image, valid, weight) for image in ((logarithm, edges) if with_logarithm else (edges,))]
        validity.append(valid)
    return Structure(np.stack(images).astype(np.float32), np.any(validity, axis=0).astype(np.float32))


def _detail(image: Real, valid: Bool, weight: Real | None) -> Real:
    """Take off the local mean, clip outliers and scale to unit variance; 0 where not valid."""
    if not valid.any():
        return np.zeros_like(image)
    detail = image - _local_mean(np.where(valid, image, 0), weight, _HIGH_PASS_PX)
    spread = 1.4826 * np.median(np.abs(detail[valid]))
    detail = np.where(valid, np.clip(detail, -_CLIP * spread, _CLIP * spread), 0)
    detail[valid] -= detail[valid].mean()
    scaled: Real = detail / max(float(detail[valid].std()), 1e-12)
    return scaled


def _weight(valid: Bool, sigma: float) -> Real | None:
    # the share of valid pixels that a Gaussian mean sees; None where all are
    if valid.all():
        return None
    weight: Real = ndimage.gaussian_filter(valid.astype(np.float32), sigma, truncate=_TRUNCATE)
    return np.maximum(weight, 1e-6)


def _local_mean(values: Real, weight: Real | None, sigma: float) -> Real:
    mean: Real = ndimage.gaussian_filter(values, sigma, truncate=_TRUNCATE)
    return mean if weight is None else mean / weight
