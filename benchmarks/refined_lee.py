"""Speed of the polarimetric functions beside plain numpy and scipy versions of the same: Mpx/s, and whether they agree.

    python benchmarks/refined_lee.py [--lines 1500] [--samples 4096] [--threads 2] [--out table.md]

The image is a burst's chunk of one-look speckle on patches of different power with some missing pixels. Every way gets
the same image; the plain versions a part of it (`--plain-lines` × `--plain-samples`) as they are slow. A time is the
shortest of those that fit into two seconds, three at least. numpy and scipy work on one thread, this package on
`--threads`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lczmap.files import write_text
from lczmap.sar.calibrate import sigma0_amplitude
from lczmap.sar.grd_radiometry import Vectors, look_up
from lczmap.sar.polsar import boxcar, covariance, h_a_alpha, refined_lee, refined_lee_double
from lczmap.sar.refined_lee import half_windows

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex64]
Window = Callable[[Double, npt.NDArray[np.bool_]], Double]

HEAD = "| step | way | threads | Mpx/s | largest difference |\n|---|---|---|---|---|"


def main() -> None:
    options = _options()
    numba.set_num_threads(options.threads)
    vh, vv = speckle((options.lines, options.samples))
    part = (slice(0, options.plain_lines), slice(0, options.plain_samples))
    rows = [
        *filter_rows(covariance(vh, vv), part, options.threads),
        *decomposition_rows(covariance(vh, vv), part, options.threads),
        *calibration_rows(vh, part, options.threads),
    ]
    table = "\n".join([HEAD, *rows]) + "\n"
    print(table)
    if options.out:
        write_text(options.out, table)


def speckle(shape: tuple[int, int]) -> tuple[Complex, Complex]:
    """Return one look of VH and VV on patches of 32 px, with a missing block and missing pixels."""
    rng = np.random.default_rng(1)
    patches = [-(-size // 32) for size in shape]
    power = np.kron(rng.gamma(1.0, 1.0, patches), np.ones((32, 32)))[: shape[0], : shape[1]]
    parts = rng.normal(size=(4, *shape)) * np.sqrt(power / 2)
    vv = np.sqrt(0.25) * (parts[0] + 1j * parts[1])
    vh = np.sqrt(0.05) * (parts[2] + 1j * parts[3])
    vh[50:80, 100:150] = np.nan
    vh[rng.random(shape) < 1e-4] = np.nan
    return vh.astype(np.complex64), vv.astype(np.complex64)


def filter_rows(c2: Float, part: tuple[slice, slice], threads: int) -> list[str]:
    small = np.ascontiguousarray(c2[:, *part])
    refined_lee(small)
    ours = refined_lee_double(small)
    rows = [row("refined Lee", "this package", threads, c2[0].size, lambda: refined_lee(c2), None)]
    with_one = _one_thread(lambda: refined_lee(c2))
    rows.append(row("refined Lee", "this package", 1, c2[0].size, with_one, None))
    for way, window in (("numpy, shifted sums", shifted_sums), ("scipy.ndimage.correlate", correlated)):
        plain = plain_refined_lee(small, window)
        rows.append(row("refined Lee", way, 1, small[0].size, _bind(plain_refined_lee, small, window), (ours, plain)))
    return rows


def decomposition_rows(c2: Float, part: tuple[slice, slice], threads: int) -> list[str]:
    small = np.ascontiguousarray(c2[:, *part])
    mean = boxcar(c2)
    small_mean = boxcar(small)
    h_a_alpha(small_mean)
    return [
        row("5×5 mean", "this package", threads, c2[0].size, lambda: boxcar(c2), None),
        row(
            "5×5 mean",
            "scipy.ndimage.uniform_filter",
            1,
            small[0].size,
            lambda: plain_boxcar(small),
            (small_mean, plain_boxcar(small)),
        ),
        row("H, A, alpha", "this package", threads, c2[0].size, lambda: h_a_alpha(mean), None),
        row(
            "H, A, alpha",
            "numpy.linalg.eigh",
            1,
            small[0].size,
            lambda: plain_decomposition(small_mean),
            (h_a_alpha(small_mean), plain_decomposition(small_mean)),
        ),
    ]


def calibration_rows(digital: Complex, part: tuple[slice, slice], threads: int) -> list[str]:
    rows, cols = (slice(0, size) for size in digital.shape)
    rng = np.random.default_rng(2)
    pixel = np.arange(0.0, digital.shape[1] + 40, 40)
    lines = np.arange(-100.0, digital.shape[0] + 490, 490)
    table = Vectors(lines, (pixel,) * lines.size, tuple(rng.uniform(300, 400, pixel.size) for _ in lines))
    small = digital[part]
    sigma0_amplitude(digital, table, rows, cols)

    def plain() -> Complex:
        return np.asarray(small / look_up(table, *part), dtype=np.complex64)

    ours = sigma0_amplitude(small, table, *part)
    count = digital.size
    return [
        row("covariance", "this package", threads, count, lambda: covariance(digital, digital), None),
        row("calibration", "this package", threads, count, lambda: sigma0_amplitude(digital, table, rows, cols), None),
        row("calibration", "numpy", 1, small.size, plain, (ours, plain())),
    ]


def plain_refined_lee(c2: Float, window: Window) -> Double:
    """Filter with whole arrays: every half window of every pixel, then a choice; `window` sums (y, x) under a mask."""
    elements = c2.astype(np.float64)
    valid = np.isfinite(elements).all(axis=0)
    elements = np.where(valid, elements, 0.0)
    span = elements[0] + elements[3]
    count, planes = valid.astype(np.float64), (*elements, span, span**2)
    box = np.zeros((7, 7), np.bool_)
    means = np.empty((3, 3, *span.shape))
    for r in range(3):
        for c in range(3):
            box[:] = False
            box[2 * r : 2 * r + 3, 2 * c : 2 * c + 3] = True
            with np.errstate(invalid="ignore"):
                means[r, c] = window(span, box) * 9 / window(count, box)
    direction = plain_direction(means)
    sums = np.empty((7, *span.shape))
    for d, half in enumerate(half_windows()):
        here = direction == d
        for i, plane in enumerate((*planes, count)):
            sums[i][here] = window(plane, half)[here]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[4] / sums[6]
        excess = sums[5] - sums[6] * mean**2
        weight = np.where(excess > 0, np.maximum(excess - (sums[6] - 1) * mean**2, 0) / (2 * excess), 0)
        local = sums[:4] / sums[6]
    return np.where(valid, local + weight * (elements - local), np.nan)


def plain_direction(means: Double) -> npt.NDArray[np.intp]:
    missing = np.isnan(means)
    sets = (~missing).sum(axis=(0, 1))
    m = np.where(missing, np.nansum(means, axis=(0, 1)) / np.maximum(sets, 1), means)
    gradients = np.stack(
        [
            (m[0, 2] + m[1, 2] + m[2, 2]) - (m[0, 0] + m[1, 0] + m[2, 0]),
            (m[0, 1] + m[0, 2] + m[1, 2]) - (m[1, 0] + m[2, 0] + m[2, 1]),
            (m[0, 0] + m[0, 1] + m[0, 2]) - (m[2, 0] + m[2, 1] + m[2, 2]),
            (m[0, 0] + m[0, 1] + m[1, 0]) - (m[1, 2] + m[2, 1] + m[2, 2]),
        ]
    )
    best = np.abs(gradients).argmax(axis=0)
    return np.asarray(best + 4 * (np.take_along_axis(gradients, best[None], axis=0)[0] > 0))


def shifted_sums(plane: Double, inside: npt.NDArray[np.bool_]) -> Double:
    padded = np.pad(plane, 3)
    total = np.zeros_like(plane)
    for y, x in np.argwhere(inside):
        total += padded[y : y + plane.shape[0], x : x + plane.shape[1]]
    return total


def correlated(plane: Double, inside: npt.NDArray[np.bool_]) -> Double:
    return np.asarray(ndimage.correlate(plane, inside.astype(np.float64), mode="constant"))


def plain_boxcar(c2: Float) -> Float:
    valid = np.isfinite(c2).all(axis=0)
    share = ndimage.uniform_filter(valid.astype(np.float64), 5, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [
            ndimage.uniform_filter(np.where(valid, e, 0).astype(np.float64), 5, mode="constant") / share for e in c2
        ]
    return np.where(valid, np.stack(means), np.nan).astype(np.float32)


def plain_decomposition(c2: Float) -> Float:
    c11, re, im, c22 = np.nan_to_num(c2.astype(np.float64), nan=1.0)
    matrices = np.stack([c11, re + 1j * im, re - 1j * im, c22], axis=-1).reshape(*c11.shape, 2, 2)
    values, vectors = np.linalg.eigh(matrices)
    shares = np.clip(values / values.sum(axis=-1, keepdims=True), 1e-300, 1)
    alpha = np.degrees(np.arccos(np.clip(np.abs(vectors[..., 0, :]), 0, 1)))
    out = np.stack([-(shares * np.log2(shares)).sum(-1), shares[..., 1] - shares[..., 0], (shares * alpha).sum(-1)])
    return np.where(np.isnan(c2[0]), np.nan, out).astype(np.float32)


def row(
    step: str,
    way: str,
    threads: int,
    pixels: int,
    run: Callable[[], object],
    results: tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]] | None,
) -> str:
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < 2:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    difference = "" if results is None else f"{np.nanmax(np.abs(results[0] - results[1])):.1e}"  # type: ignore[operator]
    line = f"| {step} | {way} | {threads} | {pixels / min(seconds) / 1e6:.3g} | {difference} |"
    print(line, flush=True)
    return line


def _one_thread(run: Callable[[], object]) -> Callable[[], object]:
    def alone() -> object:
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            return run()
        finally:
            numba.set_num_threads(threads)

    return alone


def _bind(function: Callable[[Float, Window], Double], c2: Float, window: Window) -> Callable[[], object]:
    return lambda: function(c2, window)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--plain-lines", type=int, default=500)
    parser.add_argument("--plain-samples", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
