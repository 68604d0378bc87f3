"""Pictures of one run: confusion matrix, t-SNE of test patches, training curves."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, LABELS, PaletteName, class_colors
from lczmap.files import replacing
from lczmap.reproduce.report import heading_of
from lczmap.reproduce.results import read_result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
PERPLEXITY = 30.0
"""Of the t-SNE, scikit-learn's default; a third of the samples where they are fewer."""
_COMPONENTS = 50  # principal components that the t-SNE sees, as van der Maaten & Hinton 2008 did


def draw_reproduction(
    result_json: Path,
    features_npz: Path,
    confusion: Path,
    tsne: Path,
    training: Path,
    *,
    palette: PaletteName = "official",
) -> None:
    """Write the three PNGs of a run from its result and features; ValueError where one cannot be read.

    Classes have the colours of `palette`.
    """
    result, (features, labels) = read_result(result_json), _read_features(features_npz)
    heading = heading_of(result)
    draw_confusion(np.array(result["confusion_matrix"]), confusion, title=heading)
    draw_training(result["histories"], training, title=heading)
    draw_samples(embed(features), labels, tsne, title=heading, colors=class_colors(palette))


def draw_confusion(matrix: npt.NDArray[Any], out: Path, *, title: str) -> None:
    """Draw a confusion matrix (17, 17) in percent of each row's reference patches; rows without any stay empty."""
    total = matrix.sum(axis=1, keepdims=True)
    share = np.full(matrix.shape, np.nan)
    np.divide(matrix, total, out=share, where=total > 0)
    with _figure(out, title, (7.6, 7.2)) as figure:
        axes = figure.subplots()
        image = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
        axes.set(xlabel="predicted LCZ", ylabel="reference LCZ (number of test patches)")
        axes.set_xticks(range(len(LABELS)), LABELS)
        axes.set_yticks(range(len(LABELS)), [f"{name} ({n:,})" for name, n in zip(LABELS, total[:, 0], strict=True)])
        for row, col in zip(*np.nonzero(share >= 0.005), strict=True):
            color = "white" if share[row, col] > 0.55 else "black"
            axes.text(col, row, f"{100 * share[row, col]:.0f}", ha="center", va="center", fontsize=7, color=color)
        figure.colorbar(image, ax=axes, shrink=0.75, label="percent of the reference class")


def embed(features: npt.NDArray[np.float32], *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return t-SNE places (n, 2) of features (n, d), standardised and reduced to 50 principal components before."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    count = min(_COMPONENTS, *scaled.shape)
    reduced = PCA(n_components=count, random_state=seed).fit_transform(scaled)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    places: npt.NDArray[np.float32] = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return places


def draw_samples(
    places: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], out: Path, *, title: str, colors: Sequence[str]
) -> None:
    """Draw places (n, 2) in the `colors` (17) of their classes 0..16."""
    most = int(np.bincount(labels).max(initial=0))
    with _figure(out, f"{title}\nt-SNE of the features, up to {most} test patches of each class", (8.0, 6.4)) as figure:
        axes = figure.subplots()
        for lcz, color in zip(CLASSES, colors, strict=True):
            x, y = places[labels == lcz.index].T
            # black E and pale classes need an edge
            axes.scatter(x, y, s=14, color=color, edgecolors="0.35", linewidths=0.3, label=lcz.title)
        axes.set(xticks=[], yticks=[])
        figure.legend(loc="outside right center", fontsize=7, frameon=False)


def draw_training(histories: Sequence[Sequence[Mapping[str, float]]], out: Path, *, title: str) -> None:
    """Draw losses and accuracies by validation, one line for each network of the row."""
    with _figure(out, title, (8.4, 4.2)) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for number, history in enumerate(histories, start=1):
            suffix = f", network {number}" if len(histories) > 1 else ""
            parts = ("cls", "con") if any(row.get("con") for row in history) else ()  # of a loss with text
            _draw_curves(loss, history, ("loss", *parts, "validation_loss"), suffix)
            _draw_curves(accuracy, history, ("validation_oa", "zero_shot_oa"), suffix)
        loss.set(xlabel="epoch", ylabel="loss")
        accuracy.set(xlabel="epoch", ylabel="overall accuracy", ylim=(0, 1))
        for axes in (loss, accuracy):
            axes.grid(color="0.9")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=7, frameon=False)
            else:
                words = "no validation patches" if any(histories) else "ready weights: nothing was trained"
                axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)


def _read_features(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["features"], stored["labels"]
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected the features.npz of `run-reproduction` ({error})") from error


def _draw_curves(axes: Axes, history: Sequence[Mapping[str, float]], names: Sequence[str], suffix: str) -> None:
    for name in names:
        points = [
            (row.get("epoch", n), row[name]) for n, row in enumerate(history, start=1) if row.get(name) is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", linewidth=1.2, label=name.replace("_", " ") + suffix)


@contextmanager
def _figure(out: Path, title: str, size: tuple[float, float]) -> Iterator[Figure]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=10)
    yield figure
    with replacing(out) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")
