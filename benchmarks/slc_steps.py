"""Draw each step from a Sentinel-1 SLC product to the networks' channels, on a synthetic product.

    python benchmarks/slc_steps.py --out FOLDER [--product S1A_IW_SLC_….zip]

The product has real annotations (the zip in the folder of real data, LCZMAP_REAL_DATA) and painted images of a country
of fields, forest, a lake, a city and one steep mountain, where a burst seam meets the seam of two swaths. PNG files,
numbered in the order of the steps; one core, about half a minute.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from odc.geo.geobox import GeoBox

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from sar.synthetic_country import COVERS, PLAIN_M, cover
from sar.synthetic_scene import CRS, TO_MAP, around, centres, find_product, locate
from sar.synthetic_slc import Place, tops_phase, tops_rate
from slc_scene import COLUMN, View, make_targets, make_view, middle

from lczmap.sar.burst import BurstTable
from lczmap.sar.geocode import place
from lczmap.sar.terrain import layover_shadow, local_incidence

Double = npt.NDArray[np.float64]
Float = npt.NDArray[np.float32]

REPOSITORY = Path(__file__).resolve().parent.parent
GROUND_ASPECT = 13.9 / 3.8  # metres on the ground of a line and a sample


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the PNG files")
    parser.add_argument("--product", type=Path, help="zip of a product with its annotations")
    options = parser.parse_args(arguments)
    data = Path(os.environ.get("LCZMAP_REAL_DATA", REPOSITORY / ".." / "shared" / "data"))
    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update(
        {"font.size": 9, "axes.titlesize": 9, "savefig.dpi": 130, "figure.constrained_layout.use": True}
    )
    with tempfile.TemporaryDirectory() as folder:
        view = make_view(options.product or find_product(data), Path(folder))
        drawings = (
            draw_bursts, draw_ramp, draw_sigma0, draw_serving, draw_geocoded, draw_filter, draw_decomposition,
            draw_cross, draw_terrain, draw_targets,
        )  # fmt: skip
        for number, draw in enumerate(drawings, 1):
            name = options.out / f"{number:02}_{draw.__name__.removeprefix('draw_')}.png"
            draw(view)
            plt.savefig(name)
            plt.close()
            print(name)


def draw_bursts(view: View) -> None:
    """Digital numbers of three bursts that show the same ground, with the annotated borders of valid pixels."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4))
    for axis, window in zip(axes, view.windows, strict=True):
        digital, _ = view.digital(window, "VV")
        shown = axis.imshow(
            np.abs(digital),
            vmin=0,
            vmax=350,
            cmap="gray",
            aspect=GROUND_ASPECT,
            extent=_extent(window),
            interpolation="nearest",
        )
        swath = view.radar.swaths[window.swath]
        first, last = swath.first_valid[window.burst], swath.last_valid[window.burst]
        lines = np.flatnonzero(first >= 0)[[0, -1]]
        corner, width, height = (first.max() - 0.5, lines[0] - 0.5), last.max() - first.max() + 1, np.ptp(lines) + 1
        axis.add_patch(Rectangle(corner, width, height, fill=False, color="tab:orange", linewidth=1.2))
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.set(
            title=f"{window.swath} burst {window.burst}", xlabel="sample", ylabel="line of the burst",
            xlim=(window.samples.start - 0.5, window.samples.stop - 0.5),
            ylim=(window.lines.stop - 0.5, window.lines.start - 0.5),
        )  # fmt: skip
    figure.colorbar(shown, ax=axes, label="|DN| of VV")
    figure.suptitle("Digital numbers as stored; orange: annotated valid lines and samples; the same ground in each")


def draw_ramp(view: View) -> None:
    """Azimuth spectra through a burst: with the ramp, without it, and of VH times conjugate VV."""
    vv, vh = (view.sigma0(COLUMN, name).astype(np.complex128) for name in ("VV", "VH"))
    vv, vh = np.nan_to_num(vv), np.nan_to_num(vh)
    swath = view.radar.swaths[COLUMN.swath]
    flat = vv * np.exp(-1j * tops_phase(view.radar, COLUMN))
    pictures = {
        "VV as stored; dashed: annotated Doppler": vv,
        "VV with the ramp of TOPS removed": flat,
        "VH · conj VV as stored": vh * np.conj(vv),
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True)
    rate = 1 / swath.interval_s
    for axis, (title, signal) in zip(axes, pictures.items(), strict=True):
        power, lines = _spectrogram(signal)
        extent = -rate / 2, rate / 2, lines[-1], lines[0]
        decibel = 10 * np.log10(power / power.max())
        shown = axis.imshow(decibel, vmin=-25, vmax=0, aspect="auto", interpolation="nearest", extent=extent)
        axis.set(title=title, xlabel="Doppler frequency, Hz (wraps at the line rate)")
    at = np.arange(lines[0], lines[-1], 0.25)
    doppler = np.gradient(_phase_of_column(view, at), at * swath.interval_s) / (2 * np.pi)
    wrapped = (doppler + rate / 2) % rate - rate / 2
    wrapped[np.abs(np.diff(wrapped, append=wrapped[-1])) > rate / 2] = np.nan
    axes[0].plot(wrapped, at, color="white", linewidth=0.8, linestyle="--")
    axes[0].set_ylabel("line of the burst")
    figure.colorbar(shown, ax=axes, label="power relative to the strongest, dB")
    kt = tops_rate(view.radar, COLUMN.swath, COLUMN.burst, COLUMN.samples.start)
    figure.suptitle(f"{COLUMN.swath} burst {COLUMN.burst}: Doppler rate kt = {kt:.0f} Hz/s; C12 has no ramp")


def _phase_of_column(view: View, lines: Double) -> Double:
    # of fractional lines: the phase is quadratic in time, so three lines say all
    phase = tops_phase(view.radar, replace(COLUMN, samples=slice(COLUMN.samples.start, COLUMN.samples.start + 1)))[:, 0]
    at = np.arange(COLUMN.lines.start, COLUMN.lines.stop)
    return np.polyval(np.polyfit(at, phase, 2), lines)


def _spectrogram(signal: npt.NDArray[np.complex128]) -> tuple[Double, npt.NDArray[np.int64]]:
    """Return power (windows, frequencies), mean over samples, and the middle line of each window."""
    length = 64
    starts = np.arange(0, signal.shape[0] - length, 8)
    taper = np.hanning(length)[:, None]
    parts = [np.abs(np.fft.fftshift(np.fft.fft(signal[s : s + length] * taper, axis=0), axes=0)) ** 2 for s in starts]
    return np.stack([part.mean(axis=1) for part in parts]) + 1e-12, starts + length // 2


def draw_sigma0(view: View) -> None:
    """Calibrated sigma0 of one window in radar geometry, both polarisations."""
    window = view.windows[-1]
    first = int(view.radar.swaths[window.swath].first_valid[window.burst].max())
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 5))
    for axis, name, limits in zip(axes, ("VH", "VV"), ((-32, -2), (-25, 5)), strict=True):
        decibel = _decibel(np.abs(view.sigma0(window, name)) ** 2)
        shown = axis.imshow(
            decibel, cmap="gray", vmin=limits[0], vmax=limits[1], extent=_extent(window), aspect=GROUND_ASPECT,
            interpolation="nearest",
        )  # fmt: skip
        axis.set(title=name, xlabel="sample", ylabel="line of the burst", xlim=(first - 0.5, window.samples.stop - 0.5))
        _bar(figure, axis, shown, "sigma0, dB")
    figure.suptitle(
        f"Calibrated sigma0, one look, {window.swath} burst {window.burst}; near range left, mountain in layover"
    )


def draw_serving(view: View) -> None:
    """Which burst serves which map pixel: the whole product, and around the seams."""
    figure, axes = plt.subplots(1, 2, figsize=(13, 5.4))
    whole = _overview(view)
    placement = place(whole, np.full(whole.shape, PLAIN_M), view.flight.fit, view.table)
    for axis, geobox, entries in ((axes[0], whole, placement.burst), (axes[1], view.geobox, view.placement.burst)):
        _draw_entries(axis, view.table, geobox, entries)
    axes[0].set_title("whole product on pixels of 500 m; a star where the map on the right lies")
    axes[0].plot(*(v / 1000 for v in middle(view.geobox)), "k*", markersize=9)
    axes[1].set_title("map of 10 m around the seams")
    figure.suptitle("Which burst serves which map pixel (swath and number of the burst)")


def _overview(view: View) -> GeoBox:
    points = [swath.points for swath in view.product.swaths.values()]
    x, y = (
        np.concatenate(part) for part in zip(*(TO_MAP.transform(p.longitude, p.latitude) for p in points), strict=True)
    )
    west, north = np.floor(x.min() / 500) * 500 - 5000, np.ceil(y.max() / 500) * 500 + 5000
    shape = int((north - y.min() + 5000) / 500), int((x.max() - west + 5000) / 500)
    return GeoBox(shape, Affine(500, 0, west, 0, -500, north), CRS)


def _draw_entries(axis: Axes, table: BurstTable, geobox: GeoBox, entries: npt.NDArray[np.int16]) -> None:
    hues = ("Blues", "Greens", "Oranges")
    colors = [mpl.colormaps[hues[s]](0.35 if n % 2 else 0.65) for s, n in zip(table.swath, table.number, strict=True)]
    norm = BoundaryNorm(np.arange(-0.5, len(colors)), len(colors))
    shown = np.ma.masked_less(entries, 0)
    axis.imshow(shown, cmap=ListedColormap(colors), norm=norm, extent=_map_extent(geobox), interpolation="nearest")
    for entry in np.unique(entries[entries >= 0]):
        rows, cols = np.nonzero(entries == entry)
        x, y = geobox.transform @ (np.median(cols), np.median(rows))
        label = f"{table.swaths[table.swath[entry]]} {table.number[entry]}"
        axis.text(x / 1000, y / 1000, label, ha="center", va="center", fontsize=7)
    axis.set(xlabel="east, km (UTM 11N)", ylabel="north, km")


def draw_geocoded(view: View) -> None:
    """Unfiltered intensities on the map."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4))
    for axis, name, limits in zip(axes, ("VH", "VV"), ((-28, -4), (-20, 5)), strict=False):
        power = view.channels[f"{name}_re"] ** 2 + view.channels[f"{name}_im"] ** 2
        _map(figure, axis, view, _decibel(power), f"{name}, one look", "sigma0, dB", limits)
    kinds = cover(*centres(view.geobox), middle(view.geobox))
    _draw_kinds(figure, axes[2], view, kinds)
    figure.suptitle("Geocoded to 10 m, nearest radar pixel; right: what lies on the ground, with heights every 200 m")


def _draw_kinds(figure: Figure, axis: Axes, view: View, kinds: npt.NDArray[np.int64]) -> None:
    colors = ListedColormap(["khaki", "forestgreen", "steelblue", "dimgray", "tan"])
    norm = BoundaryNorm(np.arange(-0.5, len(COVERS)), len(COVERS))
    shown = axis.imshow(kinds, cmap=colors, norm=norm, extent=_map_extent(view.geobox), interpolation="nearest")
    x, y = centres(view.geobox)
    axis.contour(x / 1000, y / 1000, view.height, levels=np.arange(1300, 2300, 200), colors="k", linewidths=0.5)
    _bar(figure, axis, shown, "", [one.name for one in COVERS])
    axis.set(title="ground", xlabel="east, km (UTM 11N)", ylabel="north, km")


def draw_filter(view: View) -> None:
    """Refined Lee beside the single look."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4))
    raw = view.channels["VV_re"] ** 2 + view.channels["VV_im"] ** 2
    _map(figure, axes[0], view, _decibel(raw), "VV, one look", "sigma0, dB", (-20, 5))
    _map(figure, axes[1], view, _decibel(view.channels["VV_lee"]), "VV, refined Lee 7×7", "sigma0, dB", (-20, 5))
    _map(figure, axes[2], view, _decibel(view.channels["VH_lee"]), "VH, refined Lee 7×7", "sigma0, dB", (-28, -4))
    figure.suptitle("Refined Lee filter on the covariance in radar geometry, then geocoded")


def draw_decomposition(view: View) -> None:
    """Entropy, anisotropy and alpha of the 5×5 mean."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4))
    for axis, name, unit, most in zip(
        axes, ("Entropy", "Anisotropy", "Alpha"), ("", "", "degrees"), (1, 1, 90), strict=True
    ):
        _map(figure, axis, view, view.channels[name], name, unit, (0, most), "viridis")
    figure.suptitle("H / A / alpha of the 5×5 mean covariance; alpha counts from VH, so 90 is pure VV")


def draw_cross(view: View) -> None:
    """Phase and size of C12."""
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4))
    c12 = view.channels["C12_re"] + 1j * view.channels["C12_im"]
    size = np.abs(c12) / np.sqrt(view.channels["VH_lee"] * view.channels["VV_lee"])
    _map(figure, axes[0], view, np.degrees(np.angle(c12)), "phase of C12", "degrees", (-180, 180), "twilight_shifted")
    _map(figure, axes[1], view, size, "coherence |C12| / √(C11 C22)", "", (0, 1), "viridis")
    figure.suptitle("C12 = VH · conj VV after refined Lee: painted 60° in the city, −90° on soil, 0° elsewhere")


def draw_terrain(view: View) -> None:
    """Heights, local incidence, layover and shadow, and the picture they explain."""
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 8.6))
    _map(figure, axes[0, 0], view, view.height, "height", "m above the ellipsoid", (1200, 2200), "cividis")
    angle = local_incidence(view.geobox, view.height, view.flight.fit)
    _map(figure, axes[0, 1], view, angle, "local incidence", "degrees", (0, 90), "magma")
    flags = layover_shadow(view.geobox, view.height, view.flight.fit)
    colors = ListedColormap(["whitesmoke", "tab:orange", "tab:blue", "tab:purple"])
    norm = BoundaryNorm(np.arange(-0.5, 4), 4)
    shown = axes[1, 0].imshow(flags, cmap=colors, norm=norm, extent=_map_extent(view.geobox), interpolation="nearest")
    _bar(figure, axes[1, 0], shown, "", ["none", "layover", "shadow", "both"])
    axes[1, 0].set(title="layover and shadow", xlabel="east, km (UTM 11N)", ylabel="north, km")
    power = view.channels["VV_lee"]
    _map(figure, axes[1, 1], view, _decibel(power), "VV, refined Lee", "sigma0, dB", (-25, 10))
    x, y = (axis / 1000 for axis in centres(view.geobox))
    for flag, color in ((1, "tab:orange"), (2, "tab:blue")):
        axes[1, 1].contour(x, y, (flags & flag) > 0, levels=[0.5], colors=color, linewidths=0.8)
    figure.suptitle("Terrain; the radar looks from the east (descending pass)")


def draw_targets(view: View) -> None:
    """Draw point targets at known places, each on a map of its own, with where it should be."""
    figure, axes = plt.subplots(2, 4, figsize=(13, 6.4))
    for axis, target in zip(axes.ravel(), make_targets(view), strict=True):
        decibel = 10 * np.log10(np.maximum(target.power / target.power.max(), 1e-4))
        west, east, south, north = (value * 1000 for value in _map_extent(target.geobox))
        extent = west - target.x, east - target.x, south - target.y, north - target.y
        shown = axis.imshow(decibel, cmap="gray", vmin=-30, vmax=0, interpolation="nearest", extent=extent)
        miss = locate(target.power, target.geobox)[1] - (target.x, target.y)
        axis.plot(0, 0, "+", color="tab:orange", markersize=12)
        axis.plot(*miss, "x", color="tab:cyan", markersize=7)
        axis.set_title(f"{target.height:.0f} m, in {target.bursts}\ncentroid {np.hypot(*miss):.1f} m away", fontsize=8)
        axis.set(xlabel="east of the target, m", ylabel="north, m")
    figure.colorbar(shown, ax=axes, label="VV power relative to the peak, dB")
    figure.suptitle("Point targets (orange: where they stand; cyan: centroid of the 10 m map)")


def _map(
    figure: Figure,
    axis: Axes,
    view: View,
    values: Float | Double,
    title: str,
    unit: str,
    limits: tuple[float, float],
    colors: str = "gray",
) -> None:
    shown = axis.imshow(
        values, cmap=colors, vmin=limits[0], vmax=limits[1], extent=_map_extent(view.geobox), interpolation="nearest"
    )
    axis.set(title=title, xlabel="east, km (UTM 11N)", ylabel="north, km")
    _bar(figure, axis, shown, unit)


def _bar(figure: Figure, axis: Axes, shown: ScalarMappable, label: str, names: Sequence[str] = ()) -> None:
    bar = figure.colorbar(shown, ax=axis, label=label, fraction=0.046, pad=0.03)
    if names:
        bar.set_ticks(range(len(names)), labels=list(names))


def _decibel(power: Float | Double) -> Float | Double:
    return 10 * np.log10(np.maximum(power, 1e-6))  # a pixel of 0 + 0i is black, not missing


def _extent(window: Place) -> tuple[float, float, float, float]:
    return window.samples.start - 0.5, window.samples.stop - 0.5, window.lines.stop - 0.5, window.lines.start - 0.5


def _map_extent(geobox: GeoBox) -> tuple[float, float, float, float]:
    west, south, east, north = (value / 1000 for value in around(geobox, 0.0))
    return west, east, south, north


if __name__ == "__main__":
    main()
