"""What was noticed about the training areas, and the temperatures of the zones."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.report.estimates import figure, sentence, warning_list
from lczmap.report.markup import Cell, Html, Number, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section, absent

_MOST_FLAGGED = 60
_FLAGGED = ("area", "lcz", "area_m2", "width_m", "looks_like", "evidence", "distance", "flags")


def areas_quality_section(run: RunFolder) -> Section:
    """Return what was noticed about the training areas before the training."""
    found = run.json("area_quality.json")
    title = "Training areas"
    if found is None:
        why = "area_quality.json is not there: the run has no training areas of its own, or did not check them."
        return Section("training-areas", title, absent(why))
    flags = [[name, int(count), str(found["flags"][name])] for name, count in found["flagged"].items()]
    parts = [
        paragraph(f"Areas drawn: {found['polygons']}; with the centre of a map cell inside: {found['usable']}."),
        *warning_list(found),
        *(paragraph(sentence(str(note)), class_="note") for note in found.get("notes", [])),
        table(_QUALITY_HEADER, [_quality(one) for one in found["classes"]], caption="Each class before training"),
        table(["flag", "areas", "what it means"], flags, caption="Flags: reasons to look, no proofs"),
        *_flagged(run),
        paragraph(f"How pixels were judged: {found['pixels']['method']}", class_="note"),
    ]
    return Section("training-areas", title, join(parts))


_QUALITY_HEADER = ("class", "areas", "usable", "cells", "mean km²", "total km²", "mean width (m)", "flagged")


def _quality(one: Mapping[str, Any]) -> list[Cell]:
    flags = ", ".join(f"{name} {count}" for name, count in one["flagged"].items() if count)
    return [
        f"LCZ {one['label']}: {one['name']}",
        int(one["polygons"]),
        int(one["usable"]),
        int(one["cells"]),
        None if one["mean_area_km2"] is None else Number(f"{one['mean_area_km2']:.3f}"),
        Number(f"{one['total_area_km2']:.2f}"),
        None if one["mean_width_m"] is None else Number(f"{one['mean_width_m']:.0f}"),
        flags or "none",
    ]


def _flagged(run: RunFolder) -> Iterator[Html]:
    """Yield the areas with a flag, one row each, from area_quality.csv."""
    if not run.has("area_quality.csv"):
        return
    with (run.folder / "area_quality.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["flags"]]
    if rows:
        names = [name for name in _FLAGGED if name in rows[0]]
        shown = [[row[name] for name in names] for row in rows[:_MOST_FLAGGED]]
        more = "" if len(rows) <= _MOST_FLAGGED else f"; the first {_MOST_FLAGGED} of {len(rows)}"
        yield table(names, shown, caption=f"Areas with a flag{more}. All are in area_quality.csv and .gpkg")


def heat_section(run: RunFolder) -> Section | None:
    """Return the temperatures of the zones and the proposed thermometers, None where the run has neither."""
    found = run.json("heat/heat.json")
    pictures = [
        run.picture("heat/heat.png", "Temperature of each zone, and its difference from the reference class"),
        run.picture("heat/sensors.png", "Proposed places for thermometers"),
    ]
    if found is None and not any(pictures):
        return None
    islands = [found[kind] for kind in ("air", "surface") if kind in found] if found else []
    what = [paragraph(sentence(str(found["what"])))] if found else []
    return Section("heat", "Heat island", join([*what, *(part for one in islands for part in _island(one)), *pictures]))


def _island(island: Mapping[str, Any]) -> Iterator[Html]:
    reference = island["reference"]
    yield tag("h3", str(island["name"]))
    when = f", {island['time']}" if island.get("time") else ""
    yield paragraph(f"{island['definition']}. From {island['file']}{when}; n counts {island['n_counts']}.")
    if not reference["present"]:
        yield paragraph(str(reference["why_not"]), class_="caution")
    yield from (paragraph(sentence(str(note)), class_="note") for note in island.get("notes", []))
    rows: list[list[Cell]] = [
        [one["title"], Number(f"{one['area_km2']:.2f}"), int(one["n"]), _of(one["temperature_c"]), _of(one["island_k"])]
        for one in island["classes"]
    ]
    header = ["class", "km²", "n", "temperature (°C)", f"difference from LCZ {reference['label']} (K)"]
    yield table(header, rows, caption=f"{island['name']}; 95 % intervals in brackets")


def _of(estimate: Mapping[str, Any] | None) -> str:
    return "–" if estimate is None else figure(estimate)
