"""Stacks of named channels, and plain rasters of cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from lczmap.files import replacing
from lczmap.raster.files import Float, check_lattice, checked_read, created, kept_open, new_raster, opened, profile_of

StackEncoding = Literal["float32", "uint16_reflectance"]

REFLECTANCE_SCALE = 10_000  # DN per unit reflectance in stacks, as in Sentinel-2 products
_STATE_PREFIX = "LCZMAP_STATE_"
_CHANNELS_TAG = "LCZMAP_CHANNELS"


@dataclass(frozen=True)
class Stack:
    """Channels of one sensor on one grid.

    `pixels` is (channel, y, x) float32 in the physical units of channels.py, NaN where missing; `state` says how
    the pixels were made (level, calibration, looks …).
    """

    pixels: Float
    channels: tuple[str, ...]
    geobox: GeoBox
    state: Mapping[str, str] = field(default_factory=dict)


def write_stack(
    path: Path,
    stack: Stack,
    *,
    encoding: StackEncoding = "float32",
    counts: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> None:
    """Write a stack as GeoTIFF with named bands and its state as tags.

    `uint16_reflectance` stores round(reflectance · 10000) clipped to 1..65535, 0 where missing; `float32` stores
    the values, NaN where missing. `counts` are further named bands (y, x) of whole numbers, which `read_stack` skips.
    """
    if stack.pixels.shape != (len(stack.channels), *stack.geobox.shape):
        raise ValueError(f"expected {len(stack.channels)} channels of {stack.geobox.shape}, got {stack.pixels.shape}")
    if encoding == "uint16_reflectance":
        pixels: npt.NDArray[Any] = np.empty(stack.pixels.shape, np.uint16)
        for stored, band in zip(pixels, stack.pixels, strict=True):  # one at a time: memory
            scaled = np.clip(np.rint(band * REFLECTANCE_SCALE), 1, 65535)
            stored[:] = np.where(np.isnan(band), 0, scaled)
        nodata, scales = 0.0, 1 / REFLECTANCE_SCALE
    else:
        pixels, nodata, scales = stack.pixels.astype(np.float32, copy=False), math.nan, 1.0
    further = counts or {}
    if further:
        pixels = np.concatenate([pixels, *(count[None].astype(pixels.dtype) for count in further.values())])
    names = (*stack.channels, *further)
    tags = {_STATE_PREFIX + key: value for key, value in stack.state.items()}
    tags |= {_CHANNELS_TAG: " ".join(stack.channels)}
    with new_raster(path, pixels, stack.geobox, nodata=nodata, names=names, tags=tags) as target:
        target.scales = [scales] * len(stack.channels) + [1.0] * len(further)


def read_stack(path: Path, *, window: tuple[slice, slice] | None = None) -> Stack:
    """Read a stack that `write_stack` wrote, or the (rows, columns) `window` of it, in physical units."""
    # whoever reads a window will read another: the file stays open, with the blocks that are read already
    with opened(path) if window is None else kept_open(path) as source:
        full = GeoBox(source.shape, source.transform, source.crs)
        geobox = full if window is None else full[window]
        read = None if window is None else Window.from_slices(*window, *source.shape)
        names = tuple(d or "" for d in source.descriptions)
        channels = tuple(source.tags().get(_CHANNELS_TAG, " ".join(names)).split(" "))
        pixels = checked_read(path, source, read, bands=range(1, len(channels) + 1))
        if source.dtypes[0] == "uint16":
            pixels = np.where(pixels == 0, np.nan, pixels / np.float32(REFLECTANCE_SCALE)).astype(np.float32)
        return Stack(pixels.astype(np.float32, copy=False), channels, geobox, _state_of(source))


def read_state(path: Path) -> dict[str, str]:
    """Return the state of a stack without its pixels: how they were made, and of which scenes."""
    with opened(path) as source:
        return _state_of(source)


def _state_of(source: Any) -> dict[str, str]:
    return {k.removeprefix(_STATE_PREFIX): v for k, v in source.tags().items() if k.startswith(_STATE_PREFIX)}


def write_cells(
    path: Path,
    array: npt.NDArray[Any],
    geobox: GeoBox,
    *,
    names: Sequence[str],
    nodata: float | None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write (band, y, x) of any dtype as a plain tiled GeoTIFF with named bands."""
    with new_raster(path, array, geobox, nodata=nodata, names=names, tags=tags or {}):
        pass


def read_cells(path: Path, *, expected: GeoBox | None = None) -> tuple[npt.NDArray[Any], GeoBox]:
    """Read all bands (band, y, x) in the file's own dtype, and their geobox.

    ValueError when `expected` is given and the file lies on another grid.
    """
    with opened(path) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
        check_lattice(path, geobox, expected)
        return checked_read(path, source, None), geobox


def write_parts(
    path: Path,
    parts: Iterable[tuple[tuple[slice, slice], Float]],
    geobox: GeoBox,
    *,
    names: Sequence[str],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write float bands from parts ((rows, columns), (band, y, x)) as they come; what no part covers stays NaN."""
    with replacing(path) as temporary:
        profile = profile_of(geobox, len(names), "float32", math.nan) | {"predictor": 3}
        with created(temporary, profile, name=path) as target:
            target.descriptions = list(names)
            target.update_tags(**(tags or {}))
            for (rows, cols), pixels in parts:
                target.write(pixels, window=Window.from_slices(rows, cols))
