"""What the headers of an answer say of the file that is downloaded (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import requests


def strong_etag(answer: requests.Response) -> str | None:
    """Return the version of the file; None where it is not stated, or equal versions may differ in bytes."""
    tag = answer.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else None


def first_byte(answer: requests.Response) -> int | None:
    """Return where in the file the part of it begins that comes."""
    stated = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(stated[1]) if stated else None


def unsatisfied_length(answer: requests.Response) -> int | None:
    """Return the length of the file as an answer 416 states it."""
    stated = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
    return int(stated[1]) if stated else None


def whole_length(answer: requests.Response, start: int) -> int | None:
    """Return the length of the whole file, when it comes from `start` on; None where it is not stated."""
    if "Content-Encoding" in answer.headers:
        return None
    stated = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if stated and answer.status_code == 206:
        return int(stated[1])
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the service wants to be left alone; a date is left to the growing pauses."""
    stated = headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0
