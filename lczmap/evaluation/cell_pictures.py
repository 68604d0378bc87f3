"""Small pictures of the ground around map cells, for people who label them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.grid import PIXEL_M
from lczmap.raster import Float, band_facts, band_names, footprint, lattice, read_onto, read_stack
from lczmap.views import ABSENT

CONTEXT_M = 1000
"""Least width of the ground that a picture shows, in metres."""
JPEG_QUALITY = 82
_STRETCH = (0.5, 99.5)  # percentiles, over all pictures, shown as black and as white
_STRETCH_CELLS = 100  # cells that the percentiles are taken from
_MISSING = 128  # grey of pixels without data

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """One kind of picture: `title`, and how it is read from `paths`.

    `bands` are names, or numbers where the file's bands need no name. `colors` turns them (bands, y, x) into red,
    green and blue (3, y, x); None takes the first three as they are, bytes 0..255.
    """

    title: str
    paths: tuple[Path, ...]
    bands: tuple[str | int, ...]
    colors: Callable[[Float], Float] | None


def views_of_tiles(tiles_folder: Path) -> tuple[View, ...]:
    """Return the views that the stacks of a run give: natural colour, infrared and radar, those whose bands exist."""
    optical, radar = (_stacks(tiles_folder, sensor) for sensor in ("s2", "s1"))
    views = []
    if optical:
        views.append(View("Natural colour", optical, ("B4", "B3", "B2"), optical_colors))
        views.append(View("Infrared (plants red)", optical, ("B8", "B4", "B3"), optical_colors))
    if radar:
        names = band_names(radar[0])
        pair = ("VV_lee", "VH_lee") if "VV_lee" in names else ("VV", "VH")
        views.append(View("Radar (VV red, VH green, VV/VH blue)", radar, pair, radar_colors))
    return tuple(views)


def view_of_picture(path: Path) -> View:
    """Return the view of a raster whose first three bands are red, green, blue as bytes; ValueError for another."""
    if len(band_names(path)) < 3:
        raise ValueError(f"{path}: expected red, green and blue bands, got {len(band_names(path))} band")
    others = {band_facts(path, band=band).dtype for band in (1, 2, 3)} - {"uint8"}
    if others:
        raise ValueError(
            f"{path}: expected red, green and blue as bytes (uint8), got {', '.join(sorted(others))}; stretch it first "
            "(gdal_translate -ot Byte -scale), or give the folder of the tiles with `--stacks`"
        )
    return View("Natural colour", (path,), (1, 2, 3), None)


def surroundings(geobox: GeoBox, row: int, col: int) -> GeoBox:
    """Return the 10 m pixels around a map cell, with the cell in the middle: at least 1 km, and thrice its size."""
    cell_m = abs(geobox.transform.a)
    width_m = max(CONTEXT_M, 3 * cell_m)
    margin = math.ceil((width_m - cell_m) / (2 * PIXEL_M))
    size = round(cell_m / PIXEL_M) + 2 * margin
    west, north = geobox.transform @ (col, row)
    corner = Affine(PIXEL_M, 0, west - margin * PIXEL_M, 0, -PIXEL_M, north + margin * PIXEL_M)
    return GeoBox((size, size), corner, geobox.crs)


def draw_pictures(view: View, places: Sequence[GeoBox]) -> Iterator[bytes]:
    """Yield a JPEG of each place; pixels without data are grey. Nothing where a stretched view has no pixel at all.

    All pictures share one stretch, from percentiles over the first hundred places, so that the colours of two
    cells compare.
    """
    files = _Files(view, str(places[0].crs))
    if view.colors is None:
        for place in places:
            yield jpeg(_bytes(files.read(place)))
        return
    seen = np.stack([view.colors(files.read(place)) for place in places[:_STRETCH_CELLS]], axis=1)  # (3, cells, y, x)
    flat = seen.reshape(3, -1).astype(np.float64)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    if not flat.size:
        return
    low, high = np.percentile(flat, _STRETCH, axis=1).astype(np.float32)[..., None, None]
    for place in places:
        yield jpeg(_bytes(255 * (view.colors(files.read(place)) - low) / np.maximum(high - low, np.float32(1e-6))))


def jpeg(picture: Bytes) -> bytes:
    """Encode (y, x, 3) as JPEG."""
    from matplotlib.image import imsave

    buffer = BytesIO()
    imsave(buffer, picture, format="jpg", pil_kwargs={"quality": JPEG_QUALITY, "optimize": True})
    return buffer.getvalue()


def optical_colors(reflectance: Float) -> Float:
    """Return the square root of reflectance (3, y, x): dark ground stays apart without bright roofs being cut off."""
    colors: Float = np.sqrt(np.maximum(reflectance, 0))
    return colors


def radar_colors(power: Float) -> Float:
    """Turn VV and VH (2, y, x) in linear power into VV dB, VH dB and their difference (3, y, x)."""
    decibels = 10 * np.log10(np.where(power > 0, power, np.nan))
    colors: Float = np.stack([decibels[0], decibels[1], decibels[0] - decibels[1]])
    return colors


class _Files:
    """The rasters of a view with where they lie, so that a place asks only those that hold it."""

    def __init__(self, view: View, crs: str) -> None:
        self._bands: dict[Path, tuple[int, ...]] = {path: _numbers(path, view.bands) for path in view.paths}
        self._bounds = {path: footprint(lattice(path), crs) for path in view.paths}

    def read(self, place: GeoBox) -> Float:
        """Return the view's bands (bands, y, x) of a place; NaN where no file has data."""
        box = place.boundingbox
        out: Float = np.full((len(next(iter(self._bands.values()))), *place.shape), np.nan, np.float32)
        for path, (west, south, east, north) in self._bounds.items():
            if west < box.right and east > box.left and south < box.top and north > box.bottom:
                for band, number in zip(out, self._bands[path], strict=True):
                    missing = np.isnan(band)
                    if missing.any():
                        np.copyto(band, read_onto(path, place, band=number, resampling="nearest"), where=missing)
        return out


def _numbers(path: Path, bands: Sequence[str | int]) -> tuple[int, ...]:
    names = band_names(path)
    wanted = [band for band in bands if isinstance(band, str)]
    if not set(wanted) <= set(names):
        raise ValueError(f"{path}: expected the bands {', '.join(wanted)}, got {', '.join(names)}")
    return tuple(names.index(band) + 1 if isinstance(band, str) else band for band in bands)


def _bytes(colors: Float) -> Bytes:
    valid = np.isfinite(colors).all(axis=0)
    picture = np.where(valid, np.clip(colors, 0, 255), _MISSING)
    return np.ascontiguousarray(np.rint(picture).astype(np.uint8).transpose(1, 2, 0))  # (y, x, 3)


def _stacks(folder: Path, sensor: str) -> tuple[Path, ...]:
    """Return one stack of a sensor from each tile; of several views of the ground the first that is not absent."""
    found = []
    for tile in sorted(path for path in folder.iterdir() if path.is_dir()):
        stacks = sorted(tile.glob(f"{sensor}*.tif"), key=lambda path: (len(path.name), path.name))
        found += [path for path in stacks if not _is_absent(path)][:1]
    return tuple(found)


def _is_absent(stack: Path) -> bool:
    one_pixel = (slice(0, 1), slice(0, 1))
    return ABSENT.items() <= read_stack(stack, window=one_pixel).state.items()
