"""Views: the pictures of one place that a network sees one after another, its answers averaged.

Usually there is one view: a tile's s1.tif and s2.tif. Four seasons make four of Sentinel-2 (s2_spring.tif …), several
radar dates several of Sentinel-1 (s1_1.tif …). A network that sees both sensors sees every combination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

View = Mapping[str, str]
"""Sensor to the file name of its stack, Sentinel-1 first, as in So2Sat LCZ42."""

SENSORS = ("sentinel-1", "sentinel-2")
_PREFIX = {"sentinel-1": "s1", "sentinel-2": "s2"}

PIXEL_STATE = ("level", "product", "calibration", "noise_removed", "looks", "polarimetry")
"""Keys of a stack's state that change its values' statistics; the others (scenes, dates, shift) say where from."""
PROVENANCE_STATE = ("orbit", "orbit_file", "heights", "processor")
"""Keys of a scene's state that may differ within one pass, or between passes that are alike."""
ABSENT = {"absent": "true"}
"""State of a stack whose sensor saw nothing (`sentinel1.use: preferred`): every pixel is missing."""


def stack_file(sensor: str, view: str = "") -> str:
    """Return the file name of a sensor's stack; `view` names one of several."""
    return f"{_PREFIX[sensor]}_{view}.tif" if view else f"{_PREFIX[sensor]}.tif"


def sensor_of_stack(name: str) -> str:
    """Return the sensor of a stack's file name; ValueError for another name."""
    for sensor, prefix in _PREFIX.items():
        if name == f"{prefix}.tif" or (name.startswith(f"{prefix}_") and name.endswith(".tif")):
            return sensor
    raise ValueError(f"expected stacks named s1.tif, s2.tif, s1_….tif or s2_….tif, got {name!r}")


def combine(names: Sequence[str]) -> list[View]:
    """Return the views that stacks of these names make: every combination of one of each sensor."""
    by_sensor = {sensor: [n for n in names if sensor_of_stack(n) == sensor] for sensor in SENSORS}
    present = {sensor: found for sensor, found in by_sensor.items() if found}
    return [dict(zip(present, chosen, strict=True)) for chosen in product(*present.values())]


def pixels_alike(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Say whether two scenes' states differ in their provenance only."""
    return described(one) == described(other)


def described(state: Mapping[str, str]) -> dict[str, str]:
    """Return a scene's state without its provenance."""
    return {key: value for key, value in state.items() if key not in PROVENANCE_STATE}
