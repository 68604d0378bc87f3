"""What a person wants to see when a run is done: its files, how accurate it is, how long each step took."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lczmap.evaluation.map_accuracy_files import MAIN_MAPS, find_assessed
from lczmap.exports.map_accuracy import read_map_accuracies

PRODUCTS = (
    "report.html",
    "lcz.tif",
    "lcz_filtered.tif",
    "confidence.tif",
    "probabilities.tif",
    "explanation.tif",
    "accuracy.json",
    "area_quality.json",
    "agreement.json",
    "reliability.md",
    "map.png",
    "project.qgs",
    "run.json",
)
"""Files of a network's map that a summary lists."""


def summary(folder: Path, benchmarks: Path) -> str:
    """Return what a run made, its accuracy and the time of each step, as text for a terminal.

    `folder` is results/<city>/<period>, `benchmarks` the folder where Snakemake put its measurements.
    """
    lines = [f"{folder}:"]
    lines += [f"  {path.relative_to(folder)}" for path in sorted(_products(folder))]
    record = json.loads((folder / "run.json").read_text()) if (folder / "run.json").is_file() else {}
    lines += ["", *_facts(record), *_accuracy_lines(folder, record.get("untested"))]
    steps = dict(measured_steps(benchmarks, folder.parent.name, folder.name))
    if steps:
        lines += ["", f"{'step':<18}{'jobs':>5}{'seconds':>9}{'peak MiB':>10}"]
        lines += [f"{name:<18}{jobs:>5}{seconds:>9.1f}{peak:>10.0f}" for name, (jobs, seconds, peak) in steps.items()]
    return "\n".join(lines)


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    if {"sensors", "gaps"} <= set(record):  # records of earlier versions lack them
        yield f"made from {record['sensors']}; {record['gaps']} of the area of interest has no class"


def _products(folder: Path) -> Iterator[Path]:
    for name in PRODUCTS:
        yield from (path for path in folder.rglob(name) if "tiles" not in path.parts)


def _sampled_lines(folder: Path) -> list[str]:
    """Return what probability samples of the main network's maps say of these maps."""
    maps = [path for path in (folder / name for name in MAIN_MAPS) if path.is_file()]
    return [
        f"{one.map_name}: overall accuracy of {_covered(one.content)} {_figure(one.content['oa'])}, from "
        f"{one.content['labels']['used']} cells that people labelled"
        for one in read_map_accuracies(find_assessed(folder), maps)
    ]


def _covered(assessed: Mapping[str, Any]) -> str:
    """Return of how much of the map the figures are: classes without enough labels are left out."""
    share = assessed["assessed_share"]
    return "the whole map" if share == 1 else f"{share:.1%} of the map"


def _accuracy_lines(folder: Path, untested: str | None) -> Iterator[str]:
    sampled = _sampled_lines(folder)
    yield from sampled
    if untested is not None and not sampled:
        yield untested
    for path in sorted(folder.rglob("accuracy.json")) if untested is None else ():
        result = json.loads(path.read_text())
        tested = f"reference polygons ({result.get('split', 'test')})"
        filtered = f"; filtered map {_figure(result['filtered']['oa'])}" if "filtered" in result else ""
        yield f"{_network_of(path, folder)}: overall accuracy {_figure(result['oa'])} on {tested}{filtered}"
    for path in sorted(folder.rglob("agreement.json")):
        result = json.loads(path.read_text())
        if path.parent.parent.name == "other_maps":
            network, other = _network_of(path.parents[1], folder), f"map {path.parent.name}"
        else:
            network, other = _network_of(path, folder), "teacher"
        yield f"{network}: agreement with the {other} {_figure(result['agreement'])}"


def _figure(estimate: Mapping[str, Any]) -> str:
    interval = f" ({estimate['low']:.3f}..{estimate['high']:.3f})" if estimate["low"] is not None else ""
    return f"{estimate['value']:.3f}{interval}"


def _network_of(path: Path, folder: Path) -> str:
    return "main network" if path.parent == folder else path.parent.name


def measured_steps(benchmarks: Path, city: str, period: str) -> Iterator[tuple[str, tuple[int, float, float]]]:
    """Yield each rule of a run with its number of jobs, their seconds together and the largest memory of one in MiB.

    `benchmarks` is the folder where Snakemake put its measurements; nothing where it is not there.
    """
    for rule in sorted(benchmarks.iterdir()) if benchmarks.is_dir() else []:
        files = [f for f in rule.glob("*.tsv") if f.stem == city or f.stem.startswith(f"{city}_{period}")]
        rows = [row for row in map(_measurement, files) if row is not None]
        if rows:
            peak = max(_number(row["max_rss"]) for row in rows)
            yield rule.name, (len(rows), sum(_number(row["s"]) for row in rows), peak)


def _measurement(path: Path) -> dict[str, str] | None:
    """Return the first row of a file of Snakemake's, None where a job that was stopped left it empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        return next(csv.DictReader(stream, delimiter="\t"), None)


def _number(text: str) -> float:
    return float(text) if text not in ("-", "NA") else 0.0
