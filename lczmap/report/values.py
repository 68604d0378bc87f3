"""Settings and records of any depth as tables of two columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.report.markup import Html, table, tag

_LONG = 200  # characters of a list that a table shows


def flat_table(content: Mapping[str, Any], *, caption: str | None = None) -> Html:
    """Return a record as a table, one row for each value: `training.seed`, `47`."""
    rows = [[tag("code", key), value] for key, value in _flat(content, "")]
    return table(["key", "value"], rows, caption=caption)


def _flat(content: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping) and content:
        for name, value in content.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list) and any(isinstance(value, Mapping) for value in content):
        for number, value in enumerate(content):
            yield from _flat(value, f"{key}[{number}]")
    else:
        yield key, plain(content)


def plain(value: Any) -> str:
    """Return one value as text: `none` for nothing, lists with commas, long ones cut."""
    if value is None or value in ([], {}, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    words = ", ".join(plain(one) for one in value) if isinstance(value, list) else str(value)
    return words if len(words) <= _LONG else f"{words[:_LONG]} …"
