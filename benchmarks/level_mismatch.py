"""Write tables of what surface reflectance (L2A) does to networks that were trained on L1C, and of remedies.

    python benchmarks/level_mismatch.py --out table.md

Four places have one date at both levels: `sentinel_site` and the three of `terramind_sites` in the folder of real data
(LCZMAP_REAL_DATA, else ../shared/data). Each network's map of the L2A pixels is compared with its map of the L1C
pixels. A remedy turns L2A into likely L1C by a curve per band that was fitted on the other places. Two columns are
yardsticks, no remedies: L1C 10 m aside shows how restless the networks are, and the fit on the place itself how far a
line per band can get.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lczmap.channels import S2_BANDS_L1C
from lczmap.evaluation import metrics
from lczmap.files import write_text
from lczmap.grid import HALO_PX
from lczmap.mapping.classify import classify_cells
from lczmap.mapping.mosaic import most_probable_code
from lczmap.models.checkpoint import Classifier
from lczmap.models.pretrained import import_weights
from lczmap.raster import lattice, read_part
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.local import read_archive
from lczmap.scenes.stack import read_reflectance

REPOSITORY = Path(__file__).resolve().parent.parent
CELL_PX = 5  # 50 m: the patches of neighbouring cells, 320 m wide, share 84 % of their pixels
MARGIN_PX = 16  # half a patch
PIXELS_PER_PLACE = 20_000  # drawn for a fit, so that every place weighs the same
KNOTS = 101  # quantiles of a curve
DATE = "2020-06-04"  # of sentinel_site, the one that exists at both levels
OFFSET_L1C = {"282D_485L_3_3": -0.1, "38D_378R_2_3": 0.0, "609U_541L_3_0": -0.1}
"""Reflectance offset of the L1C of terramind_sites: `offset_table` shows why. Their L2A carries none."""
SNOW = "609U_541L_3_0"  # forest and rivers under snow: B3 is 0.48, B11 0.11
WEIGHTS = {"gul_s2": "gul/S2_RESNET20*.h5", "sen2lcz": "sen2lcz/_32_weights.best.hdf5"}

Float = npt.NDArray[np.float32]
Figures = tuple[float, float, float, float]
"""Agreement, kappa, agreement on built or natural, and moved probability."""


@dataclass(frozen=True)
class Place:
    """One place on one date; `l1c` and `l2a` are reflectance (10, y, x) on the same pixels."""

    name: str
    l1c: Float
    l2a: Float


@dataclass(frozen=True)
class Adaptation:
    """A curve per band through its knots (band, knot): `surface` reflectance, rising, becomes `top` of atmosphere.

    Beyond the outer knots a curve goes on at the slope between them.
    """

    surface: npt.NDArray[np.float64]
    top: npt.NDArray[np.float64]

    def apply(self, pixels: Float) -> Float:
        """Return surface reflectance (band, …) as likely top-of-atmosphere reflectance; NaN stays NaN."""
        return np.stack([_curve(*band) for band in zip(pixels, self.surface, self.top, strict=True)])


def fit_linear(l2a: Float, l1c: Float) -> Adaptation:
    """Fit L1C = a + b · L2A per band by least squares; both (band, n) without NaN, pixel by pixel."""
    lines = [np.polynomial.Polynomial.fit(x, y, 1) for x, y in zip(l2a, l1c, strict=True)]
    ends = np.stack([l2a.min(axis=1), l2a.max(axis=1)], axis=1).astype(np.float64)  # (band, 2)
    return Adaptation(ends, np.stack([line(x) for line, x in zip(lines, ends, strict=True)]))


def fit_quantile(l2a: Float, l1c: Float) -> Adaptation:
    """Fit the rising curve per band that gives L2A the distribution of L1C; both (band, n) without NaN."""
    share = np.linspace(0, 1, KNOTS)
    surface, top = (np.quantile(level.astype(np.float64), share, axis=1).T for level in (l2a, l1c))  # (band, knot)
    return Adaptation(surface, top)


def read_places(real_data: Path) -> tuple[Place, ...]:
    """Read the four places as the package reads any scene."""
    os.environ["LCZMAP_REAL_DATA"] = str(real_data)  # the archive.yaml asks for it
    archive = read_archive(REPOSITORY / "tests" / "configs" / "punjab_archive.yaml")
    site = {s.state["level"]: s for s in archive if s.sensor == "sentinel-2" and s.datetime.startswith(DATE)}
    places = [_place("sentinel_site", site["L1C"], site["L2A"])]
    for name, offset in OFFSET_L1C.items():
        l1c, l2a = _terramind_files(real_data, name)
        bands_l2a = tuple(band for band in S2_BANDS_L1C if band != "B10")
        places.append(_place(name, _scene(l1c, S2_BANDS_L1C, offset), _scene(l2a, bands_l2a, 0.0)))
    return tuple(places)


def offset_table(real_data: Path) -> list[str]:
    """Return the DN that decide the offsets: over dark ground L1C is near 0 in B10 and B12, L2A goes below 1000."""
    lines = [
        "| place | L1C: median DN of B10 | L1C: DN of B12 where L2A is 0 | L2A: lowest DN | offset of L1C |",
        "|---|---|---|---|---|",
    ]
    for name, offset in OFFSET_L1C.items():
        l1c, l2a = _terramind_files(real_data, name)
        cirrus, b12 = (read_part(l1c, band=S2_BANDS_L1C.index(band) + 1)[0] for band in ("B10", "B12"))
        surface = [read_part(l2a, band=band)[0] for band in range(1, 13)]
        intercept = np.polyfit(surface[-1].ravel(), b12.ravel(), 1)[1]
        lines.append(f"| {name} | {np.median(cirrus):.0f} | {intercept:.0f} | {np.min(surface)} | {offset} |")
    return lines


def variants(place: Place, others: Sequence[Place]) -> dict[str, Float]:
    """Return the pixels whose maps are compared with the map of the place's L1C, by what was done to them."""
    without_snow = [other for other in others if other.name != SNOW]
    return {
        "L1C 10 m aside": place.l1c[:, :, 1:],
        "L2A": place.l2a,
        "linear": fit_linear(*_samples(others)).apply(place.l2a),
        "quantile": fit_quantile(*_samples(others)).apply(place.l2a),
        "linear, no snow in the fit": fit_linear(*_samples(without_snow)).apply(place.l2a),
        "linear, fitted here": fit_linear(*_samples([place])).apply(place.l2a),
    }


def map_cells(classifier: Classifier, pixels: Float) -> Float:
    """Return the probabilities (17, rows, cols) of all cells that lie 16 px or more inside `pixels` (10, y, x)."""
    rows, cols = ((n - 2 * MARGIN_PX) // CELL_PX for n in pixels.shape[1:])
    beyond = HALO_PX - MARGIN_PX  # no patch of 32 px reaches it
    pixels = np.pad(pixels, ((0, 0), (beyond, beyond), (beyond, beyond)), constant_values=np.nan)
    return classify_cells(pixels, np.ones((rows, cols), np.bool_), classifier, cell_px=CELL_PX)


def compare(reference: Float, other: Float) -> Figures:
    """Return the figures of two probability maps (17, rows, cols).

    Moved probability is half the sum of |Δ probability| over the classes, mean over cells: 0..1.
    """
    codes = [most_probable_code(p).ravel() for p in (reference, other)]
    confusion = metrics.confusion_matrix(*codes)
    moved = float(np.abs(reference - other).sum(axis=0).mean() / 2)
    agreement = metrics.overall_accuracy(confusion)
    return agreement, metrics.kappa(confusion), metrics.built_natural_accuracy(confusion), moved


def measure(
    places: Sequence[Place], classifiers: Mapping[str, Classifier]
) -> dict[tuple[str, str], dict[str, Figures]]:
    """Return the figures by (network, place with its cells) and variant."""
    measured = {}
    for place in places:
        pixels = variants(place, [other for other in places if other is not place])
        for name, classifier in classifiers.items():
            l1c = map_cells(classifier, place.l1c)
            key = (name, f"{place.name} ({l1c[0].size} cells)")
            measured[key] = {what: compare(l1c, map_cells(classifier, p)) for what, p in pixels.items()}
            print(f"{time.process_time():.0f} s: {name}, {place.name}", flush=True)
    return measured


def table(measured: Mapping[tuple[str, str], Mapping[str, Figures]], one: int, two: int) -> list[str]:
    """Return a Markdown table of two of the figures, `one (two)`, with the mean of each network's places."""
    columns = list(next(iter(measured.values())))
    lines = [f"| network | place | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    for network in WEIGHTS:
        rows = {place: figures for (name, place), figures in measured.items() if name == network}
        rows["mean of the three without snow"] = _mean(f for place, f in rows.items() if SNOW not in place)
        for place, figures in rows.items():
            cells = (f"{figures[c][one]:.3f} ({figures[c][two]:.3f})" for c in columns)
            lines.append(f"| {network} | {place} | {' | '.join(cells)} |")
    return lines


def _mean(rows: Iterable[Mapping[str, Figures]]) -> dict[str, Figures]:
    listed = list(rows)
    return {column: tuple(np.mean([row[column] for row in listed], axis=0)) for column in listed[0]}


def _curve(x: Float, knots: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Float:
    slope = (values[-1] - values[0]) / (knots[-1] - knots[0])
    beyond = x - np.clip(x, knots[0], knots[-1])
    curve: Float = (np.interp(x, knots, values) + slope * beyond).astype(np.float32)
    return curve


def _samples(places: Iterable[Place]) -> tuple[Float, Float]:
    """Return L2A and L1C (10, n) of as many pixels of every place."""
    drawn = [_sample(place) for place in places]
    return np.concatenate([l2a for l2a, _ in drawn], axis=1), np.concatenate([l1c for _, l1c in drawn], axis=1)


def _sample(place: Place) -> tuple[Float, Float]:
    l2a, l1c = (bands.reshape(len(bands), -1) for bands in (place.l2a, place.l1c))
    valid = np.flatnonzero(np.isfinite(l2a).all(axis=0) & np.isfinite(l1c).all(axis=0))
    drawn = np.random.default_rng(0).choice(valid, PIXELS_PER_PLACE, replace=False)
    return l2a[:, drawn], l1c[:, drawn]


def _terramind_files(real_data: Path, name: str) -> tuple[Path, Path]:
    folder = real_data / "terramind_sites"
    return folder / "S2L1C" / f"{name}.tif", folder / "S2L2A" / f"{name}.tif"


def _scene(path: Path, bands: tuple[str, ...], offset: float) -> Scene:
    assets = {
        band: Asset(str(path), band=number, scale=1e-4, offset=offset, nodata=0, unit="reflectance")
        for number, band in enumerate(bands, start=1)
    }
    return Scene(path.stem, "sentinel-2", "unknown", "unknown", {}, None, None, assets)


def _place(name: str, l1c: Scene, l2a: Scene) -> Place:
    b2 = l1c.assets["B2"]
    geobox = lattice(b2.path, crs=b2.crs, transform=b2.transform)
    return Place(name, read_reflectance(l1c, geobox), read_reflectance(l2a, geobox))


def _classifiers(real_data: Path) -> dict[str, Classifier]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: import_weights(name, next((real_data / "pretrained").glob(file)), Path(folder, f"{name}.safetensors"))
            for name, file in WEIGHTS.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    out: Path = parser.parse_args().out
    real_data = Path(os.environ.get("LCZMAP_REAL_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    torch.set_num_threads(1)
    measured = measure(read_places(real_data), _classifiers(real_data))
    tables = (
        ["Agreement with the map from L1C, in brackets kappa.", "", *table(measured, 0, 1)],
        ["Agreement on built or natural, in brackets the probability moved (0..1).", "", *table(measured, 2, 3)],
        ["The offset of 1000 DN in terramind_sites.", "", *offset_table(real_data)],
    )
    write_text(out, "\n\n".join("\n".join(lines) for lines in tables) + "\n")


if __name__ == "__main__":
    main()
