"""Write tables of the shifts that are measured in real places, and of how well known extra shifts are recovered.

    python benchmarks/coregistration_real.py --data DIR --pictures DIR [--out table.md] [--extra 20]

`--data` is the folder of small real data (sentinel_site, terramind_sites). scikit-image's plain phase correlation of
the intensity images stands in the same table. Quivers, overlays and the places' coregistration.json go to `--pictures`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from shifts import HEAD, MOST_PX, PIXEL_M, Double, Float, error_row, plain_phase, square_grid

from lczmap.channels import S2_BANDS_L1C
from lczmap.evaluation.shift_figures import draw_overlay, draw_shifts
from lczmap.files import write_text
from lczmap.grid import Grid
from lczmap.raster import lattice
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.clouds import CloudMethod, read_asset
from lczmap.scenes.local import read_archive
from lczmap.scenes.overpass import measure_usable
from lczmap.scenes.radar import radar_block
from lczmap.scenes.shift import estimate_city_shifts, reference_passes

ARCHIVE = Path(__file__).parent.parent / "tests" / "configs" / "punjab_archive.yaml"
SITE = "EPSG:32643"
TERRAMIND = {"282D_485L_3_3": -0.1, "38D_378R_2_3": 0.0, "609U_541L_3_0": -0.1}  # offset of the reflectance
INSET_PX = 16  # of a place's grid within its pictures


@dataclass(frozen=True)
class Place:
    """Real scenes of one place under one georeference."""

    name: str
    grid: Grid
    scenes: tuple[Scene, ...]
    clouds: CloudMethod


def real_places(data: Path) -> list[Place]:
    """Return sentinel_site as its files are tagged and as metadata.json has it, and the three of terramind_sites."""
    scenes = [s for s in read_archive(ARCHIVE) if s.state.get("level") != "L2A"]
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
        rows.append(error_row(label, estimator, errors, ""))
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
    options.add_argument("--data", type=Path, required=True, help="folder of small real data")
    options.add_argument("--pictures", type=Path, required=True, help="folder for pictures and coregistration.json")
    options.add_argument("--out", type=Path, help="Markdown file")
    options.add_argument("--extra", type=int, default=20, help="known extra shifts of each pass")
    given = options.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    os.environ["LCZMAP_REAL_DATA"] = str(given.data)
    rng = np.random.default_rng(2)
    results = [real_rows(place, given.extra, given.pictures, rng) for place in real_places(given.data)]
    lines = ["| place, pass | estimator | shift east, north, px | scale east, north | consistent? | |"]
    lines += ["|---|---|---|---|---|---|", *(row for measured, _ in results for row in measured), ""]
    lines += [HEAD, *(row for _, recovered in results for row in recovered), ""]
    text = "\n".join(lines)
    sys.stdout.write(text)
    if given.out:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
