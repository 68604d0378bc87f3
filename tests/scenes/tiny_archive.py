"""Small archives on disk for the tests: scenes whose every pixel is known."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_BANDS_L1C, S2_RESOLUTION_M
from lczmap.grid import Grid
from lczmap.raster import write_cells
from lczmap.scenes.catalogue import Asset, Scene, Unit

CRS = "EPSG:32631"
WEST, NORTH = 400_000.0, 5_800_000.0
GRD_STATE = {"product": "grd", "calibration": "sigma0", "noise_removed": "true", "looks": "4.4"}

Paint = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""A picture: value at (x, y) in metres of its CRS."""


VEGETATION = {  # rounded top-of-atmosphere reflectance of a green field
    "B1": 0.12, "B2": 0.10, "B3": 0.09, "B4": 0.07, "B5": 0.11, "B6": 0.24, "B7": 0.30, "B8": 0.30, "B8A": 0.33,
    "B9": 0.08, "B10": 0.001, "B11": 0.18, "B12": 0.09,
}  # fmt: skip
CLOUD = {  # rounded, of a bright cumulus over fields (Punjab, 2020-08-23)
    "B1": 0.47, "B2": 0.48, "B3": 0.47, "B4": 0.49, "B5": 0.48, "B6": 0.55, "B7": 0.62, "B8": 0.56, "B8A": 0.64,
    "B9": 0.105, "B10": 0.001, "B11": 0.52, "B12": 0.38,
}  # fmt: skip


def make_grid(size_px: int = 120, tile_px: int = 120, *, west: float = WEST, north: float = NORTH) -> Grid:
    extent = shapely.box(west, north - size_px * 10, west + size_px * 10, north)
    return Grid(CRS, west, north, size_px, size_px, 10, tile_px, extent)


def pixel_centres(geobox: GeoBox) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rows, cols = np.mgrid[0 : geobox.shape[0], 0 : geobox.shape[1]] + 0.5
    return geobox.transform @ (cols, rows)


def lattice(pixel_m: float, width_m: float, *, west: float, north: float, crs: str = CRS) -> GeoBox:
    count = round(width_m / pixel_m)
    return GeoBox((count, count), Affine(pixel_m, 0, west, 0, -pixel_m, north), crs)


def write_picture(path: Path, geobox: GeoBox, values: npt.NDArray, dtype: str = "float32", **asset: object) -> Asset:
    pixels = np.rint(values) if np.issubdtype(np.dtype(dtype), np.integer) else values
    write_cells(path, pixels.astype(dtype)[None], geobox, names=[path.stem], nodata=None)
    return Asset(path=str(path), **asset)  # type: ignore[arg-type]


def optical_scene(
    folder: Path,
    paints: Mapping[str, Paint],
    *,
    id: str = "s2",
    day: str = "2024-06-01",
    level: str = "L1C",
    dn_offset: int = 0,
    west: float = WEST - 1200,
    north: float = NORTH + 1200,
    width_m: float = 3600,
    crs: str = CRS,
    cloud: Paint | None = None,
) -> Scene:
    """Write 13 bands at their native pixel sizes as uint16 DN = reflectance · 10000 + `dn_offset`, 0 where NaN."""
    assets = {}
    for band in S2_BANDS_L1C:
        geobox = lattice(S2_RESOLUTION_M[band], width_m, west=west, north=north, crs=crs)
        reflectance = paints[band](*pixel_centres(geobox))
        digital = np.where(np.isnan(reflectance), 0, np.nan_to_num(reflectance) * 10_000 + dn_offset)
        path = folder / id / f"{band}.tif"
        assets[band] = write_picture(
            path, geobox, digital, "uint16", scale=1e-4, offset=-dn_offset / 10_000, nodata=0, unit="reflectance"
        )
    mask = None
    if cloud is not None:
        geobox = lattice(20, width_m, west=west, north=north, crs=crs)
        mask = write_picture(folder / id / "cloud.tif", geobox, cloud(*pixel_centres(geobox)), "uint8")
    moment = f"{day}T10:00:00Z"
    return Scene(id, "sentinel-2", "sentinel-2a", moment, {"level": level}, "descending", 8, assets, mask)


def radar_scene(
    folder: Path,
    paints: Mapping[str, Paint],
    *,
    units: Mapping[str, Unit] | None = None,
    id: str = "s1",
    day: str = "2024-06-02",
    direction: str = "ascending",
    west: float = WEST - 1203.3,
    north: float = NORTH + 1204.1,
    width_m: float = 3600,
    crs: str = CRS,
    state: Mapping[str, str] = GRD_STATE,
) -> Scene:
    """Write one float32 file per channel on a 10 m lattice that does not fit the grid's."""
    geobox = lattice(10, width_m, west=west, north=north, crs=crs)
    assets = {
        name: write_picture(
            folder / id / f"{name}.tif", geobox, paint(*pixel_centres(geobox)), unit=(units or {}).get(name, "linear")
        )
        for name, paint in paints.items()
    }
    return Scene(id, "sentinel-1", "sentinel-1a", f"{day}T05:00:00Z", dict(state), direction, 15, assets)


def fields() -> dict[str, Paint]:
    return {band: constant(value) for band, value in VEGETATION.items()}


def constant(value: float) -> Paint:
    return lambda x, _y: np.full(x.shape, value)


def noise(seed: int, low: float, high: float) -> Paint:
    return lambda x, _y: np.random.default_rng(seed).uniform(low, high, x.shape)
