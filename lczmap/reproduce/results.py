"""The record of one run, result.json, as others read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]

REHEARSAL = "REHEARSAL"
LEAKY = "LEAKY"
_FIELDS = {"table", "row", "label", "seed", "protocol", "data", "scores", "confusion_matrix", "by_city", "histories"}


def read_result(path: Path) -> dict[str, Any]:
    """Read a result.json; ValueError where there is none, or it is not the record of a run."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); `run-reproduction` writes it") from error
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(result, dict) or (missing := sorted(_FIELDS - set(result))):
        lacks = f"it lacks {', '.join(missing)}" if isinstance(result, dict) else f"got {type(result).__name__}"
        raise ValueError(f"{path}: expected the result.json of `run-reproduction`; {lacks}")
    return result


def marks_of(*, leaky: bool, rehearsal: bool) -> str:
    """Return what stands behind a row's name: ` (LEAKY)`, ` (REHEARSAL)`, both or nothing."""
    names = [name for name, wanted in ((LEAKY, leaky), (REHEARSAL, rehearsal)) if wanted]
    return f" ({', '.join(names)})" if names else ""
