"""How much power the refined Lee filter keeps: mean of filtered over mean of unfiltered power, scene by scene.

    python benchmarks/band_statistics.py [--size-px 1500] [--seed 0] [--out table.md]

So2Sat LCZ42 has .72 (VH) and .61 (VV) between the means of its filtered and unfiltered channels. The scenes are
simulated on a radar's pixels: speckle is drawn either independently per pixel or band-limited as a Sentinel-1
processor does it (share of the sampled bandwidth and Hamming window of the product's annotation), on grounds that are
homogeneous, textured (gamma-distributed mean power: K-distributed intensity) or dark with objects that are so many
times brighter in VV (VH).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.channels import SO2SAT8
from lczmap.files import write_text
from lczmap.sar.profiles import grd4_from_so2sat8, radar_layers

Double = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

VH, VV = (
    0.0616,
    0.420,
)  # mean unfiltered power in So2Sat LCZ42 (its published standard deviations of real and imaginary)
PUBLISHED = 0.0442011 / 0.0616, 0.2576103 / 0.420
# of the annotations of IW products: processed share of azimuth frequency and range sampling rate, Hamming coefficients
SPECTRUM = {"IW1": (0.672, 0.70, 0.878, 0.75), "IW2": (0.643, 0.75, 0.751, 0.75), "IW3": (0.645, 0.75, 0.665, 0.75)}
OBJECT = (2, 4)  # lines, samples: some 28 m × 14 m on the ground
HEAD = "| ground | speckle | raw power VH, VV | VV raw std / mean | filtered / raw VH | VV |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Ground:
    """Mean power relative to the scene's, (lines, samples), of each polarisation."""

    name: str
    vh: Double
    vv: Double
    base: tuple[float, float] = (VH, VV)
    coherence: float = 0.0


def main() -> None:
    options = _options()
    rows = [HEAD]
    for ground, swath in scenes(options.size_px, np.random.default_rng(options.seed)):
        rows.append(row(ground, swath, np.random.default_rng([options.seed, 1])))
        print(rows[-1], flush=True)
    rows.append(f"| So2Sat LCZ42, published | | {VH} {VV} | | {PUBLISHED[0]:.2f} | {PUBLISHED[1]:.2f} |")
    table = "\n".join(rows) + "\n"
    print("\n" + table)
    if options.out:
        write_text(options.out, table)


def scenes(size: int, rng: np.random.Generator) -> Iterator[tuple[Ground, str | None]]:
    """Yield grounds, and the swath whose spectrum the speckle has (None: every pixel by itself)."""
    flat = np.ones((size, size))
    yield Ground("homogeneous, VH .05, VV .25", flat, flat, (0.05, 0.25)), None
    for coherence in (0.0, 0.3, 0.6):
        yield Ground(f"homogeneous, coherence {coherence:g}", flat, flat, coherence=coherence), None
    for swath in SPECTRUM:
        yield Ground("homogeneous", flat, flat), swath
    for order, patch in ((4.0, 8), (1.0, 8), (1.0, 2), (0.5, 2)):
        texture = gamma_patches(size, order, patch, rng)
        yield Ground(f"gamma texture of order {order:g} in patches of {patch} px", texture, texture), "IW2"
    for share, gain in ((0.002, 100.0), (0.01, 100.0), (0.05, 30.0), (0.01, 1000.0)):
        vh, vv = brightness(objects(size, share, rng), gain)
        yield Ground(f"objects {gain:g} ({np.sqrt(gain):.0f}) times brighter on {100 * share:g} %", vh, vv), "IW2"
    texture = gamma_patches(size, 1.0, 8, rng)
    vh, vv = brightness(objects(size, 0.01, rng), 100.0)
    name = "gamma texture of order 1 in patches of 8 px, objects 100 (10) times brighter on 1 %"
    yield Ground(name, texture * vh, texture * vv), "IW2"


def brightness(bright: npt.NDArray[np.bool_], gain: float) -> tuple[Double, Double]:
    """Return the gain of VH and VV: objects are `gain` times brighter in VV, in VH by half of that in decibels."""
    return np.where(bright, np.sqrt(gain), 1.0), np.where(bright, gain, 1.0)


def gamma_patches(size: int, order: float, patch: int, rng: np.random.Generator) -> Double:
    cells = -(-size // patch)
    field = rng.gamma(order, 1 / order, (cells, cells))
    return np.kron(field, np.ones((patch, patch)))[:size, :size]


def objects(size: int, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    bright = np.zeros((size, size), np.bool_)
    number = round(share * size * size / (OBJECT[0] * OBJECT[1]))
    for line, sample in rng.integers(0, size - max(OBJECT), (number, 2)):
        bright[line : line + OBJECT[0], sample : sample + OBJECT[1]] = True
    return bright


def row(ground: Ground, swath: str | None, rng: np.random.Generator) -> str:
    """Draw a scene with the mean powers of `ground.base`, filter it as for So2Sat's channels, compare means."""
    first, second = (drawn(ground.vh.shape, swath, rng) for _ in range(2))
    mixed = ground.coherence * first + np.sqrt(1 - ground.coherence**2) * second
    power_vh, power_vv = (p / p.mean() * mean for p, mean in zip((ground.vh, ground.vv), ground.base, strict=True))
    vv, vh = np.sqrt(power_vv) * first, np.sqrt(power_vh) * mixed
    layers = radar_layers(vh.astype(np.complex64), vv.astype(np.complex64), SO2SAT8.channels)
    raw_vh, raw_vv, vh_lee, vv_lee = grd4_from_so2sat8(layers)[:, 4:-4, 4:-4].astype(np.float64)
    kept = f"{vh_lee.mean() / raw_vh.mean():.3f} | {vv_lee.mean() / raw_vv.mean():.3f}"
    spread = raw_vv.std() / raw_vv.mean()
    speckle = "every pixel by itself" if swath is None else f"as {swath}"
    return f"| {ground.name} | {speckle} | {raw_vh.mean():.3g} {raw_vv.mean():.3g} | {spread:.1f} | {kept} |"


def drawn(shape: tuple[int, ...], swath: str | None, rng: np.random.Generator) -> Complex:
    """Return circular complex Gaussian noise of mean power 1, band-limited as a swath's processing does it."""
    noise = rng.normal(0, np.sqrt(0.5), shape) + 1j * rng.normal(0, np.sqrt(0.5), shape)
    if swath is None:
        return noise
    azimuth_share, azimuth_window, range_share, range_window = SPECTRUM[swath]
    weights = np.outer(hamming(shape[0], azimuth_share, azimuth_window), hamming(shape[1], range_share, range_window))
    limited = np.fft.ifft2(np.fft.fft2(noise) * weights)
    return np.asarray(limited / np.sqrt(np.mean(np.abs(limited) ** 2)))


def hamming(size: int, share: float, coefficient: float) -> Double:
    frequency = np.fft.fftfreq(size) / share  # -0.5..0.5 inside the processed band
    inside = np.abs(frequency) <= 0.5
    return np.where(inside, coefficient + (1 - coefficient) * np.cos(2 * np.pi * frequency), 0.0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-px", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
