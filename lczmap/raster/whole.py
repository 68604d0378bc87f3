"""Whether a TIFF is whole. GDAL closes a file whose last bytes a full disk refused without an error of any kind.

The layout: TIFF 6.0, section 2 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), and BigTIFF
(https://www.awaresystems.be/imaging/tiff/bigtiff.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each field type."""
_UNSIGNED = {3: "u2", 4: "u4", 16: "u8"}
_BLOCKS = ((273, 279), (324, 325))  # tags of offsets and byte counts: of strips, of tiles

Fields = Mapping[int, npt.NDArray[np.uint64]]
"""Whole numbers of each tag of a directory that has such."""


def check_whole(path: Path, name: Path) -> None:
    """Refuse a TIFF that points beyond its own end, or to blocks that were never written; OSError, naming `name`.

    Every block of the raster must have been written: sparse files are not whole.
    """
    try:
        with path.open("rb") as stream:
            is_whole = all(_has_blocks(fields, path.stat().st_size) for fields in _directories(stream))
    except (EOFError, KeyError, struct.error):
        is_whole = False
    if not is_whole:
        raise OSError(f"{name}: not all of it could be written")


def _directories(stream: BinaryIO) -> Iterator[Fields]:
    """Yield the directories of a TIFF; EOFError where one lies beyond the end, KeyError where it is none."""
    order = {b"II": "<", b"MM": ">"}[stream.read(2)]
    (version,) = struct.unpack(f"{order}H", _read(stream, 2))
    word, number = {42: ("I", "H"), 43: ("Q", "Q")}[version]
    width = struct.calcsize(word)
    place = _unpack(stream, order + word, at=4 if version == 42 else 8)
    if not place:
        raise EOFError  # the directory was to be written at the end
    while place:
        count = _unpack(stream, order + number, at=place)
        entries = _read(stream, count * (4 + 2 * width))
        (following,) = struct.unpack(order + word, _read(stream, width))
        yield dict(_fields(stream, entries, order, word))
        place = following


def _fields(stream: BinaryIO, entries: bytes, order: str, word: str) -> Iterator[tuple[int, npt.NDArray[np.uint64]]]:
    """Yield tags of whole numbers and their values; values of all tags are read, also those that lie elsewhere."""
    width = struct.calcsize(word)
    for tag, kind, count, inline in struct.iter_unpack(f"{order}HH{word}{width}s", entries):
        length, value = count * _BYTES[kind], inline
        if length > width:
            stream.seek(struct.unpack(order + word, inline)[0])
            value = _read(stream, length)
        if kind in _UNSIGNED:
            yield tag, np.frombuffer(value[:length], order + _UNSIGNED[kind]).astype(np.uint64)


def _has_blocks(fields: Fields, size: int) -> bool:
    """Say whether all blocks of a directory lie inside a file of `size` bytes."""
    for first, second in _BLOCKS:
        if first in fields:
            offsets, counts = fields[first], fields[second]
            return bool((offsets > 0).all() and (counts > 0).all() and (offsets + counts <= size).all())
    return False


def _unpack(stream: BinaryIO, form: str, *, at: int) -> int:
    stream.seek(at)
    (number,) = struct.unpack(form, _read(stream, struct.calcsize(form)))
    return int(number)


def _read(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content
