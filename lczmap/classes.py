"""The 17 Local Climate Zones: codes, names, colours, and the only converters between their numberings.

Three numberings meet here: the *code* 1..17 on disk (LCZ Generator, So2Sat GUL), the *index* 0..16 inside
networks (So2Sat one-hot order) and the *WUDAPT code* 1..10, 101..107 (older maps, UMEP, SUEWS).
Sources: Stewart & Oke 2012 (classes); Demuzere et al. 2021 and 2022, LCZ Generator and global LCZ map (codes, colours).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

NODATA_CODE = 0  # on disk; transparent, because class E is pure black
NUM_CLASSES = 17


@dataclass(frozen=True)
class LczClass:
    """One Local Climate Zone; `code` is 1..17, `label` is 1..10 or A..G, `color` is #rrggbb."""

    code: int
    label: str
    name: str
    color: str

    @property
    def index(self) -> int:
        """Position in a network's output, 0..16."""
        return self.code - 1

    @property
    def is_built(self) -> bool:
        """True for the built types 1..10, False for the land-cover types A..G."""
        return self.code <= 10

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Colour as three integers 0..255."""
        return rgb(self.color)

    @property
    def title(self) -> str:
        """Name as printed in legends, such as `LCZ A: Dense trees`."""
        return f"LCZ {self.label}: {self.name}"


CLASSES: tuple[LczClass, ...] = (
    LczClass(1, "1", "Compact highrise", "#8c0000"),
    LczClass(2, "2", "Compact midrise", "#d10000"),
    LczClass(3, "3", "Compact lowrise", "#ff0000"),
    LczClass(4, "4", "Open highrise", "#bf4d00"),
    LczClass(5, "5", "Open midrise", "#ff6600"),
    LczClass(6, "6", "Open lowrise", "#ff9955"),
    LczClass(7, "7", "Lightweight lowrise", "#faee05"),
    LczClass(8, "8", "Large lowrise", "#bcbcbc"),
    LczClass(9, "9", "Sparsely built", "#ffccaa"),
    LczClass(10, "10", "Heavy industry", "#555555"),
    LczClass(11, "A", "Dense trees", "#006a00"),
    LczClass(12, "B", "Scattered trees", "#00aa00"),
    LczClass(13, "C", "Bush, scrub", "#648525"),
    LczClass(14, "D", "Low plants", "#b9db79"),
    LczClass(15, "E", "Bare rock or paved", "#000000"),
    LczClass(16, "F", "Bare soil or sand", "#fbf7ae"),
    LczClass(17, "G", "Water", "#6a6aff"),
)
LABELS: tuple[str, ...] = tuple(c.label for c in CLASSES)

PaletteName = Literal["official", "colour_blind"]
PALETTE_TAG = "LCZMAP_PALETTE"
"""Tag of a map that names its palette."""
# Codes 1..17: as near to the official colours as a search found so that no two classes look alike (CIEDE2000 of 9.8 or
# more), with normal sight or with any of the three kinds of colour blindness; benchmarks/palettes.py measures it
_COLOUR_BLIND = (
    *("#8a0000", "#b73664", "#c68783", "#7c777c", "#ff7a15", "#b66b12", "#f9ef00", "#bdb9b6", "#eebe9b"),
    *("#484846", "#396935", "#9eaf64", "#6e8b52", "#deffd1", "#000000", "#e9fc9b", "#6b69ff"),
)

Numbering = Literal["1..17", "1..10 and 101..107", "1..10 (either numbering)"]

_NO_CLASSES = (
    "it is no class map, or its classes are in another band: name that band (--band), or take it out with "
    "gdal_translate -b"
)
_BY_LABEL = {c.label: c for c in CLASSES}


def code_to_index(code: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Convert codes 1..17 (disk) to indices 0..16 (network); any other value is a ValueError."""
    code = np.asarray(code)
    if code.size and (code.min() < 1 or code.max() > NUM_CLASSES):
        bad = sorted(set(np.unique(code).tolist()) - set(range(1, NUM_CLASSES + 1)))
        raise ValueError(f"expected LCZ codes 1..17, got {bad}")
    return code.astype(np.int64) - 1


def index_to_code(index: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Convert indices 0..16 (network) to codes 1..17 (disk); any other value is a ValueError."""
    index = np.asarray(index)
    if index.size and (index.min() < 0 or index.max() >= NUM_CLASSES):
        raise ValueError(f"expected LCZ indices 0..16, got {int(index.min())}..{int(index.max())}")
    return (index + 1).astype(np.uint8)


def parse_class(text: str | int) -> LczClass:
    """Read one class from what people write: `6`, `A`, `LCZ 6`, `lcz_a`, `14`, `104`.

    Accepts the labels 1..10 and A..G, the codes 11..17 and the WUDAPT codes 101..107.
    ValueError for anything else.
    """
    word = str(text).strip().upper().removeprefix("LCZ").strip(" _-:")
    if word.endswith(".0"):  # a code that a data frame turned into a float
        word = word[:-2]
    if word in _BY_LABEL:
        return _BY_LABEL[word]
    if word.isdigit():
        number = int(word)
        if 101 <= number <= 107:
            number -= 90
        if 1 <= number <= NUM_CLASSES:
            return CLASSES[number - 1]
    raise ValueError(f"expected an LCZ class (1..10, A..G, 11..17 or 101..107), got {text!r}")


def code_to_wudapt(code: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Convert codes 0..17 to WUDAPT codes 0, 1..10, 101..107 (11 becomes 101)."""
    code = np.asarray(code)
    if code.size and (code.min() < 0 or code.max() > NUM_CLASSES):
        raise ValueError(f"expected LCZ codes 0..17, got {int(code.min())}..{int(code.max())}")
    return np.where(code > 10, code + 90, code).astype(np.uint8)


def wudapt_to_code(wudapt: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Convert WUDAPT codes 0, 1..10, 101..107 to codes 0..17 (101 becomes 11); any other value is a ValueError."""
    wudapt = np.asarray(wudapt)
    known = ((wudapt >= 0) & (wudapt <= 10)) | ((wudapt >= 101) & (wudapt <= 107))
    if not known.all():
        raise ValueError(f"expected WUDAPT codes 0..10 or 101..107, got {np.unique(wudapt[~known]).tolist()}")
    return np.where(wudapt > 10, wudapt - 90, wudapt).astype(np.uint8)


def class_values(cells: npt.NDArray[Any], nodata: float | None, where: str) -> npt.NDArray[np.uint8]:
    """Return the cells of a class map as whole numbers in the map's own numbering, 0 where there is no class.

    No class are `nodata`, what is not finite, and everything up to 0. ValueError, naming `where`, for fractions and
    for numbers above 255.
    """
    missing = ~np.isfinite(cells) | (cells <= 0)
    if nodata is not None:
        missing |= cells == nodata
    values = np.where(missing, cells.dtype.type(0), cells)
    if cells.dtype.kind == "f" and (fractions := values != np.floor(values)).any():
        raise ValueError(
            f"{where}: expected LCZ classes as whole numbers, found {values[fractions].max():g} among {cells.dtype} "
            f"numbers; {_NO_CLASSES}"
        )
    if values.max(initial=0) > np.iinfo(np.uint8).max:
        find_numbering(np.unique(values).astype(np.int64).tolist(), where)
    return values.astype(np.uint8)


def find_numbering(values: Collection[int], where: str) -> Numbering:
    """Return the numbering that the values above 0 are of; ValueError, naming `where`, when they are of none."""
    found = {value for value in values if value > 0}
    current, older = set(range(1, NUM_CLASSES + 1)), {*range(1, 11), *range(101, 108)}
    if found <= current & older:
        return "1..10 (either numbering)"
    if found <= current:
        return "1..17"
    if found <= older:
        return "1..10 and 101..107"
    strange = sorted(found - current - older) or sorted(found)
    shown = ", ".join(map(str, strange[:8])) + (" …" if len(strange) > 8 else "")
    raise ValueError(f"{where}: expected LCZ classes 1..17, or 1..10 and 101..107, found {shown}; {_NO_CLASSES}")


def to_codes(values: npt.NDArray[np.uint8], numbering: Numbering) -> npt.NDArray[np.uint8]:
    """Return the codes 0..17 of values in `numbering`."""
    return wudapt_to_code(values) if numbering == "1..10 and 101..107" else values


def class_colors(name: PaletteName = "official") -> tuple[str, ...]:
    """Return the colours of the codes 1..17 as #rrggbb; ValueError for a name that no palette has."""
    if name not in ("official", "colour_blind"):
        raise ValueError(f"expected a palette official or colour_blind, got {name!r}; correct `map.palette`")
    return tuple(c.color for c in CLASSES) if name == "official" else _COLOUR_BLIND


def palette(name: PaletteName = "official") -> dict[int, tuple[int, int, int, int]]:
    """Return the raster colour table {code: (r, g, b, alpha)}; nodata 0 is fully transparent."""
    colors = {c.code: color for c, color in zip(CLASSES, class_colors(name), strict=True)}
    return {NODATA_CODE: (0, 0, 0, 0)} | {code: (*rgb(color), 255) for code, color in colors.items()}


def palette_of(tags: Mapping[str, str]) -> PaletteName:
    """Return the palette that the tags of a map name; the official one where they name none."""
    return "colour_blind" if tags.get(PALETTE_TAG) == "colour_blind" else "official"


def rgb(color: str) -> tuple[int, int, int]:
    """Return a colour #rrggbb as three integers 0..255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
