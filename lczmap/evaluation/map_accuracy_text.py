"""Map accuracy as a table for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def text_of(report: Mapping[str, Any]) -> str:
    """Return a report as text for a terminal."""
    labels = report["labels"]
    lines = [
        f"Map accuracy, estimated from a probability sample ({labels['used']} of {labels['drawn']} cells) of "
        f"{report['map']}",
        f"  overall accuracy      {_figure(report['oa'])}",
        f"  built or natural      {_figure(report['oabu'])}",
        f"  weighted (OAw)        {_figure(report['oaw'])}; an unrelated map reaches {report['oaw_chance']:.3f}",
        "",
        f"{'class':<28}{'cells':>6}  {'user’s accuracy':<24}{'producer’s accuracy':<24}"
        f"{'mapped':>9}  area with 95 % interval, km²",
        *(_class_line(entry) for entry in report["classes"]),
    ]
    lines += [_pair_line(pair) for pair in report["labeller_agreement"]]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in report["warnings"])])


def _class_line(entry: Mapping[str, Any]) -> str:
    area = entry["area_km2"]
    km2 = f"{area['value']:.2f} ({area['low']:.2f}..{area['high']:.2f})" if not math.isnan(area["value"]) else "–"
    title = f"LCZ {entry['label']}: {entry['name']}"
    return (
        f"{title:<28}{entry['used']:>6}  {_figure(entry['ua']):<24}{_figure(entry['pa']):<24}"
        f"{entry['mapped_km2']:>9.2f}  {km2}"
    )


def _pair_line(pair: Mapping[str, Any]) -> str:
    names = " and ".join(pair["labellers"])
    if not pair["cells"]:
        return f"{names}: gave a class to no cell in common"
    kappa = "not defined" if math.isnan(pair["kappa"]) else f"{pair['kappa']:.3f}"
    return f"{names}: agree on {pair['agreement']:.3f} of {pair['cells']} cells, kappa {kappa}"


def _figure(estimate: Mapping[str, float]) -> str:
    if math.isnan(estimate["value"]):
        return "–"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}..{estimate['high']:.3f})"
