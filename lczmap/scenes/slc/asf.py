"""Sentinel-1 SLC by bursts from ASF: only those that touch the city are downloaded, and become a SAFE product here.

A city takes some 2 to 9 bursts of 150 MB in each polarisation, where a whole product has 4 to 8 GB. Addresses as
documented for the Burst Extractor (sentinel1-burst-documentation.asf.alaska.edu) and as asf_search 14.1 and burst2safe
2.0.3 use them; tested on a loopback server, not exercised against the services.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from lczmap.raster import read_window
from lczmap.scenes.slc.access import plain_session, service_address
from lczmap.scenes.slc.alone import alone
from lczmap.scenes.slc.asf_bursts import BurstFile, files_of, products_of, search_bursts
from lczmap.scenes.slc.asf_login import EarthdataLogin, LoginPlaces
from lczmap.scenes.slc.asf_safe import Piece, burst_shapes, metadata_fault, write_safe
from lczmap.scenes.slc.download import Wanted, download
from lczmap.scenes.slc.source import check_request
from lczmap.scenes.sources.source import ArchiveError, Found, Request

THREADS = 3
_LINES = 256  # of a burst at a time: memory
_PIXEL_BYTES, _HEADER_BYTES = 4, 1 << 20  # of a burst's TIFF: CInt16 pixels
_PROTECTED = (
    "https://sentinel1.asf.alaska.edu/METADATA_RAW/SA/"
    "S1A_IW_RAW__0SSV_20141229T072718_20141229T072750_003931_004B96_B79F.iso.xml"
)


@dataclass(frozen=True)
class Asf:
    """The services' addresses: NASA's catalogue, and where one logs in."""

    catalogue: str
    places: LoginPlaces


def asf_service(endpoint: str | None) -> Asf:
    """Return the addresses of the services, or of an imitation that has all of them under one `endpoint`."""
    path = "/search/granules.umm_json"
    if endpoint is None:
        places = LoginPlaces(_PROTECTED, "urs.earthdata.nasa.gov", ("asf.alaska.edu",))
        return Asf(f"https://cmr.earthdata.nasa.gov{path}", places)
    base, host = service_address(endpoint)
    return Asf(f"{base}{path}", LoginPlaces(f"{base}/protected.xml", host, (host,)))


class AsfSource:
    """ASF's bursts; searching needs no account, downloading an Earthdata Login."""

    def __init__(self, service: Asf) -> None:
        self.service = service
        self.name = "ASF, SLC bursts"
        self._client = plain_session()
        self._login = EarthdataLogin(self._client, service.places)

    def search(self, request: Request) -> list[Found]:
        """Return the products whose bursts touch the city, by time; their extent is that of these bursts."""
        check_request(self.name, request)
        return products_of(search_bursts(self.service.catalogue, request), self.name)

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Say how much is downloaded, and whose account that needs."""
        files = [file for one in found for file in files_of(one)]
        size = sum(file.bytes for file in files) / 1e9
        return (
            f"about {size:.1f} GB in {len(files)} bursts of {len(found)} {request.sensor} products from ASF: free of "
            f"charge, with an Earthdata Login ({self._login.remedy})"
        )

    def download(self, found: Found, folder: Path) -> Path:
        """Bring a product's chosen bursts and their metadata into `folder` and make a SAFE product of them.

        It lies in a folder named after the product and the choice; the bursts' own files are kept until it is there.
        """
        files = files_of(found)
        place = folder / f"{found.id}.{_fingerprint(files)}"
        safe, parts = place / f"{found.id}.SAFE", place / "bursts"
        with alone(place):
            if not safe.is_dir():
                self._login.sign_in()
                self._make(files, parts, safe)
            shutil.rmtree(parts, ignore_errors=True)  # also what an interruption left
        return safe

    def _make(self, files: Sequence[BurstFile], parts: Path, safe: Path) -> None:
        pieces = {file: _piece(file, parts) for file in files}
        metadata = self._metadata(files, parts)
        wanted: dict[BurstFile, Wanted] = {}
        try:
            shapes = burst_shapes(metadata, {(file.swath, file.polarisation) for file in files})
            wanted = {file: _wanted(file, shapes[file.swath, file.polarisation]) for file in files}
            self._download([(wanted[file], pieces[file].path) for file in files])
            _assemble(metadata, list(pieces.values()), safe)
        except ArchiveError:
            raise
        except ValueError as error:
            _discard_faulty(metadata, [(one, pieces[file].path) for file, one in wanted.items()])
            raise ArchiveError(
                f"{safe.name}: the bursts do not make a product: {error}; run the same command again, what is damaged "
                "is fetched again; or take another provider and report it"
            ) from error

    def _metadata(self, files: Sequence[BurstFile], folder: Path) -> dict[str, Path]:
        """Bring one metadata file of each polarisation: any burst's describes the whole product."""
        urls = {file.polarisation: file.metadata_url for file in files}
        paths = {polarisation: folder / f"{polarisation}.xml" for polarisation in urls}
        self._download([(Wanted(urls[one], fault=metadata_fault), paths[one]) for one in urls])
        return paths

    def _download(self, wanted: Iterable[tuple[Wanted, Path]]) -> None:
        pool = ThreadPoolExecutor(THREADS)  # while the service cuts out one burst, another comes
        try:
            transfers = [pool.submit(download, one, path, self._login, self._client) for one, path in wanted]
            for transfer in as_completed(transfers):
                transfer.result()
        finally:
            pool.shutdown(cancel_futures=True)  # at the first failure those that have begun end, and no others begin


def _piece(file: BurstFile, folder: Path) -> Piece:
    path = folder / f"{file.swath}_{file.polarisation}_{file.index}.tiff"
    return Piece(file.swath, file.index, file.polarisation, path)


def _wanted(file: BurstFile, shape: tuple[int, int]) -> Wanted:
    def fault(path: Path) -> str | None:
        # the catalogue states no checksum of a burst: its size in pixels must do, and that all of them can be read
        try:
            for line in range(0, shape[0], _LINES):
                rows = slice(line, min(line + _LINES, shape[0]))
                read_window(path, rows, slice(0, shape[1]), shape=shape, driver="GTiff")
        except ValueError as error:
            return str(error)
        return None

    return Wanted(file.url, fault=fault, most_bytes=2 * _PIXEL_BYTES * shape[0] * shape[1] + _HEADER_BYTES)


def _discard_faulty(metadata: dict[str, Path], pieces: Iterable[tuple[Wanted, Path]]) -> None:
    """Delete what the product cannot be made of, else every later run would fail in the same way."""
    for path in metadata.values():
        path.unlink(missing_ok=True)  # small, and it may be what is wrong
    for wanted, path in pieces:
        if path.is_file() and wanted.fault is not None and wanted.fault(path) is not None:
            path.unlink()


def _assemble(metadata: dict[str, Path], pieces: Sequence[Piece], safe: Path) -> None:
    partial = safe.with_name(f".{safe.name}.part")
    shutil.rmtree(partial, ignore_errors=True)  # what an interruption left
    partial.mkdir(parents=True)
    try:
        write_safe(metadata, pieces, partial)
        partial.rename(safe)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fingerprint(files: Sequence[BurstFile]) -> str:
    """Return a name for a choice of bursts: another choice of the same product is another SAFE product."""
    chosen = sorted((file.swath, file.index, file.polarisation) for file in files)
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:8]
