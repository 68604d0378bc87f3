"""Read a network's channels from the stacks of a tile, view by view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from lczmap.channels import channel_sensor
from lczmap.mapping.mosaic import describe
from lczmap.models.checkpoint import Classifier, require_state
from lczmap.raster import Float, Stack, read_stack
from lczmap.views import ABSENT, PIXEL_STATE, View, combine, sensor_of_stack


def read_views(
    classifier: Classifier, stacks: Sequence[Path], geobox: GeoBox, *, any_state: bool = False
) -> Iterator[tuple[View, Float]]:
    """Yield every view that a classifier has of a tile, and its pixels as `read_channels` returns them.

    `stacks` are named as in views.py; only those of the sensors that the classifier needs are opened.
    """
    needed = {channel_sensor(channel) for channel in classifier.channels}
    files = {path.name: path for path in stacks if sensor_of_stack(path.name) in needed}
    for view in combine(list(files)):
        paths = {sensor: files[name] for sensor, name in view.items()}
        yield view, read_channels(classifier, paths, geobox, any_state=any_state)


def read_channels(
    classifier: Classifier, paths: Mapping[str, Path], geobox: GeoBox, *, any_state: bool = False
) -> Float:
    """Read a classifier's channels by name from the stacks of its sensors; (channel, y, x), NaN where missing.

    `paths` maps `sentinel-1` and `sentinel-2` to a stack. ValueError when a stack or channel is missing, the stack
    does not lie on `geobox`, or (unless `any_state`) its state differs from the classifier's.
    """
    pixels = np.empty((len(classifier.channels), *geobox.shape), np.float32)
    sensors = [channel_sensor(channel) for channel in classifier.channels]
    for sensor in sorted(set(sensors)):
        wanted = {k: c for k, (c, s) in enumerate(zip(classifier.channels, sensors, strict=True)) if s == sensor}
        path = paths.get(sensor)
        if path is None:
            raise ValueError(
                f"the network {classifier.name!r} needs the {sensor} channels {list(wanted.values())}, but this run "
                f"has no {sensor} stack; switch {sensor} on or choose a network without it"
            )
        stack = read_stack(path)
        if ABSENT.items() <= stack.state.items():
            raise ValueError(
                f"the network {classifier.name!r} needs {sensor}, but the run found no such scene "
                "(`sentinel1.use: preferred`); extend the period, or choose a network that sees Sentinel-2 alone"
            )
        _check_stack(path, stack, geobox, tuple(wanted.values()), classifier.name)
        if not any_state:
            _check_state(path, stack, sensor, classifier)
        for k, channel in wanted.items():
            pixels[k] = stack.pixels[stack.channels.index(channel)]
    return pixels


def _check_stack(path: Path, stack: Stack, geobox: GeoBox, channels: tuple[str, ...], network: str) -> None:
    missing = [c for c in channels if c not in stack.channels]
    if missing:
        raise ValueError(
            f"{path}: the network {network!r} expects the channels {list(channels)}, the stack has "
            f"{list(stack.channels)} and lacks {missing}; make the stack with that channel set, or choose a network "
            "trained on these channels"
        )
    if stack.geobox != geobox:
        raise ValueError(
            f"{path}: expected the tile's pixels with halo, {describe(geobox)}, got {describe(stack.geobox)}; make the "
            "stack again with this grid and version: `snakemake --forcerun stack_sentinel1 stack_sentinel2`"
        )


def _check_state(path: Path, stack: Stack, sensor: str, classifier: Classifier) -> None:
    trained = {k: v for k, v in classifier.state.get(sensor, {}).items() if k in PIXEL_STATE}
    try:
        require_state({sensor: trained}, {sensor: stack.state}, what=str(path))
    except ValueError as error:
        raise ValueError(f"{error}; `allow_level_mismatch: true` maps all the same, at a loss of quality") from error
