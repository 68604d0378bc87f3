"""What Sentinel-2 would see of the rendered ground: 13 bands of L1C digital numbers, clouds and their shadows.

Surface reflectance of each 2.5 m pixel, in light or shade, is averaged to the instrument's pixels with its point
spread, then seen through a simple atmosphere (path reflectance, transmission, clouds).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange
from scipy.ndimage import binary_dilation, gaussian_filter, shift

from lczmap.channels import S2_RESOLUTION_M
from lczmap.scenes.simulation.districts import Districts
from lczmap.scenes.simulation.ground import GAIN_STEPS, Ground
from lczmap.scenes.simulation.light import cast_shadows
from lczmap.scenes.simulation.noise import fractal_noise
from lczmap.scenes.simulation.physics import OpticalDate, Physics

Float = npt.NDArray[np.float32]

DN_PER_REFLECTANCE = 10_000  # ESA Sentinel-2 Products Specification
POINT_SPREAD = 0.4  # Gaussian sigma in native pixels before pixel averaging: MTF about 0.3 at Nyquist, unverified
CLOUD_HEIGHT_M = 900.0
CLOUD_SHADE = 0.55  # share of the light that a thick cloud takes away
SEEN_OPACITY = 0.18  # a cloud mask misses thinner cloud
MASK_M = 20.0  # pixel size of the cloud mask


@dataclass(frozen=True)
class Weather:
    """Clouds at 20 m over the whole picture: opacity of cloud, share of light lost in its shadow, both 0..1."""

    opacity: Float
    shade: Float

    def mask(self) -> npt.NDArray[np.uint8]:
        """Return 1 for cloud, 2 for shadow, 0 for clear: dilated by 40 m, blind to thin edges."""
        cloud = binary_dilation(self.opacity > SEEN_OPACITY, iterations=2)
        shadow = binary_dilation(self.shade > SEEN_OPACITY * CLOUD_SHADE, iterations=2)
        return np.where(cloud, 1, np.where(shadow, 2, 0)).astype(np.uint8)


def draw_weather(date: OpticalDate, half_m: float, *, seed: int) -> Weather:
    """Draw clouds that cover the date's share of the picture, with their shadows on flat ground."""
    size = round(2 * half_m / MASK_M)
    field = np.empty((size, size), np.float32)
    _noise_field(seed, MASK_M / 1500.0, field)
    field = gaussian_filter(field, 1.0)
    edge = np.quantile(field, 1 - date.clouds)
    opacity = np.clip((field - edge) / (0.12 * field.std()) / 4 + 0.1, 0, 1) * (field > edge - 0.05 * field.std())
    reach = CLOUD_HEIGHT_M / math.tan(math.radians(date.sun_elevation)) / MASK_M
    azimuth = math.radians(date.sun_azimuth)
    moved = shift(opacity, (reach * math.cos(azimuth), -reach * math.sin(azimuth)), order=1, mode="nearest")
    return Weather(opacity.astype(np.float32), (CLOUD_SHADE * moved).astype(np.float32))


def observe(
    ground: Ground, districts: Districts, physics: Physics, date: OpticalDate, weather: Weather, *, seed: int
) -> Iterator[tuple[str, npt.NDArray[np.uint16]]]:
    """Yield (band, digital numbers) of one date, each band on its native pixels; 0 is nodata and does not occur."""
    rng = np.random.default_rng([seed, 3])
    shadow = cast_shadows(ground.height, azimuth_deg=date.sun_azimuth, elevation_deg=date.sun_elevation)
    table = reflectance_table(districts, physics, date.dryness)
    bands = physics.bands
    for number, band in enumerate(bands.order):
        surface = np.empty((shadow.shape[0] // 2, shadow.shape[1] // 2), np.float32)
        _band_at_5m(
            ground.district,
            ground.material,
            ground.gain,
            shadow,
            np.ascontiguousarray(table[:, :, number]),
            bands.diffuse[number],
            surface,
        )
        native = to_native_pixels(surface, 5.0, S2_RESOLUTION_M[band])
        opacity = _onto(weather.opacity, native.shape)
        shade = _onto(weather.shade, native.shape)
        clear = bands.path[number] * date.haze + bands.transmission[number] * native * (1 - shade)
        seen = clear * (1 - opacity) + bands.cloud[number] * opacity
        seen += rng.normal(0, bands.noise, native.shape).astype(np.float32)
        yield band, np.clip(np.rint(seen * DN_PER_REFLECTANCE) + date.offset_dn, 1, 65535).astype(np.uint16)


def reflectance_table(districts: Districts, physics: Physics, dryness: float) -> Float:
    """Return (district, material, band): each district's own reflectance of each surface at a season's dryness."""
    spectra = physics.reflectances()
    dry = dryness * physics.figures("dries")[:, None]
    spectra = (1 - dry) * spectra + dry * spectra[physics.material_names.index("dry_grass")]
    wavelength = np.log(np.array(physics.bands.wavelength_um) / 0.8)
    slope = np.clip(wavelength, -0.6, 0.9)
    factor = np.exp(districts.gain[:, :, None] + districts.tilt[:, :, None] * slope)
    return np.asarray(np.clip(spectra[None] * factor, 0.001, 0.9), dtype=np.float32)


def to_native_pixels(surface: Float, pixel_m: float, native_m: float) -> Float:
    """Average a fine picture to pixels of `native_m` metres as the instrument does: blur, then pixel means."""
    if native_m > 4 * pixel_m:  # halve first: a wide blur of the fine picture costs much and changes nothing
        return to_native_pixels(_pixel_means(surface, 2), 2 * pixel_m, native_m)
    blurred = gaussian_filter(surface, POINT_SPREAD * native_m / pixel_m, mode="nearest", truncate=3.0)
    return _pixel_means(blurred, round(native_m / pixel_m))


def _pixel_means(picture: Float, factor: int) -> Float:
    rows, cols = picture.shape[0] // factor, picture.shape[1] // factor
    blocks = picture[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _onto(field: Float, shape: tuple[int, int]) -> Float:
    """Bring a 20 m field to the pixels of a band (10, 20 or 60 m)."""
    factor = shape[0] / field.shape[0]
    if factor >= 1:
        whole = round(factor)
        return np.repeat(np.repeat(field, whole, axis=0), whole, axis=1)
    return _pixel_means(field, round(1 / factor))


@njit(parallel=True, cache=True)
def _noise_field(seed: int, step: float, field: Float) -> None:
    for row in prange(field.shape[0]):
        for col in range(field.shape[1]):
            x, y = col * step, row * step
            field[row, col] = fractal_noise(seed, x, y) + 0.25 * fractal_noise(seed + 9, 7.9 * x, 7.9 * y)


@njit(parallel=True, cache=True)
def _band_at_5m(
    district: npt.NDArray[np.uint16],
    material: npt.NDArray[np.uint8],
    gain: npt.NDArray[np.uint8],
    shadow: npt.NDArray[np.bool_],
    table: Float,
    diffuse: float,
    out: Float,
) -> None:
    gains = np.exp((np.arange(256) - 128.0) / GAIN_STEPS)
    for row in prange(out.shape[0]):
        for col in range(out.shape[1]):
            total = 0.0
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * col, 2 * col + 2):
                    value = table[district[i, j], material[i, j]] * gains[gain[i, j]]
                    total += value * diffuse if shadow[i, j] else value
            out[row, col] = min(total / 4, 1.5)
