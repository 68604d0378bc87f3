"""Write a table of the errors of the ways to make a composite, on simulated cloudy stacks with a known truth.

    python benchmarks/composites.py --out composites.md

Each stack is 192 × 192 pixels of ten bands: a mosaic of surfaces; for every date noise, haze, thick and thin clouds
with soft edges, their shadows, and a season: plants come and go on each parcel by its own calendar, by a tenth (the
dates of one season) or by four tenths (of a year). The mask is what a usable detector gives: it overlooks the thin
edges of clouds and a share of the shadows, and takes some clear ground for cloud; between next to nothing and most
of a date is masked. Errors are taken where a clear date exists, against the surface in the middle of the season. All
draws are seeded; one core, less than a minute.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lczmap.channels import S2_10
from lczmap.scenes.composite import CompositeMethod, composite, pixel_quality, rank_by_usable

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

SIZE_PX = 192
DATES = (2, 3, 5, 8, 12)
SEASONS = (0.1, 0.4)  # how far plants change within the dates
STACKS = 12  # of each number of dates
BLUE, NIR = S2_10.channels.index("B2"), S2_10.channels.index("B8")
CLOUD_ERROR = 0.05  # of B2: a pixel that is brighter than the truth by more is a cloud
SHADOW_ERROR = 0.08  # of B8: a pixel that is darker than the truth by more is a shadow

# surface reflectance, rounded, in the order of S2_10: field, forest, soil, roofs, asphalt, water
SURFACES = np.array([
    [0.04, 0.07, 0.05, 0.11, 0.28, 0.35, 0.38, 0.40, 0.20, 0.10],
    [0.03, 0.05, 0.03, 0.07, 0.20, 0.25, 0.27, 0.29, 0.13, 0.06],
    [0.08, 0.11, 0.15, 0.18, 0.20, 0.22, 0.24, 0.26, 0.32, 0.27],
    [0.15, 0.18, 0.21, 0.23, 0.24, 0.25, 0.27, 0.28, 0.30, 0.27],
    [0.09, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.15, 0.17, 0.16],
    [0.05, 0.05, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01],
], np.float32)  # fmt: skip
PLANTS, SOIL = 2, 2  # the first two are plants, the third is what they leave
CLOUD = np.array([0.55, 0.54, 0.55, 0.56, 0.58, 0.60, 0.60, 0.61, 0.45, 0.35], np.float32)
SHADE = np.array([0.60, 0.55, 0.48, 0.45, 0.40, 0.38, 0.36, 0.35, 0.30, 0.28], np.float32)  # what diffuse light leaves
HAZE = np.array([1.0, 0.75, 0.55, 0.45, 0.40, 0.35, 0.30, 0.28, 0.08, 0.05], np.float32)


@dataclass(frozen=True)
class Simulated:
    """A stack (time, band, y, x), what its masks call clear (time, y, x), its truth (band, y, x), and its flaws.

    `overlooked` are the shares of cloudy and of shaded pixels that the masks call clear.
    """

    stack: Float
    valid: Bool
    truth: Float
    rank: tuple[int, ...]
    overlooked: tuple[float, float]


def simulate(dates: int, seed: int, *, season: float = 0.1, size: int = SIZE_PX) -> Simulated:
    """Draw a stack; plants change towards bare soil and back by `season` of the way."""
    rng = np.random.default_rng((seed, dates))
    truth, greening, phase = _ground(rng, size)
    moments = rng.permutation(dates) / dates  # of the period
    made = [_date(rng, truth + season * greening * np.sin(2 * np.pi * (t + phase)).astype(np.float32)) for t in moments]
    stack, masked, cloudy, shaded = (np.stack(parts) for parts in zip(*made, strict=True))
    rank = rank_by_usable([float(1 - date.mean()) for date in masked], [f"{i:02d}" for i in range(dates)])
    overlooked = (float((~masked[cloudy]).mean()), float((~masked[shaded]).mean()))
    return Simulated(stack, ~masked, truth, rank, overlooked)


def median_by_rank(sky: Simulated) -> Float:
    return composite(sky.stack, sky.valid, sky.rank, method="median")[0]


def make(method: CompositeMethod, sky: Simulated) -> Float:
    quality = pixel_quality(sky.stack, sky.rank)
    return composite(sky.stack, sky.valid, sky.rank, method=method, quality=quality)[0]


def errors(made: Float, sky: Simulated) -> tuple[float, float, float]:
    """Return the RMSE of all bands, and the shares of pixels that show a cloud and a shadow."""
    seen = sky.valid.any(axis=0)
    error = (made - sky.truth)[:, seen]  # (band, pixel)
    cloud, shadow = (error[BLUE] > CLOUD_ERROR).mean(), (error[NIR] < -SHADOW_ERROR).mean()
    return float(np.sqrt((error**2).mean())), float(cloud), float(shadow)


def _date(rng: np.random.Generator, surface: Float) -> tuple[Float, Bool, Bool, Bool]:
    # reflectance (band, y, x), and where it is masked, cloudy, shaded
    size = surface.shape[-1]
    cover = rng.beta(1.2, 1.8)  # 0.4 in the mean, from clear to overcast
    thickness = _threshold(_smooth(rng, size, 9), cover)
    opacity = np.clip(thickness / 0.6, 0, 1)  # soft edges
    thin = 0.25 * np.clip(_threshold(_smooth(rng, size, 25), rng.uniform(0, 0.25)), 0, 1)  # semi-transparent
    opacity = np.maximum(opacity, thin)
    offset = (rng.integers(-14, -5), rng.integers(-14, -5))  # shadows fall to the north-west
    shade = np.clip(np.roll(opacity, offset, axis=(0, 1)), 0, 1) * (1 - opacity)
    haze = rng.gamma(1.5, 0.008) * (1 + 0.3 * _smooth(rng, size, 30))
    sun = rng.normal(1, 0.02)  # what remains of its height and the view
    ground = surface * sun + rng.normal(0, 0.004, surface.shape)
    lit = ground * (1 - shade * (1 - SHADE[:, None, None]))
    seen = lit * (1 - opacity) + CLOUD[:, None, None] * opacity + np.maximum(haze, 0) * HAZE[:, None, None]
    cloudy, shaded = opacity > 0.1, (shade > 0.3) & (opacity <= 0.1)
    return seen.astype(np.float32), _mask(rng, opacity, shade), cloudy, shaded


def _mask(rng: np.random.Generator, opacity: Float, shade: Float) -> Bool:
    # clouds of which a third of the light is lost are seen nearly everywhere, then the mask is grown by a pixel;
    # shadows are seen in patches; a hundredth of the clear ground is taken for cloud
    size = opacity.shape[-1]
    is_bright = opacity > 0.3 + 0.15 * _smooth(rng, size, 6)
    is_dark = shade > 0.35 + 0.25 * _smooth(rng, size, 6)
    is_alarm = _smooth(rng, size, 3) > 2.3
    return np.asarray(ndimage.binary_dilation(is_bright) | is_dark | is_alarm, dtype=np.bool_)


def _ground(rng: np.random.Generator, size: int) -> tuple[Float, Float, Float]:
    # parcels of one surface each, with brightness that differs from parcel to parcel and from pixel to pixel; what
    # full growth adds to it (band, y, x), nothing but on plants; and the phase (y, x) of each parcel's calendar
    corners = rng.uniform(0, size, (size * size // 150, 2))
    parcel = _nearest(corners, size)
    surface = rng.choice(len(SURFACES), len(corners), p=[0.25, 0.15, 0.15, 0.2, 0.15, 0.1])
    brightness = rng.normal(1, 0.12, len(corners)).clip(0.6, 1.4)[parcel] * rng.normal(1, 0.06, (size, size))
    truth = np.moveaxis(SURFACES[surface[parcel]], -1, 0) * brightness
    growth = np.where(surface[:, None] < PLANTS, SURFACES[surface] - SURFACES[SOIL], 0)[parcel]
    phase = rng.uniform(0, 1, len(corners))[parcel]
    return truth.astype(np.float32), np.moveaxis(growth, -1, 0).astype(np.float32), phase.astype(np.float32)


def _nearest(points: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.intp]:
    seeds = np.ones((size, size), np.bool_)
    owner = np.zeros((size, size), np.intp)
    rows, cols = points.astype(np.intp).T
    seeds[rows, cols] = False
    owner[rows, cols] = np.arange(len(points))
    near = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    return np.asarray(owner[near[0], near[1]])


def _smooth(rng: np.random.Generator, size: int, radius: float) -> Float:
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), radius, mode="wrap")
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _threshold(field: Float, cover: float) -> Float:
    return np.asarray(field - np.quantile(field, 1 - cover), dtype=np.float32)


WAYS: dict[str, Callable[[Simulated], Float]] = {
    "median by rank alone": median_by_rank,
    **{method: partial(make, method) for method in get_args(CompositeMethod)},
}


def rows(season: float) -> Iterator[str]:
    yield f"| dates | clouds, shadows overlooked | {' | '.join(WAYS)} |"
    yield "|---" * (2 + len(WAYS)) + "|"
    for dates in DATES:
        skies = [simulate(dates, seed, season=season) for seed in range(STACKS)]
        overlooked = np.nanmean([sky.overlooked for sky in skies], axis=0)
        cells = []
        for way in WAYS.values():
            rmse, cloud, shadow = np.mean([errors(way(sky), sky) for sky in skies], axis=0)
            cells.append(f"{rmse:.4f}, {cloud:.1%}, {shadow:.1%}")
        yield f"| {dates} | {overlooked[0]:.0%}, {overlooked[1]:.0%} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="Markdown file; standard output without it")
    out = parser.parse_args().out
    head = "Each cell: RMSE of reflectance, share of pixels that show a cloud, share that show a shadow."
    tables = (f"Plants change by {season:.0%}. {head}\n\n" + "\n".join(rows(season)) + "\n" for season in SEASONS)
    text = "\n".join(tables)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)


if __name__ == "__main__":
    main()
