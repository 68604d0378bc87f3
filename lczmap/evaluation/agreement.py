"""Compare a student network with the network that taught it, on ground that was not taught.

This is agreement with a teacher. It is not accuracy: nothing here knows what is on the ground.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, NODATA_CODE
from lczmap.evaluation import metrics
from lczmap.evaluation.bootstrap import LEVEL, RESAMPLES, spatial_blocks, totals_by_group
from lczmap.evaluation.records import Report, estimate, majority_baseline, read_split, write_report
from lczmap.mapping.mosaic import most_probable_code
from lczmap.raster import Float, check_grid, lattice, strips_at
from lczmap.training.patches import PatchTable

BLOCK_M = 500.0
"""Width of the blocks that are drawn; wider than a patch (320 m), because neighbouring cells share pixels."""

_BUILT = [c.index for c in CLASSES if c.is_built]
_WHAT = (
    "agreement of a student network with its teacher on cells that were not taught. It is not accuracy: no ground "
    "truth is involved, and the teacher may be wrong where both agree."
)


@dataclass(frozen=True)
class SeenCells:
    """What a network says of cells, each (N,): the code 1..17, 0 for none, and the probability of a built class."""

    code: npt.NDArray[np.uint8]
    built: Float

    def of(self, chosen: npt.NDArray[np.bool_]) -> SeenCells:
        """Return the cells that a boolean index (N,) chooses."""
        return SeenCells(self.code[chosen], self.built[chosen])


def seen_cells(probabilities: Float) -> SeenCells:
    """Return what probabilities (17, N) say of cells; no class where one of them is NaN."""
    code = most_probable_code(probabilities[:, np.newaxis])[0]
    return SeenCells(code, reduce(np.add, probabilities[_BUILT]))  # added in this order however many cells there are


def assess_agreement(
    student_path: Path,
    teacher_path: Path,
    patches_gpkg: Path,
    out_json: Path,
    *,
    split: str = "test",
    seed: int = 0,
    block_m: float = BLOCK_M,
) -> Report:
    """Write the agreement of two probability maps (17 bands, NaN nodata) on the cells of one split.

    Intervals (95 %) come from resampling square blocks of `block_m` metres with `seed`. Cells where either map
    has nodata are counted and left out. ValueError when the maps do not share a grid or have no such cell.
    """
    geobox = lattice(student_path)
    check_grid(teacher_path, geobox)
    cells = read_split(patches_gpkg, split, shape=geobox.shape.yx)
    student, teacher = (_read_seen(path, cells) for path in (student_path, teacher_path))
    valid = (student.code != NODATA_CODE) & (teacher.code != NODATA_CODE)
    if not valid.any():
        raise ValueError(
            f"{student_path} and {teacher_path}: none of the {valid.size} cells of the split {split!r} in "
            f"{patches_gpkg} has a value in both; do both maps cover the held-out half?"
        )
    block_cells = max(round(block_m / abs(geobox.transform.a)), 1)
    blocks = spatial_blocks(cells.row[valid], cells.col[valid], block_cells)
    report = {
        "what": _WHAT,
        "split": split,
        "cells_without_value": int((~valid).sum()),
        "block_m": block_cells * abs(geobox.transform.a),
        **agreement_report(student.of(valid), teacher.of(valid), blocks, seed=seed),
    }
    write_report(out_json, report)
    return report


def agreement_report(
    student: SeenCells, teacher: SeenCells, blocks: npt.NDArray[np.integer], *, seed: int
) -> dict[str, Any]:
    """Return the agreement of two networks on cells, all with a class, of numbered `blocks` (N,)."""
    confusion = totals_by_group(blocks, metrics.confusion_matrix, teacher.code, student.code)  # (G, 17, 17)
    sums = totals_by_group(blocks, metrics.moments, teacher.built, student.built)  # (G, 6)
    shares = confusion.sum(axis=(0, 2)) / len(blocks)  # (17,) of the teacher's classes
    return {
        "cells": len(blocks),
        "blocks": len(confusion),
        "interval": {"level": LEVEL, "unit": "block", "resamples": RESAMPLES, "seed": seed},
        "correlation_built": estimate(sums, metrics.correlation, seed=seed),
        "agreement": estimate(confusion, metrics.overall_accuracy, seed=seed),
        "kappa": estimate(confusion, metrics.kappa, seed=seed),
        "majority_baseline": majority_baseline(confusion, seed=seed),
        "mean_built": {"teacher": float(teacher.built.mean()), "student": float(student.built.mean())},
        "teacher_shares": {c.title: float(shares[c.index]) for c in CLASSES if shares[c.index] > 0},
    }


def _read_seen(path: Path, cells: PatchTable) -> SeenCells:
    """Return what a probability map says of cells; memory holds a strip of it."""
    seen = SeenCells(np.empty(len(cells), np.uint8), np.empty(len(cells), np.float32))
    for which, probabilities in strips_at(path, cells.row, cells.col):
        part = seen_cells(probabilities)
        seen.code[which], seen.built[which] = part.code, part.built
    return seen


def agreement_table(reports: Mapping[str, Report]) -> str:
    """Return a Markdown table of several students' agreement reports, by the student's name."""
    lines = [
        "| student | cells | blocks | correlation of P(built) | agreement | kappa | majority baseline |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, report in reports.items():
        figures = (report[key] for key in ("correlation_built", "agreement", "kappa", "majority_baseline"))
        lines.append(
            f"| {name} | {report['cells']} | {report['blocks']} | {' | '.join(_with_interval(f) for f in figures)} |"
        )
    note = "Agreement with the teacher on cells that were not taught, not accuracy; in brackets 95 % block-bootstrap."
    return "\n".join([*lines, "", note, ""])


def _with_interval(figure: Mapping[str, Any]) -> str:
    value, low, high = (_text(figure[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _text(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"
