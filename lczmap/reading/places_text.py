"""What a map says of places, in words for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lczmap.classes import CLASSES
from lczmap.reading.places import PlaceClass


def place_lines(place: PlaceClass, *, reach_m: float) -> list[str]:
    """Return what is known of one place, a line for each kind of knowledge."""
    where = f"{place.lon:.6f}, {place.lat:.6f}"
    if place.state == "outside the map":
        return [f"{where}: outside the map"]
    if place.state == "no class":
        return [f"{where}: on the map, which has no class there"]
    lines = [f"{where}: {CLASSES[place.code - 1].title} (code {place.code})"]
    if place.confidence is not None and place.entropy is not None:
        lines.append(f"confidence {place.confidence:.2f}, entropy {place.entropy:.2f} (both 0 to 1)")
    if place.clearance_m is not None:
        least = "at least " if place.clearance_m >= reach_m else ""
        lines.append(f"{least}{place.clearance_m:.0f} m to the border of its zone")
    return lines


def table_line(places: Sequence[PlaceClass]) -> str:
    """Return how many places there are, and how many are in each state."""
    count = Counter(place.state for place in places)
    return (
        f"{len(places)} places, {count['class']} with a class, {count['no class']} where the map has none, "
        f"{count['outside the map']} outside the map"
    )
