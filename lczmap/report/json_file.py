"""JSON files of a run, read so that a broken one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Record(dict[str, Any]):
    """An object of a JSON file: asking it for a key that it lacks is a ValueError that names the file."""

    def __init__(self, content: dict[str, Any], path: Path) -> None:
        """Hold the keys and values, and the file that they come from."""
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str) -> Any:
        """Say which file lacks which key."""
        raise ValueError(f"{self._path}: expected the key {key!r}, got {', '.join(self) or 'none'}; run again")


def read_record(path: Path) -> Record:
    """Return what a JSON file says, each object in it a Record; ValueError where it is none, or no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda found: Record(found, path))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); delete it and run again") from error
    if not isinstance(content, Record):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}; delete it and run again")
    return content
