"""Time and peak memory of the Gaussian class filter beside scipy.ndimage done class by class on the same map.

    python benchmarks/gaussian_filter.py [--size 10000] [--scipy-size 10000] [--pixel-m 100 10] [--threads 2]
        [--maps patches random] [--out table.md]

`random` draws every pixel anew (the worst case: all classes everywhere), `patches` draws squares of 12 pixels of 100 m,
or as many metres. A part of each map has no class. Every way runs in a process of its own, so that its peak memory
(VmHWM, Linux) is its own; CPU seconds tell what a busy machine hides. Of this package the second run is timed, so that
compiling is left out. `--scipy-size` makes the map of the scipy way smaller where it would take long: compare Mpx/s
then. `differs` counts the cells of the scipy way's map (cut to 1000 × 1000 pixels) that the two answer differently.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lczmap.files import write_text
from lczmap.mapping.filter import TIE, class_weights, filter_codes

Codes = npt.NDArray[np.uint8]
PATCH_M = 1200
COMPARED_PX = 1000
COLUMNS = ("map", "pixel", "pixels", "way", "threads", "s", "CPU s", "Mpx/s", "peak MiB", "differs")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def main() -> None:
    options = _options()
    print(HEAD, flush=True)
    lines = []
    for pixel_m in options.pixel_m:
        for kind in options.maps:
            for way, size, threads in (
                ("this package", options.size, options.threads),
                ("scipy.ndimage, class by class", options.scipy_size, 1),
            ):
                seconds, cpu, peak, differs = _apart(way, kind, size, pixel_m, threads)
                figures = f"{seconds:.1f} | {cpu:.1f} | {size**2 / seconds / 1e6:.3g} | {peak:.0f} | {differs}"
                lines.append(f"| {kind} | {pixel_m} m | {size} × {size} | {way} | {threads} | {figures} |")
                print(lines[-1], flush=True)
    if options.out:
        write_text(options.out, "\n".join([HEAD, *lines]) + "\n")


def make_map(kind: str, size: int, pixel_m: int) -> Codes:
    """Return codes 0..17 (size, size); the left 2 % have no class."""
    rng = np.random.default_rng(47)
    px = 1 if kind == "random" else max(PATCH_M // pixel_m, 1)
    drawn = rng.integers(1, 18, (-(-size // px), -(-size // px)), dtype=np.uint8)
    codes = np.ascontiguousarray(np.repeat(np.repeat(drawn, px, axis=0), px, axis=1)[:size, :size])
    codes[:, : size // 50] = 0
    return codes


def by_scipy(codes: Codes, pixel_m: float) -> Codes:
    """Filter with two 1-D correlations of float64 per class over the whole map."""
    best, out = np.zeros(codes.shape), np.zeros(codes.shape, np.uint8)
    for code in range(1, 18):
        weights = class_weights(code, pixel_m)
        score = (codes == code).astype(np.float64)
        for axis in (0, 1):
            score = ndimage.correlate1d(score, weights, axis=axis, mode="constant")
        wins = score > best + TIE
        best[wins], out[wins] = score[wins], code
    out[codes == 0] = 0
    return out


def _measure(way: str, kind: str, size: int, pixel_m: int, threads: int) -> tuple[float, float, float, str]:
    numba.set_num_threads(threads)
    codes = make_map(kind, size, pixel_m)
    run: Callable[[Codes, float], Codes] = filter_codes if way == "this package" else by_scipy
    if run is filter_codes:
        run(np.ascontiguousarray(codes[:300, :300]), pixel_m)
    start, cpu_start = time.perf_counter(), time.process_time()
    filtered = run(codes, pixel_m)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    peak = _peak_mib()
    if run is filter_codes:
        return seconds, cpu, peak, ""
    cut = np.ascontiguousarray(codes[:COMPARED_PX, :COMPARED_PX])
    whole = filtered if cut.shape == codes.shape else by_scipy(cut, pixel_m)
    return seconds, cpu, peak, str(int((filter_codes(cut, pixel_m) != whole).sum()))


def _apart(*arguments: object) -> tuple[float, float, float, str]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: tuple[float, float, float, str] = pool.apply(_measure, arguments)
    return result


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--scipy-size", type=int, default=10_000)
    parser.add_argument("--pixel-m", type=int, nargs="+", default=[100, 10])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--maps", nargs="+", choices=["patches", "random"], default=["patches", "random"])
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
