"""Who learns and who is tested on So2Sat LCZ42, by name: the splits of the papers and of the data set itself.

Files are named as the data set names them, without `.h5`: `training`, `validation`, `testing` (versions 1, 2 and 4),
`random/training` and so on (version 3). A protocol says whether it is *leaky*: patches of 320 m lie on a 100 m grid, so
a random split tests on ground that was trained on, and its figures say little about another city.
Sources: Lan et al. (BP-LCZ), Gawlikowski et al. 2020, Zhou et al. 2022, and the description of So2Sat LCZ42.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.so2sat.deals import (
    BP_LCZ_PER_CLASS,
    BP_LCZ_TEST,
    Deal,
    FileTable,
    Parts,
    Request,
    deal_bp_lcz,
    deal_files,
    deal_gawlikowski,
    deal_other_cities,
    deal_test_only,
    deal_zhou,
    smallest_class,
    total_patches,
)

__all__ = ["PROTOCOLS", "SEED", "SIZES", "FileTable", "Parts", "Protocol", "protocol"]

SEED = 47
"""Seed of every split (Lan et al.): all networks and training seeds see the same patches."""
SIZES = {"training": 352_366, "validation": 24_119, "testing": 24_188}
"""Patches of the files of version 2 and 4; Gawlikowski et al. print the last two swapped."""

_BP_LCZ_PATCHES = BP_LCZ_PER_CLASS * NUM_CLASSES + BP_LCZ_TEST
_RAREST = 2392  # training patches of the rarest class, E
_VERSION_3 = 400_000  # its two files together have the patches of all three of version 2, about 400,673
_RANDOM = "a random split: neighbouring patches overlap, so test ground was trained on (spatial leakage)"


@dataclass(frozen=True)
class Protocol:
    """A named split. `leaky` protocols test on ground that was trained on; `why` says it in a sentence.

    `files` are needed; `least` is how many patches they have together at the least.
    """

    name: str
    leaky: bool
    why: str
    files: tuple[str, ...]
    least: int
    needs_city: bool
    deal: Deal

    @property
    def description(self) -> str:
        """The name, marked where the protocol is leaky."""
        return f"{self.name} (LEAKY)" if self.leaky else self.name

    def split(
        self, files: Mapping[str, FileTable], *, seed: int = SEED, shrink: bool = False, city: str | None = None
    ) -> Parts:
        """Return {"train", "validation", "test"}: lists of (file, sorted indices); no patch is in two of them.

        The same files and seed give the same split. ValueError for a missing file or class, an unknown city, or files
        smaller than So2Sat's; with `shrink` the same protocol is dealt from smaller files in proportion, which is a
        rehearsal and no result (`shrunken` says so).
        """
        if missing := [name for name in self.files if name not in files]:
            raise ValueError(
                f"protocol {self.name}: needs {', '.join(self.files)}; not there: {', '.join(missing)}; given: "
                f"{', '.join(files) or 'none'}"
            )
        if self.needs_city and city is None:
            raise ValueError(f"protocol {self.name}: needs the name of a city")
        used = {name: files[name] for name in self.files}
        note = self.shrunken(files)
        if note and not shrink:
            raise ValueError(f"protocol {self.name}: {note}; get the whole files, or ask for `shrink` to rehearse")
        self._require_classes(used)
        scale = min(1.0, smallest_class(used) / _RAREST, total_patches(used) / _BP_LCZ_PATCHES) if note else 1.0
        return self.deal(Request(used, city, np.random.default_rng(seed), scale))

    def shrunken(self, files: Mapping[str, FileTable]) -> str:
        """Return in words how files fall short of So2Sat's; empty where they do not."""
        have = sum(len(files[name]) for name in self.files)
        if have >= self.least:
            return ""
        return f"{' + '.join(self.files)} have {have:,} patches, So2Sat's have {self.least:,}"

    def _require_classes(self, files: Mapping[str, FileTable]) -> None:
        absent = [c.title for c in CLASSES if not sum((table.labels == c.index).sum() for table in files.values())]
        if absent:
            raise ValueError(f"protocol {self.name}: no patch in {', '.join(files)} of {', '.join(absent)}")


def protocol(name: str) -> Protocol:
    """Look up a protocol; ValueError names the known ones."""
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


_ALL = tuple(SIZES)
_HALVES = "other halves of the same ten cities: the halves do not overlap, but the cities are not new ones"
PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            "bp_lcz",
            True,
            f"1306 patches of each class to train, 12,117 of the rest to test; {_RANDOM}",
            ("training",),
            SIZES["training"],
            False,
            deal_bp_lcz,
        ),
        Protocol(
            "gawlikowski_80_10_10",
            True,
            f"80, 10 and 10 % of the training file; {_RANDOM}",
            ("training",),
            SIZES["training"],
            False,
            deal_gawlikowski,
        ),
        Protocol(
            "zhou_64_16_20",
            True,
            f"4083 patches of the training file, as many as Sen12LCZ has, 64, 16 and 20 % of each class; {_RANDOM}",
            ("training",),
            SIZES["training"],
            False,
            deal_zhou,
        ),
        Protocol(
            "culture_10",
            False,
            "the data set's own split: the east halves of ten cities that were not trained on, one of each culture; "
            "the west halves of the same cities are the validation, so labels of these cities choose the weights",
            _ALL,
            sum(SIZES.values()),
            False,
            deal_files("training", "validation", "testing"),
        ),
        Protocol(
            "culture_10_test",
            False,
            "the official test file alone, for weights that come ready",
            ("testing",),
            SIZES["testing"],
            False,
            deal_test_only,
        ),
        Protocol(
            "v3_random",
            True,
            f"the random 80/20 split of version 3; {_RANDOM}",
            ("random/training", "random/testing"),
            _VERSION_3,
            False,
            deal_files("random/training", None, "random/testing"),
        ),
        Protocol(
            "v3_block",
            False,
            "the block 80/20 split of version 3: other ground of the same cities, so not unseen cities",
            ("block/training", "block/testing"),
            _VERSION_3,
            False,
            deal_files("block/training", None, "block/testing"),
        ),
        Protocol(
            "leave_one_city_out",
            False,
            "all other cities train, the named one is tested: a city never seen",
            _ALL,
            sum(SIZES.values()),
            True,
            deal_other_cities,
        ),
        Protocol(
            "city_halves",
            False,
            f"one network for all ten; {_HALVES}",
            ("validation", "testing"),
            SIZES["validation"] + SIZES["testing"],
            False,
            deal_files("validation", None, "testing"),
        ),
        Protocol(
            "own_city_halves",
            False,
            f"a network of the named city's own; {_HALVES}",
            ("validation", "testing"),
            SIZES["validation"] + SIZES["testing"],
            True,
            deal_files("validation", None, "testing", of_city=True),
        ),
    )
}
"""All protocols by name."""
