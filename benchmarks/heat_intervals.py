"""How often the 95 % intervals of heat islands hold the truth, on generated cities and stations.

python benchmarks/heat_intervals.py [cities] prints the tables of docs/heat.md.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lczmap.evaluation.bootstrap import spatial_blocks
from lczmap.heat.islands import cell_figures, station_figures
from lczmap.heat.zones import BORDER_M, border_distance_m

CELL_M = 100.0
OFFSETS = {2: 3.0, 5: 2.0, 6: 1.5, 8: 2.5, 11: -1.0, 14: 0.0}  # kelvin above LCZ D, by code

Array = npt.NDArray[np.float64]


def correlated_field(rng: np.random.Generator, cells: int, length_cells: float) -> Array:
    """A square field of standard deviation 1 K with exponential covariance, by Fourier transform."""
    lag = np.minimum(np.arange(2 * cells), 2 * cells - np.arange(2 * cells))
    covariance = np.exp(-np.hypot(*np.meshgrid(lag, lag)) / length_cells)
    amplitude = np.sqrt(np.maximum(np.fft.fft2(covariance).real, 0))
    noise = rng.normal(size=(2, *covariance.shape))
    field: Array = np.fft.fft2(amplitude * (noise[0] + 1j * noise[1]) / len(lag)).real[:cells, :cells]
    return field


def city(rng: np.random.Generator, cells: int) -> npt.NDArray[np.uint8]:
    """Zones of about 1 to 2 km: the largest of smooth fields, one for each class."""
    fields = [gaussian_filter(rng.normal(size=(cells, cells)), 8) for _ in OFFSETS]
    return np.array(list(OFFSETS), np.uint8)[np.argmax(fields, axis=0)]


def covered_by_blocks(cells: int, length_cells: float, block_cells: int, cities: int) -> tuple[float, float]:
    """Return the share of intervals that hold the true island, and their mean width in kelvin."""
    hits, widths = [], []
    for seed in range(cities):
        rng = np.random.default_rng(seed)
        codes = city(rng, cells)
        truth = np.vectorize(OFFSETS.get)(codes)
        celsius = truth + correlated_field(rng, cells, length_cells) + rng.normal(0, 0.3, codes.shape)
        row, col = np.nonzero(border_distance_m(codes, CELL_M, reach_m=BORDER_M) >= BORDER_M)
        blocks = spatial_blocks(row, col, block_cells)
        figures = cell_figures(celsius[row, col], codes[row, col], blocks, reference=14, seed=seed)
        for code, offset in OFFSETS.items():
            _, low, high = figures.island[code - 1]
            if code != 14 and np.isfinite(low):
                hits.append(low <= offset <= high)
                widths.append(high - low)
    return float(np.mean(hits)), float(np.mean(widths))


def covered_by_stations(stations: int, trials: int) -> float:
    """Return the share of intervals of two classes of `stations` each that hold the true difference."""
    codes, hits = np.repeat([2, 14], stations), 0
    for seed in range(trials):
        values = np.random.default_rng(seed).normal(size=(2 * stations, 1)) + 3.0 * (codes == 2)[:, None]
        _, low, high = station_figures(values, codes, reference=14).island[1]
        hits += low <= 3.0 <= high
    return hits / trials


def main() -> None:
    cities = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(
        "| city | correlation length | blocks | intervals that hold the truth | mean width, K |\n|---|---|---|---|---|"
    )
    for cells in (100, 200):
        for length, block in [(2.5, 20), (5, 20), (10, 20), (5, 5)]:
            share, width = covered_by_blocks(cells, length, block, cities)
            lengths = f"{length * CELL_M:.0f} m | {block * CELL_M / 1000:g} km"
            print(f"| {cells * CELL_M / 1000:g} km | {lengths} | {share:.3f} | {width:.2f} |", flush=True)
    print("\n| stations per class | intervals that hold the truth |\n|---|---|")
    for stations in (2, 3, 5, 10):
        print(f"| {stations} | {covered_by_stations(stations, 1000):.3f} |", flush=True)


if __name__ == "__main__":
    main()
