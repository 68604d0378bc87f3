"""Make the compact copy of a file of So2Sat LCZ42, once: block after block, resumable, with bounded memory.

What is done lies in the folder under `.…part` and `.progress.json`; a run that was killed goes on behind the last block
that is written whole. Files get their names at the end, `cache.json` last.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import lczmap
from lczmap.classes import NUM_CLASSES
from lczmap.files import write_json
from lczmap.scenes.slc.alone import alone
from lczmap.so2sat.cache import DESCRIPTION, FORMAT_VERSION, So2SatCache, open_cache
from lczmap.so2sat.disk import require_room
from lczmap.so2sat.encoding import StoredType, encode
from lczmap.so2sat.files import CHANNELS, PATCH_PX, SENSOR_KEYS, recognise
from lczmap.so2sat.reader import So2SatFile, geo_path, open_h5
from lczmap.so2sat.statistics import RunningStatistics, compare_counts, compare_statistics

PROGRESS_S = 30.0
_PROGRESS = ".progress.json"


def convert(path: Path, folder: Path, *, dtype: StoredType = "float16", md5: bool = True) -> So2SatCache:
    """Write the cache of a file into `folder` and open it; a cache of the same file is taken as it is.

    `md5` reads the file once more to say which published file it is. Prints what it does. ValueError for a file that is
    not So2Sat's, for values that `dtype` cannot hold, and for a folder with a cache of another file.
    """
    with alone(folder / DESCRIPTION):
        source = _describe(path, dtype)
        if (folder / DESCRIPTION).is_file():
            return _same(folder, source)
        file = open_h5(path)
        work = _Work.begin(folder, source)
        row_bytes = len(CHANNELS) * PATCH_PX**2 * np.dtype(dtype).itemsize
        require_room(folder, (file.n - work.rows) * row_bytes, f"the copy of {path.name}")
        if md5 and "md5" not in work.source:
            print(f"{path.name}: MD5 of {source['size'] / 1e9:.1f} GB …", flush=True)
            work.source["md5"] = file_md5(path)
            work.keep(work.rows)
        if work.rows < file.n:
            _copy(file, work, dtype)
        _finish(file, work, dtype)
    return open_cache(folder)


def file_md5(path: Path) -> str:
    """Return the MD5 of a file as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


@dataclass
class _Work:
    """What has been done: rows that are on the disk, and the statistics up to there."""

    folder: Path
    source: dict[str, Any]
    rows: int
    statistics: RunningStatistics

    @classmethod
    def begin(cls, folder: Path, source: dict[str, Any]) -> _Work:
        kept = folder / _PROGRESS
        state = json.loads(kept.read_text()) if kept.is_file() else None
        if state and all(state["source"].get(key) == value for key, value in source.items()):
            print(f"{folder}: goes on behind patch {state['rows']}", flush=True)
            return cls(folder, state["source"], state["rows"], RunningStatistics(CHANNELS, state["statistics"]))
        folder.mkdir(parents=True, exist_ok=True)
        for key in SENSOR_KEYS:
            _part(folder, key).unlink(missing_ok=True)
        return cls(folder, dict(source), 0, RunningStatistics(CHANNELS))

    def keep(self, rows: int) -> None:
        """Note that so many rows are on the disk."""
        self.rows = rows
        content = {"source": self.source, "rows": rows, "statistics": self.statistics.state()}
        write_json(self.folder / _PROGRESS, content)


def _describe(path: Path, dtype: StoredType) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `fetch-so2sat` downloads it")
    status, places = path.stat(), geo_path(path)
    return {
        "name": path.name,
        "size": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "places_size": places.stat().st_size if places.is_file() else None,
        "dtype": dtype,
    }


def _same(folder: Path, source: dict[str, Any]) -> So2SatCache:
    cache = open_cache(folder)
    own = {key: cache.source.get(key) for key in source}
    if own != source:
        raise ValueError(f"{folder} has a cache of {own}, expected {source}; delete the folder, or name another")
    return cache


def _copy(file: So2SatFile, work: _Work, dtype: StoredType) -> None:
    block, said = file.block_rows, time.monotonic()
    outputs = {key: _output(work, key, file.n, dtype) for key in SENSOR_KEYS}
    try:
        for start in range(work.rows, file.n, block):
            stop = min(start + block, file.n)
            for key, pixels in file.raw(start, stop).items():
                names = SENSOR_KEYS[key]
                work.statistics.add(CHANNELS.index(names[0]), pixels.reshape(-1, len(names)).astype(np.float64))
                stored = encode(pixels.transpose(0, 3, 1, 2), names, dtype)  # (n, C, 32, 32)
                outputs[key].write(np.ascontiguousarray(stored).data)
            if time.monotonic() - said > PROGRESS_S or stop == file.n:
                said = time.monotonic()
                _flush(outputs)
                work.keep(stop)
                print(f"  {stop} of {file.n} patches", flush=True)
    finally:
        for output in outputs.values():
            output.close()


def _output(work: _Work, key: str, n: int, dtype: StoredType) -> IO[bytes]:
    """Open a part behind its first `work.rows` patches; what a killed run wrote beyond them is cut off."""
    shape = (n, len(SENSOR_KEYS[key]), PATCH_PX, PATCH_PX)
    row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    path = _part(work.folder, key)
    stream = path.open("r+b" if work.rows else "w+b")
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    end = stream.tell() + work.rows * row_bytes
    if path.stat().st_size < end and work.rows:
        raise ValueError(f"{path}: shorter than the {work.rows} patches noted; delete {work.folder} and convert again")
    stream.truncate(end)
    stream.seek(end)
    return stream


def _flush(outputs: dict[str, IO[bytes]]) -> None:
    for output in outputs.values():
        output.flush()
        os.fsync(output.fileno())


def _finish(file: So2SatFile, work: _Work, dtype: StoredType) -> None:
    folder = work.folder
    names = None
    if file.cities is not None:
        unique, numbers = np.unique(file.cities, return_inverse=True)
        names = unique.tolist()
        np.save(folder / "cities.npy", numbers.astype(np.uint16))
    np.save(folder / "labels.npy", file.labels.astype(np.uint8))
    for key in SENSOR_KEYS:
        if _part(folder, key).is_file():  # else it was renamed before the last run was killed
            _part(folder, key).replace(folder / f"{key}.npy")
    write_json(folder / DESCRIPTION, _description(file, work, dtype, names))
    (folder / _PROGRESS).unlink()


def _description(file: So2SatFile, work: _Work, dtype: StoredType, names: list[str] | None) -> dict[str, Any]:
    counts = np.bincount(file.labels, minlength=NUM_CLASSES).tolist()
    statistics = work.statistics.result()
    found = recognise(file.n, work.source.get("md5"))
    differences = [text for known in found[:1] for text in compare_counts(counts, known)]
    if any((known.version, known.name) == ("v2", "training") for known in found):
        differences += compare_statistics(statistics)
    for difference in differences:
        print(f"{file.path.name}: {difference}", flush=True)
    return {
        "format_version": FORMAT_VERSION,
        "lczmap": lczmap.__version__,
        "source": work.source | {"known_as": [f"{known.version} {known.name}" for known in found]},
        "n": file.n,
        "dtype": dtype,
        "channels": list(CHANNELS),
        "class_counts": counts,
        "cities": names,
        "statistics": asdict(statistics),
        "differences_from_published": differences,
    }


def _part(folder: Path, key: str) -> Path:
    return folder / f".{key}.part"
