"""Room on the disk, asked for before hours of work."""

from __future__ import annotations

import shutil
from pathlib import Path


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Make `folder`; ValueError when its disk has less room than `needed_bytes`."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise ValueError(
            f"{folder}: {what} needs up to {needed_bytes / 1e9:.2f} GB more, the disk has {free / 1e9:.2f} GB; make "
            "room, or name another folder"
        )
