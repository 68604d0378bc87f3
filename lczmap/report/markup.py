"""HTML from values: whatever is not `Html` already is escaped, so no name or scene id can become markup."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_VOID = frozenset({"br", "img", "input", "link", "meta"})
_MIME = {".png": "image/png", ".jpg": "image/jpeg"}

Attribute = str | int | float | bool | None


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Number(Html):
    """A number in words of its own, such as `46 %`: a table sets it to the right."""

    __slots__ = ()


Cell = str | Html | float | int | None


def text(value: str | Html) -> Html:
    """Return a value as HTML: escaped, unless it is HTML already."""
    return value if isinstance(value, Html) else Html(html.escape(value))


def join(parts: Iterable[str | Html | None]) -> Html:
    """Return the parts one after the other; None is left out."""
    return Html("".join(text(part) for part in parts if part is not None))


def tag(name: str, /, *children: str | Html | None, **attributes: Attribute) -> Html:
    """Return an element; `class_` becomes `class`, `data_x` becomes `data-x`, an attribute of None is left out."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{opening}>" if name in _VOID else f"<{opening}>{join(children)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(
    header: Sequence[str | Html],
    rows: Iterable[Sequence[Cell]],
    *,
    caption: str | None = None,
) -> Html:
    """Return a table that scrolls sideways where the screen is narrow; numbers are set to the right, None is a dash."""
    listed = list(rows)
    right = [_is_number(cell) for cell in listed[0]] if listed else [False] * len(header)
    names = zip(header, right, strict=True)
    head = tag("tr", *(tag("th", name, scope="col", class_="number" if far else None) for name, far in names))
    body = join(tag("tr", *(_cell(cell) for cell in row)) for row in listed)
    title = None if caption is None else tag("caption", caption)
    whole = tag("table", title, tag("thead", head), tag("tbody", body))
    return tag("div", whole, class_="scroll", tabindex=0, role="group", aria_label=caption or "table")


def _cell(cell: Cell) -> Html:
    far = "number" if _is_number(cell) else None
    if cell is None:
        return tag("td", "–", class_=far)
    if isinstance(cell, str):
        return tag("td", cell, class_=far)
    return tag("td", f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}", class_=far)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, Number) or not isinstance(cell, str)


def folded(title: str, *content: Html) -> Html:
    """Return content that opens when its title is pressed."""
    return tag("details", tag("summary", title), *content)


def paragraph(*content: str | Html, class_: str | None = None) -> Html:
    """Return a paragraph; words between backticks are code."""
    return tag("p", *(part if isinstance(part, Html) else with_code(part) for part in content), class_=class_)


def with_code(words: str) -> Html:
    """Return text in which what stands between backticks is code."""
    parts = words.split("`")
    return join(tag("code", part) if place % 2 else part for place, part in enumerate(parts))


def picture(path: Path, description: str) -> Html:
    """Return a PNG or JPEG file as an image inside the page, with its description below."""
    source = data_address(path.read_bytes(), _MIME[path.suffix])
    return tag("figure", tag("img", src=source, alt=description), tag("figcaption", description))


def data_address(content: bytes, mime: str) -> str:
    """Return bytes as a `data:` address."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def json_script(identifier: str, content: Any) -> Html:
    """Return values for the page's scripts; no text in them can end the element or begin a comment."""
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return tag("script", Html(written), type="application/json", id=identifier)
