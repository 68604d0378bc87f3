"""Stacking 12 dates of a tile, beside the plain way: time, peak memory, and whether the pixels are the same.

    python benchmarks/stack_speed.py [--tile-px 2048] [--dates 12] [--city-px 2048] [--threads 1] [--out table.md]

The plain way reads every band of every date onto the tile with rasterio, holds them all, and takes the median of
the clear ones. `--city-px 5000` makes a city of 50 km; then only a tile of it is stacked, the first.
Each way runs in a process of its own; its peak memory is the system's figure for that process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_10, S2_RESOLUTION_M
from lczmap.files import write_text
from lczmap.grid import Grid, tile_geobox, tiles
from lczmap.parallel import dask_scheduler
from lczmap.raster import read_onto, read_stack, write_cells
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.composite import pixel_quality, rank_by_usable
from lczmap.scenes.local import read_archive, write_archive
from lczmap.scenes.overpass import measure_usable
from lczmap.scenes.stack import OpticalOptions, stack_sentinel2

CRS, WEST, NORTH, MARGIN_M = "EPSG:32631", 400_000.0, 5_800_000.0, 600.0
CLOUD_SHARE = 0.3


def make_scenes(folder: Path, dates: int, city_px: int) -> None:
    """Write noise over blocks of 160 m as uint16 at native pixel sizes, and masks with clouds of 1 km."""
    rng = np.random.default_rng(1)
    scenes = []
    for date in range(dates):
        assets = {}
        for band in S2_10.channels:
            pixels = noisy_blocks(rng, city_px, S2_RESOLUTION_M[band])
            assets[band] = write(folder / str(date) / f"{band}.tif", pixels, S2_RESOLUTION_M[band])
        clouds = np.kron(rng.random((cells(city_px, 1000),) * 2) < CLOUD_SHARE, np.ones((50, 50), bool))
        mask = Asset(write(folder / str(date) / "cloud.tif", clouds.astype(np.uint8), 20).path)
        moment = f"2024-{1 + date:02d}-10T10:00:00Z"
        state = {"level": "L1C"}
        scenes.append(Scene(f"d{date}", "sentinel-2", "sentinel-2a", moment, state, None, None, assets, mask))
    write_archive(folder / "archive.yaml", scenes)


def cells(city_px: int, size_m: int) -> int:
    return -(-round(city_px * 10 + 2 * MARGIN_M) // size_m)


def noisy_blocks(rng: np.random.Generator, city_px: int, pixel_m: int) -> np.ndarray:
    coarse = rng.integers(500, 3000, (cells(city_px, 160),) * 2, dtype=np.uint16)
    pixels = np.kron(coarse, np.ones((160 // pixel_m,) * 2, np.uint16))
    return pixels + rng.integers(0, 32, pixels.shape, dtype=np.uint16)


def write(path: Path, pixels: np.ndarray, pixel_m: int) -> Asset:
    geobox = GeoBox(pixels.shape, Affine(pixel_m, 0, WEST - MARGIN_M, 0, -pixel_m, NORTH + MARGIN_M), CRS)
    write_cells(path, pixels[None], geobox, names=[path.stem], nodata=None)
    return Asset(str(path), scale=1e-4, nodata=0, unit="reflectance")


def grid_of(city_px: int, tile_px: int) -> Grid:
    extent = shapely.box(WEST, NORTH - city_px * 10, WEST + city_px * 10, NORTH)
    return Grid(CRS, WEST, NORTH, city_px, city_px, 1, tile_px, extent)


def ours(scenes: list[Scene], grid: Grid, out: Path, threads: int) -> None:
    with dask_scheduler(threads=threads):
        stack_sentinel2(scenes, grid, tiles(grid)[0], out, OpticalOptions(clouds="source"))


def plain(scenes: list[Scene], grid: Grid, out: Path) -> None:
    geobox = tile_geobox(grid, tiles(grid)[0])
    stack = np.empty((len(scenes), len(S2_10.channels), *geobox.shape), np.float32)
    for date, scene in enumerate(scenes):
        for band, name in enumerate(S2_10.channels):
            stack[date, band] = read_onto(scene.assets[name].path, geobox, resampling="cubic", nodata=0)
        clear = read_onto(scene.cloud.path, geobox, resampling="nearest") == 0
        stack[date, :, ~(clear & np.isfinite(stack[date]).all(axis=0))] = np.nan
    stack = np.maximum(stack * np.float32(1e-4), 0)
    ranks = rank_by_usable([s.usable_fraction for s in scenes], [s.datetime for s in scenes])
    quality = pixel_quality(stack, ranks)
    clear = np.isfinite(stack[:, 0])
    worst = np.argmin(np.where(clear, quality, np.inf), axis=0)
    even = clear.sum(axis=0) % 2 == 0
    stack[np.broadcast_to(((np.arange(len(stack))[:, None, None] == worst) & even)[:, None], stack.shape)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that is never clear
        np.save(out, np.nanmedian(stack, axis=0))


def run(way: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one way here; returns seconds and the peak of this process in MiB."""
    grid = grid_of(arguments.city_px, arguments.tile_px)
    scenes = read_catalogue_of(folder)
    started, used = time.monotonic(), time.process_time()
    if way == "ours":
        ours(scenes, grid, folder / "ours.tif", arguments.threads)
    else:
        plain(scenes, grid, folder / "plain.npy")
    return {
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - used,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def read_catalogue_of(folder: Path) -> list[Scene]:
    shares = json.loads((folder / "shares.json").read_text())
    return [Scene(**{**vars(s), "usable_fraction": shares[s.id]}) for s in read_archive(folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tile-px", type=int, default=2048)
    parser.add_argument("--city-px", type=int, default=2048)
    parser.add_argument("--dates", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--run", choices=["ours", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only-ours", action="store_true", help="leave out the plain way")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run(arguments.run, arguments.folder, arguments)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_scenes(folder, arguments.dates, arguments.city_px)
        grid = grid_of(arguments.city_px, arguments.tile_px)
        measured = measure_usable(read_archive(folder), grid, method="source")
        write_text(folder / "shares.json", json.dumps({s.id: s.usable_fraction for s in measured}))
        ways = ["ours"] if arguments.only_ours else ["ours", "plain"]
        figures = {way: in_a_process(way, folder, arguments) for way in ways}
        rows = [
            f"| {way} | {f['seconds']:.1f} | {f['cpu_seconds']:.1f} | {f['peak_mib']:.0f} |"
            for way, f in figures.items()
        ]
        text = "\n".join(["| way | seconds | CPU seconds | peak MiB |", "|---|---|---|---|", *rows]) + "\n"
        text += f"\n{arguments.dates} dates, a tile of {arguments.tile_px} px of a city of {arguments.city_px} px, "
        text += f"{arguments.threads} thread(s). "
        if not arguments.only_ours:
            ours_pixels, plain_pixels = read_stack(folder / "ours.tif").pixels, np.load(folder / "plain.npy")
            apart = np.abs(ours_pixels - plain_pixels)
            both_missing = np.array_equal(np.isnan(ours_pixels), np.isnan(plain_pixels))
            differ = (np.nan_to_num(apart) > 1.01e-4).any(axis=0).mean()
            text += (
                f"Values differ by more than one DN on {differ:.4%} of the pixels (two dates equally hazy to the last "
            )
            text += f"bit), same nodata: {both_missing}.\n"
        print(text)
        if arguments.out:
            write_text(arguments.out, text)


def in_a_process(way: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    options = ["--tile-px", arguments.tile_px, "--city-px", arguments.city_px, "--threads", arguments.threads]
    command = [sys.executable, __file__, "--run", way, "--folder", folder, *options]
    answer = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
