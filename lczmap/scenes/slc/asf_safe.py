"""A SAFE product out of single bursts: the product's own annotation, and images of which only some bursts are there.

Everything that the annotation says stays true, because the images keep their size: lines of bursts that were not
downloaded read as 0, no data. The manifest is the product's own, cut to the swaths that are there.

ASF's metadata file of a burst holds the product's manifest (`manifest/XFDU`) and, under `metadata`, its annotations of
all swaths (`product`, `calibration`, `noise`, each with `swath`, `polarisation` and `content`); its layout as read by
burst2safe 2.0.3, no such file was seen here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lczmap.raster import read_window
from lczmap.raster.sparse import Complex, write_sparse
from lczmap.sar.safe import parse_xml

Image = tuple[str, str]
"""A swath and a polarisation, as ("IW1", "VV")."""
KINDS = ("product", "calibration", "noise")
_XFDU = "{urn:ccsds:schema:xfdu:1}XFDU"
_FILE = re.compile(
    r"(?:\./)?((?:annotation/(?:calibration/(?:calibration|noise)-)?|measurement/)"
    r"s1[a-z]-(iw\d)-slc-([hv]{2})-[\w.-]+)"
)
_LINES = 256  # of a burst at a time: memory
_PREFIXES = {
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "gml": "http://www.opengis.net/gml",
    "xfdu": "urn:ccsds:schema:xfdu:1",
    "safe": "http://www.esa.int/safe/sentinel-1.0",
    "s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
    "s1sar": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar",
    "s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
    "s1sarl2": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-2",
    "gx": "http://www.google.com/kml/ext/2.2",
}


@dataclass(frozen=True)
class Piece:
    """A downloaded burst: its place in the product, and its TIFF file (lines, samples) of CInt16."""

    swath: str
    index: int
    polarisation: str
    path: Path


@dataclass(frozen=True)
class Shape:
    """An image's size, and that of one burst in it."""

    lines: int
    samples: int
    lines_per_burst: int


def write_safe(metadata: Mapping[str, Path], pieces: Sequence[Piece], folder: Path) -> None:
    """Write the product into `folder`, an empty one, from the metadata file of each polarisation and the bursts.

    ValueError for metadata or bursts that are not as expected.
    """
    roots, name = _roots(metadata)
    manifest = _manifest(roots, name)
    images = sorted({(piece.swath, piece.polarisation) for piece in pieces})
    contents = {image: _contents(roots, image, name) for image in images}
    files = _cut(manifest, contents, name)
    for image in images:
        for kind in KINDS:
            if (image, kind) in files:
                _write_xml(folder / files[image, kind], kind, contents[image][kind])
        shape = _shape(contents[image]["product"], name)
        mine = [piece for piece in pieces if (piece.swath, piece.polarisation) == image]
        write_sparse(folder / files[image, "measurement"], (shape.lines, shape.samples), _parts(mine, shape))
    _state_files(manifest, folder)
    _register_prefixes()
    (folder / "manifest.safe").write_bytes(ElementTree.tostring(manifest, encoding="UTF-8", xml_declaration=True))


def metadata_fault(path: Path) -> str | None:
    """Say what is wrong with a metadata file, None when it is one."""
    try:
        root = parse_xml(path.read_bytes(), path.name)
    except ValueError as error:
        return str(error)
    lacking = [part for part in (f"manifest/{_XFDU}", "metadata/product/content") if root.find(part) is None]
    return f"expected {lacking[0]} in a burst's metadata, found none" if lacking else None


def burst_shapes(metadata: Mapping[str, Path], images: Iterable[Image]) -> dict[Image, tuple[int, int]]:
    """Return the size (lines, samples) that a burst's TIFF must have, by image (swath, polarisation)."""
    roots, name = _roots(metadata)
    shapes = {image: _shape(_contents(roots, image, name)["product"], name) for image in images}
    return {image: (shape.lines_per_burst, shape.samples) for image, shape in shapes.items()}


def _roots(metadata: Mapping[str, Path]) -> tuple[dict[str, Element], str]:
    roots = {polarisation: parse_xml(path.read_bytes(), path.name) for polarisation, path in metadata.items()}
    return roots, " and ".join(path.name for path in metadata.values())


def _manifest(roots: Mapping[str, Element], name: str) -> Element:
    found = [root.find(f"manifest/{_XFDU}") for root in roots.values()]
    manifest = next((one for one in found if one is not None), None)
    if manifest is None:
        raise ValueError(f"{name}: expected manifest/XFDU, found none")
    return manifest


def _contents(roots: Mapping[str, Element], image: Image, name: str) -> dict[str, Element]:
    """Return the annotations of an image by kind: that of the product always, the others where they are."""
    contents: dict[str, Element] = {}
    for root in roots.values():
        for entry in root.iterfind("metadata/*"):
            content = entry.find("content")
            if content is not None and (entry.findtext("swath"), entry.findtext("polarisation")) == image:
                contents.setdefault(entry.tag, content)
    lacking = {"product", "calibration"} - set(contents)
    if lacking:
        raise ValueError(f"{name}: expected {' and '.join(sorted(lacking))} of {image[0]} {image[1]}, found none")
    return contents


def _cut(manifest: Element, contents: Mapping[Image, Mapping[str, Element]], name: str) -> dict[tuple[Image, str], str]:
    """Take out of a manifest what is not of these images; return the names of their files by image and kind.

    A noise annotation that is not among the contents is taken out as well: the product has none then.
    """
    files, kept = {}, set()
    for entry in manifest.iterfind("dataObjectSection/dataObject"):
        location = entry.find("byteStream/fileLocation")
        match = None if location is None else _FILE.fullmatch(location.get("href", ""))
        if match is None:
            continue
        image, kind = (match[2].upper(), match[3].upper()), _kind(match[1])
        if image in contents and (kind == "measurement" or kind in contents[image]):
            files[image, kind] = match[1]
            kept.add(entry.get("ID", ""))
    for image in contents:
        for kind in ("product", "calibration", "measurement"):
            if (image, kind) not in files:
                raise ValueError(f"{name}: expected the {kind} of {' '.join(image)} in the manifest, found none")
    described = {f"{one}Annotation" for one in kept}
    _drop(manifest, "dataObjectSection", lambda entry: entry.get("ID") not in kept)
    _drop(manifest, "metadataSection", lambda entry: _points_at_file(entry) and entry.get("ID") not in described)
    _drop(manifest, "informationPackageMap/*", lambda unit: _pointer(unit) not in kept)
    for unit in manifest.iterfind("informationPackageMap/*/*[@dmdID]"):
        unit.set("dmdID", " ".join(one for one in unit.get("dmdID", "").split() if one in described))
    return files


def _drop(manifest: Element, path: str, unwanted: Callable[[Element], bool]) -> None:
    for section in manifest.findall(path):
        for entry in [entry for entry in section if unwanted(entry)]:
            section.remove(entry)


def _points_at_file(entry: Element) -> bool:
    return entry.find("dataObjectPointer") is not None


def _pointer(unit: Element) -> str:
    pointer = unit.find("dataObjectPointer")
    return "" if pointer is None else pointer.get("dataObjectID", "")


def _kind(name: str) -> str:
    if name.startswith("measurement/"):
        return "measurement"
    start = name.rpartition("/")[2].partition("-")[0]
    return start if start in KINDS else "product"


def _write_xml(path: Path, tag: str, content: Element) -> None:
    root = Element(tag)
    root.extend(list(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _shape(product: Element, name: str) -> Shape:
    information = "imageAnnotation/imageInformation/"
    paths = (f"{information}numberOfLines", f"{information}numberOfSamples", "swathTiming/linesPerBurst")
    texts = [product.findtext(path, "") for path in paths]
    if not all(text.strip().isdecimal() for text in texts):
        raise ValueError(f"{name}: expected {', '.join(paths)} as whole numbers, got {texts}")
    lines, samples, lines_per_burst = map(int, texts)
    return Shape(lines, samples, lines_per_burst)


def _parts(pieces: Sequence[Piece], shape: Shape) -> Iterator[tuple[int, Complex]]:
    for piece in sorted(pieces, key=lambda one: one.index):
        for line in range(0, shape.lines_per_burst, _LINES):
            rows = slice(line, min(line + _LINES, shape.lines_per_burst))
            pixels = read_window(piece.path, rows, slice(0, shape.samples), driver="GTiff")
            yield piece.index * shape.lines_per_burst + line, pixels


def _state_files(manifest: Element, folder: Path) -> None:
    """State the sizes and checksums of the files as they are now; an image's checksum is left out."""
    for entry in manifest.iterfind("dataObjectSection/dataObject/byteStream"):
        location, checksum = entry.find("fileLocation"), entry.find("checksum")
        path = folder / ("" if location is None else location.get("href", ""))
        entry.set("size", str(path.stat().st_size))
        if checksum is None:
            continue
        if path.suffix == ".xml":
            checksum.text = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        else:
            entry.remove(checksum)


def _register_prefixes() -> None:
    # only how the manifest looks: the usual prefixes instead of ns0, ns1
    for prefix, address in _PREFIXES.items():
        ElementTree.register_namespace(prefix, address)
