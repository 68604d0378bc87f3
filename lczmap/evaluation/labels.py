"""The labels that people gave to the cells of a sample, how well they agree, and what the reference is."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.classes import parse_class
from lczmap.evaluation import metrics
from lczmap.evaluation.sampling import Design

COLUMNS = ("sample", "cell", "class", "sure", "comment", "labeller")
"""Columns of a label file, as the labelling page writes them."""
CANNOT_TELL = 0
UNLABELLED = -1
_UNKNOWN_WORD = "?"

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """One person's labels of all cells of a sample, (n,) in the design's order.

    `code` is 1..17, CANNOT_TELL or UNLABELLED; `sure` is False where the person was unsure.
    """

    labeller: str
    code: Codes
    sure: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """The class of each cell (n,): 1..17, CANNOT_TELL or UNLABELLED; `disputed` (n,) cells are CANNOT_TELL."""

    code: Codes
    disputed: npt.NDArray[np.bool_]
    adjudicated: int


@dataclass(frozen=True)
class RaterAgreement:
    """How two people agree on the `cells` that both gave a class; NaN where there are none.

    `kappa` is Cohen's (1960); `weighted` gives partial credit for similar classes as OAw does.
    """

    labellers: tuple[str, str]
    cells: int
    agreement: float
    kappa: float
    weighted: float


def read_labels(path: Path, design: Design) -> Labels:
    """Read one person's CSV from the labelling page; ValueError unless it belongs to this sample."""
    rows = _read_rows(path)
    samples, names = {row["sample"] for row in rows}, {_unguarded(row["labeller"]) for row in rows}
    if samples != {design.sample_id}:
        raise ValueError(
            f"{path}: expected labels of the sample {design.sample_id}, got {', '.join(sorted(samples))}; accuracy can "
            "be estimated only from the cells that the design drew"
        )
    if len(names) != 1:
        raise ValueError(f"{path}: expected the labels of one person, got {', '.join(sorted(names))}; one file each")
    code = np.full(len(design), UNLABELLED, np.int64)
    sure = np.ones(len(design), np.bool_)
    for number, row in enumerate(rows, start=2):
        place = f"{path}, row {number}"
        cell = _cell(row["cell"], len(design), place)
        if code[cell] != UNLABELLED:
            raise ValueError(f"{place}: cell {cell + 1} has two labels; keep one")
        code[cell] = _code(row["class"], place)
        sure[cell] = row["sure"].strip().lower() not in ("no", "false", "0")
    return Labels(names.pop(), code, sure)


def read_all_labels(paths: Sequence[Path], design: Design) -> list[Labels]:
    """Read the files of several people; ValueError when two carry one name, for one person counts once."""
    everyone = [read_labels(path, design) for path in paths]
    names = [labels.labeller for labels in everyone]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"expected one file of each labeller, got two of {', '.join(twice)}; give the last one only")
    return everyone


def agree(everyone: Sequence[Labels]) -> list[RaterAgreement]:
    """Return the agreement of each pair of people, on cells to which both gave a class."""
    return [_agreement(one, other) for one, other in combinations(everyone, 2)]


def mean_kappa(pairs: Sequence[RaterAgreement]) -> float:
    """Return the mean of the pairs that have a kappa (two who share no cell have none); NaN where none has."""
    known = [pair.kappa for pair in pairs if not math.isnan(pair.kappa)]
    return float(np.mean(known)) if known else math.nan


def settle(everyone: Sequence[Labels], adjudicated: Labels | None = None) -> Reference:
    """Return the reference: the class that all who could tell agree on.

    Where they differ the cell is disputed and has no class, unless `adjudicated` (labels that somebody gave to the
    disputed cells afterwards) decides; on other cells it has no say.
    """
    codes = np.stack([labels.code for labels in everyone])
    told = codes > CANNOT_TELL
    highest = np.where(told, codes, 0).max(axis=0)
    lowest = np.where(told, codes, np.iinfo(np.int64).max).min(axis=0)
    disputed = told.any(axis=0) & (highest != lowest)
    code = np.where(told.any(axis=0) & ~disputed, highest, codes.max(axis=0).clip(max=CANNOT_TELL))
    code[disputed] = CANNOT_TELL
    if adjudicated is None:
        return Reference(code, disputed, 0)
    decided = disputed & (adjudicated.code != UNLABELLED)
    code[decided] = adjudicated.code[decided]
    return Reference(code, disputed & ~decided, int(decided.sum()))


def skipped(reference: Reference) -> npt.NDArray[np.bool_]:
    """Return (n,): True for cells without a label before the last one that has a label.

    The rest after it is not yet reached; as the order is random, stopping early leaves a smaller random sample,
    while leaving out chosen cells does not.
    """
    labelled = np.flatnonzero(reference.code != UNLABELLED)
    reached = np.arange(len(reference.code)) < (labelled[-1] if labelled.size else 0)
    missing: npt.NDArray[np.bool_] = reached & (reference.code == UNLABELLED)
    return missing


def _agreement(one: Labels, other: Labels) -> RaterAgreement:
    both = (one.code > CANNOT_TELL) & (other.code > CANNOT_TELL)
    confusion = metrics.confusion_matrix(one.code[both], other.code[both])
    return RaterAgreement(
        (one.labeller, other.labeller),
        int(both.sum()),
        metrics.overall_accuracy(confusion),
        metrics.kappa(confusion),
        metrics.weighted_accuracy(confusion),
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a label file; a comma or, from spreadsheets, a semicolon separates columns."""
    if not path.is_file():
        hint = "; the name of the file that is written goes after --out" if path.suffix.lower() == ".json" else ""
        raise ValueError(f"{path}: no such file; the labelling page exports label files, as CSV{hint}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    header = text.partition("\n")[0]
    lines = text.splitlines(keepends=True)
    reader = csv.DictReader(lines, delimiter=";" if header.count(";") > header.count(",") else ",")
    try:
        names, rows = set(reader.fieldnames or ()), list(reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.reader.line_num}: not readable as CSV ({error})") from error
    if not set(COLUMNS) <= names:
        raise ValueError(
            f"{path}: expected a label file of the labelling page, CSV in UTF-8 with the columns {', '.join(COLUMNS)}. "
            "Reference polygons and other chosen places are not a probability sample and give no map accuracy "
            "(Olofsson et al. 2014); for those accuracy.json has the accuracy on reference polygons"
        )
    if not rows:
        raise ValueError(f"{path}: no label in it; label some cells first")
    if any(row[name] is None for row in rows for name in COLUMNS):
        raise ValueError(f"{path}: a row has fewer columns than the header; export the labels again")
    return rows


def _unguarded(text: str) -> str:
    """Take off the apostrophe with which the page keeps a spreadsheet from taking a text for a formula."""
    return re.sub(r"^'(?='*[=+@\-\t])", "", text)


def _cell(text: str, cells: int, place: str) -> int:
    word = text.strip()
    if not word.isdecimal() or not 1 <= int(word) <= cells:
        raise ValueError(f"{place}: expected a cell 1..{cells} of the sample, got {text!r}")
    return int(word) - 1


def _code(text: str, place: str) -> int:
    if text.strip() == _UNKNOWN_WORD:
        return CANNOT_TELL
    try:
        return parse_class(text).code
    except ValueError as error:
        raise ValueError(f"{place}: {error}, or {_UNKNOWN_WORD} for cannot tell") from error
