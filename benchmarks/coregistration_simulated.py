"""Write a table of how well random shifts of simulated radar pictures are measured.

    python benchmarks/coregistration_simulated.py [--out table.md] [--size-m 12000] [--draws 25]

A city of the simulator, both radar passes, single-look speckle; errors are lengths in pixels of 10 m. scikit-image's
plain phase correlation of the intensity images stands in the same table.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from shifts import HEAD, MOST_PX, PIXEL_M, Double, Float, error_row, plain_phase, square_grid

from lczmap.files import write_text
from lczmap.grid import Grid
from lczmap.raster import warp
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.clouds import read_asset
from lczmap.scenes.coregister import FixedWindow, Shift, combine, correlate, prepare_fixed
from lczmap.scenes.local import read_archive
from lczmap.scenes.mutual_information import (
    REACH_PX,
    InformationShift,
    classify_optical,
    classify_radar,
    estimate_by_information,
    joint_histograms,
)
from lczmap.scenes.overpass import measure_usable
from lczmap.scenes.shift import INFORMATION_WINDOWS, REFERENCE_BANDS, WINDOWS_PER_SIDE, reference_passes
from lczmap.scenes.simulate import _build, simulate_city
from lczmap.scenes.simulation.place import CENTRE_EAST, CENTRE_NORTH, CRS, place_geobox
from lczmap.scenes.simulation.radar import draw_speckle, mean_covariance, sample_displaced
from lczmap.scenes.windows import spread_windows

INFORMATION_DRAWS = 10  # of each pass: mutual information costs more than the rest together


@dataclass(frozen=True)
class City:
    """The optical side of a simulated city: windows ready to be compared, and one band of all of it."""

    grid: Grid
    windows: tuple[GeoBox, ...]
    fixed: tuple[FixedWindow, ...]
    classes: Mapping[int, npt.NDArray[np.uint8]]
    grey: Float


@dataclass(frozen=True)
class Draw:
    """One simulated picture: errors (right, down) in pixels of each estimator; None where it was not asked."""

    structure: Shift
    error: tuple[float, float]
    information: tuple[float, float] | None
    phase: tuple[float, float]


def simulated_rows(size_m: int, draws: int, seed: int, folder: Path) -> list[str]:
    """Return table rows of random shifts of both passes of a simulated city, and of a control of unrelated pictures."""
    simulate_city(folder, seed=seed, size_m=size_m)
    optical = _optical_city(folder, size_m)
    city, rng = _build(size_m, seed), np.random.default_rng(seed)
    rows: list[str] = []
    every: list[Draw] = []
    for acquisition in city.physics.sentinel1:
        field = mean_covariance(city.ground, city.districts, city.physics, acquisition)
        resolution = city.physics.radar.resolution_m
        found = []
        for number in range(draws):
            shift_px = rng.uniform(-MOST_PX, MOST_PX, 2)
            picture, pixels = _radar_picture(field, resolution, city.half_m, shift_px, rng)
            found.append(_draw(optical, picture, pixels, shift_px, number < INFORMATION_DRAWS))
        rows += _summary(f"{size_m / 1000:g} km, {acquisition.direction}", found)
        every += found
    turned = np.ascontiguousarray(field[:, ::-1, ::-1])
    picture, pixels = _radar_picture(turned, resolution, city.half_m, np.zeros(2), rng)
    control = _compare(optical, [_onto(picture, pixels, window) for window in optical.windows])
    verdict = "NOT FLAGGED" if control.is_reliable else f"flagged: {control.reason}"
    rows += _summary(f"{size_m / 1000:g} km, both", every)
    return [*rows, f"| control: radar turned by 180° | structure | 1 | | | | {verdict} |"]


def _optical_city(folder: Path, size_m: int) -> City:
    grid = square_grid(CRS, CENTRE_EAST - size_m / 2, CENTRE_NORTH + size_m / 2, size_m // PIXEL_M)
    scenes = measure_usable(read_archive(folder / "archive.yaml"), grid)
    windows = spread_windows(grid, WINDOWS_PER_SIDE).windows
    bands = [_reference_bands(scenes, window) for window in windows]
    chosen = np.linspace(0, len(windows) - 1, min(len(windows), INFORMATION_WINDOWS)).round().astype(int)
    return City(
        grid,
        windows,
        tuple(prepare_fixed(window) for window in bands),
        {int(i): classify_optical(bands[i]) for i in chosen},
        read_asset(reference_passes(scenes)[0].scenes[0].assets["B4"], grid.geobox, "cubic"),
    )


def _reference_bands(scenes: Sequence[Scene], window: GeoBox) -> Float:
    stacked = []
    for scene in (one.scenes[0] for one in reference_passes(scenes)):
        pixels = np.stack([read_asset(scene.assets[band], window, "cubic") for band in REFERENCE_BANDS])
        if scene.cloud is not None:
            pixels[:, read_asset(scene.cloud, window, "nearest") > 0] = np.nan
        stacked.append(pixels)
    return np.concatenate(stacked)


def _radar_picture(
    field: Float, resolution_m: float, half_m: float, shift_px: Double, rng: np.random.Generator
) -> tuple[Float, GeoBox]:
    """Draw VH and VV power (2, y, x) of one look that lies `shift_px` (right, down) off the ground."""
    inset = PIXEL_M * (MOST_PX + 2)
    size = math.floor(2 * (half_m - inset) / PIXEL_M)
    west, north = -half_m + inset + 3.3, half_m - inset - 4.1  # on no grid's lattice
    displaced = (PIXEL_M * shift_px[0], -PIXEL_M * shift_px[1])
    vh, vv = draw_speckle(sample_displaced(field, resolution_m, displaced, half_m, west, north, size), rng)
    power = np.square(np.abs(np.stack([vh, vv]))).astype(np.float32)
    return power, place_geobox(west, north, PIXEL_M, (size, size))


def _draw(optical: City, picture: Float, pixels: GeoBox, shift_px: Double, with_information: bool) -> Draw:
    moving = [_onto(picture, pixels, window) for window in optical.windows]
    shift = _compare(optical, moving)
    # what was moved right has to come back left: a perfect estimate is the opposite of the shift
    error = (shift.right + shift_px[0], shift.down + shift_px[1])
    right, down = plain_phase(optical.grey, _onto(picture, pixels, optical.grid.geobox)[1])
    information = None
    if with_information:
        second = _inform(optical, moving)
        information = (second.right + shift_px[0], second.down + shift_px[1])
    return Draw(shift, error, information, (right + shift_px[0], down + shift_px[1]))


def _onto(picture: Float, pixels: GeoBox, window: GeoBox) -> Float:
    return np.stack([warp(channel, pixels, window) for channel in picture])


def _compare(optical: City, moving: Sequence[Float]) -> Shift:
    return combine([correlate(f, m) for f, m in zip(optical.fixed, moving, strict=True)])


def _inform(optical: City, moving: Sequence[Float]) -> InformationShift:
    histograms = [joint_histograms(own, classify_radar(moving[i])) for i, own in optical.classes.items()]
    rows, cols = optical.windows[0].shape
    return estimate_by_information(histograms, (rows - 2 * REACH_PX) * (cols - 2 * REACH_PX))


def _summary(label: str, found: Sequence[Draw]) -> list[str]:
    flagged = sum(not draw.structure.is_reliable for draw in found)
    sigma = float(np.mean([draw.structure.sigma for draw in found]))
    note = f"{flagged} flagged; stated uncertainty {sigma:.3f} px per axis"
    return [
        error_row(label, "structure", [draw.error for draw in found], note),
        error_row(label, "mutual information", [draw.information for draw in found if draw.information], ""),
        error_row(label, "scikit-image phase correlation", [draw.phase for draw in found], ""),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="Markdown file")
    options.add_argument("--size-m", type=int, default=12_000)
    options.add_argument("--draws", type=int, default=25, help="random shifts of each of two passes")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join([HEAD, *simulated_rows(given.size_m, given.draws, 1, Path(folder)), ""])
    sys.stdout.write(text)
    if given.out:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
