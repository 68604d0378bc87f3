"""Values out of XML that nobody vouches for: each is there, readable and finite, or an error names it and its file.

Paths are those of ElementTree; `{*}` stands for any namespace. Every error is a ValueError.
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import numpy.typing as npt
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

Double = npt.NDArray[np.float64]

_AGAIN = "get the product again"


def parse_xml(text: bytes, name: str) -> Element:
    """Return the root element of an XML file called `name` in messages.

    Document types are refused, and with them entities of any kind (those that grow, those that read other files):
    no file of a product has one.
    """
    try:
        root: Element = SafeElementTree.fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ValueError(f"{name}: expected XML without a document type and entities, got {error}; {_AGAIN}") from error
    except (ParseError, ValueError, LookupError) as error:  # the last two: encodings that the parser does not know
        raise ValueError(f"{name}: not readable XML ({error}); {_AGAIN}") from error
    return root


def text_at(element: Element, path: str, name: str) -> str:
    """Return the text of the first element at `path`."""
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"{name}: expected an element {_shown(path)}, found none; {_AGAIN}")
    return found.strip()


def number_at(element: Element, path: str, name: str) -> float:
    """Return a finite number."""
    text = text_at(element, path, name)
    return float(_checked_numbers([text], path, name)[0])


def positive_at(element: Element, path: str, name: str) -> float:
    """Return a finite number above 0."""
    number = number_at(element, path, name)
    if number <= 0:
        raise ValueError(f"{name}: expected a number above 0 in {_shown(path)}, got {number:g}; {_AGAIN}")
    return number


def whole_at(element: Element, path: str, name: str) -> int:
    """Return a whole number."""
    text = text_at(element, path, name)
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{name}: expected a whole number in {_shown(path)}, got {text[:40]!r}; {_AGAIN}") from error


def numbers_at(element: Element, path: str, name: str) -> Double:
    """Return the finite numbers (n,) of a list, as many as its attribute `count` says, if it has one."""
    values = text_at(element, path, name).split()
    found = element.find(path)
    if found is not None:
        check_count(found, len(values), name)
    return _checked_numbers(values, path, name)


def wholes_at(element: Element, path: str, name: str, size: int) -> npt.NDArray[np.int32]:
    """Return a list of `size` whole numbers."""
    numbers = numbers_at(element, path, name)
    if numbers.size != size:
        raise ValueError(f"{name}: expected {size} numbers in {_shown(path)}, got {numbers.size}; {_AGAIN}")
    wholes = numbers.astype(np.int32)
    if not np.array_equal(wholes, numbers):
        raise ValueError(f"{name}: expected whole numbers in {_shown(path)}, got others; {_AGAIN}")
    return wholes


def moment_at(element: Element, path: str, name: str) -> datetime:
    """Return a moment in UTC, without a zone."""
    text = text_at(element, path, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}: expected a time in {_shown(path)}, got {text[:40]!r}; {_AGAIN}") from error
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def listed(root: Element, path: str, name: str) -> list[Element]:
    """Return the elements of the list at `path` (`…List/…`), at least one, as many as its attribute `count` says."""
    elements = root.findall(path)
    if not elements:
        raise ValueError(f"{name}: expected {_shown(path)}, found none; {_AGAIN}")
    parent = root.find(path.rpartition("/")[0])
    if parent is not None:
        check_count(parent, len(elements), name)
    return elements


def check_count(element: Element, found: int, name: str) -> None:
    """Raise ValueError when an element's attribute `count` is not the number of values `found` in it."""
    count = element.get("count", str(found))
    if count != str(found):
        raise ValueError(f"{name}: expected {count} values in {element.tag} as its count says, got {found}; {_AGAIN}")


def _checked_numbers(values: list[str], path: str, name: str) -> Double:
    try:
        numbers = np.array(values, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{name}: expected numbers in {_shown(path)}, got others ({error}); {_AGAIN}") from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: expected finite numbers in {_shown(path)}, got NaN or infinity; {_AGAIN}")
    return numbers


def _shown(path: str) -> str:
    return path.replace("{*}", "").removeprefix(".//")
