"""A 50 × 50 km city from an SLC product of the real size: time of each step, and peak memory.

    python benchmarks/slc_city.py [--city-km 50] [--channels so2sat8] [--data ../shared/data] [--folder …] [--out …]

The product has the annotations of a real one and random numbers for pixels, in the bursts that the city needs (1 to 2
GB on disk). Reads are timed apart, because they are the disk's; writing the GeoTIFF as well.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product as product_of
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from lczmap.channels import channel_set
from lczmap.files import write_text
from lczmap.grid import Grid, make_grid
from lczmap.raster import write_cells, write_parts
from lczmap.sar.safe import SlcProduct, open_slc
from lczmap.scenes.slc.flight import flight_of
from lczmap.scenes.slc.pixels import Terrain, geocoded_parts
from lczmap.scenes.sources.source import MARGIN_M

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from sar.synthetic_slc import unpack_annotations, write_safe

HEIGHT_M = 1600.0


@dataclass
class Clock:
    """Seconds by step."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began


class Timed:
    """A product whose reads are timed."""

    def __init__(self, product: SlcProduct, clock: Clock) -> None:
        self.product, self.clock, self.pixels = product, clock, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.product, name)

    def read(self, swath: str, polarisation: str, rows: slice, cols: slice) -> np.ndarray:
        self.pixels += (rows.stop - rows.start) * (cols.stop - cols.start)
        with self.clock.step("reading"):
            return self.product.read(swath, polarisation, rows, cols)


def city_of(product: SlcProduct, size_km: float) -> Grid:
    """Return a city in the middle of the product, over its subswath borders."""
    lon, lat = (
        float(np.mean(axis)) for axis in (product.swaths["IW2"].points.longitude, product.swaths["IW2"].points.latitude)
    )
    east = size_km / (111.32 * math.cos(math.radians(lat))) / 2
    return make_grid(shapely.box(lon - east, lat - size_km / 222.4, lon + east, lat + size_km / 222.4))


def fill(product: SlcProduct, grid: Grid) -> None:
    """Write random DN into the lines that a city and its margin may need."""
    rng = np.random.default_rng(1)
    noise = np.round(rng.normal(0, 60, (1600, 4096)) + 1j * rng.normal(0, 60, (1600, 4096))).astype(np.complex64)
    to_map = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    box = grid.geobox.pad(math.ceil(MARGIN_M / 10) + 1500).boundingbox
    for (name, _), part in product.parts.items():
        swath = product.swaths[name]
        x, y = to_map.transform(swath.points.longitude, swath.points.latitude)
        inside = (x > box.left) & (x < box.right) & (y > box.bottom) & (y < box.top)
        lines = swath.points.line[inside]
        if not lines.size:
            continue
        step = swath.lines_per_burst
        bursts = range(int(lines.min() // step), min(int(lines.max() // step) + 1, len(swath.bursts)))
        quiet = warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning)
        with quiet, rasterio.open(product.path / part.measurement, "r+") as image:
            for burst, col in product_of(bursts, range(0, swath.samples, noise.shape[1])):
                width = min(noise.shape[1], swath.samples - col)
                image.write(noise[:step, :width], 1, window=Window(col, burst * step, width, step))


def heights(folder: Path, grid: Grid) -> Path:
    """Write hills of 400 m, 5 km apart, at 30 m."""
    part = grid.geobox.pad(math.ceil(MARGIN_M / 10) + 300)
    shape = (part.shape[0] // 3, part.shape[1] // 3)
    rows, cols = np.mgrid[: shape[0], : shape[1]] * 30 / 5000 * 2 * np.pi
    cells = GeoBox(shape, part.transform * Affine.scale(3), part.crs)
    made = (HEIGHT_M + 200 * np.sin(rows) * np.cos(cols)).astype(np.float32)
    write_cells(folder / "heights.tif", made[None], cells, names=["height"], nodata=None)
    return folder / "heights.tif"


def measure(folder: Path, options: argparse.Namespace) -> str:
    source = next((options.data / "safe").glob("S1A_IW_SLC*.zip"))
    safe = write_safe(unpack_annotations(source, folder / "annotations"), folder, [])
    product = open_slc(safe)
    grid = city_of(product, options.city_km)
    fill(product, grid)
    chosen = Terrain(heights(folder, grid))
    names = channel_set(options.channels).channels
    fit = flight_of(product, None).fit
    warm_up(product, grid, chosen, names, fit)
    clock = Clock()
    timed = Timed(product, clock)
    target = grid.geobox.pad(math.ceil(MARGIN_M / 10))
    shown = 0

    def parts() -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        nonlocal shown
        made = geocoded_parts(timed, fit, target, names, chosen)
        while True:
            with clock.step("computing and reading"):
                part = next(made, None)
            if part is None:
                return
            shown += int(np.isfinite(part[1][0]).sum())
            yield part

    with clock.step("everything"):
        write_parts(folder / "channels.tif", parts(), target, names=names)
    reading, both, everything = (clock.spent[k] for k in ("reading", "computing and reading", "everything"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    map_px = target.height * target.width
    rows = [
        ("map", f"{target.width} × {target.height} px, {shown / map_px:.1%} with radar"),
        ("radar pixels read, both polarisations", f"{timed.pixels / 1e6:.0f} M"),
        ("computing (geocoding, calibration, filter, gather)", f"{both - reading:.1f} s"),
        ("reading", f"{reading:.1f} s"),
        ("writing the GeoTIFF", f"{everything - both:.1f} s"),
        ("peak memory", f"{peak:.0f} MiB"),
        ("cores", str(os.cpu_count())),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def warm_up(product: SlcProduct, grid: Grid, terrain: Terrain, names: tuple[str, ...], fit: object) -> None:
    """Compile the kernels."""
    middle = grid.geobox[:64, :64]
    list(geocoded_parts(product, fit, middle, names, terrain))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city-km", type=float, default=50)
    parser.add_argument("--channels", default="so2sat8")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, help="where the product is written; a temporary folder by default")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = measure(Path(folder), options)
    print(table)
    if options.out:
        write_text(options.out, table + "\n")


if __name__ == "__main__":
    main()
