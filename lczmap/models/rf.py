"""Random forest on features of a patch: the classifier of WUDAPT's level 0 maps, as a baseline.

Known: WUDAPT-style pipelines classify single 100 m pixels with 30 trees (matthiasdemuzere/multitemporal-lcz-mapping,
RFNRTREES). Our choice: the mean of the central 10 × 10 px as the 100 m pixel, Gini impurity and sqrt(features) per
split (scikit-learn's defaults). Checkpoints hold the trees as arrays; classifying needs numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.models.checkpoint import State, Tensors, register_kind

FeatureName = Literal["pixel", "patch_stats"]
Float = npt.NDArray[np.float32]

FOREST = "wudapt_rf"
"""Name of the forest among the architectures that `model.name` can choose."""
CENTRE_PX = 10  # 100 m
BLOCKS, BLOCK_PX = 5, 6  # patch_stats: means of 5 × 5 blocks of the central 30 × 30 px
PERCENTILES = (10, 50, 90)
_ARRAYS = ("left", "right", "feature", "threshold", "probability", "root", "fill")


@dataclass(frozen=True)
class Trees:
    """All nodes of a forest in one table, each (nodes,).

    A node sends a sample whose `feature` is <= `threshold` to node `left`, others to `right`; a leaf points at
    itself. `probability` is (nodes, 17), `root` (trees,) the first node of each tree.
    """

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    probability: Float
    root: npt.NDArray[np.int32]

    def predict(self, features: Float) -> Float:
        """Return the mean class probabilities of the leaves, (N, 17), for features (N, F) without NaN."""
        node = np.broadcast_to(self.root, (len(features), self.root.size)).copy()  # (N, trees)
        rows = np.arange(len(features))[:, None]
        while True:
            below = features[rows, self.feature[node]] <= self.threshold[node]
            following = np.where(below, self.left[node], self.right[node])
            if np.array_equal(following, node):
                return self.probability[node].mean(axis=1, dtype=np.float64).astype(np.float32)  # type: ignore[no-any-return]
            node = following


class ForestClassifier:
    """A random forest with the `Classifier` interface; see lczmap/models/checkpoint.py.

    `fill` (F,) replaces features of which a patch has no valid pixel: their means over the training patches.
    """

    kind = "random_forest"
    name = FOREST

    def __init__(
        self,
        trees: Trees,
        fill: Float,
        *,
        features: FeatureName,
        channels: Sequence[str],
        state: State,
        patch_px: int = 32,
    ) -> None:
        self.trees = trees
        self.fill = fill
        self.features = features
        self.channels = tuple(channels)
        self.state: State = {sensor: dict(values) for sensor, values in state.items()}
        self.patch_px = patch_px

    def probabilities(self, patches: Float) -> Float:
        """Classify patches (N, C, patch_px, patch_px), physical units, NaN where missing; (N, 17), rows sum to 1."""
        expected = (len(self.channels), self.patch_px, self.patch_px)
        if patches.shape[1:] != expected:
            raise ValueError(f"{self.name} expected patches (N, {', '.join(map(str, expected))}), got {patches.shape}")
        values = patch_features(patches, self.features)
        return self.trees.predict(np.where(np.isnan(values), self.fill, values))

    def to_checkpoint(self) -> tuple[Tensors, dict[str, Any]]:
        """Return the trees' arrays and the description of the features."""
        arrays: Tensors = {name: getattr(self.trees, name) for name in _ARRAYS if name != "fill"}
        return arrays | {"fill": self.fill}, {"features": self.features}


def fit_forest(
    patches: Float,
    index: npt.NDArray[np.integer],
    *,
    channels: Sequence[str],
    state: State,
    features: FeatureName = "pixel",
    trees: int = 30,
    balanced: bool = False,
    seed: int = 47,
) -> ForestClassifier:
    """Train a forest on patches (N, C, size, size), physical units, NaN where missing, and class indices 0..16 (N,)."""
    values = patch_features(patches, features)
    if not np.isfinite(values).any(axis=0).all():
        raise ValueError(
            f"some features of {list(channels)} have no valid pixel in the {len(patches)} training patches"
        )
    grown, fill = grow_trees(values, index, trees=trees, balanced=balanced, seed=seed)
    return ForestClassifier(grown, fill, features=features, channels=channels, state=state, patch_px=patches.shape[2])


def grow_trees(
    values: Float, index: npt.NDArray[np.integer], *, trees: int, balanced: bool, seed: int, threads: int | None = None
) -> tuple[Trees, Float]:
    """Train trees on features (N, F), NaN where missing, and class indices 0..16 (N,), on all processors or `threads`.

    Return them and the features' means (F,), which fill what is missing; every feature is known somewhere.
    """
    from sklearn.ensemble import RandomForestClassifier

    known = np.isfinite(values)
    fill = np.nanmean(np.where(known, values, np.nan), axis=0).astype(np.float32)
    forest = RandomForestClassifier(
        n_estimators=trees, class_weight="balanced" if balanced else None, n_jobs=threads or -1, random_state=seed
    )
    forest.fit(np.where(known, values, fill), index)
    return trees_of(forest), fill


def trees_of(forest: Any) -> Trees:
    """Copy a fitted scikit-learn forest, whose classes are indices 0..16, into arrays."""
    tables = [estimator.tree_ for estimator in forest.estimators_]
    sizes = np.array([table.node_count for table in tables])
    root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    own = np.arange(sizes.sum(), dtype=np.int32)
    offset = np.repeat(root, sizes)
    is_leaf = np.concatenate([table.children_left for table in tables]) < 0
    children = [
        np.where(is_leaf, own, np.concatenate([getattr(table, side) for table in tables]) + offset).astype(np.int32)
        for side in ("children_left", "children_right")
    ]
    feature = np.where(is_leaf, 0, np.concatenate([table.feature for table in tables])).astype(np.int32)
    value = np.concatenate([table.value[:, 0] for table in tables])  # (nodes, classes seen)
    probability = np.zeros((len(own), NUM_CLASSES), np.float32)
    probability[:, np.asarray(forest.classes_, np.intp)] = value / value.sum(axis=1, keepdims=True)
    threshold = np.concatenate([table.threshold for table in tables])
    return Trees(children[0], children[1], feature, threshold, probability, root)


def patch_features(patches: Float, features: FeatureName) -> Float:
    """Return features (N, F) of patches (N, C, size, size); NaN where a channel has no valid pixel to take it from.

    `pixel`: mean of the central 10 × 10 px per channel. `patch_stats`: mean, standard deviation, minimum, maximum,
    percentiles 10, 50 and 90 of the patch, and the means of 5 × 5 blocks of its central 30 × 30 px, per channel.
    """
    if features == "pixel":
        start = max((patches.shape[2] - CENTRE_PX) // 2, 0)
        centre = patches[:, :, start : start + CENTRE_PX, start : start + CENTRE_PX]
        return _nan_statistic(np.nanmean, centre.reshape(*centre.shape[:2], -1))  # (N, C)
    if features != "patch_stats":
        raise ValueError(f"expected features pixel or patch_stats, got {features!r}")
    pixels = patches.reshape(*patches.shape[:2], -1)  # (N, C, size²)
    percentile = np.nanpercentile if np.isnan(pixels).any() else np.percentile  # the second is 20 times faster
    percentiles = np.moveaxis(_nan_statistic(percentile, pixels, q=PERCENTILES), 0, -1)  # (N, C, 3)
    simple = [_nan_statistic(f, pixels)[..., None] for f in (np.nanmean, np.nanstd, np.nanmin, np.nanmax)]
    blocks = _nan_statistic(np.nanmean, _blocks(patches))  # (N, C, 25)
    return np.concatenate([*simple, percentiles, blocks], axis=2).reshape(len(patches), -1).astype(np.float32)


def _blocks(patches: Float) -> Float:
    """Cut (N, C, size, size) into the pixels of blocks, (N, C, 25, 36)."""
    if patches.shape[2] < BLOCKS * BLOCK_PX:
        raise ValueError(
            f"features `patch_stats` need patches of {BLOCKS * BLOCK_PX} px or more, got {patches.shape[2]} px; use "
            "`pixel`, or wider patches"
        )
    start = (patches.shape[2] - BLOCKS * BLOCK_PX) // 2
    core = patches[:, :, start : start + BLOCKS * BLOCK_PX, start : start + BLOCKS * BLOCK_PX]
    cut = core.reshape(*core.shape[:2], BLOCKS, BLOCK_PX, BLOCKS, BLOCK_PX)
    return cut.swapaxes(3, 4).reshape(*core.shape[:2], BLOCKS**2, BLOCK_PX**2)


def _nan_statistic(statistic: Any, values: Float, **options: Any) -> Float:
    """Apply a numpy nan-function over the last axis, without its warning where all values are missing."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy: mean of an empty slice; NaN is the wanted answer
        result: Float = np.asarray(statistic(values, axis=-1, **options), np.float32)
    return result


def _load_forest(arrays: Tensors, description: dict[str, Any], path: Path) -> ForestClassifier:
    if set(arrays) != set(_ARRAYS) or "features" not in description:
        raise ValueError(f"{path} holds no random forest: expected the arrays {_ARRAYS}, got {tuple(arrays)}")
    tables: Mapping[str, Any] = {name: arrays[name] for name in _ARRAYS if name != "fill"}
    return ForestClassifier(
        Trees(**tables),
        arrays["fill"],
        features=description["features"],
        channels=description["channels"],
        state=description["state"],
        patch_px=description["patch_px"],
    )


register_kind("random_forest", _load_forest)
