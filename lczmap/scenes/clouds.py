"""Masks of Sentinel-2 scenes (cloud, shadow, snow), and how much of a city a scene shows.

A scene's own mask is used where there is one; else s2cloudless (Sentinel Hub; A. Zupanc, "Improving cloud detection
with machine learning", 2017) sees the ten bands it needs as top-of-atmosphere reflectance. It knows no cloud shadows
and no snow: shadows.py adds both, shadows only where the scene says where the sun stood. The grid of 40 m is
anchored at the city's corner and worked off in fixed blocks, so a pixel gets the same answer whatever tile asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.grid import PIXEL_M, Grid
from lczmap.raster import ResamplingName, read_onto
from lczmap.scenes.blocks import BLOCK_PX
from lczmap.scenes.catalogue import Asset, Scene, file_on_disk
from lczmap.scenes.shadows import cast, is_dark_land, is_snow, shadow_reach_m

CloudMethod = Literal["auto", "source", "s2cloudless", "none"]
Bool = npt.NDArray[np.bool_]

S2CLOUDLESS_BANDS = ("B1", "B2", "B4", "B5", "B8", "B8A", "B9", "B10", "B11", "B12")
"""Bands in the order that the model expects (s2cloudless README)."""
MASK_BANDS = (*S2CLOUDLESS_BANDS, "B3")
"""What s2cloudless, shadows and snow need together."""
CLOUD_PIXEL_M = 40  # the model judges pixels one by one, of any size; a divisor of the blocks of the stacks
THRESHOLD = 0.4  # cloud probability, the package's default
AVERAGE_OVER_PX = 4  # radius of the disk that averages probability, as in the authors' example
DILATION_PX = 2  # radius of the disk that grows the mask, as in the authors' example
_BLOCK_PX = BLOCK_PX * PIXEL_M // CLOUD_PIXEL_M  # a block of a stack asks for one block of clouds
_MARGIN_PX = AVERAGE_OVER_PX + DILATION_PX
_SHADOW_MARGIN_PX = 4  # around a block, for the opening and the growing of shadows
_CACHED_BLOCKS = 4096  # of 4 KB: the clouds that throw shadows into several blocks are sought once


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
    missing = [band for band in MASK_BANDS if band not in scene.assets]
    if chosen == "s2cloudless" and missing:
        raise ValueError(
            f"scene {scene.id}: s2cloudless needs the bands {missing} as well; add them or a `cloud:` mask"
        )
    return chosen


def mask_name(scene: Scene, method: CloudMethod = "auto") -> str:
    """Return what masks a scene, for the state of a stack: `source`, `none`, or s2cloudless with what is added to it.

    That is `s2cloudless+shadow+snow`, or `s2cloudless+snow` for a scene whose `sun` is unknown. ValueError as in
    `resolve_method`.
    """
    chosen = resolve_method(scene, method)
    if chosen != "s2cloudless":
        return chosen
    return "s2cloudless+snow" if scene.sun is None else "s2cloudless+shadow+snow"


def cloud_mask(
    scene: Scene,
    geobox: GeoBox,
    grid: Grid,
    *,
    method: CloudMethod = "auto",
    shift_m: tuple[float, float] = (0.0, 0.0),
) -> Bool:
    """Return (y, x) on `geobox` (in the grid's CRS), True where the scene shows no clear ground: cloud, shadow, snow.

    A scene's own mask says what it says; `mask_name` tells what is sought else. The same pixel centre gets the same
    answer on every geobox. A pixel without data is not masked. `shift_m` moves a scene's own mask with its bands; what
    s2cloudless finds is grown by more than bands are ever moved.
    """
    chosen = resolve_method(scene, method)
    if chosen == "source" and scene.cloud is not None:
        return _flagged(scene.cloud, geobox, shift_m)
    if chosen == "s2cloudless":
        return _s2cloudless(scene, geobox, grid)
    return np.zeros(geobox.shape, np.bool_)


def read_asset(
    asset: Asset, geobox: GeoBox, resampling: ResamplingName, *, shift_m: tuple[float, float] = (0.0, 0.0)
) -> npt.NDArray[np.float32]:
    """Read an asset onto `geobox` in its unit (dB stays dB); (y, x), NaN where missing. `shift_m` as in raster."""
    digital = read_onto(
        asset.path,
        geobox,
        band=asset.band,
        resampling=resampling,
        shift_m=shift_m,
        crs=asset.crs,
        transform=asset.transform,
        nodata=asset.nodata,
    )
    return digital * np.float32(asset.scale) + np.float32(asset.offset)


def _flagged(mask: Asset, geobox: GeoBox, shift_m: tuple[float, float]) -> Bool:
    values = read_asset(mask, geobox, "nearest", shift_m=shift_m)
    return values > 0 if mask.values is None else np.isin(values, mask.values)


@dataclass(frozen=True)
class _View:
    """What the mask of a scene on a city's 40 m grid depends on: hashable, so that blocks can be kept."""

    bands: tuple[tuple[str, Asset], ...]
    sun: tuple[float, float] | None
    crs: str
    west: float
    north: float
    stamps: tuple[int, ...]

    def read(self, names: Sequence[str], row: int, col: int, size: int, margin: int) -> npt.NDArray[np.float32]:
        """Return (band, y, x), the mean reflectance of 40 m pixels of a square at (row, col) with a margin."""
        west = self.west + (col - margin) * CLOUD_PIXEL_M
        north = self.north - (row - margin) * CLOUD_PIXEL_M
        side = size + 2 * margin
        geobox = GeoBox((side, side), Affine(CLOUD_PIXEL_M, 0, west, 0, -CLOUD_PIXEL_M, north), self.crs)
        assets = dict(self.bands)
        return np.stack([read_asset(assets[name], geobox, "average") for name in names])


def _view(scene: Scene, grid: Grid) -> _View:
    bands = tuple((band, scene.assets[band]) for band in MASK_BANDS)
    files = [Path(file_on_disk(asset.path)) for _, asset in bands]
    stamps = tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)
    return _View(bands, scene.sun, grid.crs, grid.west, grid.north, stamps)


def _s2cloudless(scene: Scene, geobox: GeoBox, grid: Grid) -> Bool:
    rows, cols = _cloud_pixels(geobox, grid)
    view = _view(scene, grid)
    mask = _assemble(
        lambda row, col: _mask_block(view, row, col), int(rows[0]), int(rows[-1]), int(cols[0]), int(cols[-1])
    )
    return mask[np.ix_(rows - rows[0], cols - cols[0])]


def _assemble(make_block: Callable[[int, int], Bool], top: int, bottom: int, left: int, right: int) -> Bool:
    # pixels top..bottom, left..right (both included) of the city's 40 m grid, from its fixed blocks
    mask = np.zeros((bottom - top + 1, right - left + 1), np.bool_)
    for row in range(top // _BLOCK_PX * _BLOCK_PX, bottom + 1, _BLOCK_PX):
        for col in range(left // _BLOCK_PX * _BLOCK_PX, right + 1, _BLOCK_PX):
            rows = slice(max(row, top), min(row + _BLOCK_PX, bottom + 1))
            cols = slice(max(col, left), min(col + _BLOCK_PX, right + 1))
            mask[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = make_block(row, col)[
                rows.start - row : rows.stop - row, cols.start - col : cols.stop - col
            ]
    return mask


def _cloud_pixels(geobox: GeoBox, grid: Grid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    # row and column on the city's 40 m grid of every pixel centre; negative in the halo
    to_metres = geobox.transform
    height, width = geobox.shape
    y = to_metres.f + (np.arange(height) + 0.5) * to_metres.e
    x = to_metres.c + (np.arange(width) + 0.5) * to_metres.a
    rows = np.floor((grid.north - y) / CLOUD_PIXEL_M).astype(np.int64)
    return rows, np.floor((x - grid.west) / CLOUD_PIXEL_M).astype(np.int64)


def _mask_block(view: _View, row: int, col: int) -> Bool:
    margin = _SHADOW_MARGIN_PX
    green, nir, swir = view.read(("B3", "B8", "B11"), row, col, _BLOCK_PX, margin)
    inner = slice(margin, margin + _BLOCK_PX)
    masked = _cloud_block(view, row, col) | is_snow(green, nir, swir)[inner, inner]
    dark = is_dark_land(green, nir, swir)
    if view.sun is None or not dark.any():
        return masked
    from scipy import ndimage

    shadow = dark & _cast_into(view, view.sun, row - margin, col - margin, _BLOCK_PX + 2 * margin)
    shadow = ndimage.binary_opening(shadow, np.ones((2, 2)))  # less than 80 m wide is no cloud's shadow
    grown = ndimage.binary_dilation(shadow, np.ones((3, 3)))
    return np.asarray(masked | grown[inner, inner], dtype=np.bool_)


def _cast_into(view: _View, sun: tuple[float, float], row: int, col: int, size: int) -> Bool:
    # where the clouds around throw shadows in a square of `size` pixels; only blocks towards the sun are looked at
    reach = math.ceil(shadow_reach_m(sun[1]) / CLOUD_PIXEL_M)
    north, east = reach * math.cos(math.radians(sun[0])), reach * math.sin(math.radians(sun[0]))
    up, down = math.ceil(max(north, 0)), math.ceil(max(-north, 0))
    right, left = math.ceil(max(east, 0)), math.ceil(max(-east, 0))
    cloud = _assemble(
        lambda r, c: _cloud_block(view, r, c), row - up, row + size - 1 + down, col - left, col + size - 1 + right
    )
    around = np.pad(cloud, ((reach - up, reach - down), (reach - left, reach - right)))
    return cast(around, sun, pixel_m=CLOUD_PIXEL_M, margin_px=reach)


@cache
def _detector() -> Any:
    from s2cloudless.cloud_detector import S2PixelCloudDetector  # brings lightgbm and OpenCV

    return S2PixelCloudDetector(
        threshold=THRESHOLD, average_over=AVERAGE_OVER_PX, dilation_size=DILATION_PX, all_bands=False
    )


@lru_cache(maxsize=_CACHED_BLOCKS)
def _cloud_block(view: _View, row: int, col: int) -> Bool:
    bands = np.moveaxis(view.read(S2CLOUDLESS_BANDS, row, col, _BLOCK_PX, _MARGIN_PX), 0, -1)  # (y, x, band)
    detector = _detector()
    has_data = np.isfinite(bands).all(axis=-1)
    probability = np.zeros((1, *has_data.shape), np.float32)
    if has_data.any():
        seen = bands[has_data][None, None]  # (1, 1, pixels, band)
        probability[0, has_data] = detector.get_cloud_probability_maps(seen, num_threads=1)[0, 0]
    cloud = detector.get_mask_from_prob(probability)[0] > 0
    inner = slice(_MARGIN_PX, _MARGIN_PX + _BLOCK_PX)
    block = np.array(cloud[inner, inner], dtype=np.bool_)
    block.flags.writeable = False  # shared by all that ask
    return block
