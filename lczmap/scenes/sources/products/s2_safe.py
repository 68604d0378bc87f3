"""Sentinel-2 products on disk: SAFE folders, or zip files of one, read in place.

Level-1C and Level-2A with one tile. Each band is taken at its native pixel size; DN stay in the product, the scale
and offset of the scene are the product's own (s2_metadata.py). Members of a zip are named as GDAL reads them,
`/vsizip/{…}/…`; nothing is unpacked.

Names of images end in `_B02.jp2` (L1C) or `_B02_10m.jp2` (L2A), after a prefix that changed in December 2016 (as
documented by ESA, PSD 13 and 14); products from before may hold several tiles, and are then refused.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lczmap.channels import S2_RESOLUTION_M
from lczmap.scenes.catalogue import Asset, Scene
from lczmap.scenes.sources.products.s2_metadata import (
    SCL_NOT_CLEAR,
    ProductMetadata,
    TileMetadata,
    describe,
    parse_product,
    parse_tile,
)

SCL_RESOLUTION_M = 20
_PRODUCT_NAME = re.compile(r"S2[A-Z]_(MSI|OPER|USER)")
_PRODUCT_XML = re.compile(r"MTD_MSIL(1C|2A)\.xml|S2._\w+_MTD_SAFL(1C|2A)_\w+\.xml")
_TILE_XML = re.compile(r"GRANULE/[^/]+/(MTD_TL|S2._\w+_MTD_L(1C|2A)_TL_\w+)\.xml")
_IMAGE = re.compile(r".*_(?P<name>B\d\d|B8A|SCL)(_(?P<size>\d\d)m)?\.jp2")

Images = Mapping[tuple[str, int | None], str]
"""Names of image files by band (B02, SCL) and pixel size in metres, where the name states one."""


@dataclass(frozen=True)
class _Files:
    """The files of one product, by their names inside it; `prefix` + name is what GDAL opens."""

    path: Path
    prefix: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]


def find_products(folder: Path) -> list[Path]:
    """Return the Sentinel-2 products below a folder (or the folder itself): SAFE folders, then zips of one, sorted.

    A zip beside its unpacked SAFE folder is left out. What is named like a Sentinel-2 product is returned even if it
    is broken, so that `read_product` says what is wrong with it.
    """
    inside = [p for p in folder.rglob("*.SAFE") if p.is_dir()]
    safes = [p for p in sorted([folder, *inside]) if p.suffix == ".SAFE" and _looks_like_product(p)]
    unpacked = {*safes, *(p.with_suffix("") for p in safes)}
    zips = [p for p in sorted(folder.rglob("*.zip")) if p.with_suffix("") not in unpacked and _looks_like_product(p)]
    return safes + zips


def read_product(path: Path) -> Scene:
    """Describe a Sentinel-2 SAFE folder, or a zip file of one, as a scene; no raster is opened.

    L2A brings its scene classification as cloud mask; L1C brings none (s2cloudless finds its clouds from the bands).
    ValueError when it is no such product, is incomplete, or holds several products, levels or tiles.
    """
    files = _files(path.resolve())
    product_xml = _only(files, _PRODUCT_XML, "MTD_MSIL1C.xml or MTD_MSIL2A.xml", "one product of one level")
    product = parse_product(files.read(product_xml), f"{files.path}: {product_xml}")
    tile_xml = _only(files, _TILE_XML, "GRANULE/…/MTD_TL.xml", "a product of one tile")
    tile = parse_tile(files.read(tile_xml), f"{files.path}: {tile_xml}")
    return _scene(files, product, tile, images_of(files.names, tile_xml.rpartition("/")[0]))


def images_of(names: Sequence[str], granule: str) -> Images:
    """Return the images below `granule`/IMG_DATA/ among file names."""
    found = {}
    for name in names:
        match = _IMAGE.fullmatch(name)
        if match is not None and name.startswith(f"{granule}/IMG_DATA/"):
            found[match["name"], int(match["size"]) if match["size"] else None] = name
    return found


def image_name(band: str) -> str:
    """Return a band's name in file names: B02 for B2, B8A as it is."""
    return f"B{int(band[1:]):02d}" if band[1:].isdigit() else band


def _scene(files: _Files, product: ProductMetadata, tile: TileMetadata, images: Images) -> Scene:
    def path(name: str, pixel_m: int) -> str:
        # only L2A offers bands at several pixel sizes, and names them
        found = images.get((name, pixel_m if product.level == "L2A" else None))
        if found is None:
            raise ValueError(
                f"{files.path}: the image of {name} at {pixel_m} m is missing in this {product.level} product; "
                "get the product again"
            )
        return files.prefix + found

    assets = {band: product.asset(band, path(image_name(band), S2_RESOLUTION_M[band])) for band in product.bands}
    cloud = Asset(path("SCL", SCL_RESOLUTION_M), values=SCL_NOT_CLEAR) if product.level == "L2A" else None
    return describe(product, tile, assets, cloud=cloud)


def _only(files: _Files, pattern: re.Pattern[str], wanted: str, meaning: str) -> str:
    found = [name for name in files.names if pattern.fullmatch(name)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:3])
        raise ValueError(f"{files.path}: expected {meaning}, got {len(found)} ({shown}); keep them in folders apart")
    raise ValueError(
        f"{files.path}: no {wanted}; expected a whole Sentinel-2 L1C or L2A product (a .SAFE folder or a zip of one)"
    )


def _files(path: Path) -> _Files:
    if path.is_dir():
        names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        return _Files(path, f"{path}/", tuple(names), lambda name: (path / name).read_bytes())
    if not path.is_file():
        raise ValueError(f"{path}: no such file or folder; expected a Sentinel-2 .SAFE folder or a zip of one")
    names = list(_zip_names(path))
    roots = {name.rpartition("/")[0] for name in names if _PRODUCT_XML.fullmatch(name.rpartition("/")[2])}
    if len(roots) > 1:
        raise ValueError(f"{path}: expected one product, got {', '.join(sorted(roots))}; make a zip of each")
    root = "".join(f"{folder}/" for folder in roots if folder)
    inside = sorted(n.removeprefix(root) for n in names if n.startswith(root) and not n.endswith("/"))
    return _Files(path, f"/vsizip/{{{path}}}/{root}", tuple(inside), lambda name: _zip_member(path, root + name))


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path}: not a whole zip file ({error}); download it again") from error


def _zip_member(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path}: {name} inside is damaged ({error}); download it again") from error


def _looks_like_product(path: Path) -> bool:
    if _PRODUCT_NAME.match(path.name):
        return True
    if path.is_dir():
        return any(_PRODUCT_XML.fullmatch(p.name) for p in path.iterdir())
    try:
        return any(_PRODUCT_XML.fullmatch(name.rpartition("/")[2]) for name in _zip_names(path))
    except ValueError:
        return False  # not named like a product either: somebody else's broken zip
