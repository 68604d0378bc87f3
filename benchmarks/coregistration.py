"""Write a table of how well shifts between Sentinel-1 and Sentinel-2 are measured, simulated and real.

    python benchmarks/coregistration.py --out results/coregistration.md --pictures results/coregistration --data DIR

`--data` is the folder of small real data (sentinel_site, terramind_sites), `--size-m` the side of the simulated city.
scikit-image's plain phase correlation of the intensity images stands in the same tables.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from lczmap.channels import S2_BANDS_L1C
from lczmap.evaluation.shift_figures import draw_overlay, draw_shifts
from lczmap.files import write_text
from lczmap.grid import Grid
from lczmap.raster import lattice, warp
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.clouds import CloudMethod, read_asset
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
from lczmap.scenes.radar import radar_block
from lczmap.scenes.shift import (
    INFORMATION_WINDOWS,
    REFERENCE_BANDS,
    WINDOWS_PER_SIDE,
    estimate_city_shifts,
    reference_passes,
)
from lczmap.scenes.simulate import _build, simulate_city
from lczmap.scenes.simulation.place import CENTRE_EAST, CENTRE_NORTH, CRS, place_geobox
from lczmap.scenes.simulation.radar import draw_speckle, mean_covariance, sample_displaced
from lczmap.scenes.windows import spread_windows

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]

PIXEL_M = 10
MOST_PX = 3.0  # of the random shifts, each way
INFORMATION_DRAWS = 10  # of each pass: mutual information costs more than the rest together
SITE = "EPSG:32643"
TERRAMIND = {"282D_485L_3_3": -0.1, "38D_378R_2_3": 0.0, "609U_541L_3_0": -0.1}  # offset of the reflectance
INSET_PX = 16  # of a place's grid within its pictures


def plain_phase(optical: Float, radar: Float) -> tuple[float, float]:
    """Return what scikit-image finds (right, down, pixels) between two intensity pictures (y, x), NaN set to 0."""
    found = phase_cross_correlation(  # type: ignore[no-untyped-call]  # scikit-image has no types
        np.nan_to_num(optical), np.nan_to_num(radar), upsample_factor=100
    )
    shift = found[0]
    return float(shift[1]), float(shift[0])


# --- simulated pairs


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
        _row(label, "structure", [draw.error for draw in found], note),
        _row(label, "mutual information", [draw.information for draw in found if draw.information], ""),
        _row(label, "scikit-image phase correlation", [draw.phase for draw in found], ""),
    ]


def _row(label: str, estimator: str, errors: Sequence[tuple[float, float]], note: str) -> str:
    length = np.hypot(*np.array(errors).T)
    figures = " | ".join(f"{value:.3f}" for value in (np.median(length), np.quantile(length, 0.95), length.max()))
    return f"| {label} | {estimator} | {len(length)} | {figures} | {note} |"


# --- real places


@dataclass(frozen=True)
class Place:
    """Real scenes of one place under one georeference."""

    name: str
    grid: Grid
    scenes: tuple[Scene, ...]
    clouds: CloudMethod


def real_places(data: Path, archive: Path) -> list[Place]:
    """Return sentinel_site as its files are tagged and as metadata.json has it, and the three of terramind_sites."""
    scenes = [s for s in read_archive(archive) if s.state.get("level") != "L2A"]
    native = square_grid(SITE, 336050, 3372750, 260)
    tagged = [
        replace(s, assets={name: replace(a, crs=None, transform=None) for name, a in s.assets.items()}) for s in scenes
    ]
    return [
        Place("sentinel_site, tagged", native, tuple(tagged), "auto"),
        Place("sentinel_site, native", native, tuple(scenes), "auto"),
        *(terramind_place(data / "terramind_sites", name, offset) for name, offset in TERRAMIND.items()),
    ]


def terramind_place(folder: Path, name: str, offset: float) -> Place:
    """Return one of the terramind_sites as two scenes."""
    optical, radar = (folder / product / f"{name}.tif" for product in ("S2L1C", "S1RTC"))
    pixels = lattice(optical)
    west, north = pixels.transform @ (INSET_PX, INSET_PX)
    grid = square_grid(str(pixels.crs), west, north, pixels.shape[0] - 2 * INSET_PX)
    bands = {
        band: Asset(path=str(optical), band=number, scale=1e-4, offset=offset, unit="reflectance")
        for number, band in enumerate(S2_BANDS_L1C, start=1)
    }
    power = {band: Asset(path=str(radar), band=number, unit="dB") for number, band in enumerate(("VV", "VH"), start=1)}
    state = {"product": "grd", "calibration": "gamma0", "noise_removed": "true", "looks": "4.4"}
    moment = "2020-01-01T00:00:00Z"  # not stated by the files
    return Place(
        f"terramind {name}",
        grid,
        (
            Scene("sentinel-2", "sentinel-2", "sentinel-2", moment, {"level": "L1C"}, None, None, bands),
            Scene("sentinel-1", "sentinel-1", "sentinel-1", moment, state, None, None, power),
        ),
        "none",  # two are clear, one lies under snow, which the mask would take away
    )


def real_rows(place: Place, extra: int, folder: Path, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return table rows of what is measured, and of how well `extra` known shifts of each pass are recovered."""
    passes = [scene for scene in place.scenes if scene.sensor == "sentinel-1"]
    shifts = {scene.id: rng.uniform(-MOST_PX, MOST_PX, (extra, 2)) for scene in passes}
    moved = [
        replace(move(scene, *(PIXEL_M * shift)), id=f"{scene.id}+{number}", platform=str(number))
        for scene in passes
        for number, shift in enumerate(shifts[scene.id])
    ]
    scenes = measure_usable(place.scenes, place.grid, method=place.clouds)
    with tempfile.TemporaryDirectory() as temporary:
        entries = _estimate([*scenes, *moved], place, Path(temporary) / "moved.json")["scenes"]
    alone = _estimate(scenes, place, folder / f"{_file_name(place.name)}.json")
    draw_shifts(alone, folder / f"{_file_name(place.name)}_shifts.png", title=place.name)
    measured, recovered = [], []
    for scene in passes:
        entry, label = entries[scene.id], f"{place.name}, {scene.orbit_direction or 'pass'}"
        measured += _measured_rows(label, entry, place, scenes, scene, folder)
        found = [entries[f"{scene.id}+{number}"] for number in range(extra)]
        recovered += _recovered_rows(label, entry, found, shifts[scene.id])
    return measured, recovered


def _measured_rows(
    label: str, entry: Mapping[str, Any], place: Place, scenes: Sequence[Scene], scene: Scene, folder: Path
) -> list[str]:
    reference = reference_passes(scenes)[0].scenes[0]
    grey = read_asset(reference.assets["B8"], place.grid.geobox, "cubic")
    before = radar_block(scene, place.grid.geobox, "grd4", (0.0, 0.0))[1]
    right, down = plain_phase(grey, before)
    # the picture shows where the measured shift would put it, also where it is not applied
    measured = (entry["measured_east_m"] or 0.0, entry["measured_north_m"] or 0.0)
    after = radar_block(scene, place.grid.geobox, "grd4", measured)[1]
    name = f"{_file_name(label)}_overlay.png"
    title = f"{label}: measured {measured[0]:+.1f} m east, {measured[1]:+.1f} m north"
    draw_overlay(grey, _decibel(before), _decibel(after), folder / name, title=title)
    scale = f"{_number(entry['scale_east'], 4)} ± {_number(entry['scale_sigma_east'], 4)}, "
    scale += f"{_number(entry['scale_north'], 4)} ± {_number(entry['scale_sigma_north'], 4)}"
    consistent = {True: "yes", False: "**no**", None: "cannot be told"}[entry["consistent_georeference"]]
    second = entry["mutual_information"]
    agrees = {True: "agrees", False: "disagrees", None: "no clear peak"}[second["agrees"]]
    decision = "applied" if entry["applied"] else f"not applied: {entry['reason']}"
    return [
        f"| {label} | structure | {_shift(entry)} | {scale} | {consistent} | {decision} |",
        f"| {label} | mutual information | {_shift(second)} | | | {agrees} |",
        f"| {label} | scikit-image | {right:+.2f}, {-down:+.2f} | | | |",
    ]


def _recovered_rows(
    label: str, entry: Mapping[str, Any], found: Sequence[Mapping[str, Any]], shifts: Double
) -> list[str]:
    rows = []
    for estimator, base, others in (
        ("structure", entry, found),
        ("mutual information", entry["mutual_information"], [other["mutual_information"] for other in found]),
    ):
        keys = ("measured_east_m", "measured_north_m")
        if any(one["sigma_m"] is None for one in (base, *others)):
            rows.append(f"| {label} | {estimator} | {len(found)} | none | none | none | |")
            continue
        errors = [
            tuple((other[key] - base[key]) / PIXEL_M + moved for key, moved in zip(keys, shift, strict=True))
            for other, shift in zip(others, shifts, strict=True)
        ]
        rows.append(_row(label, estimator, errors, ""))
    return rows


def move(scene: Scene, east_m: float, north_m: float) -> Scene:
    """Return a scene whose files lie `east_m`, `north_m` metres further than they say."""
    return replace(scene, assets={name: _move_asset(asset, east_m, north_m) for name, asset in scene.assets.items()})


def _move_asset(asset: Asset, east_m: float, north_m: float) -> Asset:
    pixels = lattice(asset.path, crs=asset.crs, transform=asset.transform)
    a, b, west, d, e, north = tuple(pixels.transform)[:6]
    if pixels.crs is not None and pixels.crs.geographic:
        metres_per_degree = 111_320.0
        east_m /= metres_per_degree * math.cos(math.radians(north))
        north_m /= metres_per_degree
    return replace(asset, transform=(a, b, west + east_m, d, e, north + north_m))


def square_grid(crs: str, west: float, north: float, size_px: int) -> Grid:
    """Return a grid of `size_px` × `size_px` pixels."""
    side = size_px * PIXEL_M
    return Grid(crs, west, north, size_px, size_px, 1, size_px, shapely.box(west, north - side, west + side, north))


def _estimate(scenes: Sequence[Scene], place: Place, path: Path) -> dict[str, Any]:
    with redirect_stdout(sys.stderr):
        return estimate_city_shifts(scenes, place.grid, path, cloud_method=place.clouds)


def _decibel(power: Float) -> Double:
    # NaN stays NaN, and spreads over two pixels
    return np.asarray(10 * np.log10(np.maximum(ndimage.gaussian_filter(power, 0.7, truncate=2), 1e-5)), np.float64)


def _shift(entry: Mapping[str, Any]) -> str:
    east, north, sigma = (entry[key] for key in ("measured_east_m", "measured_north_m", "sigma_m"))
    if east is None or sigma is None:
        return "none"
    return f"{east / PIXEL_M:+.2f}, {north / PIXEL_M:+.2f} ± {sigma / PIXEL_M:.2f}"


def _number(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:.{digits}f}"


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label).replace("__", "_")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True, help="Markdown file")
    options.add_argument("--pictures", type=Path, required=True, help="folder for pictures and coregistration.json")
    options.add_argument("--data", type=Path, help="folder of small real data; without it only the simulation")
    options.add_argument("--archive", type=Path, default=Path("tests/configs/punjab_archive.yaml"))
    options.add_argument("--size-m", type=int, default=12_000)
    options.add_argument("--draws", type=int, default=25, help="random shifts of each of two passes; 0: real data only")
    options.add_argument("--extra", type=int, default=20, help="known extra shifts of each real pass")
    given = options.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    head = "| picture | estimator | shifts | median, px | 95 %, px | largest, px | |\n|---|---|---|---|---|---|---|"
    parts = []
    if given.draws:
        with tempfile.TemporaryDirectory() as folder:
            parts += [head, *simulated_rows(given.size_m, given.draws, 1, Path(folder)), ""]
    if given.data is not None:
        rng = np.random.default_rng(2)
        results = [
            real_rows(place, given.extra, given.pictures, rng) for place in real_places(given.data, given.archive)
        ]
        parts += ["| place, pass | estimator | shift east, north, px | scale east, north | consistent? | |"]
        parts += ["|---|---|---|---|---|---|", *(row for measured, _ in results for row in measured), ""]
        parts += [head, *(row for _, recovered in results for row in recovered), ""]
    write_text(given.out, "\n".join(parts))
    sys.stdout.write(given.out.read_text())


if __name__ == "__main__":
    main()
