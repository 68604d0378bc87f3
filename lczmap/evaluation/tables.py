"""Tables over several runs and networks, as Markdown, from the reports that the runs wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lczmap.evaluation.agreement import agreement_table
from lczmap.files import write_text

Report = Mapping[str, Any]

_ACCURACY_NOTE = (
    "Overall accuracy of the maps before the filter (lcz.tif) on the reference polygons used for testing, in brackets "
    "its 95 % interval over polygons; mean ± standard deviation over the columns: cities, or periods of a city with "
    "several."
)


@dataclass(frozen=True)
class _Place:
    """The run that a report is of, and the network's name."""

    city: str
    period: str
    network: str


def tabulate_accuracy(paths: Sequence[Path], out: Path) -> None:
    """Write one table of results/<city>/<period>[/models/<network>]/accuracy.json files: networks × runs.

    A run is called by its city, and by its period where the city has several. The main network's row carries its name
    from run.json. ValueError for a path of another form, and for two reports of one network and run.
    """
    cells: dict[str, dict[str, Report]] = {}
    for (run, network), report in _reports(paths).items():
        cells.setdefault(network, {})[run] = report["oa"]
    write_text(out, accuracy_table(cells))


def tabulate_agreement(paths: Sequence[Path], out: Path) -> None:
    """Write one table of agreement.json files: networks of one or more runs against their teacher.

    Names and errors as in `tabulate_accuracy`.
    """
    write_text(out, agreement_table({" ".join(names): report for names, report in _reports(paths).items()}))


def accuracy_table(cells: Mapping[str, Mapping[str, Report]]) -> str:
    """Return a Markdown table of {network: {run: {value, low, high}}}; an empty cell where a network is missing."""
    runs = sorted({run for row in cells.values() for run in row})
    lines = [f"| network | {' | '.join(runs)} | mean |", "|---" * (len(runs) + 2) + "|"]
    for network, row in cells.items():
        values = [float(estimate["value"]) for estimate in row.values()]
        spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        figures = [_figure(row[run]) if run in row else "" for run in runs]
        lines.append(f"| {network} | {' | '.join(figures)} | {np.mean(values):.3f}{spread} |")
    return "\n".join([*lines, "", _ACCURACY_NOTE, ""])


def _figure(estimate: Report) -> str:
    interval = f" ({estimate['low']:.3f} to {estimate['high']:.3f})" if estimate["low"] is not None else ""
    return f"{estimate['value']:.3f}{interval}"


def _reports(paths: Sequence[Path]) -> dict[tuple[str, str], Report]:
    """Return the reports by run and network; a run is `city`, or `city period` where the city has several."""
    found: dict[_Place, Path] = {}
    for path in paths:
        place = _place(path)
        if place in found:
            raise ValueError(
                f"{found[place]} and {path}: two reports of {place.network} in {place.city} {place.period}, expected "
                "one; leave one of them out"
            )
        found[place] = path
    periods = Counter(city for city, _ in {(place.city, place.period) for place in found})
    return {
        (p.city if periods[p.city] == 1 else f"{p.city} {p.period}", p.network): json.loads(path.read_text())
        for p, path in found.items()
    }


def _place(path: Path) -> _Place:
    """Return the run and the network of a report from where it lies."""
    parts = path.parts
    if "results" not in parts:
        raise ValueError(f"{path}: expected a report below results/<city>/<period>/")
    city, period, *rest = parts[parts.index("results") + 1 : -1]
    if rest:
        return _Place(city, period, rest[-1])
    record = path.with_name("run.json")
    if not record.is_file():
        raise ValueError(f"{path}: expected run.json beside it, which names the network; finish the run first")
    model = json.loads(record.read_text())["config"]["model"]
    return _Place(city, period, model["id"] or model["name"])
