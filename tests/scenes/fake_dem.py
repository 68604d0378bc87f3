"""Public elevation models and PROJ's geoid grids on the loopback: tiles of a plane of heights, known at every place.

The plane climbs 1 m per 1″ eastward and 0.5 m northward from a place, so half a pixel shows as 0.5 m. Tiles have the
names, shapes and lattices of the real ones; only the part around the place holds heights, the rest of a file is empty.
"""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from loopback import Answer, Loopback, Request, _part
from rasterio.windows import Window

Double = npt.NDArray[np.float64]
Surface = Callable[[Double, Double], Double]

_HALF_DEG = 0.12  # around the place


@dataclass(frozen=True)
class Plane:
    """Heights around a place; longitudes are compared on the shorter way round."""

    lon: float
    lat: float
    east: float = 3600.0
    north: float = 1800.0
    base: float = 200.0

    def __call__(self, lon: Double, lat: Double) -> Double:
        away = (np.asarray(lon) - self.lon + 180) % 360 - 180
        return self.base + self.east * away + self.north * (np.asarray(lat) - self.lat)


def geoid(lon: Double, lat: Double) -> Double:
    """A geoid that any grid reproduces bilinearly, also at 180°."""
    return 10 + 0.2 * np.abs(lon) + 0.5 * np.asarray(lat)


def glo_name(lat: int, lon: int, code: str = "10") -> str:
    return (
        f"Copernicus_DSM_COG_{code}_{'N' if lat >= 0 else 'S'}{abs(lat):02d}_00_"
        f"{'E' if lon >= 0 else 'W'}{abs(lon):03d}_00_DEM"
    )


def hgt_name(lat: int, lon: int) -> str:
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}{'E' if lon >= 0 else 'W'}{abs(lon):03d}.hgt.gz"


def write_glo(holdings: Path, lat: int, lon: int, plane: Plane, *, code: str = "10", cols: int = 3600) -> Path:
    """Write a tile into its bucket's folder and name it in the bucket's list; `cols` as its latitude has."""
    rows, bucket = (3600, "copernicus-dem-30m") if code == "10" else (1200, "copernicus-dem-90m")
    name = glo_name(lat, lon, code)
    path = holdings / bucket / name / f"{name}.tif"
    path.parent.mkdir(parents=True)
    transform = Affine(1 / cols, 0, lon - 0.5 / cols, 0, -1 / rows, lat + 1 + 0.5 / rows)
    x, y = lon + np.arange(cols) / cols, lat + 1 - np.arange(rows) / rows  # pixel centres on whole degrees
    inside_x = np.flatnonzero(np.abs((x - plane.lon + 180) % 360 - 180) < _HALF_DEG)
    inside_y = np.flatnonzero(np.abs(y - plane.lat) < _HALF_DEG)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:4326", "transform": transform}
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "sparse_ok": True}
    with rasterio.open(path, "w", width=cols, height=rows, **profile, **tiled) as file:
        heights = plane(x[inside_x][None], y[inside_y][:, None]).astype(np.float32)
        window = Window(inside_x[0], inside_y[0], inside_x.size, inside_y.size)
        file.write(heights, 1, window=window)
    with (path.parent.parent / "tileList.txt").open("a", newline="") as listed:
        listed.write(f"{name}\r\n")
    return path


def write_hgt(path: Path, lat: int, lon: int, plane: Plane, *, void: Surface | None = None) -> None:
    """Write an SRTM tile of whole metres; -32768 where `void` is true."""
    x, y = lon + np.arange(3601) / 3600, lat + 1 - np.arange(3601) / 3600
    heights = np.zeros((3601, 3601), ">i2")
    rows = np.flatnonzero(np.abs(y - plane.lat) < _HALF_DEG)
    cols = np.flatnonzero(np.abs((x - plane.lon + 180) % 360 - 180) < _HALF_DEG)
    here = x[cols][None], y[rows][:, None]
    inside = np.rint(plane(*here)).astype(">i2")
    if void is not None:
        inside[np.broadcast_to(void(*here), inside.shape)] = -32768
    heights[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = inside
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(heights.tobytes(), 1))


def write_geoid_grid(path: Path, heights: Surface, *, step: float = 0.25, bounds=(-180.0, -90.0, 180.0, 90.0)) -> None:
    """Write a grid as PROJ fetches it (GeoTIFF, values at whole multiples of `step`)."""
    west, south, east, north = bounds
    cols = round((east - west) / step) + (0 if east - west == 360 else 1)
    rows = round((north - south) / step) + 1
    lon, lat = west + np.arange(cols) * step, north - np.arange(rows) * step
    transform = Affine(step, 0, west - step / 2, 0, -step, north + step / 2)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:4326", "transform": transform}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", width=cols, height=rows, compress="deflate", **profile) as file:
        file.write(heights(lon[None], lat[:, None]).astype(np.float32), 1)
        file.set_band_description(1, "geoid_undulation")
        file.update_tags(AREA_OR_POINT="Point", TYPE="VERTICAL_OFFSET_GEOGRAPHIC_TO_VERTICAL")


def serve(server: Loopback, holdings: Path) -> None:
    """Serve the buckets and PROJ's grids as folders, with an empty list where a bucket has no tile here."""
    for bucket in ("copernicus-dem-30m", "copernicus-dem-90m"):
        (holdings / bucket).mkdir(parents=True, exist_ok=True)
        listed = holdings / bucket / "tileList.txt"
        if not listed.exists():  # as the real ones, it names tiles of other places
            listed.write_text(glo_name(-45, 170, "10" if "30m" in bucket else "30") + "\r\n")
    server.files("", holdings)

    def tile(request: Request) -> Answer:
        path = holdings / request.parts["file"]
        if not path.is_file():
            return Answer(status=404)
        content = path.read_bytes()
        tag = f'"{hashlib.md5(content).hexdigest()}"'  # as S3 does
        part = _part(content, request.headers.get("Range") if request.headers.get("If-Range", tag) == tag else None)
        return Answer(part.body, part.status, {**part.headers, "ETag": tag})

    server.route("GET", r"/(?P<file>(copernicus|elevation).+)", tile)
