"""Sentinel-1 GRD products on disk: SAFE folders, or zip files of one.

XML files are read where they are. The images of a zip file are unpacked for the time of their reading: windows of a
compressed member would unpack all that lies before them, again and again.
"""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lczmap.files import replacing
from lczmap.sar.grd_radiometry import Noise, Vectors
from lczmap.scenes.sources.products.s1_annotation import (
    Annotation,
    Manifest,
    Parts,
    parse_annotation,
    parse_calibration,
    parse_manifest,
    parse_noise,
)

MANIFEST = "manifest.safe"
_GRD_NAME = re.compile(r"S1[A-Z]_[A-Z0-9]{2}_GRD")
_MODE, _PIXEL_M = "IW", 10.0


@dataclass(frozen=True)
class Safe:
    """A product's files by their names inside it.

    `read` returns one; `place` returns where one lies as a file, in the product or unpacked into a given folder.
    """

    path: Path
    id: str
    names: frozenset[str]
    read: Callable[[str], bytes]
    place: Callable[[str, Path], Path]

    def checked(self, name: str | None, what: str, remedy: str = "get the product again") -> str:
        """Return `name` when the product holds it; ValueError says `what` is missing."""
        if name is None or name not in self.names:
            raise ValueError(f"{self.path}: expected {what} ({name or 'not in the manifest'}), no such file; {remedy}")
        return name


@dataclass(frozen=True)
class Image:
    """One polarisation of a product. `noise` is None where the product brings no noise annotation."""

    measurement: str
    annotation: Annotation
    calibration: Vectors
    noise: Noise | None


def find_grd(folder: Path) -> list[Path]:
    """Return the Sentinel-1 GRD products below a folder (or the folder itself): SAFE folders, then zips, sorted.

    What is named like a GRD product is returned even if it is broken, so that reading it says what is wrong. A zip
    beside its unpacked folder is left out.
    """
    named = [p for p in sorted([folder, *folder.rglob("*")]) if _GRD_NAME.match(p.name)]
    safes = [p for p in named if p.suffix == ".SAFE" and p.is_dir()]
    unpacked = {(p.parent, p.stem) for p in safes}
    zips = [p for p in named if p.suffix == ".zip" and (p.parent, p.stem.removesuffix(".SAFE")) not in unpacked]
    return safes + zips


def open_safe(path: Path) -> Safe:
    """Open a SAFE folder or a zip file of one; ValueError when it is neither."""
    path = path.resolve()
    if path.is_dir():
        return _folder(path)
    if path.is_file() and path.suffix == ".zip":
        return _zip(path)
    raise ValueError(f"{path}: expected a SAFE folder or a zip file of one")


def read_manifest(safe: Safe) -> Manifest:
    """Read a product's manifest; ValueError unless it is a GRD of the interferometric wide swath."""
    manifest = parse_manifest(safe.read(safe.checked(MANIFEST, "a manifest")), f"{safe.path}: {MANIFEST}")
    if (manifest.product_type, manifest.mode) != ("GRD", _MODE):
        raise ValueError(
            f"{safe.path}: expected product type GRD of mode IW, got {manifest.product_type} of {manifest.mode}"
        )
    return manifest


def read_images(safe: Safe, manifest: Manifest, calibration: str) -> Mapping[str, Image]:
    """Read the annotation of VH and VV; ValueError when one is missing or the pixels are not 10 m."""
    images = {}
    for parts in manifest.parts:
        name = safe.checked(parts.annotation, "an annotation")
        annotation = parse_annotation(safe.read(name), f"{safe.path}: {name}")
        images[annotation.polarisation] = _image(safe, parts, annotation, calibration)
    if not {"VH", "VV"} <= set(images):
        raise ValueError(
            f"{safe.path}: expected both VH and VV, got {' and '.join(sorted(images))}; take a product of dual "
            "polarisation (1SDV)"
        )
    return images


def _image(safe: Safe, parts: Parts, annotation: Annotation, calibration: str) -> Image:
    if annotation.spacing_m != (_PIXEL_M, _PIXEL_M):
        raise ValueError(f"{safe.path}: expected pixels of 10 m (GRDH), got {annotation.spacing_m} m")
    polarisation = annotation.polarisation
    measurement = safe.checked(parts.measurement, f"the image of {polarisation}")
    table = safe.checked(parts.calibration, f"the calibration of {polarisation}")
    has_noise = parts.noise is not None and parts.noise in safe.names
    return Image(
        measurement,
        annotation,
        parse_calibration(safe.read(table), f"{safe.path}: {table}", calibration),
        parse_noise(safe.read(parts.noise), f"{safe.path}: {parts.noise}") if has_noise and parts.noise else None,
    )


def _folder(path: Path) -> Safe:
    names = frozenset(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return Safe(
        path,
        path.name.removesuffix(".SAFE"),
        names,
        lambda name: (path / name).read_bytes(),
        lambda name, _: path / name,
    )


def _zip(path: Path) -> Safe:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a readable zip file ({error}); get the product again") from error
    roots = [PurePosixPath(name).parent for name in members if PurePosixPath(name).name == MANIFEST]
    if len(roots) != 1:
        raise ValueError(f"{path}: expected a zip file of one SAFE product, found {len(roots)} manifests in it")
    root = "" if roots[0].as_posix() == "." else f"{roots[0]}/"
    names = frozenset(m.removeprefix(root) for m in members if m.startswith(root) and not m.endswith("/"))
    product = roots[0].name if root else path.stem
    return Safe(
        path,
        product.removesuffix(".SAFE"),
        names,
        lambda name: _member(path, root + name),
        lambda name, scratch: _unpacked(path, root + name, scratch),
    )


def _member(path: Path, name: str) -> bytes:
    with _sound(path, name), zipfile.ZipFile(path) as archive:
        return archive.read(name)


def _unpacked(path: Path, name: str, scratch: Path) -> Path:
    target = scratch / PurePosixPath(name).name
    if not target.is_file():
        with (
            _sound(path, name),
            zipfile.ZipFile(path) as archive,
            archive.open(name) as member,
            replacing(target) as temporary,
            temporary.open("wb") as stream,
        ):
            shutil.copyfileobj(member, stream)
    return target


@contextmanager
def _sound(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path}: {name} is corrupt in the zip file ({error}); get the product again") from error
