"""The files of So2Sat LCZ42: what each version has, under which names and keys, and where it is offered.

A file holds `sen1` (N, 32, 32, 8) and `sen2` (N, 32, 32, 10), float64, and `label` (N, 17), one-hot. `*_geo.h5` of
version 4 has one row per patch of the file of the same name: `epsg`, `tfw` and, in its corrected edition, `city`.
Files are named here without `.h5`: `training` (versions 1, 2, 4), `random/training` (version 3).
Sources: zhu-xlab/So2Sat-LCZ42 README (keys, bands, versions); torchgeo datasets/so2sat.py (MD5 of versions 2 and 3);
the labels of version 2 and a published confusion matrix of its test file (patches per class).
"""

from __future__ import annotations

from dataclasses import dataclass

from lczmap.channels import S2_10, SO2SAT8
from lczmap.sar.profiles import profile_state

State = dict[str, dict[str, str]]

CHANNELS = SO2SAT8.channels + S2_10.channels
"""The 18 channels in the order of the data set: 8 of `sen1`, 10 of `sen2`."""
STATE: State = {"sentinel-1": profile_state(SO2SAT8.name), "sentinel-2": {"level": "L1C"}}
"""State of the pixels: complex amplitudes of SLC products, top-of-atmosphere reflectance."""

PATCH_PX = 32
SENSOR_KEYS: dict[str, tuple[str, ...]] = {"sen1": SO2SAT8.channels, "sen2": S2_10.channels}
"""Keys of the pixels and their channels."""
LABEL_KEY = "label"
ROW_BYTES = (PATCH_PX**2 * len(CHANNELS) + 17) * 8
"""Bytes of a patch and its label in a file that is not compressed."""

_TRAINING = "702bc6a9368ebff4542d791e53469244"
_TRAINING_COUNTS = (
    *(5068, 24431, 31693, 8651, 16493, 35290, 3269, 39326, 13584, 11954),
    *(42902, 9514, 9165, 41377, 2392, 7898, 49359),
)
_VALIDATION_COUNTS = (
    *(256, 1254, 2353, 849, 757, 1906, 474, 3395, 1914, 860),
    *(2287, 382, 1202, 2747, 202, 672, 2609),
)
_TESTING_COUNTS = (
    *(266, 1262, 2465, 857, 763, 1936, 503, 3496, 2013, 908),
    *(2368, 433, 1166, 2435, 205, 572, 2540),
)


@dataclass(frozen=True)
class KnownFile:
    """A file as published: patches per class in the order of the one-hot label, and MD5 of the .h5, where known."""

    version: str
    name: str
    class_counts: tuple[int, ...] | None = None
    md5: str | None = None

    @property
    def n(self) -> int | None:
        """Return the number of patches, None where it is not known."""
        return None if self.class_counts is None else sum(self.class_counts)


KNOWN_FILES: tuple[KnownFile, ...] = (
    KnownFile("v1", "training", _TRAINING_COUNTS),
    KnownFile("v1", "validation", _VALIDATION_COUNTS),
    KnownFile("v2", "training", _TRAINING_COUNTS, _TRAINING),
    KnownFile("v2", "validation", _VALIDATION_COUNTS, "71cfa6795de3e22207229d06d6f8775d"),
    KnownFile("v2", "testing", _TESTING_COUNTS, "e81426102b488623a723beab52b31a8a"),
    KnownFile("v3", "random/training", md5="94e2e2e667b406c2adf61e113b42204e"),
    KnownFile("v3", "random/testing", md5="1e15c425585ce816342d1cd779d453d8"),
    KnownFile("v3", "block/training", md5="a91d6150e8b059dac86105853f377a11"),
    KnownFile("v3", "block/testing", md5="6414af1ec33ace417e879f9c88066d47"),
    KnownFile("v3", "culture_10/training", _TRAINING_COUNTS, _TRAINING),
    KnownFile(
        "v3",
        "culture_10/testing",
        tuple(v + t for v, t in zip(_VALIDATION_COUNTS, _TESTING_COUNTS, strict=True)),
        "58335ce34ca3a18424e19da84f2832fc",
    ),
    KnownFile("v4", "training", _TRAINING_COUNTS),
    KnownFile("v4", "validation", _VALIDATION_COUNTS),
    KnownFile("v4", "testing", _TESTING_COUNTS),
)
"""Version 1 has no labels of its test file; version 4 is version 2 with `*_geo.h5` beside. Version 3 has no validation.
The counts of `validation` come from one place only. The test file of `culture_10` is validation and testing together.
Gawlikowski et al. print the sizes of validation and testing swapped: validation has 24,119 patches, testing 24,188."""

VERSIONS = tuple(dict.fromkeys(known.version for known in KNOWN_FILES))


@dataclass(frozen=True)
class Offer:
    """Where a version is offered: `{name}` in the address stands for the file, `account` is the share's public name.

    `suffix` follows the .h5 files' names there (`.gz`: they are compressed), `unverified` files were never fetched by
    us: their addresses are as other projects name them.
    """

    url: str
    account: str | None = None
    suffix: str = ""
    unverified: bool = True


_SHARE = "https://dataserv.ub.tum.de/public.php/dav/files/{share}/{{name}}"
_SHARES = {"v1": "m1454690", "v2": "m1483140", "v3": "m1613658", "v4": "m1836598"}
OFFERS: dict[str, dict[str, Offer]] = {
    "mediatum": {v: Offer(_SHARE.format(share=share), share) for v, share in _SHARES.items()},
    "huggingface": {
        "v4": Offer("https://huggingface.co/datasets/zhu-xlab/So2Sat-LCZ42/resolve/main/v4/{name}", suffix=".gz")
    },
}
"""By service and version. All unverified. The shares of mediaTUM ask for a name and a password, both the share's number
as its pages say. Only Hugging Face has the corrected `*_geo.h5` (right EPSG codes of the training patches, cities)."""


def known_file(version: str, name: str) -> KnownFile:
    """Look up a file of a version; ValueError names the known ones."""
    for known in KNOWN_FILES:
        if (known.version, known.name) == (version, name):
            return known
    names = ", ".join(f"{known.version} {known.name}" for known in KNOWN_FILES)
    raise ValueError(f"So2Sat has no file {name!r} of version {version!r}; known: {names}")


def recognise(n: int, md5: str | None = None) -> list[KnownFile]:
    """Return the known files with this MD5; where none has it, those of so many patches."""
    same = [known for known in KNOWN_FILES if md5 is not None and known.md5 == md5]
    return same or [known for known in KNOWN_FILES if known.n == n]
