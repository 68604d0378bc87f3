"""Cloud masks of Sentinel-2 scenes, and how much of a city a scene shows.

A scene's own mask is used where there is one; else s2cloudless (Sentinel Hub; A. Zupanc, "Improving cloud detection
with machine learning", 2017) sees the ten bands it needs as top-of-atmosphere reflectance. Its grid of 40 m is
anchored at the city's corner and worked off in fixed blocks, so a pixel gets the same answer whatever tile asks.
It knows no cloud shadows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.grid import PIXEL_M, Grid
from lczmap.raster import ResamplingName, read_onto
from lczmap.scenes.blocks import BLOCK_PX
from lczmap.scenes.catalogue import Asset, Scene

CloudMethod = Literal["auto", "source", "s2cloudless", "none"]
Bool = npt.NDArray[np.bool_]

S2CLOUDLESS_BANDS = ("B1", "B2", "B4", "B5", "B8", "B8A", "B9", "B10", "B11", "B12")
"""Bands in the order that the model expects (s2cloudless README)."""
CLOUD_PIXEL_M = 40  # the model judges pixels one by one, of any size; a divisor of the blocks of the stacks
THRESHOLD = 0.4  # cloud probability, the package's default
AVERAGE_OVER_PX = 4  # radius of the disk that averages probability, as in the authors' example
DILATION_PX = 2  # radius of the disk that grows the mask, as in the authors' example
_BLOCK_PX = BLOCK_PX * PIXEL_M // CLOUD_PIXEL_M  # a block of a stack asks for one block of clouds
_MARGIN_PX = AVERAGE_OVER_PX + DILATION_PX


def resolve_method(scene: Scene, method: CloudMethod) -> CloudMethod:
    """Return how a scene's clouds are masked: `source`, `s2cloudless` or `none`; ValueError where that cannot be."""
    chosen = method
    if method == "auto":
        chosen = "source" if scene.cloud is not None else "s2cloudless"
    if chosen == "source" and scene.cloud is None:
        raise ValueError(f"scene {scene.id} brings no cloud mask; add `cloud:` or set `cloud_mask: auto`")
    if chosen == "s2cloudless" and scene.state.get("level") != "L1C":
        raise ValueError(
            f"scene {scene.id}: s2cloudless needs L1C reflectance, got {scene.state.get('level')}; add a mask as "
            "`cloud:` (values above 0 are cloud or shadow, such as made from the scene classification layer), or set "
            "`cloud_mask: none` for scenes known to be clear"
        )
    missing = [band for band in S2CLOUDLESS_BANDS if band not in scene.assets]
    if chosen == "s2cloudless" and missing:
        raise ValueError(
            f"scene {scene.id}: s2cloudless needs the bands {missing} as well; add them or a `cloud:` mask"
        )
    return chosen


def cloud_mask(scene: Scene, geobox: GeoBox, grid: Grid, *, method: CloudMethod = "auto") -> Bool:
    """Return (y, x) on `geobox` (in the grid's CRS), True where the scene shows cloud (or shadow, if its mask does).

    The same pixel centre gets the same answer on every geobox. A pixel without data is not cloud.
    """
    chosen = resolve_method(scene, method)
    if chosen == "source" and scene.cloud is not None:
        return _flagged(scene.cloud, geobox)
    if chosen == "s2cloudless":
        return _s2cloudless(scene, geobox, grid)
    return np.zeros(geobox.shape, np.bool_)


def measure_usable(scenes: Sequence[Scene], grid: Grid, *, method: CloudMethod = "auto") -> list[Scene]:
    """Return the scenes with `usable_fraction`: the share of cell centres with data and, on Sentinel-2, no cloud."""
    return [replace(scene, usable_fraction=_usable_fraction(scene, grid, method)) for scene in scenes]


def read_asset(asset: Asset, geobox: GeoBox, resampling: ResamplingName) -> npt.NDArray[np.float32]:
    """Read an asset onto `geobox` in its unit (dB stays dB); (y, x), NaN where missing."""
    digital = read_onto(
        asset.path,
        geobox,
        band=asset.band,
        resampling=resampling,
        crs=asset.crs,
        transform=asset.transform,
        nodata=asset.nodata,
    )
    return digital * np.float32(asset.scale) + np.float32(asset.offset)


def _flagged(mask: Asset, geobox: GeoBox) -> Bool:
    values = read_asset(mask, geobox, "nearest")
    return values > 0 if mask.values is None else np.isin(values, mask.values)


def _usable_fraction(scene: Scene, grid: Grid, method: CloudMethod) -> float:
    first = next(iter(scene.assets.values()))
    usable = np.isfinite(read_asset(first, grid.cell_geobox, "nearest"))
    if scene.sensor == "sentinel-2":
        usable &= ~cloud_mask(scene, grid.cell_geobox, grid, method=method)
    return float(usable.mean())


def _s2cloudless(scene: Scene, geobox: GeoBox, grid: Grid) -> Bool:
    rows, cols = _cloud_pixels(geobox, grid)
    mask = np.zeros((rows[-1] - rows[0] + 1, cols[-1] - cols[0] + 1), np.bool_)
    for row, col in _blocks(rows, cols):
        block = _cloud_block(scene, grid, row, col)
        top, left = max(row, rows[0]), max(col, cols[0])
        bottom, right = min(row + _BLOCK_PX, rows[-1] + 1), min(col + _BLOCK_PX, cols[-1] + 1)
        inside = block[top - row : bottom - row, left - col : right - col]
        mask[top - rows[0] : bottom - rows[0], left - cols[0] : right - cols[0]] = inside
    return mask[np.ix_(rows - rows[0], cols - cols[0])]


def _cloud_pixels(geobox: GeoBox, grid: Grid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    # row and column on the city's 40 m grid of every pixel centre; negative in the halo
    to_metres = geobox.transform
    height, width = geobox.shape
    y = to_metres.f + (np.arange(height) + 0.5) * to_metres.e
    x = to_metres.c + (np.arange(width) + 0.5) * to_metres.a
    rows = np.floor((grid.north - y) / CLOUD_PIXEL_M).astype(np.int64)
    return rows, np.floor((x - grid.west) / CLOUD_PIXEL_M).astype(np.int64)


def _blocks(rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    for row in range(int(rows[0]) // _BLOCK_PX * _BLOCK_PX, int(rows[-1]) + 1, _BLOCK_PX):
        for col in range(int(cols[0]) // _BLOCK_PX * _BLOCK_PX, int(cols[-1]) + 1, _BLOCK_PX):
            yield row, col


@cache
def _detector() -> Any:
    from s2cloudless.cloud_detector import S2PixelCloudDetector  # brings lightgbm and OpenCV

    return S2PixelCloudDetector(
        threshold=THRESHOLD, average_over=AVERAGE_OVER_PX, dilation_size=DILATION_PX, all_bands=False
    )


def _cloud_block(scene: Scene, grid: Grid, row: int, col: int) -> Bool:
    size = _BLOCK_PX + 2 * _MARGIN_PX
    west = grid.west + (col - _MARGIN_PX) * CLOUD_PIXEL_M
    north = grid.north - (row - _MARGIN_PX) * CLOUD_PIXEL_M
    geobox = GeoBox((size, size), Affine(CLOUD_PIXEL_M, 0, west, 0, -CLOUD_PIXEL_M, north), grid.crs)
    bands = np.stack([read_asset(scene.assets[b], geobox, "average") for b in S2CLOUDLESS_BANDS], axis=-1)
    detector = _detector()
    has_data = np.isfinite(bands).all(axis=-1)
    probability = np.zeros((1, size, size), np.float32)
    if has_data.any():
        seen = bands[has_data][None, None]  # (1, 1, pixels, band)
        probability[0, has_data] = detector.get_cloud_probability_maps(seen, num_threads=1)[0, 0]
    cloud = detector.get_mask_from_prob(probability)[0] > 0
    inner = slice(_MARGIN_PX, _MARGIN_PX + _BLOCK_PX)
    return np.asarray(cloud[inner, inner], dtype=np.bool_)
