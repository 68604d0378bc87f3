"""How many patches and polygons each class has in each split, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, LczClass
from lczmap.training.areas import Areas
from lczmap.training.splits import DROPPED, SPLITS, TEST, TRAIN, VALIDATION, Splits

Codes = npt.NDArray[np.integer]


@dataclass(frozen=True)
class ClassCounts:
    """Counts of one class: patches by split, polygons by split (none where a teacher labels), polygons with no cell."""

    code: int
    label: str
    name: str
    patches: dict[str, int]
    polygons: dict[str, int]
    polygons_without_cell: int


@dataclass(frozen=True)
class PatchCounts:
    """Counts of a table of patches.

    `dropped` says from which split patches were dropped for overlapping another one, `contested` how many cells lie
    in polygons of different classes, `warnings` name the classes that a reader must know about.
    """

    classes: tuple[ClassCounts, ...]
    dropped: dict[str, int]
    contested: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def total(self, split: str) -> int:
        """Return the number of patches of one split."""
        return sum(c.patches[split] for c in self.classes)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-able values, with totals."""
        return {**asdict(self), "total": {split: self.total(split) for split in SPLITS}}

    def as_text(self) -> str:
        """Return a table of patches (and polygons) per class and split, and the warnings."""
        header = "".join(f"{split:>17}" for split in SPLITS)
        lines = [f"{'patches (polygons)':<28}{header}"]
        lines += [_row(f"LCZ {c.label:<3}{c.name}", c.patches, c.polygons) for c in self.classes]
        polygons = {s: sum(c.polygons[s] for c in self.classes) for s in SPLITS if s in self.classes[0].polygons}
        lines.append(_row("all", {split: self.total(split) for split in SPLITS}, polygons))
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join([*lines, *(f"note: {text}" for text in self.notes)])


def count_patches(
    code: Codes,
    area: Codes,
    split: Splits,
    *,
    before: Splits,
    contested: int,
    areas: Areas,
    needed: int,
    is_tested: bool,
) -> PatchCounts:
    """Count the patches (N,) of training areas by class and split; `before` are the splits without drops.

    `areas` are all training areas, numbered from 1 by `area`; a class with fewer than `needed` of them that hold a
    cell is all in the split train, and named in a warning. `is_tested`: polygons are kept for the split test.
    """
    drawn = np.bincount(areas.codes, minlength=len(CLASSES) + 1)
    classes = tuple(
        _count_class(c, int(drawn[c.code]), area[code == c.code], split[code == c.code], before[code == c.code])
        for c in CLASSES
    )
    dropped = {s: int(((split == DROPPED) & (before == s)).sum()) for s in (TRAIN, VALIDATION)}
    notes = [*areas.notes]
    if contested:
        notes.append(f"{contested} cells lie in polygons of different classes: left out")
    if not is_tested:
        notes.append("no polygon is kept for testing, since the share `test` is 0")
    return PatchCounts(classes, dropped, contested, tuple(_warnings(classes, needed, is_tested)), tuple(notes))


def count_teacher_patches(code: Codes, split: Splits) -> PatchCounts:
    """Count the patches (N,) that a teacher labelled, by class and split."""
    classes = tuple(
        ClassCounts(c.code, c.label, c.name, {s: int(((code == c.code) & (split == s)).sum()) for s in SPLITS}, {}, 0)
        for c in CLASSES
    )
    return PatchCounts(classes, {TRAIN: int((split == DROPPED).sum())}, 0, (), ())


def no_test_polygon(codes: Codes, needed: int) -> str:
    """Say that no polygon is in the split test, and what to do; `codes` (A,) are the classes of those with a cell."""
    drawn = np.bincount(codes, minlength=len(CLASSES) + 1)
    counted = ", ".join(f"LCZ {c.label}: {drawn[c.code]}" for c in CLASSES if drawn[c.code])
    return (
        f"no polygon is in the split test, which shall test the map; expected at least {needed} of one class that hold "
        f"a map cell, got {counted}: draw more polygons, or set `training.test: 0` (--test 0), which keeps none for "
        "testing and makes no accuracy report"
    )


def _count_class(lcz: LczClass, drawn: int, area: Codes, split: Splits, before: Splits) -> ClassCounts:
    patches = {s: int((split == s).sum()) for s in SPLITS}
    polygons = {s: int(np.unique(area[before == s]).size) for s in SPLITS[:3]}
    return ClassCounts(lcz.code, lcz.label, lcz.name, patches, polygons, drawn - sum(polygons.values()))


def _warnings(classes: tuple[ClassCounts, ...], needed: int, is_tested: bool) -> Iterator[str]:
    absent = [c.label for c in classes if not sum(c.polygons.values())]
    if absent:
        yield f"no training area inside the area of interest: LCZ {', '.join(absent)}; nothing teaches or tests them"
    few = [c.label for c in classes if 0 < sum(c.polygons.values()) < needed]
    if few:
        untested = "; a network that learns from these areas is not tested on them" if is_tested else ""
        yield f"fewer than {needed} polygons, all in the split train: LCZ {', '.join(few)}{untested}"
    if is_tested and not any(c.polygons[TEST] for c in classes):
        yield (
            "no polygon is in the split test: a network that learns from these areas gets no accuracy report; draw at "
            f"least {needed} polygons of a class, or set the share `test` to 0"
        )
    for split, words in ((TRAIN, "learn from"), (VALIDATION, "validate on"), (TEST, "test on")):
        emptied = [c.label for c in classes if c.polygons[split] and not c.patches[split]]
        if emptied:
            yield f"all patches to {words} overlap another split: LCZ {', '.join(emptied)}; draw areas further apart"


def _row(title: str, patches: dict[str, int], polygons: dict[str, int]) -> str:
    cells = [f"{patches[s]} ({polygons[s]})" if s in polygons else str(patches[s]) for s in SPLITS]
    return f"{title:<28}" + "".join(f"{cell:>17}" for cell in cells)
