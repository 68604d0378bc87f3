"""So2Sat's own HDF5 files, read in place: labels at once, pixels only where they are asked for.

A file of 52 GB is never copied or held. Pixels come as float32 (n, channels, 32, 32), in physical units. A file that is
read in random order, patch by patch, costs one access each; `stream` reads blocks of neighbouring rows, whole chunks
where the file has them, and shuffles inside a buffer of several blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from lczmap.classes import NUM_CLASSES
from lczmap.so2sat.files import CHANNELS, LABEL_KEY, PATCH_PX, SENSOR_KEYS

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

CHUNK_CACHE_BYTES = 64 << 20
"""Room for decompressed chunks per data set: HDF5's own default of 1 MB is less than one chunk of patches."""
LABEL_ROWS = 1 << 16
BLOCK_ROWS, MOST_ROWS = 64, 512
"""Neighbouring rows that are read at once where a file has no chunks (9 MB), and at most, however large chunks are."""
_SAMPLED_ROWS = 64


class So2SatFile:
    """An open file; `labels` (N,) int64 0..16, `cities` (N,) names from the `*_geo.h5` beside it, None without.

    It may be handed to other processes: each opens the file anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._owner = -1
        self._handle: Any = None
        _check_shapes(path, self._open())
        self.labels = read_labels(path, self._open())
        self.cities = read_cities(path, len(self.labels))

    @property
    def n(self) -> int:
        """Return the number of patches."""
        return len(self.labels)

    @property
    def block_rows(self) -> int:
        """Return how many neighbouring rows are read at once: those of whole chunks, or BLOCK_ROWS without chunks."""
        chunks = [self._open()[key].chunks for key in SENSOR_KEYS]
        rows = max((c[0] for c in chunks if c), default=0)
        return min(rows * max(BLOCK_ROWS // rows, 1), MOST_ROWS) if rows else BLOCK_ROWS

    @property
    def layout(self) -> str:
        """Return how the pixels lie in the file, in words."""
        dataset = self._open()["sen2"]
        if dataset.chunks is None:
            return "contiguous"
        return f"chunks of {dataset.chunks[0]}" + (f", {dataset.compression}" if dataset.compression else "")

    def fingerprint(self) -> str:
        """Return a digest of the labels and of 64 patches along the file: changes where another file took its place."""
        digest = hashlib.sha256(self.labels.tobytes())
        for row in np.unique(np.linspace(0, self.n - 1, min(_SAMPLED_ROWS, self.n)).astype(int)).tolist():
            for key in SENSOR_KEYS:
                digest.update(np.ascontiguousarray(self._open()[key][row]).tobytes())
        return digest.hexdigest()

    def read(self, indices: npt.ArrayLike, channels: Sequence[str] = CHANNELS) -> Float:
        """Return patches (n, channels, 32, 32) in the order of `indices`; each chunk is read once."""
        wanted = check_indices(indices, self.n)
        columns = channel_columns(channels)
        out = np.empty((len(wanted), len(channels), PATCH_PX, PATCH_PX), np.float32)
        order = np.argsort(wanted, kind="stable")
        for key, (targets, sources) in columns.items():
            dataset = self._open()[key]
            for first, last in _spans(wanted[order], dataset.chunks):
                rows = order[first:last]
                start = int(wanted[rows[0]])
                block = dataset[start : int(wanted[rows[-1]]) + 1]  # (rows, 32, 32, C)
                chosen = block[wanted[rows] - start][..., sources]
                out[rows[:, None], targets] = chosen.transpose(0, 3, 1, 2)  # (rows, C', 32, 32)
        return out

    def raw(self, start: int, stop: int) -> dict[str, npt.NDArray[np.float64]]:
        """Return the rows start..stop of `sen1` and `sen2` as the file has them, (rows, 32, 32, C)."""
        return {key: self._open()[key][start:stop] for key in SENSOR_KEYS}

    def _open(self) -> Any:
        if self._owner != os.getpid():  # HDF5 handles do not survive a fork
            self._handle, self._owner = _open_hdf5(self.path), os.getpid()
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind."""
        return {**self.__dict__, "_owner": -1, "_handle": None}


def open_h5(path: Path) -> So2SatFile:
    """Open a file of So2Sat LCZ42; ValueError when it is not one, or is truncated."""
    return So2SatFile(Path(path))


def stream(
    file: So2SatFile,
    batch_size: int,
    *,
    channels: Sequence[str] = CHANNELS,
    seed: int = 0,
    epoch: int = 0,
    buffer_blocks: int = 32,
) -> Iterator[tuple[Float, Index]]:
    """Yield the whole file once in batches of pixels (n, channels, 32, 32) and their row numbers (n,), shuffled.

    The order follows from `seed` and `epoch`: blocks are shuffled, then the patches of `buffer_blocks` of them. Only
    the last batch is smaller. Memory holds two buffers: 64 rows · 32 blocks of 18 channels are 150 MB each.
    """
    left_pixels = np.empty((0, len(channels), PATCH_PX, PATCH_PX), np.float32)
    left_rows = np.empty(0, np.int64)
    for window in shuffled_windows(file.n, file.block_rows, buffer_blocks, seed=seed, epoch=epoch):
        pixels = np.concatenate([left_pixels, file.read(window, channels)])
        rows = np.concatenate([left_rows, window])
        whole = len(rows) // batch_size * batch_size
        for start in range(0, whole, batch_size):
            yield pixels[start : start + batch_size], rows[start : start + batch_size]
        left_pixels, left_rows = pixels[whole:], rows[whole:]
    if len(left_rows):
        yield left_pixels, left_rows


def shuffled_windows(n: int, block: int, buffer_blocks: int, *, seed: int, epoch: int) -> Iterator[Index]:
    """Yield the rows 0..n once each: windows of `buffer_blocks` random blocks of neighbours, shuffled inside."""
    random = np.random.default_rng([seed, epoch])
    blocks = random.permutation(-(-n // block))
    for first in range(0, len(blocks), buffer_blocks):
        chosen = blocks[first : first + buffer_blocks]
        rows = np.concatenate([np.arange(b * block, min((b + 1) * block, n)) for b in chosen])
        yield random.permutation(rows)


def check_indices(indices: npt.ArrayLike, n: int) -> Index:
    """Return row numbers (k,) as int64; ValueError for others than 0..n."""
    wanted = np.asarray(indices, np.int64).reshape(-1)
    if len(wanted) and not (wanted.min() >= 0 and wanted.max() < n):
        raise ValueError(f"expected row numbers from 0 to {n - 1}, got {wanted.min()} to {wanted.max()}")
    return wanted


def channel_columns(channels: Sequence[str]) -> dict[str, tuple[list[int], list[int]]]:
    """Return per key of the file the positions in `channels` that it fills, and the columns there.

    ValueError for a channel that So2Sat does not have.
    """
    if unknown := [name for name in channels if name not in CHANNELS]:
        raise ValueError(f"So2Sat has no channels {unknown}; it has {', '.join(CHANNELS)}")
    columns = {}
    for key, names in SENSOR_KEYS.items():
        targets = [i for i, name in enumerate(channels) if name in names]
        if targets:
            columns[key] = targets, [names.index(channels[i]) for i in targets]
    return columns


def read_labels(path: Path, handle: Any) -> Index:
    """Return class indices (N,) 0..16; ValueError unless each row of `label` is one 1 and zeros."""
    dataset = handle[LABEL_KEY]
    labels = np.empty(len(dataset), np.int64)
    for start in range(0, len(dataset), LABEL_ROWS):
        rows = np.asarray(dataset[start : start + LABEL_ROWS])
        is_one_hot = ((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)
        if not is_one_hot.all():
            bad = start + int(np.flatnonzero(~is_one_hot)[0])
            raise ValueError(f"{path}: expected one-hot labels, got {rows[bad - start].tolist()} in row {bad}")
        labels[start : start + len(rows)] = rows.argmax(axis=1)
    return labels


def geo_path(path: Path) -> Path:
    """Return where the places of a file's patches lie: `training_geo.h5` beside `training.h5`."""
    return path.with_name(f"{path.stem}_geo.h5")


def read_cities(path: Path, n: int) -> Names | None:
    """Return the city of each patch (n,) from the `*_geo.h5` beside a file; None where there is none, or no cities."""
    geo = geo_path(path)
    if not geo.is_file():
        return None
    with _open_hdf5(geo) as handle:
        if "city" not in handle:
            return None
        names = np.asarray(handle["city"][()]).reshape(-1)
    if len(names) != n:
        raise ValueError(
            f"{geo}: expected the cities of {n} patches, as {path.name} has, got {len(names)}; get both anew"
        )
    plain = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names.tolist()]
    return np.array([name.rstrip("\x00 ") for name in plain])


def _open_hdf5(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `fetch-so2sat` downloads it")
    try:
        return h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
    except OSError as error:
        raise ValueError(f"{path}: not a whole HDF5 file ({error}); download it again") from error


def _check_shapes(path: Path, handle: Any) -> None:
    expected = {LABEL_KEY: (NUM_CLASSES,)} | {
        key: (PATCH_PX, PATCH_PX, len(names)) for key, names in SENSOR_KEYS.items()
    }
    if missing := [key for key in expected if key not in handle]:
        no_labels = " (the test file of version 1 has no labels: use version 2)" if missing == [LABEL_KEY] else ""
        raise ValueError(f"{path}: expected the keys sen1, sen2 and label, got {sorted(handle)}{no_labels}")
    for key, shape in expected.items():
        if handle[key].shape[1:] != shape or handle[key].dtype.kind not in "fiu":
            raise ValueError(f"{path}: expected {key} as numbers (N, {', '.join(map(str, shape))}), got {handle[key]}")
    rows = {key: len(handle[key]) for key in expected}
    if len(set(rows.values())) != 1 or not rows[LABEL_KEY]:
        raise ValueError(f"{path}: expected as many rows in each of sen1, sen2 and label, got {rows}")


def _spans(rows: Index, chunks: tuple[int, ...] | None) -> Iterator[tuple[int, int]]:
    """Yield where the parts of sorted rows begin and end that one access reads: those of a chunk, or neighbours."""
    breaks = np.diff(rows // (min(chunks[0], MOST_ROWS) if chunks else BLOCK_ROWS)) != 0
    if not chunks:
        breaks |= np.diff(rows) > 1
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
    yield from ((first, last) for first, last in pairwise(edges) if last > first)
