"""Is this file what its name says, and whole? The questions that save a day of training on the wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.so2sat.convert import file_md5
from lczmap.so2sat.files import KNOWN_FILES, KnownFile, known_file, recognise
from lczmap.so2sat.reader import So2SatFile, open_h5
from lczmap.so2sat.statistics import compare_counts

SAMPLED_BLOCKS = 8
LARGEST_REFLECTANCE = 10.0
"""So2Sat's reflectance ends at 2.8; digital numbers are 10,000 times as large."""


@dataclass(frozen=True)
class FileReport:
    """What a check found: `known_as` are the published files with its MD5, or with its number of patches."""

    name: str
    n: int
    class_counts: tuple[int, ...]
    known_as: tuple[KnownFile, ...]
    md5: str | None
    cities: tuple[str, ...] | None
    layout: str
    remarks: tuple[str, ...]

    def text(self) -> str:
        """Return the report for a terminal."""
        named = ", ".join(f"{known.version} {known.name}" for known in self.known_as) or "no published file"
        how = "the MD5 of" if self.md5 and any(known.md5 == self.md5 for known in self.known_as) else "the size of"
        counts = ", ".join(f"{c.label} {count}" for c, count in zip(CLASSES, self.class_counts, strict=True))
        cities = "not known" if self.cities is None else f"{len(self.cities)}: {', '.join(self.cities)}"
        lines = [
            f"{self.name}: {self.n} patches, {self.layout}; {how} {named}",
            f"  classes: {counts}",
            f"  cities: {cities}",
        ]
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])


def check_file(path: Path, *, version: str | None = None, md5: bool = False) -> FileReport:
    """Look at a file; `version` says which one it should be, by its name (with the folder's, as `random/training.h5`).

    Reads the labels and some blocks of pixels, and the whole file for the MD5. ValueError for a file that is not
    So2Sat's, is truncated, bears the name of another published file, or is not the published one though it should be.
    """
    file = open_h5(path)
    digest = file_md5(path) if md5 else None
    found = recognise(file.n, digest)
    counts = tuple(np.bincount(file.labels, minlength=NUM_CLASSES).tolist())
    _check_name(path, file.n)
    remarks = [f"differs from {found[0].name}: {text}" for text in compare_counts(counts, found[0])] if found else []
    if version is not None:
        _check_published(path, version, file.n, counts, digest)
    remarks += _check_pixels(path, file)
    cities = None if file.cities is None else tuple(np.unique(file.cities).tolist())
    return FileReport(path.name, file.n, counts, tuple(found), digest, cities, file.layout, tuple(remarks))


def published_name(path: Path) -> str:
    """Return the name of a file as versions list it: `random/training` of `…/random/training.h5`, else its own."""
    names = {known.name for known in KNOWN_FILES}
    with_folder = f"{path.parent.name}/{path.stem}"
    return with_folder if with_folder in names else path.stem


def _check_name(path: Path, n: int) -> None:
    own = [known for known in KNOWN_FILES if known.name == published_name(path)]
    others = sorted({known.name for known in KNOWN_FILES if known.n == n})
    if own and others and own[0].name not in others:
        raise ValueError(
            f"{path}: has {n} patches, as {' and '.join(others)} of So2Sat, not {own[0].n or 'those'} of "
            f"{own[0].name}; were files renamed? (papers swap the sizes of validation and testing)"
        )


def _check_published(path: Path, version: str, n: int, counts: tuple[int, ...], md5: str | None) -> None:
    known = known_file(version, published_name(path))
    if known.n is not None and n != known.n:
        raise ValueError(
            f"{path}: expected the {known.n} patches of {version} {known.name}, got {n}; get the whole file"
        )
    if differences := compare_counts(counts, known):
        raise ValueError(f"{path}: not {version} {known.name}: {'; '.join(differences)}; download it again")
    if md5 is not None and known.md5 is not None and md5 != known.md5:
        raise ValueError(
            f"{path}: expected the MD5 {known.md5} of {version} {known.name}, got {md5}; download it again"
        )


def _check_pixels(path: Path, file: So2SatFile) -> list[str]:
    rows = file.block_rows
    starts = np.unique(np.linspace(0, max(file.n - rows, 0), SAMPLED_BLOCKS).astype(int)).tolist()
    missing, zero = 0, 0
    for start in starts:
        block = file.raw(start, min(start + rows, file.n))
        largest = np.nanmax(block["sen2"])
        if largest > LARGEST_REFLECTANCE:
            raise ValueError(
                f"{path}: expected reflectance in sen2 (0 to 2.8), got {largest:g} behind patch {start}: digital "
                "numbers? So2Sat's own files are divided by 10,000"
            )
        missing += sum(int((~np.isfinite(pixels)).sum()) for pixels in block.values())
        zero += int((block["sen1"] == 0).all(axis=(1, 2, 3)).sum())
    remarks = [f"{missing} values that are not finite, in the blocks looked at"] if missing else []
    return remarks + ([f"{zero} patches without any radar, in the blocks looked at"] if zero else [])
