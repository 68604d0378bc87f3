"""Tables over several runs and networks, as Markdown, from the reports that the runs wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lczmap.evaluation.agreement import agreement_table
from lczmap.files import write_text

Report = Mapping[str, Any]

_ACCURACY_NOTE = (
    "Overall accuracy on the reference polygons used for testing, in brackets its 95 % interval over polygons; mean ± "
    "standard deviation over the cities."
)


def tabulate_accuracy(paths: Sequence[Path], out: Path) -> None:
    """Write one table of results/<city>/<period>[/models/<network>]/accuracy.json files: networks × cities.

    The main network's row carries its name from run.json. ValueError for a path of another form.
    """
    cells: dict[str, dict[str, Report]] = {}
    for path in paths:
        city, network = _place(path)
        cells.setdefault(network, {})[city] = json.loads(path.read_text())["oa"]
    write_text(out, accuracy_table(cells))


def tabulate_agreement(paths: Sequence[Path], out: Path) -> None:
    """Write one table of agreement.json files: networks of one or more cities against their teacher."""
    write_text(out, agreement_table({" ".join(_place(path)): json.loads(path.read_text()) for path in paths}))


def accuracy_table(cells: Mapping[str, Mapping[str, Report]]) -> str:
    """Return a Markdown table of {network: {city: {value, low, high}}}; an empty cell where a network is missing."""
    cities = sorted({city for row in cells.values() for city in row})
    lines = [f"| network | {' | '.join(cities)} | mean |", "|---" * (len(cities) + 2) + "|"]
    for network, row in cells.items():
        values = [float(estimate["value"]) for estimate in row.values()]
        spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        figures = [_figure(row[city]) if city in row else "" for city in cities]
        lines.append(f"| {network} | {' | '.join(figures)} | {np.mean(values):.3f}{spread} |")
    return "\n".join([*lines, "", _ACCURACY_NOTE, ""])


def _figure(estimate: Report) -> str:
    interval = f" ({estimate['low']:.3f} to {estimate['high']:.3f})" if estimate["low"] is not None else ""
    return f"{estimate['value']:.3f}{interval}"


def _place(path: Path) -> tuple[str, str]:
    """Return the city and the network of a report from where it lies."""
    parts = path.parts
    if "results" not in parts:
        raise ValueError(f"{path}: expected a report below results/<city>/<period>/")
    city, _, *rest = parts[parts.index("results") + 1 : -1]
    if rest:
        return city, rest[-1]
    record = path.with_name("run.json")
    if not record.is_file():
        raise ValueError(f"{path}: expected run.json beside it, which names the network; finish the run first")
    model = json.loads(record.read_text())["config"]["model"]
    return city, model["id"] or model["name"]
