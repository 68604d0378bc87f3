"""Ensembles: the mean of the probabilities of several classifiers, which may see different sensors.

The sum of softmax vectors with which the So2Sat Global Urban LCZ product joins its networks, and the "independent sum"
of Gawlikowski et al. (2020, IGARSS) over networks that were trained separately, are this mean up to a factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.models.checkpoint import (
    Classifier,
    State,
    StorableClassifier,
    Tensors,
    describe,
    load_checkpoint,
    read_description,
    register_kind,
    restore,
    save_checkpoint,
)
from lczmap.views import PIXEL_STATE

ENSEMBLE = "ensemble"


class EnsembleClassifier:
    """Several classifiers as one, with the `Classifier` interface; see lczmap/models/checkpoint.py.

    `channels` are those of all members, each once, in the order of the members. `patch_px` is that of the largest
    member; smaller ones see the centre. `state` holds what the members say of each sensor's pixels. Each member keeps
    its own inference settings and counts alike, an ensemble among them as one. `records` are what the members'
    checkpoints said beside what is needed to build them.
    """

    kind = ENSEMBLE
    name = ENSEMBLE

    def __init__(
        self,
        members: Sequence[StorableClassifier],
        *,
        metadata: Mapping[str, Any] | None = None,
        records: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        if len(members) < 2:
            raise ValueError(f"an ensemble needs at least 2 members, got {len(members)}")
        self.members = tuple(members)
        self.records = tuple(dict(record) for record in records or [{}] * len(members))
        self.metadata = dict(metadata or {})
        self.channels = tuple(dict.fromkeys(channel for member in members for channel in member.channels))
        self.patch_px = max(member.patch_px for member in members)
        self.state: State = merge_states(members)
        if odd := [f"{m.name} {m.patch_px} px" for m in members if (self.patch_px - m.patch_px) % 2]:
            raise ValueError(
                f"members of {self.patch_px} px and of {', '.join(odd)} have no common centre; train them with patch "
                "sizes that are all even, or all odd"
            )

    def probabilities(self, patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Classify patches (N, C, patch_px, patch_px), physical units, NaN where missing. Returns (N, 17), rows sum
        to 1: the mean of the members' probabilities.
        """
        expected = (len(self.channels), self.patch_px, self.patch_px)
        if patches.ndim != 4 or patches.shape[1:] != expected:
            raise ValueError(
                f"{self.name} expected patches (N, {', '.join(map(str, expected))}) of {', '.join(self.channels)}, got "
                f"{patches.shape}"
            )
        total = np.zeros((len(patches), NUM_CLASSES))  # float64
        for member in self.members:
            total += member.probabilities(self.part_of(member, patches))
        return (total / len(self.members)).astype(np.float32)

    def part_of(self, member: Classifier, patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what a member sees of patches (N, C, H, W): its channels, and its size about the centre."""
        start = (self.patch_px - member.patch_px) // 2
        inside = slice(start, start + member.patch_px)
        positions = [self.channels.index(channel) for channel in member.channels]
        return patches[:, positions, inside, inside]  # (N, C of the member, its patch_px, its patch_px)

    def to_checkpoint(self) -> tuple[Tensors, dict[str, Any]]:
        """Return the members' arrays, named `<number>.<name>`, and their descriptions."""
        arrays: Tensors = {}
        descriptions = []
        for number, (member, record) in enumerate(zip(self.members, self.records, strict=True)):
            own, description = describe(member)
            arrays |= {f"{number}.{name}": array for name, array in own.items()}
            descriptions.append({**description, "record": record})
        return arrays, {"members": descriptions, "metadata": self.metadata}


def merge_states(members: Sequence[Classifier]) -> State:
    """Return what all members say of each sensor's pixels.

    ValueError when two differ in a key that changes the pixels' statistics (views.PIXEL_STATE); of other keys (dates,
    scenes) only those are kept in which nobody differs.
    """
    merged: dict[str, dict[str, str]] = {}
    differing: set[tuple[str, str]] = set()
    for member in members:
        for sensor, state in member.state.items():
            known = merged.setdefault(sensor, {})
            for key, value in state.items():
                if known.setdefault(key, value) == value:
                    continue
                if key in PIXEL_STATE:
                    raise ValueError(
                        f"the members were trained on different {sensor} pixels: expected {key} {known[key]!r} as of "
                        f"{members[0].name}, got {value!r} of {member.name}; join networks of one kind of pixels"
                    )
                differing.add((sensor, key))
    return {s: {k: v for k, v in state.items() if (s, k) not in differing} for s, state in merged.items()}


def join_models(out: Path | str, members: Sequence[Path | str]) -> EnsembleClassifier:
    """Join checkpoints into one ensemble and write it to `out` (X.safetensors + X.json). ValueError as for reading."""
    classifiers = [cast("StorableClassifier", load_checkpoint(path)) for path in members]
    ensemble = EnsembleClassifier(classifiers, records=[_record(read_description(path)) for path in members])
    save_checkpoint(out, ensemble)
    return ensemble


def _record(description: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("lczmap_version", "weights_sha256", "extra")
    return {key: description[key] for key in kept if key in description}


def _load_ensemble(arrays: Tensors, description: dict[str, Any], path: Path) -> EnsembleClassifier:
    members: list[StorableClassifier] = []
    left = dict(arrays)
    try:
        for number, fields in enumerate(description["members"]):
            prefix = f"{number}."
            own = {name: left.pop(name) for name in arrays if name.startswith(prefix)}
            named = {name.removeprefix(prefix): array for name, array in own.items()}
            members.append(cast("StorableClassifier", restore(named, fields, path)))
        records = [fields["record"] for fields in description["members"]]
    except KeyError as error:
        raise ValueError(f"{path.with_suffix('.json')} lacks the field {error}; join the models again") from error
    if left:
        raise ValueError(f"{path} holds {sorted(left)[:5]}, which belong to none of its {len(members)} members")
    return EnsembleClassifier(members, metadata=description.get("metadata"), records=records)


register_kind(ENSEMBLE, _load_ensemble)
