"""Reading So2Sat in random order: patch by patch from HDF5, as torchgeo's data set does, beside our two ways.

    python benchmarks/so2sat_reading.py [--patches 4000] [--reads 2000] [--rounds 3] [--layout contiguous] [--out t.md]

The file is a generated one in So2Sat's format (float64, 18 channels, 32 × 32). Every way delivers the same float32
tensors (18, 32, 32) and class indices, of the same rows where it takes them in any order; one thread, no worker
processes. *Patch by patch* opens the file for each patch, reads one row of `sen1`, `sen2` and `label`, turns them to
channels first and to float32 (facts of torchgeo datasets/so2sat.py). *Cold* means that the system was told to forget
the file's pages just before (posix_fadvise); a virtual disk may still answer from its host's memory. *Warm* is the same
once more. Figures are medians of rounds in turns; patches per second of wall time, and of processor time, which
neighbours on the machine disturb less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch

from lczmap.channels import RSNNET9
from lczmap.files import write_text
from lczmap.so2sat.cache import So2SatCache, open_cache
from lczmap.so2sat.convert import convert
from lczmap.so2sat.files import CHANNELS
from lczmap.so2sat.patches import So2SatPatches, read_channels
from lczmap.so2sat.reader import So2SatFile, open_h5, stream

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from so2sat.made_so2sat import Layout, made_pixels, write_so2sat

BATCH = 256
Read = Callable[[], int]


def make_file(path: Path, patches: int, layout: Layout) -> None:
    """Write a file of random classes; its pixels are those of 500 patches in turns."""
    labels = np.random.default_rng(0).integers(0, 17, patches)
    base = min(patches, 500)
    sen1, sen2 = made_pixels(labels[:base], seed=1)
    rows = np.arange(patches) % base
    write_so2sat(path, sen1[rows], sen2[rows], labels, layout=layout)


def patch_by_patch(path: Path, rows: list[int]) -> Read:
    def read() -> int:
        for row in rows:
            with h5py.File(path, "r") as file:
                radar = torch.from_numpy(np.moveaxis(file["sen1"][row].astype(np.float64), -1, 0))
                optical = torch.from_numpy(np.moveaxis(file["sen2"][row].astype(np.float64), -1, 0))
                label = torch.tensor(file["label"][row].argmax())
            torch.cat([radar, optical]).float(), label
        return len(rows)

    return read


def in_batches(open_source: Callable[[], So2SatFile | So2SatCache], rows: list[int]) -> Read:
    def read() -> int:
        patches = So2SatPatches(open_source(), rows)
        for start in range(0, len(rows), BATCH):
            patches[range(start, min(start + BATCH, len(rows)))]
        return len(rows)

    return read


def whole_epoch(path: Path) -> Read:
    def read() -> int:
        file = open_h5(path)
        return sum(len(torch.from_numpy(pixels)) for pixels, _ in stream(file, BATCH, seed=1))

    return read


def forget(folder: Path) -> None:
    """Ask the system to drop the pages of all files in a folder."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream_:
                os.posix_fadvise(stream_.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rates(read: Read) -> tuple[float, float]:
    """Return patches per second of wall time and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = read()
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def measure(ways: dict[str, Read], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return per way the medians: wall cold, wall warm, processor cold, processor warm."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, read in ways.items():
            forget(folder)
            (cold, cold_cpu), (warm, warm_cpu) = rates(read), rates(read)
            found[name].append((cold, warm, cold_cpu, warm_cpu))
    return {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}


def speed_table(found: dict[str, list[float]]) -> list[str]:
    first = next(iter(found.values()))
    lines = [
        "| way | patches/s cold | warm | times patch by patch, cold | warm | per processor second, warm | times |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (cold, warm, _, cpu) in found.items():
        shares = f"{cold / first[0]:.1f} | {warm / first[1]:.1f} | {cpu:,.0f} | {cpu / first[3]:.1f}"
        lines.append(f"| {name} | {cold:,.0f} | {warm:,.0f} | {shares} |")
    return lines


def error_table(file: So2SatFile, cache: So2SatCache) -> list[str]:
    """Return the largest errors of the compact copy per channel, and of what is derived from it."""
    rows = np.arange(min(file.n, 500))
    channels = [*CHANNELS, *RSNNET9.channels]
    lines = [
        "| channel | largest relative error, of values above 1e-4 | largest absolute error | standard deviation |",
        "|---|---:|---:|---:|",
    ]
    original, stored = (read_channels(source, rows, channels) for source in (file, cache))
    for i, name in enumerate(channels):
        error, size = np.abs(stored[:, i] - original[:, i]), np.abs(original[:, i])
        relative = (error[size > 1e-4] / size[size > 1e-4]).max()
        lines.append(f"| {name} | {relative:.1e} | {error.max():.1e} | {original[:, i].std():.1e} |")
    return lines


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--patches", type=int, default=4000)
    arguments.add_argument("--reads", type=int, default=2000, help="patches that are read in random order")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--layout", choices=["contiguous", "chunked", "compressed"], default="contiguous")
    arguments.add_argument("--folder", type=Path, help="where the files are made; none: a temporary folder")
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        path = folder / "own.h5"
        make_file(path, given.patches, given.layout)
        began, began_cpu = time.perf_counter(), time.process_time()
        half = convert(path, folder / "float16", md5=False)
        took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
        convert(path, folder / "float32", dtype="float32", md5=False)
        rows = np.random.default_rng(2).permutation(given.patches)[: given.reads].tolist()
        ways: dict[str, Read] = {
            "patch by patch from HDF5": patch_by_patch(path, rows),
            "our reader, random rows, batches of 256": in_batches(lambda: open_h5(path), rows),
            "our reader, a shuffled epoch by blocks": whole_epoch(path),
            "compact copy, float16, random rows": in_batches(lambda: open_cache(folder / "float16"), rows),
            "compact copy, float32, random rows": in_batches(lambda: open_cache(folder / "float32"), rows),
        }
        found = measure(ways, folder, given.rounds)
        sizes = {
            kind: sum(p.stat().st_size for p in (folder / kind).iterdir()) / 1e6 for kind in ("float16", "float32")
        }
        lines = [
            f"{given.patches} generated patches, {given.layout}, {path.stat().st_size / 1e6:.0f} MB; compact copies of "
            f"{sizes['float16']:.0f} MB (float16) and {sizes['float32']:.0f} MB (float32). Conversion to float16: "
            f"{given.patches / took:,.0f} patches/s ({given.patches / took_cpu:,.0f} per processor second). "
            f"{given.reads} random rows, medians of {given.rounds} rounds, one thread.",
            "",
            *speed_table(found),
            "",
            *error_table(open_h5(path), half),
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
