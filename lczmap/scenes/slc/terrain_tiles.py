"""Tiles of one degree of the public elevation models: which there are, fetched once, read by windows.

Copernicus DEM GLO-30 (2021 release, public AWS bucket): metres above EGM2008, cloud-optimised GeoTIFF. A tile has 3600
rows; its columns are 1″ wide below 50° latitude, and 1.5″, 2″, 3″, 5″ and 10″ from 50°, 60°, 70°, 80° and 85°. Pixel
centres lie on whole degrees: the first row on the tile's northern edge, the first column on its western one; the
southern and eastern edges belong to the neighbours. At sea there are no tiles. Some countries are withheld; GLO-90 (3″)
has them. https://copernicus-dem-30m.s3.amazonaws.com/readme.html

SRTM 1″ in the skadi layout (public AWS bucket elevation-tiles-prod): big-endian int16 above EGM96, 3601 × 3601 with all
edges, gzipped, -32768 where void. There it is a mixture: SRTM with gaps filled, national models where they are better,
sea depths from ETOPO1 in place of the sea's 0 m. https://github.com/tilezen/joerd/blob/master/docs
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
from affine import Affine

from lczmap.files import write_text
from lczmap.raster import Float, lattice, read_window
from lczmap.scenes.slc.download import Wanted, download
from lczmap.scenes.slc.public import Anyone, fault_by
from lczmap.scenes.sources.http import get_bytes, session
from lczmap.scenes.sources.source import ArchiveError

_HGT_SIDE = 3601
_HGT_VOID = -32768
_GLO_VOID = -32767.0  # not verified; the tiles are edited and should have none
_TILE_LIST = "tileList.txt"
_DRIVER = "GTiff"
"""Nothing else is opened as a tile: what came from a server must not point to other files, as a VRT does."""


@dataclass(frozen=True, order=True)
class Corner:
    """A tile's south-western corner in whole degrees; `lon` is -180..179."""

    lat: int
    lon: int

    @property
    def name(self) -> str:
        """As in N30E073."""
        return f"{self.north}{self.east}"

    @property
    def north(self) -> str:
        """As in N30."""
        return f"{'N' if self.lat >= 0 else 'S'}{abs(self.lat):02d}"

    @property
    def east(self) -> str:
        """As in E073."""
        return f"{'E' if self.lon >= 0 else 'W'}{abs(self.lon):03d}"


@dataclass(frozen=True)
class Tile:
    """A complete tile on disk. `shape` counts its rows and columns without those on the southern and eastern edge."""

    corner: Corner
    source: str
    path: Path
    shape: tuple[int, int]

    def read(self, rows: slice, cols: slice) -> Float:
        """Return the heights (rows, cols) of a window in the model's own datum, NaN where void."""
        if self.path.suffix == ".gz":
            return _read_hgt(self.path)[rows, cols]
        heights = read_window(self.path, rows, cols, driver=_DRIVER).astype(np.float32)
        heights[heights == _GLO_VOID] = np.nan
        return heights


@dataclass(frozen=True)
class Tiles:
    """What covers an area: tiles, and the corners where there is only sea."""

    found: tuple[Tile, ...]
    sea: tuple[Corner, ...] = ()


@dataclass(frozen=True)
class _Bucket:
    source: str
    address: str
    code: str

    def tile_name(self, corner: Corner) -> str:
        return f"Copernicus_DSM_COG_{self.code}_{corner.north}_00_{corner.east}_00_DEM"


def glo30_tiles(corners: Iterable[Corner], folder: Path, endpoint: str | None) -> Tiles:
    """Bring the GLO-30 tiles into `folder`, GLO-90 tiles where GLO-30 is withheld.

    What the buckets' own lists do not name is sea. Tiles and lists that are there are kept. ArchiveError when a listed
    tile does not come, or when there is nothing but sea.
    """
    buckets = (
        _Bucket("GLO-30", _address(endpoint, "copernicus-dem-30m"), "10"),
        _Bucket("GLO-90", _address(endpoint, "copernicus-dem-90m"), "30"),
    )
    client, found, sea = session(), [], []
    for corner in corners:
        for bucket in buckets:
            tile = _glo_tile(client, bucket, corner, folder)
            if tile is not None:
                found.append(tile)
                break
        else:
            sea.append(corner)
    _report(found, sea)
    return Tiles(tuple(found), tuple(sea))


def srtm_tiles(corners: Iterable[Corner], folder: Path, endpoint: str | None) -> Tiles:
    """Bring the SRTM tiles into `folder`; a file such as N30E073.hgt.gz that is there already is taken.

    ArchiveError when a tile does not come: this bucket has tiles at sea, too.
    """
    base, found = _address(endpoint, "elevation-tiles-prod"), []
    for corner in corners:
        path = folder / f"{corner.name}.hgt.gz"
        _fetched(f"{base}/skadi/{corner.north}/{path.name}", path, _read_hgt)
        found.append(Tile(corner, "SRTM", path, (_HGT_SIDE - 1, _HGT_SIDE - 1)))
    return Tiles(tuple(found))


def _address(endpoint: str | None, bucket: str) -> str:
    return f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"https://{bucket}.s3.amazonaws.com"


def _report(found: list[Tile], sea: list[Corner]) -> None:
    names = ", ".join(corner.name for corner in sea)
    if not found:
        raise ArchiveError(
            f"GLO-30 and GLO-90 have no tile of {names}: only sea; check the area of interest, or give heights of your "
            "own as `dem`"
        )
    coarse = ", ".join(tile.corner.name for tile in found if tile.source == "GLO-90")
    if coarse:
        print(f"GLO-30 is withheld for {coarse}: the heights there are of GLO-90, 90 m", flush=True)
    if sea:
        print(f"GLO-30 and GLO-90 have no tile of {names}: taken as sea, 0 m above the geoid", flush=True)


def _glo_tile(client: requests.Session, bucket: _Bucket, corner: Corner, folder: Path) -> Tile | None:
    name = bucket.tile_name(corner)
    path = folder / f"{name}.tif"

    def check(path: Path) -> None:
        rows, cols = _checked_shape(path, corner)
        read_window(path, slice(0, rows), slice(0, cols), driver=_DRIVER)

    if not path.is_file():
        if name not in _listed(client, bucket, folder):
            return None
        _fetched(f"{bucket.address}/{name}/{name}.tif", path, check)
    return Tile(corner, bucket.source, path, _checked_shape(path, corner))


def _listed(client: requests.Session, bucket: _Bucket, folder: Path) -> frozenset[str]:
    pattern = rf"Copernicus_DSM_COG_{bucket.code}_[NS]\d\d_00_[EW]\d\d\d_00_DEM"

    path = folder / f"{bucket.source}_{_TILE_LIST}"
    if not path.is_file():  # in one piece, unlike tiles: a list of two releases would pass for a good one
        url = f"{bucket.address}/{_TILE_LIST}"
        text = get_bytes(client, url).decode(errors="replace")
        if not re.search(pattern, text):
            expected = bucket.tile_name(Corner(30, 73))
            raise ArchiveError(f"{url}: expected a list of tiles such as {expected}; run the same command again later")
        write_text(path, text)
    return frozenset(re.findall(pattern, path.read_text(encoding="utf-8")))


def _fetched(url: str, path: Path, check: Callable[[Path], object]) -> None:
    """Download a tile unless it is there; it gets its name once `check` (ValueError) has read it.

    One that broke off is gone on with, also by a later run.
    """
    if not path.is_file():
        print(f"  {path.name}: from {url}", flush=True)
        download(Wanted(url, fault=fault_by(check)), path, Anyone())


def _checked_shape(path: Path, corner: Corner) -> tuple[int, int]:
    """Return a GLO tile's rows and columns; ValueError unless its pixel centres begin on the tile's northern and
    western edge, as documented."""
    own = lattice(path, driver=_DRIVER)
    rows, cols = own.shape
    expected = Affine(1 / cols, 0, corner.lon - 0.5 / cols, 0, -1 / rows, corner.lat + 1 + 0.5 / rows)
    found: Affine = own.transform
    if not math.isclose(
        0, max(abs(a - b) for a, b in zip(found, expected, strict=True)), abs_tol=1e-3 / max(own.shape)
    ):
        raise ValueError(
            f"{path}: expected {corner.name} with pixel centres on whole degrees, {tuple(expected)[:6]}; got "
            f"{tuple(found)[:6]}; delete it to fetch it again"
        )
    return rows, cols


def _read_hgt(path: Path) -> Float:
    """Return (3600, 3600) heights, without the southern and eastern edge; NaN where void. ValueError when broken."""
    size = 2 * _HGT_SIDE**2
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a readable .hgt.gz ({error}); delete it to fetch it again") from error
    if len(content) != size:
        raise ValueError(f"{path}: expected {_HGT_SIDE} × {_HGT_SIDE} heights of 1″, got {len(content)} bytes")
    stored = np.frombuffer(content, ">i2").reshape(_HGT_SIDE, _HGT_SIDE)[:-1, :-1]
    heights = stored.astype(np.float32)
    heights[stored == _HGT_VOID] = np.nan
    return heights
