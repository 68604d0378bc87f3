"""What Sentinel-1 would see of the rendered ground: single-look complex VH and VV with correlated speckle.

Mean power comes from surfaces, plants and walls (double bounce), displaced by the pass's known error. Layover and
radar shadow are left out and walls shine on both sides, so that a pass has no parallax of its own: the known
displacement is the only one, where a real picture of high buildings leans towards the radar. The complex amplitudes
are then drawn from the local 2x2 covariance [[C_VH, C12], [C12*, C_VV]] with C12 = <S_VH conj(S_VV)>, so single-look
intensities are exponential around their means.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit, prange
from scipy.ndimage import gaussian_filter, map_coordinates

from lczmap.sar.polsar import covariance, refined_lee
from lczmap.scenes.simulation.districts import Districts
from lczmap.scenes.simulation.ground import BOUNCE_STEPS, BUILDING, HEIGHTS_PER_M, PIXEL_M, Ground
from lczmap.scenes.simulation.physics import Physics, Radar, RadarPass

Float = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

_FIELD_M = 5.0  # the mean-power field is kept at 5 m before it is sampled on the 10 m lattice


def mean_covariance(ground: Ground, districts: Districts, physics: Physics, acquisition: RadarPass) -> Float:
    """Return (4, row, col) at 5 m: mean |S_VH|², Re C12, Im C12, |S_VV|² in linear sigma0, before noise."""
    radar = physics.radar
    offset = districts.radar_db[:, None]
    vv = 10 ** ((physics.figures("vv_db")[None] + offset) / 10)
    vh = 10 ** ((physics.figures("vh_db")[None] + offset) / 10)
    walls = wall_response(districts.bearing, acquisition.look_azimuth, radar)
    look = math.radians(acquisition.look_azimuth)
    field = np.zeros((4, ground.height.shape[0] // 2, ground.height.shape[1] // 2), np.float32)
    _mean_field(
        ground.district,
        ground.material,
        ground.height,
        ground.kind,
        ground.bounce,
        vh,
        vv,
        walls,
        radar.correlation[0],
        -math.cos(look),
        math.sin(look),
        field,
    )
    return field


def wall_response(bearing: npt.NDArray[np.float64], look_azimuth: float, radar: Radar) -> npt.NDArray[np.float64]:
    """Return (district, 4): walls' VV power per m² of wall, VH/VV, Re and Im of C12 / sqrt(C_VH C_VV).

    `bearing` is the direction of the streets in radians, anticlockwise from east.
    """
    look = math.radians(90 - look_azimuth)
    turned = (bearing - look + math.pi / 4) % (math.pi / 2) - math.pi / 4  # -45..45 degrees off the nearest wall
    aligned = np.exp(-np.square(np.degrees(turned) / radar.wall_angle_deg))
    vv = radar.wall_gain * (radar.wall_floor + (1 - radar.wall_floor) * aligned)
    cross = radar.wall_cross[0] + (radar.wall_cross[1] - radar.wall_cross[0]) * np.square(np.sin(2 * turned))
    # a turned wall couples the polarisations, with the sign of its turn (reflection symmetry is broken)
    correlation = radar.correlation[1] * np.sin(4 * turned)
    phase = 0.5 * np.sin(3 * bearing)
    return np.stack([vv, cross, correlation * np.cos(phase), correlation * np.sin(phase)], axis=1)


def acquire(
    field: Float,
    radar: Radar,
    acquisition: RadarPass,
    *,
    half_m: float,
    west: float,
    north: float,
    size: int,
    seed: int,
) -> Float:
    """Return the eight channels of so2sat8, (8, size, size) on a 10 m lattice.

    `field` is `mean_covariance` of the square of ±`half_m` metres around the city's centre; `west` and `north` are
    the lattice's corner in the same coordinates. The picture is displaced by `acquisition.displacement_m`: what lies
    at x is shown at x + displacement. Lee-filtered channels come from the drawn speckle (7x7, one look).
    """
    sampled = sample_displaced(field, radar.resolution_m, acquisition.displacement_m, half_m, west, north, size)
    noise = 10 ** (radar.noise_db / 10)
    sampled[0] += noise
    sampled[3] += noise
    vh, vv = draw_speckle(sampled, np.random.default_rng([seed, 4]))
    filtered = refined_lee(covariance(vh, vv), looks=1.0)
    complex_parts = [vh.real, vh.imag, vv.real, vv.imag]
    return np.stack([*complex_parts, filtered[0], filtered[3], filtered[1], filtered[2]]).astype(np.float32)


def sample_displaced(
    field: Float,
    resolution_m: float,
    displacement_m: tuple[float, float],
    half_m: float,
    west: float,
    north: float,
    size: int,
) -> Float:
    """Sample the 5 m field, blurred to the radar's resolution, on a displaced 10 m lattice; (4, size, size)."""
    sigma_px = resolution_m / 2.355 / _FIELD_M
    east_m = west + 10 * (np.arange(size) + 0.5) - displacement_m[0]
    north_m = north - 10 * (np.arange(size) + 0.5) - displacement_m[1]
    cols, rows = (east_m + half_m) / _FIELD_M - 0.5, (half_m - north_m) / _FIELD_M - 0.5
    places = np.stack(np.meshgrid(rows, cols, indexing="ij"))
    return np.stack(
        [map_coordinates(gaussian_filter(layer, sigma_px), places, order=1, mode="nearest") for layer in field]
    )


def draw_speckle(mean: Float, rng: np.random.Generator) -> tuple[Complex, Complex]:
    """Draw one look of circular complex Gaussian (VH, VV) with the covariance `mean`, (4, row, col)."""
    shape = mean.shape[1:]
    first, second = (_unit_complex(shape, rng) for _ in range(2))
    vh_power, vv_power = np.maximum(mean[0], 1e-9), np.maximum(mean[3], 1e-9)
    cross = (mean[1] - 1j * mean[2]) / np.sqrt(vh_power)  # conj(C12) / sqrt(C_VH): S_VV's part along S_VH
    rest = np.sqrt(np.maximum(vv_power - np.square(np.abs(cross)), 0))
    vh = np.sqrt(vh_power) * first
    return vh.astype(np.complex64), (cross * first + rest * second).astype(np.complex64)


def _unit_complex(shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
    parts = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(math.sqrt(0.5))
    return np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)


@njit(cache=True)
def _wall_power(
    row: int,
    col: int,
    step_row: float,
    step_col: float,
    kind: npt.NDArray[np.uint8],
    height: npt.NDArray[np.uint8],
    bounce: npt.NDArray[np.uint8],
) -> float:
    """Return m² of wall, weighted by its brightness, per m² of a 5 m pixel, beside a ground pixel of 2.5 m.

    Walls before and behind the pixel, seen along the look direction, count half each.
    """
    total = 0.0
    for way in (-1, 1):
        y, x = round(row + way * step_row), round(col + way * step_col)
        if 0 <= y < kind.shape[0] and 0 <= x < kind.shape[1] and kind[y, x] == BUILDING:
            square_metres = PIXEL_M * height[y, x] / HEIGHTS_PER_M
            total += 0.5 * square_metres * math.exp((bounce[y, x] - 128.0) / BOUNCE_STEPS)
    return total / (_FIELD_M * _FIELD_M)


@njit(parallel=True, cache=True)
def _mean_field(
    district: npt.NDArray[np.uint16],
    material: npt.NDArray[np.uint8],
    height: npt.NDArray[np.uint8],
    kind: npt.NDArray[np.uint8],
    bounce: npt.NDArray[np.uint8],
    vh: npt.NDArray[np.float64],
    vv: npt.NDArray[np.float64],
    walls: npt.NDArray[np.float64],
    correlation: float,
    step_row: float,
    step_col: float,
    field: Float,
) -> None:
    for row in prange(field.shape[1]):
        for col in range(field.shape[2]):
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * col, 2 * col + 2):
                    n, m = district[i, j], material[i, j]
                    a, b = 0.25 * vh[n, m], 0.25 * vv[n, m]
                    real, imag = correlation * math.sqrt(a * b), 0.0
                    if kind[i, j] != BUILDING:
                        power = _wall_power(i, j, step_row, step_col, kind, height, bounce) * walls[n, 0]
                        cross = power * walls[n, 1]
                        a += cross
                        b += power
                        mixed = math.sqrt(cross * power)
                        real += mixed * walls[n, 2]
                        imag += mixed * walls[n, 3]
                    field[0, row, col] += a
                    field[1, row, col] += real
                    field[2, row, col] += imag
                    field[3, row, col] += b
