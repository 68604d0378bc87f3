"""The few forms of Markdown that reliability cards use, as HTML: headings, lists, tables, paragraphs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lczmap.report.markup import Html, join, paragraph, table, tag


def rendered(markdown: str) -> Html:
    """Return headings (`#`), lists (`- `), tables (`|`) and paragraphs as HTML; all else stays the text it is."""
    lines = [line.strip() for line in markdown.splitlines()]
    return join(part for kind, block in groupby(lines, _kind) for part in _block(kind, list(block)))


def _kind(line: str) -> str:
    if not line:
        return "empty"
    return {"#": "heading", "-": "list", "|": "table"}.get(line[0], "text")


def _block(kind: str, lines: list[str]) -> Iterator[Html]:
    if kind == "heading":
        yield from (tag("h4", line.lstrip("# ")) for line in lines)
    elif kind == "list":
        yield tag("ul", *(tag("li", line[1:].strip()) for line in lines))
    elif kind == "table":
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        yield table(rows[0], [row for row in rows[1:] if set("".join(row)) - set("-: ")])
    elif kind == "text":
        yield paragraph(" ".join(lines))
