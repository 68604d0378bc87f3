"""Measure how often the check of training areas finds labels that were swapped, and how often it blames right ones.

    python benchmarks/area_outliers.py --grid GRID.json --areas AREAS.kml --out table.md STACKS...

The labels of the areas are taken as right (a simulated city, whose stacks are tiles/*/s?.tif); in each of many trials
a share of them is swapped for another class drawn at random, and the areas are judged. With --per-class so many areas
of each class are drawn first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.evaluation.metrics import similarity
from lczmap.files import write_text
from lczmap.grid import Grid
from lczmap.training.area_features import area_features
from lczmap.training.area_outliers import find_outliers
from lczmap.training.areas import read_areas

UNLIKE = 0.7
"""Classes of a lower similarity (Bechtel et al. 2020) count as unlike: a swap between them is a slip, not a doubt."""
SHARES = (0.0, 0.05, 0.1, 0.2)

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """Counts of one trial: swapped labels, found ones, the same among unlike classes, right labels, blamed ones."""

    swapped: int
    found: int
    unlike: int
    found_unlike: int
    right: int
    blamed: int
    unusual: int


def run_trial(features: npt.NDArray[np.float64], codes: Codes, share: float, draws: np.random.Generator) -> Trial:
    swapped = np.zeros(len(codes), np.bool_)
    swapped[draws.choice(len(codes), round(share * len(codes)), replace=False)] = True
    steps = draws.integers(1, NUM_CLASSES, len(codes))
    given = np.where(swapped, (codes - 1 + steps) % NUM_CLASSES + 1, codes)
    result = find_outliers(features, given)
    flagged = result.looks_like_other
    unlike = swapped & (similarity()[codes - 1, given - 1] < UNLIKE)
    return Trial(
        swapped=int(swapped.sum()),
        found=int((swapped & flagged).sum()),
        unlike=int(unlike.sum()),
        found_unlike=int((unlike & flagged).sum()),
        right=int((~swapped).sum()),
        blamed=int((~swapped & flagged).sum()),
        unusual=int((~swapped & result.is_far).sum()),
    )


def measure(
    features: npt.NDArray[np.float64], codes: Codes, share: float, *, per_class: int | None, trials: int, seed: int
) -> list[Trial]:
    draws = np.random.default_rng([seed, round(1000 * share), per_class or 0])
    found = []
    for _ in range(trials):
        chosen = np.arange(len(codes))
        if per_class is not None:
            groups = [np.flatnonzero(codes == code) for code in np.unique(codes)]
            chosen = np.concatenate([draws.choice(g, min(per_class, g.size), replace=False) for g in groups])
        found.append(run_trial(features[chosen], codes[chosen], share, draws))
    return found


def row(city: str, per_class: int | None, share: float, trials: Sequence[Trial]) -> str:
    def rate(part: str, whole: str) -> str:
        total = sum(getattr(t, whole) for t in trials)
        return f"{sum(getattr(t, part) for t in trials) / total:.3f}" if total else "–"

    rates = (("found", "swapped"), ("found_unlike", "unlike"), ("blamed", "right"), ("unusual", "right"))
    return f"| {city} | {per_class or 'all'} | {share:.0%} | " + " | ".join(rate(*r) for r in rates) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--areas", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-class", type=int, nargs="*", default=[])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("stacks", type=Path, nargs="+")
    arguments = parser.parse_args()
    grid = Grid.from_json(arguments.grid.read_text())
    areas = read_areas(arguments.areas).to_crs(grid.crs)
    features = area_features(areas.polygons, grid, arguments.stacks).values
    codes = areas.codes.astype(np.int64)
    lines = [
        "| city | areas per class | labels swapped | found | found, unlike classes | right ones blamed | unusual |",
        "|---|---|---|---|---|---|---|",
    ]
    for per_class in (*arguments.per_class, None):
        for share in SHARES:
            trials = measure(features, codes, share, per_class=per_class, trials=arguments.trials, seed=arguments.seed)
            lines.append(row(arguments.grid.parent.name, per_class, share, trials))
    write_text(arguments.out, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
