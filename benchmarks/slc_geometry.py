"""Solved radar geometry beside the geolocation grids of real Sentinel-1 annotations: a table in markdown.

    python benchmarks/slc_geometry.py [--data ../shared/data/safe] [--out table.md]

Every point of a grid has a place and a height, the zero-Doppler time and the slant range time that ESA's processor
computed for it, and the line of the image it lies on. Compared are: the range time, in samples; the zero-Doppler time,
in lines; and the line, without and with the bistatic term. The orbit is the product's own; an incomplete product is
compared as far as its annotations go.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pyproj

from lczmap.files import write_text
from lczmap.sar.burst import burst_table
from lczmap.sar.geocode import solve
from lczmap.sar.orbit import fit_orbit
from lczmap.sar.safe import Swath
from lczmap.sar.safe.annotation import SlcAnnotation, parse_slc

Double = npt.NDArray[np.float64]

HEAD = (
    "| product | swath | points | range, max px | zero-Doppler time, max line | line without term, mean (max) "
    "| line with term, mean (max) |\n|---|---|---|---|---|---|---|"
)
TO_EARTH = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def annotation_texts(product: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and text of a product's annotations, VV after VH, from a folder or a zip."""
    if product.suffix == ".zip":
        with zipfile.ZipFile(product) as archive:
            for name in sorted(archive.namelist()):
                if PurePosixPath(name).parent.name == "annotation" and name.endswith(".xml"):
                    yield PurePosixPath(name).name, archive.read(name)
    else:
        for path in sorted((product / "annotation").glob("*.xml")):
            yield path.name, path.read_bytes()


def read_swaths(product: Path) -> dict[str, SlcAnnotation]:
    """Return one annotation of each swath, VV where there is one."""
    epoch = datetime.strptime(product.name.split("_")[5][:8], "%Y%m%d")
    found = [parse_slc(text, name, epoch) for name, text in annotation_texts(product)]
    return {one.swath.name: one for one in sorted(found, key=lambda one: (one.swath.name, one.polarisation))}


def line_times(swath: Swath) -> Double:
    """Return the times of the lines that the grid's points lie on."""
    burst = np.minimum(swath.points.line // swath.lines_per_burst, len(swath.bursts) - 1).astype(int)
    start = np.array([one.azimuth_time for one in swath.bursts])
    return np.asarray(start[burst] + (swath.points.line - burst * swath.lines_per_burst) * swath.azimuth_interval_s)


def rows(product: Path) -> Iterator[str]:
    found = read_swaths(product)
    table = burst_table({name: one.swath for name, one in found.items()})
    for name, one in found.items():
        swath, points = one.swath, one.swath.points
        times = line_times(swath)
        orbit = fit_orbit(one.state_vectors, float(times.min()), float(times.max()))
        place = np.stack(TO_EARTH.transform(points.longitude, points.latitude, points.height))
        time, range_time = solve(orbit, place)
        range_px = np.abs(range_time - points.range_time_s).max() * swath.range_sampling_rate_hz
        away = (time - points.azimuth_time, time - times, table.line_time(time, range_time) - times)
        zero, without, with_term = (one / swath.azimuth_interval_s for one in away)
        label = product.stem[:3] + product.stem[-5:]
        yield (
            f"| {label} | {name} {one.polarisation} | {time.size} | {range_px:.1e} | {np.abs(zero).max():.4f} | "
            f"{without.mean():+.4f} ({np.abs(without).max():.4f}) | "
            f"{with_term.mean():+.4f} ({np.abs(with_term).max():.4f}) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/safe"), help="folder of SAFE folders and zips"
    )
    parser.add_argument("--out", type=Path, help="write the table here too")
    options = parser.parse_args()
    products = [path for path in sorted(options.data.glob("S1*_IW_SLC_*")) if path.suffix in (".SAFE", ".zip")]
    if not products:
        raise SystemExit(f"no Sentinel-1 SLC product in {options.data}; give their folder with --data")
    table = "\n".join([HEAD, *(row for product in products for row in rows(product))])
    print(table)
    if options.out:
        write_text(options.out, table + "\n")


if __name__ == "__main__":
    main()
