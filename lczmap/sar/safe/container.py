"""SAFE products on disk: folders, or zip files of one. Nothing in them is trusted.

XML files are read where they are, never more than 64 MiB of one. The images of a zip file are unpacked before they
are read: windows of a compressed member would unpack all that lies before them, again and again. A zip file with any
member that could be written or read outside the product is refused before anything of it is used. Symbolic links in
a folder are followed: products are kept that way where images lie on another disk.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from lczmap.files import replacing

MANIFEST = "manifest.safe"
MAX_XML_BYTES = 64 * 2**20  # the largest annotation seen has 1.7 MB
_OTHER_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # drive letters, schemes of addresses
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Safe:
    """A product's files by their names inside it, with their sizes in bytes.

    `fetch` returns the content of one; `place` returns where one lies as a file, in the product or unpacked into a
    given folder.
    """

    path: Path
    id: str
    sizes: Mapping[str, int]
    fetch: Callable[[str], bytes]
    place: Callable[[str, Path | None], Path]

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset(self.sizes)

    def read(self, name: str) -> bytes:
        """Return an XML file; ValueError when it is larger than any XML file of a product."""
        if self.sizes[name] > MAX_XML_BYTES:
            raise ValueError(
                f"{self.path}: expected at most {MAX_XML_BYTES} bytes in {name}, got {self.sizes[name]}; get the "
                "product again from its archive"
            )
        return self.fetch(name)

    def checked(self, name: str | None, what: str, remedy: str = "get the product again") -> str:
        """Return `name` when the product holds it; ValueError says `what` is missing."""
        if name is None or name not in self.sizes:
            raise ValueError(f"{self.path}: expected {what} ({name or 'not in the manifest'}), no such file; {remedy}")
        return name


def open_safe(path: Path) -> Safe:
    """Open a SAFE folder or a zip file of one; ValueError when it is neither, or unsafe to read."""
    path = path.resolve()
    if path.is_dir():
        return _folder(path)
    if path.is_file() and path.suffix == ".zip":
        return _zip(path)
    raise ValueError(f"{path}: expected a SAFE folder or a zip file of one")


def find_products(folder: Path, named: re.Pattern[str]) -> list[Path]:
    """Return the products below a folder (or the folder itself) by their names: SAFE folders, then zips, sorted.

    What is named like a product is returned even if it is broken, so that reading it says what is wrong. A zip
    beside its unpacked folder is left out.
    """
    found = [p for p in sorted([folder, *folder.rglob("*")]) if named.match(p.name)]
    safes = [p for p in found if p.suffix == ".SAFE" and p.is_dir()]
    unpacked = {(p.parent, p.stem) for p in safes}
    zips = [p for p in found if p.suffix == ".zip" and (p.parent, p.stem.removesuffix(".SAFE")) not in unpacked]
    return safes + zips


def inner_name(name: str, where: str) -> str:
    """Return a relative name in its shortest form; ValueError, which begins with `where`, if it could lead elsewhere.

    Refused are absolute names, `..`, backslashes, NUL, drive letters and addresses.
    """
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or set(name) & set("\\\0") or _OTHER_PLACE.match(name):
        raise ValueError(
            f"{where}: expected the name of a file inside the product, got {name!r}, which leads elsewhere; do not "
            "unpack it, get the product again from its archive"
        )
    return path.as_posix()


def _folder(path: Path) -> Safe:
    sizes = {p.relative_to(path).as_posix(): p.stat().st_size for p in path.rglob("*") if p.is_file()}
    return Safe(
        path,
        path.name.removesuffix(".SAFE"),
        sizes,
        lambda name: (path / name).read_bytes(),
        lambda name, _: path / name,
    )


def _zip(path: Path) -> Safe:
    members = _members(path)
    roots = [PurePosixPath(name).parent for name in members if PurePosixPath(name).name == MANIFEST]
    if len(roots) != 1:
        raise ValueError(f"{path}: expected a zip file of one SAFE product, found {len(roots)} manifests in it")
    root = "" if roots[0].as_posix() == "." else f"{roots[0]}/"
    inside = {name.removeprefix(root): info for name, info in members.items() if name.startswith(root)}
    product = (roots[0].name if root else path.stem).removesuffix(".SAFE")
    return Safe(
        path,
        product,
        {name: info.file_size for name, info in inside.items()},
        lambda name: _content(path, inside[name]),
        lambda name, scratch: _unpacked(path, inside[name], scratch, product),
    )


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    # every member is checked, also those that nothing will read
    broken = (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, EOFError, OSError)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except broken as error:
        raise ValueError(f"{path}: not a readable zip file ({error}); get the product again") from error
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = inner_name(info.filename, str(path))
        if info.is_dir():
            continue
        _check_member(path, info)
        if name in members:
            raise ValueError(f"{path}: expected one file {name}, the zip file has two; get the product again")
        members[name] = info
    return members


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):  # the upper half is the file's mode in Unix
        kind = "a symbolic link"
    elif info.flag_bits & 1:
        kind = "an encrypted file"
    elif info.compress_type not in _COMPRESSIONS:
        kind = f"a file of compression {info.compress_type}"
    else:
        return
    raise ValueError(f"{path}: expected plain files, stored or deflated, got {kind}: {info.filename}; pack it again")


def _content(path: Path, info: zipfile.ZipInfo) -> bytes:
    with _sound(path, info), zipfile.ZipFile(path) as archive:
        return archive.read(info)


def _unpacked(path: Path, info: zipfile.ZipInfo, scratch: Path | None, product: str) -> Path:
    # in a folder of its own: two processings of one acquisition have files of the same names
    if scratch is None:
        raise ValueError(
            f"{path}: images of a zip file are unpacked before they are read: expected a folder for that (`scratch`, "
            f"with room for {info.file_size} bytes), got none; give one, or unpack the product"
        )
    target = scratch / product / PurePosixPath(info.filename).name
    if not target.is_file() or target.stat().st_size != info.file_size:
        with (
            _sound(path, info),
            zipfile.ZipFile(path) as archive,
            archive.open(info) as member,
            replacing(target) as temporary,
            temporary.open("wb") as stream,
        ):
            for part in iter(partial(member.read, 2**20), b""):
                stream.write(part)
    return target


@contextmanager
def _sound(path: Path, info: zipfile.ZipInfo) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise ValueError(
            f"{path}: {info.filename} is corrupt in the zip file ({error}); get the product again"
        ) from error
