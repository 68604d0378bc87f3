"""How patches of So2Sat LCZ42 are dealt to training, validation and test. Pure; protocols.py names the deals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.shares import apportion

Index = npt.NDArray[np.int64]
Part = tuple[str, Index]
Parts = dict[str, list[Part]]
Deal = Callable[["Request"], Parts]

BP_LCZ_PER_CLASS, BP_LCZ_TEST = 1306, 12_117
ZHOU_COUNTS = (2611, 654, 818)
"""Training, validation and test patches of Sen12LCZ: 64, 16 and 20 % of 4083 (the paper's text says 60 and 20 %)."""


@dataclass(frozen=True)
class FileTable:
    """What a protocol must know of a file: class indices 0..16 (N,), and names of cities (N,) where they are known."""

    labels: Index
    cities: npt.NDArray[np.str_] | None = None

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.labels)


@dataclass(frozen=True)
class Request:
    """One call of `Protocol.split`: the files, the city, the dice, and how much smaller than published (1: not)."""

    files: Mapping[str, FileTable]
    city: str | None
    dice: np.random.Generator
    scale: float


def smallest_class(files: Mapping[str, FileTable]) -> int:
    """Return the number of patches of the rarest class in all files."""
    labels = np.concatenate([table.labels for table in files.values()])
    return int(np.bincount(labels, minlength=NUM_CLASSES).min())


def total_patches(files: Mapping[str, FileTable]) -> int:
    """Return the number of patches of all files."""
    return sum(len(table) for table in files.values())


def deal_bp_lcz(request: Request) -> Parts:
    """Deal so many patches of each class to training, and a natural sample of the rest to test."""
    labels = request.files["training"].labels
    per_class = max(int(BP_LCZ_PER_CLASS * request.scale), 1)
    train = _draw_classes(labels, np.arange(len(labels)), np.full(NUM_CLASSES, per_class), request.dice)
    rest = np.setdiff1d(np.arange(len(labels)), train)
    test = np.sort(request.dice.choice(rest, min(max(int(BP_LCZ_TEST * request.scale), 1), len(rest)), replace=False))
    return _parts(train=[("training", train)], test=[("training", test)])


def deal_gawlikowski(request: Request) -> Parts:
    """Deal the training file at random, 80 : 10 : 10."""
    count = len(request.files["training"])
    order = request.dice.permutation(count)
    train, validation = round(0.8 * count), round(0.9 * count)
    cuts = [np.sort(part) for part in np.split(order, [train, validation])]
    return _parts(*([("training", part)] for part in cuts))


def deal_zhou(request: Request) -> Parts:
    """Draw as many patches as Sen12LCZ has and deal them 64 : 16 : 20, each draw stratified by class."""
    labels = request.files["training"].labels
    total = min(sum(ZHOU_COUNTS), len(labels))
    _, validated, tested = apportion(ZHOU_COUNTS, total).tolist()
    pool = _draw(labels, np.arange(len(labels)), total, request.dice)
    test = _draw(labels, pool, tested, request.dice)
    pool = np.setdiff1d(pool, test)
    validation = _draw(labels, pool, validated, request.dice)
    train = np.setdiff1d(pool, validation)
    return _parts([("training", train)], [("training", validation)], [("training", test)])


def deal_files(train: str, validation: str | None, test: str, *, of_city: bool = False) -> Deal:
    """Return a deal that takes whole files, or the patches of the named city in them."""

    def deal(request: Request) -> Parts:
        def whole(name: str | None) -> list[Part]:
            if name is None:
                return []
            city = request.city if of_city else None
            chosen = np.arange(len(request.files[name])) if city is None else _of_city(request, name, city)
            return [(name, chosen)]

        return _parts(whole(train), whole(validation), whole(test))

    return deal


def deal_test_only(request: Request) -> Parts:
    """Deal the whole test file to test."""
    return _parts(test=[("testing", np.arange(len(request.files["testing"])))])


def deal_other_cities(request: Request) -> Parts:
    """Deal the named city to test and all others to training."""
    city = request.city or ""
    known = sorted({_plain(name) for table in request.files.values() for name in np.unique(_cities(table))})
    if _plain(city) not in known:
        raise ValueError(f"no patch of the city {city!r}; known: {', '.join(known)}")
    masks = {name: _is_city(table, city) for name, table in request.files.items()}
    train = [(name, np.flatnonzero(~mask)) for name, mask in masks.items() if not mask.all()]
    test = [(name, np.flatnonzero(mask)) for name, mask in masks.items() if mask.any()]
    return _parts(train, [], test)


def _of_city(request: Request, name: str, city: str) -> Index:
    table = request.files[name]
    chosen = np.flatnonzero(_is_city(table, city))
    if not chosen.size:
        known = ", ".join(np.unique(_cities(table)))
        raise ValueError(f"{name} has no patch of the city {city!r}; known: {known}")
    return chosen


def _is_city(table: FileTable, city: str) -> npt.NDArray[np.bool_]:
    names, number = np.unique(_cities(table), return_inverse=True)
    return np.array([_plain(name) == _plain(city) for name in names])[number]


def _cities(table: FileTable) -> npt.NDArray[np.str_]:
    if table.cities is None:
        raise ValueError("the cities of the patches are not known; put *_geo.h5 of version 4 beside the .h5 files")
    return table.cities


def _plain(city: str) -> str:
    return "".join(c for c in city.lower() if c.isalnum())


def _draw(labels: Index, pool: Index, count: int, dice: np.random.Generator) -> Index:
    """Draw `count` of the patches `pool`, stratified by class."""
    wanted = apportion(np.bincount(labels[pool], minlength=NUM_CLASSES), count)
    return _draw_classes(labels, pool, wanted, dice)


def _draw_classes(labels: Index, pool: Index, counts: Index, dice: np.random.Generator) -> Index:
    drawn = [dice.choice(pool[labels[pool] == c], n, replace=False) for c, n in enumerate(counts.tolist())]
    return np.sort(np.concatenate(drawn))


def _parts(
    train: list[Part] | None = None, validation: list[Part] | None = None, test: list[Part] | None = None
) -> Parts:
    return {"train": train or [], "validation": validation or [], "test": test or []}
