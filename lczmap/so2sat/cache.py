"""A compact copy of a file of So2Sat LCZ42 for training: patches one after another, channels first, memory-mapped.

`sen1.npy` and `sen2.npy` are (N, channels, 32, 32) in float16 (encoding.py) or float32, a quarter or half of the
original; `labels.npy` (N,) and `cities.npy` (N,) small integers. `cache.json` says what it is a copy of and is written
last: a folder without it is no cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.so2sat.encoding import decode
from lczmap.so2sat.files import CHANNELS, PATCH_PX, SENSOR_KEYS
from lczmap.so2sat.reader import Float, Index, Names, channel_columns, check_indices
from lczmap.so2sat.statistics import Statistics

FORMAT_VERSION = 1
DESCRIPTION = "cache.json"
ROWS_AT_ONCE = 64
"""Patches that are decoded together: they stay in the processor's cache."""


@dataclass(frozen=True)
class So2SatCache:
    """An open cache; `labels` (N,) int64 0..16, `cities` (N,) names or None, `statistics` of the original's pixels.

    `source` says what it is a copy of: name, size, MD5 and version of the file, as far as they are known.
    """

    folder: Path
    dtype: str
    labels: Index
    cities: Names | None
    statistics: Statistics
    class_counts: tuple[int, ...]
    source: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def n(self) -> int:
        """Return the number of patches."""
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process as a folder to open: the pixels are not copied."""
        return open_cache, (self.folder,)

    def read(self, indices: npt.ArrayLike, channels: Sequence[str] = CHANNELS) -> Float:
        """Return patches (n, channels, 32, 32) float32 in physical units, in the order of `indices`."""
        wanted = check_indices(indices, self.n)
        columns = channel_columns(channels)
        out = np.empty((len(wanted), len(channels), PATCH_PX, PATCH_PX), np.float32)
        order = np.argsort(wanted, kind="stable")  # neighbours on the disk one after another
        for first in range(0, len(order), ROWS_AT_ONCE):
            rows = order[first : first + ROWS_AT_ONCE]
            for key, (targets, sources) in columns.items():
                stored = self._take(key, wanted[rows], sources)
                names = [SENSOR_KEYS[key][i] for i in sources]
                _place(decode(stored, names), out, rows, targets)
        return out

    def fingerprint(self) -> str:
        """Return a digest of the labels and of the statistics of all pixels: changes when either changes."""
        digest = hashlib.sha256(self.labels.tobytes())
        digest.update(f"{self.dtype} {self.statistics}".encode())
        return digest.hexdigest()

    def _take(self, key: str, rows: Index, sources: list[int]) -> npt.NDArray[Any]:
        array = self.arrays[key]
        if sources == list(range(len(SENSOR_KEYS[key]))):
            return array[rows]  # (n, C, 32, 32)
        return array[rows[:, None], sources]  # (n, C', 32, 32)


def open_cache(folder: Path) -> So2SatCache:
    """Open a cache that `convert` wrote; ValueError where there is none, or a file of it is not whole."""
    description = _read_description(Path(folder))
    n = int(description["n"])
    arrays = {
        key: _map(Path(folder) / f"{key}.npy", (n, len(names), PATCH_PX, PATCH_PX), description["dtype"])
        for key, names in SENSOR_KEYS.items()
    }
    labels = _map(Path(folder) / "labels.npy", (n,), "uint8").astype(np.int64)
    cities = None
    if description["cities"] is not None:
        numbers = _map(Path(folder) / "cities.npy", (n,), "uint16")
        cities = np.array(description["cities"])[numbers]
    return So2SatCache(
        Path(folder),
        description["dtype"],
        labels,
        cities,
        Statistics.from_json(description["statistics"]),
        tuple(description["class_counts"]),
        description["source"],
        arrays,
    )


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ValueError(f"{folder}: no cache of So2Sat ({DESCRIPTION} is not there); `convert-so2sat` makes it")
    description: dict[str, Any] = json.loads(path.read_text())
    if description.get("format_version") != FORMAT_VERSION or description.get("channels") != list(CHANNELS):
        raise ValueError(
            f"{path}: expected a cache of version {FORMAT_VERSION} with the channels of So2Sat, got version "
            f"{description.get('format_version')}; delete the folder and convert again"
        )
    return description


def _map(path: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); delete its folder and convert again") from error
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise ValueError(
            f"{path}: expected {dtype} {shape}, got {array.dtype} {array.shape}; delete its folder and convert again"
        )
    return array


def _place(pixels: Float, out: Float, rows: Index, targets: list[int]) -> None:
    if targets == list(range(targets[0], targets[0] + len(targets))):
        out[rows, targets[0] : targets[0] + len(targets)] = pixels
    else:
        out[rows[:, None], targets] = pixels
