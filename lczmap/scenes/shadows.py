"""Cloud shadows and snow of top-of-atmosphere reflectance. Pure arrays (y, x), rows run north to south.

Shadows follow the Earth Engine community tutorial "Sentinel-2 Cloud Masking with s2cloudless": dark near infrared
that is not water, where the cloud mask is cast along the sun's azimuth. The tutorial casts a fixed 1 km; here the
distance follows from the sun's elevation, and B11 must be dark as well: asphalt and roofs are dark only in B8.
Snow follows the normalised difference snow index (Dozier 1989).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

MAX_CLOUD_HEIGHT_M = 2500  # above ground: low and middle clouds; cirrus casts next to no shadow, towers are rare
MAX_REACH_M = 5000  # a sun below 27° reaches no further: the longer the cast, the more dark ground it hits by chance
DARK_NIR = 0.18  # reflectance of B8; the tutorial takes 0.15 of surface reflectance, which keeps half of a real shadow
DARK_SWIR = 0.11  # reflectance of B11: sunlit asphalt and dark roofs are brighter; settled on EuroSAT and a real scene
WATER_SWIR = 0.05  # reflectance of B11: water is darker, shaded land mostly brighter (ours)
SNOW_NDSI = 0.42  # Sentinel-2 L2A algorithm (Sen2Cor), sure snow; MODIS takes 0.4 (Hall et al. 1995)
SNOW_NIR = 0.11  # reflectance of B8: water is darker (Hall et al. 1995)
SNOW_GREEN = 0.25  # reflectance of B3: surf and turbid water are darker; eo-learn takes 0.3 and loses snowy woods


def shadow_reach_m(elevation_deg: float) -> float:
    """Return how far, in metres on the ground, the highest clouds throw their shadow; ValueError for a sun below 0."""
    if not 0 < elevation_deg <= 90:
        raise ValueError(f"expected an elevation of the sun above 0 and up to 90 degrees, got {elevation_deg}")
    return min(MAX_CLOUD_HEIGHT_M / math.tan(math.radians(elevation_deg)), MAX_REACH_M)


def cast(cloud: Bool, sun: tuple[float, float], *, pixel_m: float, margin_px: int) -> Bool:
    """Return where clouds of any height up to the highest throw their shadow, the clouds themselves included.

    `cloud` is (y, x) with `margin_px` pixels more on each side than the result, at least the reach of the shadows.
    `sun` is (azimuth clockwise from north, elevation) in degrees. The azimuth is taken as the grid's north, which
    UTM turns by up to 4°; seen from up to 12° aside, a cloud appears up to 0.2 of its height away from where it
    stands. Both move a shadow little against the margin that clouds are given; they are not corrected.
    """
    azimuth, elevation = math.radians(sun[0]), sun[1]
    steps = math.ceil(shadow_reach_m(elevation) / pixel_m)
    if steps > margin_px:
        raise ValueError(f"expected a margin of at least {steps} pixels, got {margin_px}")
    height, width = cloud.shape[0] - 2 * margin_px, cloud.shape[1] - 2 * margin_px
    shaded = np.zeros((height, width), np.bool_)
    for step in range(steps + 1):  # from a shaded pixel towards the sun
        row = margin_px - round(math.cos(azimuth) * step)
        col = margin_px + round(math.sin(azimuth) * step)
        shaded |= cloud[row : row + height, col : col + width]
    return shaded


def is_dark_land(green: Float, nir: Float, swir: Float) -> Bool:
    """Return where land is as dark as in a shadow: B8 below 0.18 and B11 below 0.11, and not water.

    Water is B3 above B8 and B11 below 0.05. Dark conifers are as dark, so this holds only where a shadow may fall.
    """
    is_water = (green > nir) & (swir < WATER_SWIR)
    return np.asarray((nir < DARK_NIR) & (swir < DARK_SWIR) & ~is_water, dtype=np.bool_)


def is_snow(green: Float, nir: Float, swir: Float) -> Bool:
    """Return where the ground is bright snow: NDSI = (B3 - B11) / (B3 + B11) above 0.42, B8 above 0.11, B3 above 0.25.

    Missing pixels (NaN) are not snow. Thin, dirty or shaded snow is not found; bright roofs and turbid water are
    not taken for snow.
    """
    total = green + swir
    ndsi = np.divide(green - swir, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray((ndsi > SNOW_NDSI) & (nir > SNOW_NIR) & (green > SNOW_GREEN), dtype=np.bool_)
