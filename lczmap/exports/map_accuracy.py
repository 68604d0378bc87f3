"""Accuracy of a whole map from a probability sample, as exports tell it: of the map they describe, and of no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lczmap.evaluation.records import read_report
from lczmap.evaluation.sampling import fingerprints

_KEYS = ("codes_sha256", "oa", "labels", "assessed_share")


@dataclass(frozen=True)
class MapAccuracy:
    """A file of `assess`, its content, and the name of the map that was sampled, such as `lcz.tif`."""

    path: Path
    content: Mapping[str, Any]
    map_name: str


def read_map_accuracies(paths: Sequence[Path], maps: Sequence[Path]) -> list[MapAccuracy]:
    """Read the files of `assess` that are of one of the maps: the first map's before the next one's, large ones first.

    Files of maps with other classes or another grid are left out. ValueError for a file that is none of `assess`.
    """
    known, found = fingerprints(maps) if paths else {}, []
    for path in paths:
        content = read_report(path, _KEYS, verb="assess")
        sampled = known.get(content["codes_sha256"])
        if sampled is not None:
            found.append((maps.index(sampled), -_labelled(path, content), MapAccuracy(path, content, sampled.name)))
    return [one for *_, one in sorted(found, key=lambda entry: entry[:2])]


def _labelled(path: Path, content: Mapping[str, Any]) -> int:
    """Return the number of labelled cells."""
    try:
        return int(content["labels"]["used"])
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the number of labelled cells in `labels.used`; run `assess` again"
        ) from error
