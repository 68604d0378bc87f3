"""What the map was made from: scenes, clear dates, co-registration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.grid import HALO_PX, tiles
from lczmap.raster import band_names, read_strips
from lczmap.report.markup import Html, Number, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section, absent
from lczmap.scenes.stack import CLEAR_COUNT

_STRIP_ROWS = 1024
_WIDTH, _HEIGHT, _FOOT = 520, 170, 34  # of the chart, in units of its drawing


def scenes_section(run: RunFolder) -> Section:
    """Return the scenes with their dates and orbits, and how often the ground was clear."""
    scenes = run.scenes
    if not scenes:
        return Section("scenes", "Scenes", absent("scenes.json is not there: run the workflow again."))
    parts = [_scene_table(scenes, _used(run)), tag("h3", "Clear dates"), *_clear_dates(run)]
    return Section("scenes", "Scenes and clouds", join(parts))


def _used(run: RunFolder) -> dict[str, bool]:
    """Return by id whether a network of the run saw a scene; nothing of records of earlier versions."""
    return {scene["id"]: scene["used"] for scene in run.record.get("scenes", []) if "used" in scene}


def _scene_table(scenes: list[dict[str, Any]], used: Mapping[str, bool]) -> Html:
    header = ["scene", "used", "sensor", "date", "usable part of the area", "orbit", "pixels"]
    rows = []
    for scene in scenes:
        usable = scene.get("usable_fraction")
        orbit = f"{scene.get('orbit_direction') or ''} {scene.get('relative_orbit') or ''}".strip()
        state = ", ".join(f"{key} {value}" for key, value in scene.get("state", {}).items())
        share = None if usable is None else Number(f"{usable:.0%}")
        moment = str(scene["datetime"]).replace("T", " ").removesuffix("Z")
        rows.append(
            [
                tag("code", str(scene["id"])),
                {None: "–", False: "no", True: "yes"}[used.get(scene["id"])],
                tag("span", str(scene["sensor"]), class_="word"),
                moment,
                share,
                orbit or "–",
                state or "–",
            ]
        )
    count = f", {sum(used.values())} of them used: a network of this run saw it" if used else ""
    return table(header, rows, caption=f"{len(scenes)} scenes found for the period{count}; times in UTC")


def _clear_dates(run: RunFolder) -> Iterator[Html]:
    counts = clear_dates(run)
    if not counts:
        yield absent("The stacks of Sentinel-2 are not there (tiles/*/s2*.tif): clear dates cannot be counted.")
        return
    yield paragraph(
        "Share of the city's pixels (10 m) with so many cloud-free Sentinel-2 dates. Pixels with none have no class; "
        "pixels with one or two may keep haze or shadow."
    )
    for name, histogram in counts.items():
        shares = histogram / max(histogram.sum(), 1)
        title = "Clear dates" if len(counts) == 1 else f"Clear dates of {name.removesuffix('.tif')}"
        yield tag("figure", _chart(shares, title), tag("figcaption", _clear_text(title, shares)))


def clear_dates(run: RunFolder) -> dict[str, npt.NDArray[np.int64]]:
    """Return how many pixels of the city have 0, 1, 2 … clear dates, for each Sentinel-2 stack by its file name."""
    found: dict[str, npt.NDArray[np.int64]] = {}
    for tile in tiles(run.grid):
        for path in run.found(f"tiles/{tile.name}/s2*.tif"):
            names = band_names(path)
            if CLEAR_COUNT not in names:
                continue
            counted = _count(path, names.index(CLEAR_COUNT) + 1, tile.height, tile.width)
            before = found.get(path.name, np.zeros(1, np.int64))
            total = np.zeros(max(len(before), len(counted)), np.int64)
            total[: len(before)] += before
            total[: len(counted)] += counted
            found[path.name] = total
    return found


def _count(path: Path, band: int, height: int, width: int) -> npt.NDArray[np.int64]:
    """Return the histogram of a stack's counts in the tile's core, without its halo."""
    histogram, top = np.zeros(1, np.int64), -HALO_PX
    for strip in read_strips(path, _STRIP_ROWS, band=band):
        inside = strip[0, max(-top, 0) : max(height - top, 0), HALO_PX : HALO_PX + width]
        top += strip.shape[1]
        counted = np.bincount(inside.ravel().astype(np.int64), minlength=len(histogram))
        counted[: len(histogram)] += histogram
        histogram = counted.astype(np.int64)
    return histogram


def _clear_text(title: str, shares: npt.NDArray[np.float64]) -> str:
    cumulated = np.cumsum(shares)
    median = int(np.searchsorted(cumulated, 0.5))
    return f"{title}: median {median}; {shares[0]:.1%} of the pixels have none."


def _chart(shares: npt.NDArray[np.float64], title: str) -> Html:
    """Return upright bars, one for each number of clear dates."""
    step = _WIDTH / len(shares)
    high = float(shares.max()) or 1.0
    room = _HEIGHT - _FOOT - 18
    every = -(-len(shares) // 16)  # labels that fit
    drawn: list[Html] = []
    for count, share in enumerate(shares):
        height = room * float(share) / high
        x, y = count * step, _HEIGHT - _FOOT - height
        fill = "#a33d2a" if count == 0 else "#2f7fb5"
        bar = {"x": f"{x + 0.12 * step:.1f}", "y": f"{y:.1f}", "width": f"{0.76 * step:.1f}", "height": f"{height:.1f}"}
        drawn.append(tag("rect", **bar, fill=fill))
        middle = f"{x + step / 2:.1f}"
        if count % every == 0:
            drawn.append(tag("text", str(count), x=middle, y=_HEIGHT - 19, text_anchor="middle"))
            if share >= 0.0005 and len(shares) <= 16:
                drawn.append(tag("text", f"{share:.0%}", x=middle, y=f"{y - 4:.1f}", text_anchor="middle"))
    axis = tag("text", "clear dates", x=_WIDTH / 2, y=_HEIGHT - 3, text_anchor="middle")
    return tag("svg", *drawn, axis, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="chart", role="img", aria_label=title)


def shifts_section(run: RunFolder) -> Section:
    """Return how far each pass lay off, and whether it was moved."""
    found = run.json("coregistration.json")
    if found is None:
        return Section("coregistration", "Co-registration", absent("coregistration.json is not there: not measured."))
    rows = []
    for name, shift in found["scenes"].items():
        residual = shift.get("residual") or {}
        measured = [_metres(shift.get(key)) for key in ("measured_east_m", "measured_north_m", "sigma_m")]
        left = [_metres(residual.get(key)) for key in ("measured_east_m", "measured_north_m")]
        verdict = "moved" if shift["applied"] else f"left: {shift['reason']}"
        doubt = f"; {shift['doubt']}" if shift.get("doubt") else ""
        rows.append(
            [tag("code", name), tag("span", str(shift["sensor"]), class_="word"), *measured, verdict + doubt, *left]
        )
    header = ["scene", "sensor", "east (m)", "north (m)", "± (m)", "verdict", "left east (m)", "left north (m)"]
    reference = ", ".join(str(name) for name in found.get("reference", []))
    parts = [
        paragraph(f"Measured against {reference}; {found['convention']}."),
        table(header, rows, caption="Shift of each pass, and what is left after its correction"),
        run.picture("coregistration.png", "Shift of each pass, window by window, and what is left"),
    ]
    return Section("coregistration", "Co-registration", join(parts))


def _metres(value: float | None) -> Number:
    return Number("–" if value is None else f"{round(value, 2) + 0.0:.2f}")
