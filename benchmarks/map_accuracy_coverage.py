"""How often the 95 % intervals of `assess` hold the truth, on a map whose truth is known everywhere.

    python benchmarks/map_accuracy_coverage.py results/demo/…/lcz.tif resources/simulation/demo/truth.tif

Draws many samples, labels them with the truth and counts. Cells where either raster has no class are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.evaluation import metrics
from lczmap.evaluation.area_estimates import Estimate, MapAccuracy, estimate_accuracy
from lczmap.evaluation.sampling import allocate_equally, count_cells, draw_sample
from lczmap.raster import read_class_map

PER_CLASS = (20, 50, 100)
RARE = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lcz", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    codes, geobox = read_class_map(arguments.lcz)
    truth, _ = read_class_map(arguments.truth)
    codes = np.where(truth > 0, codes, 0).astype(np.uint8)
    truth = np.where(codes > 0, truth, 0).astype(np.uint8)
    everything = metrics.confusion_matrix(truth[truth > 0], codes[codes > 0])
    shares = count_cells(truth) / (truth > 0).sum()
    rare = shares < RARE
    print(f"{int(everything.sum())} cells, overall accuracy {metrics.overall_accuracy(everything):.3f}\n")
    print("| cells per class | drawn | overall accuracy | user's | producer's | area, 3 % and more | area, rarer |")
    print("|---|---|---|---|---|---|---|")
    for per_class in PER_CLASS:
        sampled = allocate_equally(count_cells(codes), per_class)
        found = []
        for seed in range(arguments.draws):
            design = draw_sample(codes, geobox, sampled, map_name=str(arguments.lcz), seed=seed)
            cells = design.row, design.col
            found.append(estimate_accuracy(metrics.confusion_matrix(truth[cells], codes[cells]), design.population))
        areas = coverage([f.shares for f in found], shares)
        columns = (
            overall_coverage(found, metrics.overall_accuracy(everything)),
            np.nanmean(coverage([f.users for f in found], metrics.users_accuracy(everything))),
            np.nanmean(coverage([f.producers for f in found], metrics.producers_accuracy(everything))),
            areas[~rare].mean(),
            areas[rare].mean() if rare.any() else np.nan,
        )
        print(
            f"| {per_class} | {int(sampled.sum())} | "
            + " | ".join("–" if np.isnan(c) else f"{c:.3f}" for c in columns)
            + " |"
        )


def overall_coverage(found: Sequence[MapAccuracy], true: float) -> float:
    """Return how often the interval of the overall accuracy holds the truth."""
    return float(coverage([(f.overall,) for f in found], np.array([true]))[0])


def coverage(draws: Sequence[Sequence[Estimate]], true: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how often each interval holds the true value (17,); NaN where there is none."""
    low, high = (np.array([[getattr(e, name) for e in draw] for draw in draws]) for name in ("low", "high"))
    held = (low <= true + 1e-9) & (true - 1e-9 <= high)
    return np.where(np.isnan(true), np.nan, held.mean(axis=0))


if __name__ == "__main__":
    main()
