"""Figures with their intervals, and warnings, as several sections write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.report.markup import Html, paragraph


def figure(estimate: Mapping[str, Any]) -> str:
    """Return a figure with its interval, `0.46 (0.28 to 0.64)`; a dash where it has no value."""
    value, low, high = (_known(estimate.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return "–"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def warning_list(report: Mapping[str, Any]) -> Iterator[Html]:
    """Yield a box for each warning of a report."""
    yield from (paragraph(f"Warning: {warning}", class_="caution") for warning in report.get("warnings", []))


def sentence(words: str) -> str:
    """Return words that begin with a capital and end with a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
