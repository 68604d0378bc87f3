"""What the evaluation reads and writes: the patches of one split, and reports as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NODATA_CODE
from lczmap.evaluation.bootstrap import RESAMPLES, bootstrap_interval
from lczmap.evaluation.metrics import most_frequent_class, reference_share
from lczmap.files import write_json
from lczmap.training.patches import PatchTable, read_patch_table

Report = Mapping[str, Any]
ALL = "all"
"""The polygons of every split: they test the maps where no network of the run learned from them."""


def read_split(path: Path, split: str, *, shape: tuple[int, int]) -> PatchTable:
    """Read the patches of one split from patches.gpkg; `shape` is the map's rows and columns.

    The split `all` are the patches of every polygon, those that were dropped between splits too. ValueError for a
    missing or other file, a patch outside the map, or a split without patches.
    """
    table = read_patch_table(path, shape=shape)
    patches = table if split == ALL else table.of(split)
    if not len(patches):
        raise ValueError(
            f"{path}: expected patches of the split {split!r}, the table has {sorted(set(table.split.tolist()))}; draw "
            "at least 3 polygons of a class, one for each split (2 with the share `validation` at 0), and keep the "
            f"share `test` above 0; where no network learned from these areas, take the split `{ALL}`"
        )
    return patches


def mapped_patches(
    lcz_path: Path, codes: npt.NDArray[np.uint8], patches_gpkg: Path, split: str
) -> tuple[PatchTable, npt.NDArray[np.uint8], int]:
    """Return the patches of one split that a map of codes 0..17 (y, x) shows, its codes there, how many it does not.

    ValueError as from `read_split`, and where the map, named `lcz_path`, has nodata in all of them.
    """
    patches = read_split(patches_gpkg, split, shape=codes.shape)
    mapped = codes[patches.row, patches.col]
    valid = mapped != NODATA_CODE
    if not valid.any():
        raise ValueError(
            f"{lcz_path}: none of the {valid.size} cells of the split {split!r} in {patches_gpkg} is mapped; do the "
            "training areas lie inside the scenes?"
        )
    return patches.of(valid), mapped[valid], int((~valid).sum())


def estimate(
    totals: npt.NDArray[Any], statistic: Callable[[npt.NDArray[Any]], float], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, float]:
    """Return a statistic of the sum of `totals` (G, …) and its bootstrap interval, ready for a report."""
    interval = bootstrap_interval(totals, statistic, seed=seed, resamples=resamples)
    return {"value": statistic(totals.sum(axis=0)), "low": interval.low, "high": interval.high}


def majority_baseline(confusions: npt.NDArray[Any], *, seed: int) -> dict[str, Any]:
    """Return what a map that says the most frequent reference class everywhere would reach; `confusions` (G, 17, 17).

    The class is that of all cells, in every replicate too: the largest of 17 drawn shares would be too large.
    """
    index = most_frequent_class(confusions.sum(axis=0))
    share = estimate(confusions, partial(reference_share, index=index), seed=seed)
    return {**share, "class": CLASSES[index].title}


def read_report(path: Path, keys: Sequence[str], *, verb: str) -> dict[str, Any]:
    """Read a report as JSON; ValueError where it is missing, no JSON, or lacks one of the `keys` that `verb` writes."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `{verb}` makes it")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); make it again with `{verb}`") from error
    missing = [key for key in keys if not isinstance(report, dict) or key not in report]
    if missing:
        raise ValueError(f"{path}: expected the report of `{verb}`, it lacks {', '.join(missing)}; make it again")
    return dict(report)


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON; NaN becomes null, floats have six decimals."""
    write_json(path, _plain(report))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
