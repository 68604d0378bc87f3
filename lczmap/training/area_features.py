"""What the satellites see in a training area: mean and spread of every channel over the polygon's pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from lczmap.channels import channel_kind
from lczmap.grid import HALO_PX, PIXEL_M, Grid, Tile, tile, tile_geobox
from lczmap.raster import read_stack
from lczmap.views import ABSENT

Float = npt.NDArray[np.float64]
_SMALL_POWER = 1e-6  # linear, -60 dB: far below any ground, so that the logarithm of a power of zero exists


@dataclass(frozen=True)
class AreaFeatures:
    """Features (A, F) of the training areas, NaN where an area has no valid pixel, their names, and valid pixels (A,).

    `valid_px` counts the 10 m pixels that are there in every stack's own channels, the fewest of all stacks.
    """

    values: Float
    names: tuple[str, ...]
    valid_px: npt.NDArray[np.int64]


def area_features(polygons: Sequence[BaseGeometry], grid: Grid, stacks: Sequence[Path]) -> AreaFeatures:
    """Measure polygons, in the grid's CRS, on stacks `tiles/<tile>/<name>.tif`; each polygon's window is read once.

    A polygon that several tiles hold is measured on all of them. Reflectances, angles and ratios give their mean and
    standard deviation; powers the mean in dB and the standard deviation over the mean; complex channels the mean power
    in dB. Covariances are left out: their mean is near zero and its spread that of the power. Stacks of a sensor that
    saw nothing are passed over. ValueError for a stack on another grid or of an unknown tile.
    """
    columns: list[Float] = []
    names: list[str] = []
    fewest = np.full(len(polygons), np.iinfo(np.int64).max)
    for name in sorted({path.name for path in stacks}):
        sums, channels = _sums(polygons, grid, [path for path in stacks if path.name == name])
        if not channels:
            continue
        fewest = np.minimum(fewest, sums[:, 0, 0].astype(np.int64))
        for position, channel in enumerate(channels):
            for what, column in _of_channel(channel, sums[:, position]).items():
                columns.append(column)
                names.append(f"{Path(name).stem} {channel} {what}")
    if not columns:
        return AreaFeatures(np.empty((len(polygons), 0)), (), np.zeros(len(polygons), np.int64))
    return AreaFeatures(np.column_stack(columns), tuple(names), fewest)


def _of_channel(channel: str, sums: Float) -> dict[str, Float]:
    """Return the features of one channel from n, Σx, Σx² (A, 3); NaN where n is 0."""
    count, total, squares = np.where(sums[:, :1] > 0, sums, np.nan).T
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    kind = channel_kind(channel)
    if kind == "covariance":
        return {}
    if kind == "complex":
        return {"power": _decibel(squares / count)}
    if kind == "intensity":
        return {"mean": _decibel(mean), "variation": spread / np.maximum(mean, _SMALL_POWER)}
    return {"mean": mean, "spread": spread}


def _decibel(power: Float) -> Float:
    result: Float = 10 * np.log10(np.maximum(power, _SMALL_POWER))
    return result


def _sums(polygons: Sequence[BaseGeometry], grid: Grid, stacks: Sequence[Path]) -> tuple[Float, tuple[str, ...]]:
    """Return n, Σx, Σx² (A, C, 3) over the valid pixels of each polygon, and the channels; () for absent sensors."""
    sums: Float | None = None
    channels: tuple[str, ...] = ()
    for path in stacks:
        one = tile(grid, path.parent.name)
        state = read_stack(path, window=(slice(0, 1), slice(0, 1)))
        if ABSENT.items() <= dict(state.state).items():
            continue
        if channels and state.channels != channels:
            raise ValueError(
                f"{path}: expected the channels {list(channels)} of the other tiles, got {list(state.channels)}; make "
                "the stacks of all tiles again"
            )
        channels = state.channels
        sums = np.zeros((len(polygons), len(channels), 3)) if sums is None else sums
        for number, polygon in enumerate(polygons):
            for pixels in _pixels_inside(polygon, grid, one, path):
                sums[number] += np.stack([np.ones_like(pixels), pixels, pixels**2], axis=2).sum(axis=1)
    return (np.empty((len(polygons), 0, 3)) if sums is None else sums), channels


def _pixels_inside(polygon: BaseGeometry, grid: Grid, one: Tile, path: Path) -> Iterator[Float]:
    """Yield the valid pixels (C, N) of a tile's core whose centre lies in the polygon, nothing where it has none."""
    west, south, east, north = polygon.bounds
    if not np.isfinite(polygon.bounds).all():
        return
    rows = _range((grid.north - north) / PIXEL_M, (grid.north - south) / PIXEL_M, one.row, one.height)
    cols = _range((west - grid.west) / PIXEL_M, (east - grid.west) / PIXEL_M, one.col, one.width)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    window = tuple(slice(s.start - o + HALO_PX, s.stop - o + HALO_PX) for s, o in ((rows, one.row), (cols, one.col)))
    stack = read_stack(path, window=(window[0], window[1]))
    expected = tile_geobox(grid, one)[window]
    if stack.geobox != expected:
        raise ValueError(
            f"{path}: expected the grid of the tile {one.name}, {expected.shape} pixels at "
            f"{tuple(expected.transform)[2:6:3]}, got {stack.geobox.shape} at {tuple(stack.geobox.transform)[2:6:3]}; "
            "make the stack again with this grid"
        )
    row, col = np.mgrid[rows, cols]
    x, y = grid.west + (col + 0.5) * PIXEL_M, grid.north - (row + 0.5) * PIXEL_M
    chosen = shapely.contains_xy(polygon, x, y) & np.isfinite(stack.pixels).all(axis=0)
    yield stack.pixels[:, chosen].astype(np.float64)


def _range(first: float, last: float, start: int, length: int) -> slice:
    """Return the pixels of first..last that lie in start..start + length, along one axis."""
    return slice(max(int(np.floor(first)), start), min(int(np.ceil(last)), start + length))
