"""What was noticed about the training areas."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.report.estimates import sentence, warning_list
from lczmap.report.markup import Cell, Html, Number, join, paragraph, table
from lczmap.report.run_folder import RunFolder, Section, absent

_MOST_FLAGGED = 60


def areas_quality_section(run: RunFolder) -> Section:
    """Return what was noticed about the training areas before the training."""
    found = run.json("area_quality.json")
    title = "Training areas"
    if found is None:
        why = "area_quality.json is not there: the run has no training areas of its own, or did not check them."
        return Section("training-areas", title, absent(why))
    flags: list[list[Cell]] = [[_words(found, name), int(count)] for name, count in found["flagged"].items() if count]
    parts = [
        paragraph(f"Areas drawn: {found['polygons']}; with the centre of a map cell inside: {found['usable']}."),
        *warning_list(found),
        *(paragraph(sentence(str(note)), class_="note") for note in found.get("notes", [])),
        table(
            _QUALITY_HEADER, [_quality(one, found) for one in found["classes"]], caption="Each class before training"
        ),
        table(["the training area …", "areas"], flags, caption="Flags: reasons to look, no proofs")
        if flags
        else paragraph("No training area has a flag."),
        *_flagged(run, found),
        paragraph(f"How pixels were judged: {found['pixels']['method']}", class_="note"),
    ]
    return Section("training-areas", title, join(parts))


_COLUMNS = (
    "Area: its number in area_quality.gpkg. Nearer by: how much nearer its pixels are to another class than to its "
    "own, as a difference of squared distances; below 0 its own class is the nearest. Unusual by: its distance to its "
    "own class, in robust standard deviations above that of the other areas."
)
_QUALITY_HEADER = ("class", "areas", "usable", "cells", "mean km²", "total km²", "mean width (m)", "flagged")


def _quality(one: Mapping[str, Any], found: Mapping[str, Any]) -> list[Cell]:
    flags = "; ".join(f"{count} {_words(found, name)}" for name, count in one["flagged"].items() if count)
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


def _words(found: Mapping[str, Any], flag: str) -> str:
    """Return what a flag means, `is narrower than 200 m`."""
    return str(found["flags"][flag])


def _flagged(run: RunFolder, found: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the areas with a flag, one row each, from area_quality.csv; ValueError where it lacks a column."""
    path = run.folder / "area_quality.csv"
    if not run.shows(path):
        return
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = {"area", "lcz", "area_m2", "width_m", "flags"} - set(reader.fieldnames or ())
        if lacking:
            raise ValueError(f"{path}: expected the column {', '.join(sorted(lacking))}; delete it and run again")
        rows = [row for row in reader if row["flags"]]
    if not rows:
        return
    more = "" if len(rows) <= _MOST_FLAGGED else f"; the first {_MOST_FLAGGED} of {len(rows)}"
    yield table(
        ["area", "drawn as", "hectares", "width (m)", "looks like", "nearer by", "unusual by", "it …"],
        [_flagged_row(row, found) for row in rows[:_MOST_FLAGGED]],
        caption=f"Areas with a flag{more}. All are in area_quality.csv and .gpkg",
    )
    yield paragraph(_COLUMNS, class_="note")


def _flagged_row(row: Mapping[str, str], found: Mapping[str, Any]) -> list[Cell]:
    likely = row.get("looks_like")
    return [
        int(row["area"]),
        f"LCZ {row['lcz']}",
        _rounded(row["area_m2"], 2, unit=1e4),
        _rounded(row["width_m"], 0),
        f"LCZ {likely}" if likely else "–",
        _rounded(row.get("evidence"), 1),
        _rounded(row.get("distance"), 1),
        "; ".join(_words(found, name) for name in row["flags"].split()),
    ]


def _rounded(written: str | None, digits: int, *, unit: float = 1.0) -> Number:
    """Return a number of a table, a dash where it has none."""
    return Number(f"{float(written) / unit:.{digits}f}" if written else "–")
