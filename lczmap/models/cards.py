"""Reliability cards: what is known, and what is not, about how good a network's answers are.

Figures in a card are the authors' own and are named as such. Nothing here is measured by lczmap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.files import write_text
from lczmap.models.checkpoint import read_description

LOW_RECALL = 0.5
NOT_MEASURED = "The authors of lczmap have not measured the LCZ accuracy of this network on Sentinel data."


@dataclass(frozen=True)
class Published:
    """What the authors of public weights say of them; empty where they say nothing that is known to us.

    `recall` and `precision` (17,) in class order. `training_counts` (17,) are the samples per class they were trained
    on, where that is known: their shares are the prior in the network's probabilities.
    """

    source: str
    training: str
    overall: Mapping[str, float]
    recall: tuple[float, ...] = ()
    precision: tuple[float, ...] = ()
    training_counts: tuple[int, ...] = ()

    @property
    def class_prior(self) -> list[float]:
        """Share of each class in the training samples, (17,)."""
        return [count / sum(self.training_counts) for count in self.training_counts]


_GUL = Published(
    source="So2Sat Global Urban LCZ product, zhu-xlab/So2Sat-LCZ-Classification-Demo",
    training="LCZ labels of the So2Sat project; its cities and the samples per class are not known to us",
    overall={},
)
PUBLISHED: dict[str, Published] = {
    "gul_s1": _GUL,
    "gul_s2": _GUL,
    "sen2lcz": Published(
        source=(
            "released result of ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-simple-tour (results/Acc_32.mat): So2Sat"
            " LCZ42 v2 test set, 24,188 patches of ten cities that were not trained on"
        ),
        training="So2Sat LCZ42 v2 training set, 352,366 patches of 42 cities",
        overall={"OA": 0.694, "kappa": 0.664, "AA": 0.587},
        recall=(0.53, 0.55, 0.76, 0.80, 0.34, 0.54, 0.32, 0.85, 0.55, 0.46, 0.87, 0.45, 0.05, 0.87, 0.33, 0.71, 0.99),
        precision=(
            *(0.42, 0.64, 0.65, 0.67, 0.64, 0.52, 0.38, 0.84, 0.64, 0.41),
            *(0.95, 0.53, 0.27, 0.66, 0.57, 0.37, 0.99),
        ),
        training_counts=(
            *(5068, 24431, 31693, 8651, 16493, 35290, 3269, 39326, 13584, 11954),
            *(42902, 9514, 9165, 41377, 2392, 7898, 49359),
        ),
    ),
}


def short_card(name: str) -> str:
    """Return one line on public weights, for a checkpoint's metadata and a map's tags; KeyError for another name."""
    published = PUBLISHED[name]
    if not published.recall:
        return f"{name}: no per-class figures known to us."
    overall = ", ".join(f"{key} {value:.3f}" for key, value in published.overall.items())
    low = ", ".join(c.label for c, recall in zip(CLASSES, published.recall, strict=True) if recall < LOW_RECALL)
    return (
        f"{name}: the authors' result on test cities of So2Sat LCZ42 is {overall}; recall below {LOW_RECALL} for {low}."
    )


def card_line(description: Mapping[str, Any]) -> str | None:
    """Return one line on how far a checkpoint's answers can be trusted, None where nothing is known.

    `description` is its JSON (`read_description`), or a member's part of an ensemble's.
    """
    lines = dict.fromkeys(_card_lines(description))
    return " ".join([*lines, NOT_MEASURED]) if lines else None


def _card_lines(description: Mapping[str, Any]) -> Iterator[str]:
    for member in description.get("members", ()):
        yield from _card_lines(member)
    metadata = description.get("metadata") or {}
    if "card" in metadata:
        yield metadata["card"]
    elif "weights" in metadata and description["name"] in PUBLISHED:  # imported by a version without cards
        yield short_card(description["name"])
    if "adaptation" in metadata:
        yield metadata["adaptation"]["note"]


def write_card(checkpoint: Path | str, out: Path | str) -> None:
    """Write a checkpoint's reliability card as Markdown; that of an ensemble has a section for each member."""
    write_text(Path(out), card(read_description(checkpoint)))


def card(description: Mapping[str, Any]) -> str:
    """Return the reliability card of a checkpoint's description as Markdown."""
    lines = [f"# Reliability card: {description['name']}", ""]
    if "members" in description:
        names = ", ".join(member["name"] for member in description["members"])
        lines += [f"Mean of the probabilities of {len(description['members'])} classifiers: {names}.", ""]
        lines += ["No figures of the ensemble itself are known.", ""]
        for number, member in enumerate(description["members"], start=1):
            lines += [f"## Member {number}: {member['name']}", "", *_section(member)]
    else:
        lines += _section(description)
    return "\n".join([*lines, NOT_MEASURED, ""])


def _section(description: Mapping[str, Any]) -> Iterator[str]:
    metadata = description.get("metadata") or {}
    state = "; ".join(
        f"{sensor} ({', '.join(f'{k} {v}' for k, v in values.items())})"
        for sensor, values in description["state"].items()
    )
    yield f"- Channels: {', '.join(description['channels'])}"
    yield f"- Pixels it was trained on: {state or 'not recorded'}"
    if "adaptation" in metadata:
        yield f"- {metadata['adaptation']['note']}"
    if "weights" in metadata and description["name"] in PUBLISHED:
        yield f"- Weights: {metadata['weights']['repository']}, licence {metadata['weights']['licence']}"
        yield from _published(PUBLISHED[description["name"]])
        return
    yield "- Trained with lczmap: its figures are in the accuracy report of the run that trained it."
    for key, value in (description.get("record", description).get("extra") or {}).items():
        if key.startswith("best_validation") and isinstance(value, int | float):
            yield f"- {key} (validation patches, not an accuracy of a map): {value:.3f}"
    yield ""


def _published(published: Published) -> Iterator[str]:
    yield f"- Trained on: {published.training}"
    yield f"- Source of the figures: {published.source}"
    if not published.recall:
        yield "- No per-class figures known to us."
        yield ""
        return
    overall = ", ".join(f"{key} {value:.3f}" for key, value in published.overall.items())
    yield f"- Published: {overall}"
    yield ""
    yield "| class | recall | precision |"
    yield "|---|---|---|"
    for i in range(NUM_CLASSES):
        yield f"| {CLASSES[i].title} | {published.recall[i]:.2f} | {published.precision[i]:.2f} |"
    yield ""
