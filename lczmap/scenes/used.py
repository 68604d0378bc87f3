"""Which of the scenes that a search found the stacks were made of: their tags say it, no choice is repeated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from lczmap.raster import read_state
from lczmap.views import ABSENT


def stacked_scenes(stacks: Sequence[Path], known: Collection[str]) -> frozenset[str]:
    """Return the ids, out of `known`, of the scenes that any of the stacks (views, tiles) was made of.

    A stack of a sensor that saw nothing (`sentinel1.use: preferred`) was made of none. ValueError for a file that
    does not name its scenes, and for a stack of a scene that is not `known`.
    """
    return frozenset(name for path in stacks for name in _stacked(path, known))


def _stacked(path: Path, known: Collection[str]) -> set[str]:
    state = read_state(path)
    if state == ABSENT:
        return set()
    text = state.get("scenes", state.get("scene"))  # of Sentinel-2, of Sentinel-1
    if text is None:
        raise ValueError(f"{path}: expected a stack that names its scenes, got the tags {sorted(state)}; stack it anew")
    left, found = f" {text} ", set()
    for name in sorted(known, key=len, reverse=True):  # ids are joined by spaces, and may have spaces themselves
        if f" {name} " in left:
            found.add(name)
            left = left.replace(f" {name} ", "  ")
    if left.strip():
        raise ValueError(
            f"{path}: made of the scene {left.strip()}, which is none of the run's {sorted(known)}; stack it anew"
        )
    return found
