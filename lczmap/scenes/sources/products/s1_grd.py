"""Sentinel-1 IW GRDH products on disk become calibrated, geocoded scenes.

Calibration, thermal noise and no-value borders are worked out on the image's own pixels; the power is then
interpolated once, bilinearly, onto the city's 10 m pixels (sar/grd.py says where they lie in the image). Platform,
orbit and time come from the manifest, never from the product's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.geobox import GeoBox
from shapely import MultiPoint, Polygon, box

from lczmap.files import scratch_folder
from lczmap.grid import PIXEL_M, Grid
from lczmap.raster import footprint, lattice, read_onto, read_tags, write_parts
from lczmap.sar.grd import Locator, fit_locator, resample
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.sources.products.s1_image import POLARISATIONS, CalibratedImages
from lczmap.scenes.sources.products.s1_safe import find_grd, open_safe, read_images, read_manifest
from lczmap.scenes.sources.source import MARGIN_M

__all__ = ["Header", "find_grd", "product_bounds", "read_grd", "read_header"]

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Window = tuple[slice, slice]

ELLIPSOIDAL = "metres above the WGS84 ellipsoid"
"""Tag `heights` of a height model that was fetched."""
LOOKS = "4.4"  # equivalent looks of IW GRDH (ESA, Sentinel-1 Product Definition); 5 overlapping ones in the annotation
_BLOCK_PX = (256, 4096)  # wide, because images are stored line by line
_BEYOND_M = 20_000.0  # terrain of 8 km at the steepest incidence moves an image by less beyond its outline


@dataclass(frozen=True)
class Header:
    """What a product is, from its manifest; `bounds` (west, south, east, north) in degrees, west > east across 180°."""

    id: str
    platform: str
    datetime: str
    orbit_direction: str
    relative_orbit: int
    processor: str
    bounds: tuple[float, float, float, float]


def read_header(path: Path) -> Header:
    """Return what a GRD product (SAFE folder or zip) is; only its manifest is read."""
    safe = open_safe(path)
    m = read_manifest(safe)
    return Header(safe.id, m.platform, m.datetime, m.orbit_direction, m.relative_orbit, m.processor, m.bounds)


def product_bounds(path: Path) -> tuple[float, float, float, float]:
    """Return a product's bounds (west, south, east, north) in degrees; west > east crosses the antimeridian."""
    return read_header(path).bounds


def read_grd(
    path: Path,
    grid: Grid,
    folder: Path,
    *,
    calibration: str = "sigma0",
    remove_noise: bool = True,
    dem: Path | None = None,
    geoid_m: float = 0.0,
) -> Scene | None:
    """Calibrate and geocode a GRD product's window around the city into `folder`; None where it has no pixel there.

    One GeoTIFF with VH and VV, linear power, NaN where missing, on the city's pixels and MARGIN_M around them. `dem`
    has terrain heights in metres; `geoid_m` is added to them: 0 for heights above the WGS84 ellipsoid, the height of
    the geoid over the ellipsoid at the city for heights above sea level. Where `dem` has no value, and without it,
    the product's geolocation grid gives the heights, a point every 13 to 20 km: good in plains only. A file made
    before, with these options on these pixels, is kept. ValueError for anything but a complete dual-polarisation
    product (VH and VV), and for a missing noise annotation unless `remove_noise` is off.
    """
    header, safe = read_header(path), open_safe(path)
    target = grid.geobox.pad(math.ceil(MARGIN_M / PIXEL_M))
    terrain = f"{dem.stem}{geoid_m:+g}m" if dem else "grid"
    file = folder / f"{header.id}_{calibration}_{'denoised' if remove_noise else 'noise'}_{terrain}.tif"
    if not file.is_file() or lattice(file) != target:
        images = read_images(safe, read_manifest(safe), calibration)
        with scratch_folder(folder) as scratch:
            product = CalibratedImages(safe, images, remove_noise, scratch)
            parts = _parts(product, target, dem, geoid_m)
            first = next(parts, None)
            if first is None:
                return None
            write_parts(file, chain([first], parts), target, names=POLARISATIONS, tags={"processor": header.processor})
    state = {
        "product": "grd",
        "calibration": calibration,
        "noise_removed": str(remove_noise).lower(),
        "looks": LOOKS,
        "terrain": "dem" if dem else "grid heights",
        "processor": header.processor,
    }
    return Scene(
        id=header.id,
        sensor="sentinel-1",
        platform=header.platform,
        datetime=header.datetime,
        state=state,
        orbit_direction=header.orbit_direction,
        relative_orbit=header.relative_orbit,
        assets={p: Asset(str(file), band=i + 1, unit="linear") for i, p in enumerate(POLARISATIONS)},
    )


def _parts(
    product: CalibratedImages, target: GeoBox, dem: Path | None, geoid_m: float
) -> Iterator[tuple[Window, Float]]:
    """Yield ((rows, cols), (VH and VV, y, x)) of the target, block by block, where the product shows anything."""
    locator, outline = _locator(product, target)
    if dem is not None:
        _check_dem(dem, geoid_m, target)
    for rows, cols in _blocks((target.height, target.width)):
        part = target[rows, cols]
        if not outline.intersects(box(*part.boundingbox)):
            continue
        pixels = _geocoded(product, locator, part, dem, geoid_m)
        if np.isfinite(pixels).any():
            yield (rows, cols), pixels


def _geocoded(product: CalibratedImages, locator: Locator, part: GeoBox, dem: Path | None, geoid_m: float) -> Float:
    x, y = _centres(part)
    height = locator.grid_heights(x, y)
    if dem is not None:
        terrain = read_onto(dem, part) + np.float32(geoid_m)
        height = np.where(np.isnan(terrain), height, terrain)
    line, pixel = locator.position(x, y, height)
    rows, cols = _around(line, product.annotation.lines), _around(pixel, product.annotation.pixels)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return np.full((len(POLARISATIONS), *part.shape), np.nan, np.float32)
    power = product.power(rows, cols)
    return np.stack([resample(power[p], line - rows.start, pixel - cols.start) for p in POLARISATIONS])


def _locator(product: CalibratedImages, target: GeoBox) -> tuple[Locator, Polygon]:
    points = product.annotation.points
    to_map = pyproj.Transformer.from_crs("EPSG:4326", str(target.crs), always_xy=True)
    x, y = to_map.transform(points.longitude, points.latitude)
    if not np.isfinite(x).all():
        raise ValueError(f"{product.safe.path}: the product lies too far from {target.crs}; take one over the city")
    try:
        locator = fit_locator(points, x, y, product.annotation.ground_range)
    except ValueError as error:
        raise ValueError(f"{product.safe.path}: {error}") from error
    return locator, MultiPoint(np.stack([x, y], axis=-1)).convex_hull.buffer(_BEYOND_M)


def _check_dem(dem: Path, geoid_m: float, target: GeoBox) -> None:
    own = lattice(dem)
    crs = pyproj.CRS(str(own.crs))
    if crs.is_compound and geoid_m == 0:
        raise ValueError(
            f"{dem}: expected heights above the WGS84 ellipsoid, got {crs.name}; convert them, or give the geoid's "
            "height over the ellipsoid at the city"
        )
    if geoid_m == 0 and read_tags(dem).get("heights") != ELLIPSOIDAL:
        print(
            f"{dem.name}: heights count as metres above the WGS84 ellipsoid; from sea level, set `geoid_m`", flush=True
        )
    covered, wanted = box(*footprint(own, str(target.crs))), box(*target.boundingbox)
    if not covered.contains(wanted):
        raise ValueError(
            f"{dem}: expected heights for the city and {MARGIN_M:.0f} m around it, {_rounded(wanted)} in {target.crs}; "
            f"got {_rounded(covered)}"
        )


def _rounded(area: Polygon) -> tuple[int, ...]:
    return tuple(round(edge) for edge in area.bounds)


def _centres(part: GeoBox) -> tuple[Double, Double]:
    to_map = part.transform
    return to_map.c + (np.arange(part.shape[1]) + 0.5) * to_map.a, to_map.f + (
        np.arange(part.shape[0]) + 0.5
    ) * to_map.e


def _blocks(shape: tuple[int, int]) -> Iterator[Window]:
    for row in range(0, shape[0], _BLOCK_PX[0]):
        for col in range(0, shape[1], _BLOCK_PX[1]):
            yield slice(row, min(row + _BLOCK_PX[0], shape[0])), slice(col, min(col + _BLOCK_PX[1], shape[1]))


def _around(position: Double, count: int) -> slice:
    # the pixels that interpolation at these positions needs
    return slice(max(math.floor(position.min()), 0), min(math.floor(position.max()) + 2, count))
