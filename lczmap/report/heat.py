"""The temperatures of the zones, and where thermometers are proposed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.report.estimates import figure, sentence
from lczmap.report.markup import Cell, Html, Number, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section


def heat_section(run: RunFolder) -> Section | None:
    """Return the temperatures of the zones and the proposed thermometers, None where the run has neither."""
    found = run.json("heat/heat.json")
    islands = [found[kind] for kind in ("air", "surface") if kind in found] if found else []
    parts = [
        paragraph(sentence(str(found["what"]))) if found else None,
        *(part for one in islands for part in _island(one)),
        run.picture("heat/heat.png", "Temperature of each zone, and its difference from the reference class"),
        *_sensors(run),
    ]
    return Section("heat", "Heat island", join(parts)) if any(parts) else None


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


def _sensors(run: RunFolder) -> Iterator[Html]:
    """Yield how many thermometers each class gets, why others get fewer or none, and where they stand."""
    found = run.json("heat/sensors.json")
    if found is None:
        return
    yield tag("h3", "Proposed places for thermometers")
    yield paragraph(
        f"{found['placed']} of {found['asked']} thermometers have a place: {found['what']}. "
        "The points are in heat/sensors.gpkg."
    )
    if found["note"]:
        yield paragraph(sentence(str(found["note"])), class_="caution")
    rows: list[list[Cell]] = [
        [one["title"], Number(f"{one['area_km2']:.2f}"), int(one["placed"]), one["why"] or ""]
        for one in found["classes"]
    ]
    yield table(["class", "km²", "thermometers", "why fewer or none"], rows, caption="Thermometers of each class")
    drawn = run.picture("heat/sensors.png", "Proposed places for thermometers, named by class and rank")
    if drawn is not None:
        yield drawn
