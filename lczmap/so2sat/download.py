"""Fetch files of So2Sat LCZ42: resumed where they broke off, unpacked where they are offered packed, checked.

Up to 52 GB come over hours. What has come lies beside the target until it is whole (scenes.slc.download); the disk is
asked for room first. The services' addresses are unverified (files.OFFERS): `url` names a mirror, or a server of one's
own.
"""

from __future__ import annotations

import base64
import gzip
import shutil
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lczmap.files import replacing
from lczmap.scenes.slc.access import origin
from lczmap.scenes.slc.alone import alone
from lczmap.scenes.slc.download import Wanted, download
from lczmap.scenes.slc.parts import Parts, fault_of
from lczmap.scenes.sources.source import ArchiveError
from lczmap.so2sat.disk import require_room
from lczmap.so2sat.files import OFFERS, ROW_BYTES, KnownFile, Offer, known_file

Service = Literal["auto", "huggingface", "mediatum"]

PROGRESS_S = 60.0
GEO = "_geo"
UNKNOWN_ROWS = 400_673
"""Patches of the whole data set: what a file of unknown size may have at most."""
ROOM = 1.02
"""HDF5 needs a little more than its rows."""
PACKED_SHARE = 0.5
"""Packed files come in this share of their size at most; the validation file is said to have 0.3."""
GEO_ROW_BYTES = 512
_CHUNK = 1 << 22


class PublicShare:
    """The public account of a share, the same for everybody: its number is both name and password."""

    remedy = "the share may have moved: see the data set's page, and name another address with --url"

    def __init__(self, share: str | None, url: str) -> None:
        self._share, self._origin = share, origin(url)

    def headers(self, url: str) -> dict[str, str]:
        """Return the share's name for addresses at its own service, nothing for others."""
        if self._share is None or origin(url) != self._origin:
            return {}
        pair = base64.b64encode(f"{self._share}:{self._share}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def renew(self, _status: int) -> bool:
        """There is nothing to renew."""
        return False


def fetch(version: str, name: str, target: Path, *, service: Service = "auto", url: str | None = None) -> None:
    """Bring a file (`training`, `random/testing`, `training_geo`) to `target`, unless it is there.

    `auto` is Hugging Face where it has the version. `url` replaces the service's address; `{name}` in it stands for the
    file with its ending, and `.gz` at its end says that it is packed. ArchiveError when it cannot be had, is not whole,
    or has another MD5 than the published file; ValueError for a file that does not exist, or a disk without room.
    """
    known = known_file(version, name.removesuffix(GEO))
    if target.is_file():
        return
    offer = _offer(service, version, url)
    is_geo = name.endswith(GEO)
    file = f"{name}.h5{'' if is_geo else offer.suffix}"
    address = offer.url.format(name=file)
    size = _size(known, is_geo)
    packed = address.endswith(".gz")
    came = target.with_name(f"{target.name}.gz") if packed else target
    require_room(target.parent, _needed(size, came, packed), target.name)
    md5 = None if is_geo else known.md5
    print(f"{address}: {size / 1e9:.1f} GB at most", flush=True)
    with _progress(came):
        wanted = Wanted(address, md5=None if packed else md5, fault=_fault, most_bytes=size)
        download(wanted, came, PublicShare(offer.account, address))
    if packed:
        _unpack(came, target, md5)


def _offer(service: Service, version: str, url: str | None) -> Offer:
    if url is not None:
        return Offer(url)
    if service == "auto":
        service = "huggingface" if version in OFFERS["huggingface"] else "mediatum"
    if version not in OFFERS[service]:
        raise ValueError(f"{service} offers {', '.join(OFFERS[service])}, not {version}; take another --service")
    return OFFERS[service][version]


def _size(known: KnownFile, is_geo: bool) -> int:
    rows = known.n or UNKNOWN_ROWS
    return rows * GEO_ROW_BYTES if is_geo else int(rows * ROW_BYTES * ROOM)


def _needed(size: int, came: Path, packed: bool) -> int:
    there = Parts(came).length + (came.stat().st_size if came.is_file() else 0)
    return size + (int(size * PACKED_SHARE) if packed else 0) - there


def _fault(path: Path) -> str | None:
    """Say why a file is no whole HDF5 or gzip file, by its first bytes: a page of a service is neither."""
    with path.open("rb") as stream:
        head = stream.read(8)
    is_data = head == b"\x89HDF\r\n\x1a\n" or head[:2] == b"\x1f\x8b"
    return None if is_data else f"expected an HDF5 file, got one that begins with {head!r}"


class _NotWhole(Exception):  # noqa: N818
    """What was unpacked is not the file that was wanted."""


def _unpack(packed: Path, target: Path, md5: str | None) -> None:
    try:
        with alone(target), replacing(target) as temporary:
            with gzip.open(packed) as stream, temporary.open("wb") as out:
                shutil.copyfileobj(stream, out, _CHUNK)
            if fault := fault_of(temporary, None, md5, _fault):
                raise _NotWhole(fault)
    except (_NotWhole, EOFError, gzip.BadGzipFile, zlib.error) as error:
        packed.unlink()  # else the next run would stop at it again
        raise ArchiveError(f"{packed.name}: cannot be unpacked: {error}; run the same command again") from error
    packed.unlink()


@contextmanager
def _progress(target: Path) -> Iterator[None]:
    """Print now and then how much has come."""
    done, parts, began = threading.Event(), Parts(target), time.monotonic()

    def say() -> None:
        first = parts.length
        while not done.wait(PROGRESS_S):
            rate = (parts.length - first) / (time.monotonic() - began)
            print(f"  {parts.length / 1e9:.2f} GB, {rate / 1e6:.1f} MB/s", flush=True)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
