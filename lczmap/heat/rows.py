"""What the user chooses, and the rows and the head that every heat island shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lczmap.classes import CLASSES, LczClass
from lczmap.heat.islands import Figures
from lczmap.heat.units import Kind, Unit
from lczmap.heat.zones import BORDER_M, Zones

BLOCK_M = 2000.0
"""Width of the blocks that are drawn; narrower ones give intervals that are too narrow (docs/heat.md)."""
NAMES: dict[Kind, str] = {"air": "UHI (air)", "surface": "SUHI (surface)"}

Island = dict[str, Any]


@dataclass(frozen=True)
class TemperatureFile:
    """A file and what the user says of it: `column` and `crs` of a table, `band` and `time` of a raster."""

    path: Path
    unit: Unit | None = None
    column: str | None = None
    crs: str | None = None
    band: int | None = None
    time: str | None = None


@dataclass(frozen=True)
class Choices:
    """What the user chooses; `reference` is the class that the others are compared with."""

    reference: LczClass = CLASSES[13]
    border_m: float = BORDER_M
    block_m: float = BLOCK_M
    confidence: Path | None = None
    least_confidence: float = 0.5
    seed: int = 47


def head(kind: Kind, source: str, path: Path, choices: Choices, zones: Zones, figures: Figures, unit: str) -> Island:
    """Return what an island is; where the reference class has no temperature, that, and what would help."""
    reference, prefix = choices.reference, "S" if kind == "surface" else ""
    present = bool(figures.count[reference.index])
    other = [c.label for c in CLASSES if figures.count[c.index] and not c.is_built]
    why = None
    if not present:
        on_map = "is not on the map" if not (zones.codes == reference.code).any() else f"has no {unit} to use"
        why = (
            f"{reference.title} {on_map}, so no {NAMES[kind]} is given: temperatures only. Another reference must be "
            f"chosen by name (`--reference`, `temperature.reference`); natural classes with {unit}: "
            f"{', '.join(other) or 'none'}"
        )
    return {
        "kind": kind,
        "name": NAMES[kind],
        "definition": f"{prefix}UHI_LCZx = T_LCZx - T_LCZ{reference.label} (Zhou et al. 2022, eq. 13)",
        "source": source,
        "file": path.name,
        "n_counts": unit,
        "reference": {"label": reference.label, "title": reference.title, "present": present, "why_not": why},
    }


def class_rows(figures: Figures, zones: Zones, reference: LczClass) -> list[dict[str, Any]]:
    """Return one row per class of the map or of the figures: area, number, temperature and island with interval."""
    cells = zones.cells
    rows = []
    for c in CLASSES:
        if not cells[c.index] and not figures.count[c.index]:
            continue
        rows.append(
            {
                "code": c.code,
                "label": c.label,
                "title": c.title,
                "area_km2": float(cells[c.index]) * zones.cell_m**2 / 1e6,
                "n": int(figures.count[c.index]),
                "groups": float(figures.groups[c.index]),
                "is_reference": c == reference,
                "temperature_c": _estimate(figures.temperature[c.index]),
                "island_k": _estimate(figures.island[c.index]),
            }
        )
    return rows


def _estimate(figures: npt.NDArray[np.float64]) -> dict[str, float] | None:
    if not np.isfinite(figures[0]):
        return None
    return dict(zip(("value", "low", "high"), map(float, figures), strict=True))


def in_words(island: Island) -> str:
    """Return an island as lines of text: what it is, a line per class, and the notes."""
    when = f", {island['time']}" if island["time"] else ""
    lines = [f"{island['name']} from {island['file']}{when} ({island['unit_of_file']}, says {island['unit_said_by']})"]
    for row in island["classes"]:
        warm = _words(row["temperature_c"], "°C") or f"no {island['n_counts']} to use"
        lines.append(f"  {row['title']}: {warm}, n {row['n']}; difference {_words(row['island_k'], 'K') or 'none'}")
    why = island["reference"]["why_not"]
    return "\n".join([*lines, *([why] if why else []), *island["notes"]])


def _words(estimate: dict[str, float] | None, unit: str) -> str:
    if estimate is None:
        return ""
    interval = f" ({estimate['low']:.2f} to {estimate['high']:.2f})" if np.isfinite(estimate["low"]) else ""
    return f"{estimate['value']:.2f} {unit}{interval}"
