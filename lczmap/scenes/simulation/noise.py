"""Reproducible randomness by position: the same place gives the same number, whatever the order of evaluation.

Compiled functions; the whole city is drawn with them pixel by pixel, in parallel and without state.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def uniform(seed: int, i: int, j: int, salt: int) -> float:
    """Return a number in [0, 1) that depends on the four integers only (SplitMix64 finaliser, Steele et al. 2014)."""
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    z ^= np.uint64(i) * np.uint64(0xC2B2AE3D27D4EB4F)
    z = (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    z ^= np.uint64(j) * np.uint64(0x165667B19E3779F9) + np.uint64(salt) * np.uint64(0xD6E8FEB86659FD93)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return float(z >> np.uint64(11)) / 9007199254740992.0  # 2**53


@njit(cache=True)
def normal(seed: int, i: int, j: int, salt: int) -> float:
    """Return a roughly normal number of unit variance, never beyond ±3 (sum of three uniform ones)."""
    a = uniform(seed, i, j, salt)
    b = uniform(seed, i, j, salt + 1000)
    c = uniform(seed, i, j, salt + 2000)
    return 2.0 * (a + b + c - 1.5)


@njit(cache=True)
def smooth_noise(seed: int, x: float, y: float) -> float:
    """Return value noise in [-1, 1]: random numbers on the unit lattice, smoothly interpolated."""
    i, j = math.floor(x), math.floor(y)
    fx, fy = x - i, y - j
    sx, sy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    a, b = uniform(seed, i, j, 7), uniform(seed, i + 1, j, 7)
    c, d = uniform(seed, i, j + 1, 7), uniform(seed, i + 1, j + 1, 7)
    return 2.0 * ((a * (1 - sx) + b * sx) * (1 - sy) + (c * (1 - sx) + d * sx) * sy) - 1.0


@njit(cache=True)
def fractal_noise(seed: int, x: float, y: float) -> float:
    """Return three octaves of value noise, roughly in [-1, 1]."""
    return (
        0.57 * smooth_noise(seed, x, y)
        + 0.29 * smooth_noise(seed + 1, 2.03 * x, 2.03 * y)
        + 0.14 * smooth_noise(seed + 2, 4.11 * x, 4.11 * y)
    )
