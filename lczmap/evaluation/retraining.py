"""Train a random forest anew on 70 % of the polygons and test it on the others, many times, as the LCZ Generator does.

The features of all patches are computed once; each time only the trees are grown. The split is stratified by class and
made by polygon, and training patches that share a pixel with a test patch are dropped (training/splits.py), which the
LCZ Generator does not need to do because it classifies single pixels of 100 m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NUM_CLASSES, code_to_index, index_to_code
from lczmap.evaluation import metrics
from lczmap.evaluation.records import ALL, Report, read_split, write_report
from lczmap.evaluation.resampling import bootstrap_figures, count_classes
from lczmap.evaluation.wording import polygon_warnings
from lczmap.grid import PATCH_PX, Grid
from lczmap.models.rf import FOREST, grow_trees
from lczmap.raster import Float
from lczmap.training.forest_data import forest_features
from lczmap.training.patches import PatchTable
from lczmap.training.preset import ForestPreset, load_preset
from lczmap.training.splits import DROPPED, TEST, TRAIN, drop_overlapping, split_polygons
from lczmap.views import View

TEST_SHARE = 0.3
"""Share of each class's polygons that test (Demuzere et al. 2021)."""


@dataclass(frozen=True)
class Draw:
    """One training and its test.

    `taught` (17,) counts the patches that taught each class, `confusion` (17, 17) what the forest said of the `test`
    patches, nothing where no patch taught; `dropped` patches shared a pixel with one of these.
    """

    taught: npt.NDArray[np.int64]
    confusion: npt.NDArray[np.int64]
    test: int
    dropped: int

    @property
    def training(self) -> int:
        """Return how many patches taught."""
        return int(self.taught.sum())

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """Return the classes (17,) that were tested, and that the forest could not know."""
        found: npt.NDArray[np.bool_] = (self.taught == 0) & (self.confusion.sum(axis=1) > 0)
        return found


def retrain_forest(
    grid: Grid,
    patches_gpkg: Path,
    tiles_dir: Path,
    out_json: Path,
    *,
    views: Sequence[View],
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    channels: Sequence[str] | None = None,
    patch_px: int = PATCH_PX,
    bootstraps: int = 25,
    seed: int = 0,
    threads: int | None = None,
) -> Report:
    """Write bootstraps.json of a random forest that is trained anew on 70 % of all polygons each time.

    `views`, `preset`, `options`, `channels` and `patch_px` are those of `train_model`; trees grow on `threads`, by
    default on all processors. A draw that leaves no patch to train or to test on has no figures, and a warning says
    so. ValueError where the stacks do not fit the patches, or no patch has its pixels.
    """
    recipe = load_preset(preset, model=FOREST, options=options)
    if not isinstance(recipe, ForestPreset):
        raise ValueError(f"the preset {preset!r} is a recipe for a {recipe.kind}; retraining is for {FOREST!r}")
    table = read_split(patches_gpkg, ALL, shape=grid.cells_shape)
    table, features = forest_features(
        grid, table, tiles_dir, views, recipe, channels=channels, patch_px=patch_px, seed=seed
    )
    draws = [
        train_and_test(
            table, features, recipe, cell_px=grid.cell_px, patch_px=patch_px, seed=seed + number, threads=threads
        )
        for number in range(bootstraps)
    ]
    report = _report(table, draws, seed)
    for warning in report["warnings"]:
        print(f"warning: {warning}", flush=True)
    write_report(out_json, report)
    return report


def train_and_test(
    table: PatchTable,
    features: Float,
    recipe: ForestPreset,
    *,
    cell_px: int,
    patch_px: int,
    seed: int,
    threads: int | None = None,
) -> Draw:
    """Deal the polygons of a table (N,) to training and test, grow a forest, return what it says of the test patches.

    `features` (V, N, F) are those of each view, NaN where missing; views all teach, and their probabilities are
    averaged. A patch without any feature in a view is left out of that view.
    """
    areas, first = np.unique(table.area, return_index=True)
    split_of = split_polygons(table.code[first], validation=0, test=TEST_SHARE, seed=seed)
    before = split_of[np.searchsorted(areas, table.area)]
    splits = drop_overlapping(table.row, table.col, before, cell_px=cell_px, patch_px=patch_px)
    taught, tested = splits == TRAIN, splits == TEST
    counts = (int(tested.sum()), int((splits == DROPPED).sum()))
    taught_classes = count_classes(table.code[taught])
    if not taught.any() or not tested.any():
        return Draw(taught_classes, np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64), *counts)
    known = np.asarray(np.isfinite(features).any(axis=2), dtype=np.bool_)  # (V, N)
    values = np.concatenate([view[taught & seen] for view, seen in zip(features, known, strict=True)])
    index = np.concatenate([code_to_index(table.code[taught & seen]) for seen in known])
    balanced = recipe.class_weights == "balanced"
    trees, fill = grow_trees(values, index, trees=recipe.trees, balanced=balanced, seed=seed, threads=threads)
    probabilities = np.zeros((counts[0], NUM_CLASSES))
    for view, seen in zip(features[:, tested], known[:, tested], strict=True):
        probabilities[seen] += trees.predict(np.where(np.isnan(view[seen]), fill, view[seen]))
    mapped = index_to_code(probabilities.argmax(axis=1)).astype(np.int64)
    return Draw(taught_classes, metrics.confusion_matrix(table.code[tested], mapped), *counts)


def _report(table: PatchTable, draws: Sequence[Draw], seed: int) -> dict[str, Any]:
    _, first = np.unique(table.area, return_index=True)
    polygons = count_classes(table.code[first])
    confusions = np.array([draw.confusion for draw in draws]).reshape(len(draws), NUM_CLASSES, NUM_CLASSES)
    unknown = np.array([draw.unknown for draw in draws]).reshape(len(draws), NUM_CLASSES)
    untrained = {c.label: int(unknown[:, c.index].sum()) for c in CLASSES}
    return {
        "what": f"accuracy on reference polygons, from {len(draws)} trainings",
        "method": "retraining",
        "protocol": f"The forest was trained anew {len(draws)} times, each time on {1 - TEST_SHARE:.0%} of each "
        f"class's polygons and tested on the other {TEST_SHARE:.0%}, whole polygons (stratified by class, split by "
        "polygon, as the LCZ Generator does since version 2.5). Training patches that share a pixel with a test patch "
        "were left out. The map itself is made by one more forest, on the polygons of its training split.",
        "seed": seed,
        "test_share": TEST_SHARE,
        "polygons": {c.label: int(polygons[c.index]) for c in CLASSES},
        "training_patches": [draw.training for draw in draws],
        "test_patches": [draw.test for draw in draws],
        "dropped_patches": [draw.dropped for draw in draws],
        "untrained_draws": untrained,
        **bootstrap_figures(confusions, unknown),
        "warnings": _warnings(polygons, draws, untrained),
    }


def _warnings(polygons: npt.NDArray[np.integer], draws: Sequence[Draw], untrained: Mapping[str, int]) -> list[str]:
    warnings = polygon_warnings(polygons, single="trained on only, never tested")
    empty = sum(not (draw.training and draw.test) for draw in draws)
    if empty:
        warnings.append(f"{empty} of {len(draws)} draws left no patch to train or test on; draw areas further apart")
    if any(untrained.values()):
        named = ", ".join(f"LCZ {label} ({number})" for label, number in untrained.items() if number)
        warnings.append(
            f"in some of the {len(draws)} draws every training patch of a class shares a pixel with a test patch and "
            "was left out, so that the forest could not know the class; its F1 is not counted there, OA and AA count "
            f"its cells as wrong: {named}; draw areas further apart"
        )
    taught, dropped = sum(draw.training for draw in draws), sum(draw.dropped for draw in draws)
    if dropped > taught:
        warnings.append(
            f"{dropped / (dropped + taught):.0%} of the patches of the taught polygons share a pixel with a test patch "
            "and were left out: a forest of all of them would do better; draw areas further apart"
        )
    return warnings
