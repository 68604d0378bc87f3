"""Geocoding speed on a real product's geometry, beside a plain numpy version: a table in markdown.

    python benchmarks/slc_geocoding.py [--data ../shared/data/safe] [--px 3000] [--layers 8] [--repeats 5] [--out t.md]

A map of 10 m pixels over made-up hills, where bursts and subswaths of the product meet; the layers are noise of the
size of each burst's window. The plain version projects every pixel with pyproj, runs Newton's method on whole arrays,
chooses bursts with masks and gathers with fancy indexing. Threads: numba's default (NUMBA_NUM_THREADS), numpy one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.files import write_text
from lczmap.sar.burst import BurstTable, burst_table
from lczmap.sar.geocode import Placement, gather, place, radar_windows
from lczmap.sar.orbit import OrbitFit, fit_orbit
from lczmap.sar.safe import SlcProduct, open_slc

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

CRS = "EPSG:32611"
SPEED_OF_LIGHT = 299_792_458.0  # m / s
PLAIN_ROWS = 250  # the plain version's arrays are this high, to spare memory
HEAD = "| | place, Mpx/s | gather, Mpx/s | both, Mpx/s |\n|---|---|---|---|"


def map_over(product: SlcProduct, size_px: int) -> GeoBox:
    """Return a square map around the seam of IW1 and IW2, halfway along the track."""
    points = product.swaths["IW2"].points
    seam = np.flatnonzero(points.pixel == 0)
    middle = seam[len(seam) // 2]
    x, y = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(
        points.longitude[middle], points.latitude[middle]
    )
    west, north = round(x - 5 * size_px, -1), round(y + 5 * size_px, -1)
    return GeoBox((size_px, size_px), Affine(10, 0, west, 0, -10, north), CRS)


def hills(geobox: GeoBox) -> Float:
    rows, cols = np.mgrid[: geobox.height, : geobox.width].astype(np.float32)
    return np.asarray(1200 + 300 * np.sin(cols / 70) * np.cos(rows / 90) + 40 * np.sin(cols / 7), np.float32)


def plain_place(geobox: GeoBox, height: Float, orbit: OrbitFit, table: BurstTable) -> Placement:
    found = Placement(np.full(height.shape, -1, np.int16), *(np.full(height.shape, -1, np.int32) for _ in range(2)))
    for first in range(0, height.shape[0], PLAIN_ROWS):
        rows = slice(first, first + PLAIN_ROWS)
        line_time, range_time = plain_times(geobox[rows, :], height[rows], orbit, table)
        for entry in range(table.number.size):
            (since, until), (near, far) = table.serving_time[entry], table.serving_range[entry]
            here = (line_time >= since) & (line_time < until) & (range_time >= near) & (range_time < far)
            line = np.rint((line_time[here] - table.azimuth_time[entry]) / table.azimuth_interval_s[entry])
            sample = (range_time[here] - table.near_range_time_s[entry]) * table.range_sampling_rate_hz[entry]
            found.burst[rows][here] = entry
            found.line[rows][here], found.sample[rows][here] = line, np.rint(sample)
    return found


def plain_times(geobox: GeoBox, height: Float, orbit: OrbitFit, table: BurstTable) -> tuple[Double, Double]:
    """Return line times and range times (rows, cols)."""
    cols, rows = np.meshgrid(np.arange(geobox.width) + 0.5, np.arange(geobox.height) + 0.5)
    lon, lat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(
        *(geobox.transform @ (cols, rows))
    )
    to_earth = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    points = np.stack(to_earth.transform(lon, lat, height), axis=-1)
    moment = np.full(height.shape, orbit.centre_s)
    for _ in range(4):
        toward, velocity = orbit.position(moment) - points, orbit.velocity(moment)
        slope = (velocity**2).sum(axis=-1) + (toward * acceleration(orbit, moment)).sum(axis=-1)
        moment -= (toward * velocity).sum(axis=-1) / slope
    range_time = 2 * np.linalg.norm(orbit.position(moment) - points, axis=-1) / SPEED_OF_LIGHT
    return table.line_time(moment, range_time), range_time


def acceleration(orbit: OrbitFit, moment: Double) -> Double:
    u = (moment - orbit.centre_s) / orbit.half_s
    second = np.polynomial.polynomial.polyder(orbit.coefficients, 2, axis=1) / orbit.half_s**2
    return np.stack([np.polynomial.polynomial.polyval(u, axis) for axis in second], axis=-1)


def plain_gather(layers: Float, line: int, sample: int, placement: Placement, entry: int, out: Float) -> None:
    here = placement.burst == entry
    out[:, here] = layers[:, placement.line[here] - line, placement.sample[here] - sample]


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, the first one (compilation, fresh memory) not counted."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure_gather(way: Callable[..., None], placement: Placement, count: int, out: Float, repeats: int) -> float:
    """Return the seconds that gathering all bursts takes, one in memory at a time; making the noise not counted."""
    total, rng = 0.0, np.random.default_rng(1)
    for entry, (lines, samples) in radar_windows(placement).items():
        size = (count, lines.stop - lines.start, samples.stop - samples.start)
        layers = rng.random(size, dtype=np.float32)
        arguments = (layers, lines.start, samples.start, placement, entry, out)
        total += seconds(lambda arguments=arguments: way(*arguments), repeats)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/safe"), help="folder with the product's zip")
    parser.add_argument("--px", type=int, default=3000, help="pixels on each side of the map")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the table here too")
    options = parser.parse_args()
    product = open_slc(next(options.data.glob("S1A_IW_SLC__*7768.zip")))
    orbit = fit_orbit(product.state_vectors, product.start_s, product.stop_s)
    table, geobox = burst_table(product.swaths), map_over(product, options.px)
    height, pixels = hills(geobox), options.px**2 / 1e6
    out, plain_out = (np.zeros((options.layers, *geobox.shape), np.float32) for _ in range(2))
    placement, plain = place(geobox, height, orbit, table), plain_place(geobox, height, orbit, table)
    lines = [HEAD]
    for label, how, bring, target, repeats in (
        (f"lczmap, {numba.get_num_threads()} threads", place, gather, out, options.repeats),
        ("plain numpy", plain_place, plain_gather, plain_out, 1),
    ):
        placing = seconds(lambda how=how: how(geobox, height, orbit, table), repeats)
        gathering = measure_gather(bring, placement, options.layers, target, repeats)
        speeds = " | ".join(f"{pixels / taken:.1f}" for taken in (placing, gathering, placing + gathering))
        lines.append(f"| {label} | {speeds} |")
    same = (placement.burst == plain.burst) & (placement.line == plain.line) & (placement.sample == plain.sample)
    lines += [
        "",
        f"{options.px} × {options.px} px from {len(radar_windows(placement))} bursts, {options.layers} layers. The "
        f"placements differ in {np.count_nonzero(~same)} pixels, the gathered layers "
        f"{'do not differ' if np.array_equal(out, plain_out) else 'differ'}.",
    ]
    print("\n".join(lines))
    if options.out:
        write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
