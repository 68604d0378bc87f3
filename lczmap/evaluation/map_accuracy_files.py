"""Where the results of `assess` lie: beside the map that was sampled, or in the folder of its sample."""

from __future__ import annotations

from pathlib import Path

ASSESSED = "map_accuracy.json"
MAIN_MAPS = ("lcz.tif", "lcz_filtered.tif")
"""The maps of a network that people may sample."""
_PLACES = (ASSESSED, f"sample*/{ASSESSED}")


def result_path(folder: Path) -> Path:
    """Return where the result of a sample lies: beside its design. `folder` is the sample's, or its design.json."""
    return (folder if folder.is_dir() else folder.parent) / ASSESSED


def find_assessed(folder: Path) -> list[Path]:
    """Return the results in the folder of a map: those beside the map, and in folders that begin with `sample`."""
    return [path for place in _PLACES for path in sorted(folder.glob(place)) if path.is_file()]
