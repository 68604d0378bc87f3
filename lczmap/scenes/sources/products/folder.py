"""Products on your disk: folders of SAFE products (Sentinel-2 L1C and L2A, Sentinel-1 GRD), or a So2Sat GUL folder.

The window around the city is copied out of Sentinel-2's JPEG 2000 files once, because every tile reads it several
times; Sentinel-1 GRD is calibrated and brought onto the ground (s1_grd.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lczmap.channels import S2_BANDS_L1C
from lczmap.raster import footprint, lattice, read_part, write_cells
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.sources.products.gul import is_gul, read_gul
from lczmap.scenes.sources.products.s1_grd import find_grd, product_bounds, read_grd, read_header
from lczmap.scenes.sources.products.s2_safe import find_products, read_product
from lczmap.scenes.sources.source import ArchiveError, Found, Request, clip_lattice


class ProductFolder:
    """A folder of SAFE products, zipped or not, at any depth; or one of the So2Sat GUL layout."""

    def __init__(
        self, folder: Path, *, remove_noise: bool = True, dem: Path | None = None, geoid_m: float = 0.0
    ) -> None:
        self.folder, self.remove_noise, self.dem, self.geoid_m = folder, remove_noise, dem, geoid_m
        self.name = f"products of {folder.name}"
        stamp = None if dem is None else dem.stat().st_mtime_ns if dem.is_file() else 0
        self.key = f"{folder.resolve()} {remove_noise} {dem} {stamp} {geoid_m}"

    def search(self, request: Request) -> list[Found]:
        """Return the products of the request's sensor; ArchiveError when the folder is not there or holds none."""
        if not self.folder.is_dir():
            raise ArchiveError(f"{self.folder}: expected a folder of SAFE products, an archive.yaml, or a GUL folder")
        if is_gul(self.folder):
            scenes = [scene for scene in read_gul(self.folder) if scene.sensor == request.sensor]
            scenes = [scene for scene in scenes if scene.state.get("level") in (None, request.level)]
            return [_found(scene, _scene_bounds(scene), {"gul": str(self.folder)}) for scene in scenes]
        if request.sensor == "sentinel-1":
            return [self._radar(path, request) for path in find_grd(self.folder)]
        found = [(path, read_product(path)) for path in find_products(self.folder)]
        return [
            _found(scene, _scene_bounds(scene), {"path": str(path)})
            for path, scene in found
            if scene.state["level"] == request.level
        ]

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Say that nothing is paid."""
        return f"{self.name}: {len(found)} products of {request.sensor} are read from disk"

    def fetch(self, found: Found, request: Request, folder: Path) -> Scene | None:
        """Bring a product's window around the city into `folder`."""
        if "gul" in found.item:
            scenes = read_gul(Path(found.item["gul"]))
            return next(scene for scene in scenes if scene.id == found.id)
        path = Path(found.item["path"])
        if request.sensor == "sentinel-1":
            return read_grd(
                path,
                request.grid,
                folder,
                calibration=request.calibration,
                remove_noise=self.remove_noise,
                dem=self.dem,
                geoid_m=self.geoid_m,
            )
        return copy_window(read_product(path), request, folder)

    def _radar(self, path: Path, request: Request) -> Found:
        header = read_header(path)
        state = {"product": "grd", "calibration": request.calibration}
        return Found(
            header.id,
            "sentinel-1",
            header.platform,
            header.datetime,
            state,
            header.orbit_direction,
            header.relative_orbit,
            None,
            product_bounds(path),
            {"path": str(path)},
        )


def copy_window(scene: Scene, request: Request, folder: Path) -> Scene | None:
    """Write the window of every band around the city as GeoTIFF, pixels as they are; None where it has none there."""
    wanted = [band for band in S2_BANDS_L1C if band in scene.assets and band in request.bands]
    assets = {name: _copied(scene.assets[name], name, request, folder) for name in wanted}
    there = {name: asset for name, asset in assets.items() if asset is not None}
    if len(there) < len(wanted) or not wanted:
        return None
    cloud = None if scene.cloud is None else _copied(scene.cloud, "cloud", request, folder)
    return replace(scene, assets=there, cloud=cloud)


def _copied(asset: Asset, name: str, request: Request, folder: Path) -> Asset | None:
    part = clip_lattice(lattice(asset.path), request.grid)
    if part is None:
        return None
    target = folder / f"{name}.tif"
    if not target.is_file():
        pixels, _ = read_part(asset.path, part, band=asset.band)
        write_cells(target, pixels[None], part, names=[name], nodata=asset.nodata)
    return replace(asset, path=str(target), band=1)


def _scene_bounds(scene: Scene) -> tuple[float, float, float, float]:
    return footprint(lattice(next(iter(scene.assets.values())).path), "EPSG:4326")


def _found(scene: Scene, bounds: tuple[float, float, float, float], item: dict[str, str]) -> Found:
    return Found(
        scene.id,
        scene.sensor,
        scene.platform,
        scene.datetime,
        scene.state,
        scene.orbit_direction,
        scene.relative_orbit,
        None,
        bounds,
        item,
    )
