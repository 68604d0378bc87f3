"""What a run reads: So2Sat's files or their compact copies, and whether they are the published ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lczmap.classes import NUM_CLASSES
from lczmap.so2sat.cache import DESCRIPTION, So2SatCache, open_cache
from lczmap.so2sat.deals import FileTable, Part, Parts
from lczmap.so2sat.files import KNOWN_FILES
from lczmap.so2sat.patches import So2SatPatches
from lczmap.so2sat.protocols import Protocol
from lczmap.so2sat.reader import So2SatFile, open_h5

Source = So2SatCache | So2SatFile

_REAL_NAMES = {"culture_10/training": "training"}  # the same file under another name


class JoinedPatches:
    """Patches of several parts one after another, as one."""

    def __init__(self, parts: Sequence[So2SatPatches]) -> None:
        self.parts = tuple(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        """Return the number of patches."""
        return int(self._starts[-1])

    def __getitem__(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches (B, C, 32, 32) and class indices (B,) of a batch, in the order of `indices`."""
        wanted = np.asarray(indices, np.int64)
        which = np.searchsorted(self._starts, wanted, side="right") - 1
        order, found = [], []
        for number, part in enumerate(self.parts):
            rows = np.flatnonzero(which == number)
            if rows.size:
                order.append(rows)
                found.append(part[(wanted[rows] - self._starts[number]).tolist()])
        back = torch.from_numpy(np.argsort(np.concatenate(order)))
        patches, targets = (torch.cat(columns)[back] for columns in zip(*found, strict=True))
        return patches, targets

    @property
    def targets(self) -> torch.Tensor:
        """Return the class indices of all patches (N,)."""
        return torch.cat([part.targets for part in self.parts])

    def fingerprint(self) -> str:
        """Return a digest that changes when any part changes."""
        return hashlib.sha256(" ".join(part.fingerprint() for part in self.parts).encode()).hexdigest()


def open_source(path: Path) -> Source:
    """Open an .h5 file, or the folder (or cache.json) of its compact copy; ValueError when it is neither."""
    if path.suffix == ".h5":
        return open_h5(path)
    return open_cache(path.parent if path.name == DESCRIPTION else path)


def table_of(source: Source) -> FileTable:
    """Return what a protocol must know of a file."""
    return FileTable(source.labels, source.cities)


def patches_of(parts: Sequence[Part], sources: Mapping[str, Source], channels: Sequence[str]) -> JoinedPatches:
    """Return the patches of one part of a split."""
    return JoinedPatches([So2SatPatches(sources[name], indices, channels) for name, indices in parts])


def cities_of(parts: Sequence[Part], sources: Mapping[str, Source]) -> list[str] | None:
    """Return the city of each patch of a part, None where the files do not say."""
    names: list[str] = []
    for name, indices in parts:
        cities = sources[name].cities
        if cities is None:
            return None
        names += cities[indices].tolist()
    return names


def identify(name: str, source: Source) -> dict[str, Any]:
    """Say whether a file is a published one of its name, and by what: its MD5, or its patches of each class.

    The patches of each class prove nothing where the MD5 of file and edition are both known and differ.
    """
    md5 = source.source.get("md5") if isinstance(source, So2SatCache) else None
    counts = tuple(np.bincount(source.labels, minlength=NUM_CLASSES).tolist())
    named = [k for k in KNOWN_FILES if _REAL_NAMES.get(k.name, k.name) == _REAL_NAMES.get(name, name)]
    same_counts = [k for k in named if k.class_counts == counts]
    proofs = {
        "MD5": [k for k in named if md5 is not None and k.md5 == md5],
        "patches per class, no MD5 computed": same_counts if md5 is None else [],
        "patches per class, no MD5 known": [k for k in same_counts if k.md5 is None],
    }
    by, found = next(((by, found) for by, found in proofs.items() if found), ("nothing", []))
    known_as = ", ".join(f"{k.version} {k.name}" for k in found)
    return {"patches": source.n, "is_published": bool(found), "by": by, "known_as": known_as, "md5": md5}


def describe_data(sources: Mapping[str, Source], used: Protocol, parts: Parts) -> dict[str, Any]:
    """Return what is to be known of a run's data: files, sizes of the parts, and why it is a rehearsal, if it is one.

    A result is So2Sat's only where every file that the protocol reads is the published one.
    """
    files = {name: identify(name, sources[name]) for name in used.files}
    reasons = [f"{name} is not So2Sat's file" for name, file in files.items() if not file["is_published"]]
    if note := used.shrunken({name: table_of(sources[name]) for name in used.files}):
        reasons.append(f"shrunken protocol: {note}")
    sizes = {role: sum(len(indices) for _, indices in part) for role, part in parts.items()}
    return {"files": files, "patches": sizes, "rehearsal": "; ".join(reasons)}
