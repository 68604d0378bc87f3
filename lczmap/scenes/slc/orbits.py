"""Orbit files of a product: found among those on disk, or fetched from the archives that keep them.

Two archives are asked, the first without an account: the public bucket of the Alaska Satellite Facility (s1-orbits),
then the Copernicus Data Space. The addresses, the layout of the bucket and the query are those of sentineleof 0.13.1,
which also reads the files' names here. It is not used to download: its requests have no time limit, `precise` turns to
restituted unasked, it reads ~/.netrc, lists the whole bucket and keeps the list in ~/.cache, and leaves a file that
broke off under its final name. Tested on a loopback server, not exercised against the services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from eof.products import SentinelOrbit

from lczmap.sar.orbit import covering, parse_eof
from lczmap.sar.safe import parse_xml
from lczmap.scenes.slc.access import Account, service_address
from lczmap.scenes.slc.dataspace import DataSpace, data_space
from lczmap.scenes.slc.dataspace_account import DataSpaceAccount
from lczmap.scenes.slc.download import Wanted, download
from lczmap.scenes.slc.public import Anyone, fault_by
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

Kind = Literal["precise", "restituted"]

KINDS: tuple[Kind, ...] = ("precise", "restituted")
"""In order of preference."""
MARGIN = timedelta(seconds=60)
"""What a file must cover before and after the product: the fit takes four vectors, 10 s apart."""
RESTITUTED_WITHIN = timedelta(days=3)
"""A restituted file is made some hours after the product; later ones are not looked through."""
_TYPES = {"precise": "AUX_POEORB", "restituted": "AUX_RESORB"}
_MOST_PAGES = 200  # of 1000 files; eleven years of precise orbits are five
_REMEDY = "give the orbit file or a folder of them (`orbit_file`), or take the product's own (`orbit_file: product`)"


@dataclass(frozen=True)
class Acquisition:
    """What an orbit is wanted for: `platform` such as sentinel-1a, first and last moment in UTC (naive)."""

    id: str
    platform: str
    start: datetime
    stop: datetime

    def __str__(self) -> str:
        """Return what messages say."""
        return f"{self.id} ({self.platform}, {self.start:%Y-%m-%dT%H:%M:%S} to {self.stop:%H:%M:%S})"


@dataclass(frozen=True)
class OrbitServers:
    """Addresses: the public bucket, and the Copernicus Data Space."""

    bucket: str
    space: DataSpace


@dataclass(frozen=True)
class _Listed:
    """A file that an archive lists: its address, its name, and whose credentials fetch it."""

    url: str
    name: str
    account: Account


def orbit_servers(endpoint: str | None = None) -> OrbitServers:
    """Return the addresses of the archives, or of a mirror that has both under one `endpoint` (the bucket below it)."""
    if endpoint is None:
        return OrbitServers("https://s1-orbits.s3.amazonaws.com", data_space(None))
    return OrbitServers(f"{service_address(endpoint)[0]}/s1-orbits", data_space(endpoint))


def find_orbit(place: Path, acquisition: Acquisition) -> Path:
    """Return the orbit file at `place`: itself, or the best in a folder: precise first, then the latest made.

    ValueError when there is none that covers the product, or the file is damaged or of another satellite.
    """
    if place.is_file():
        _check(place, acquisition)
        return place
    found = _on_disk(place, acquisition, KINDS)
    if found is None:
        have = len(list(place.glob("*.EOF"))) if place.is_dir() else "no"
        raise ValueError(
            f"{place}: {have} orbit files (*.EOF), none for {acquisition} with {MARGIN.seconds} s around it; {_REMEDY}"
        )
    return found


def fetch_orbit(
    acquisition: Acquisition,
    folder: Path,
    *,
    kind: Literal["auto", "precise", "restituted"] = "auto",
    servers: OrbitServers | None = None,
) -> Path:
    """Return an orbit file in `folder` that covers the product, fetched unless one is there.

    `auto` takes a precise orbit, and a restituted one only when an archive answers that there is no precise one and
    none lists one; that, and why, is printed. A file is there under its name when it is complete, readable and covers
    the product. ArchiveError when there is none, when one that is listed does not come, or when no archive can say.
    """
    kinds = KINDS if kind == "auto" else (kind,)
    there = _on_disk(folder, acquisition, kinds)
    if there is not None:
        if kind == "auto" and _TYPES["restituted"] in there.name:
            _say_restituted(acquisition, there, "it is there already; delete it to look for a precise one again")
        return there
    also, troubles = "", list[str]()
    for one in kinds:
        fetched = _fetch(acquisition, folder, one, servers or orbit_servers(), troubles)
        if fetched is not None:
            if one != kinds[0]:
                _say_restituted(acquisition, fetched, f"there is no precise orbit in the archives{also}")
            return fetched
        also = f" ({'; '.join(troubles)})" if troubles else ""
    raise ArchiveError(f"no {' or '.join(kinds)} orbit of {acquisition} in the archives{also}; {_REMEDY}")


def _say_restituted(acquisition: Acquisition, path: Path, why: str) -> None:
    print(f"{acquisition.id}: the restituted orbit {path.name} is taken: {why}", flush=True)


def _fetch(
    acquisition: Acquisition, folder: Path, kind: Kind, servers: OrbitServers, troubles: list[str]
) -> Path | None:
    """Return the file, None where an archive says that there is none, and none lists one.

    What fails is added to `troubles`.
    """
    answers: list[_Listed | None] = []
    for archive in (_in_bucket, _in_data_space):
        try:
            answers.append(archive(acquisition, kind, servers))
            if answers[-1] is not None:
                return _download(answers[-1], folder, acquisition)
        except ArchiveError as error:
            troubles.append(str(error))
    if not answers or any(answers):
        other = "take the restituted one (`orbit_file: restituted`), " if kind == "precise" else ""
        raise ArchiveError(f"{kind} orbit of {acquisition}: {'; '.join(troubles)}; or {other}{_REMEDY}")
    return None


def _in_bucket(acquisition: Acquisition, kind: Kind, servers: OrbitServers) -> _Listed | None:
    names = {_name(key): key for key in _keys(acquisition, kind, servers.bucket)}
    best = next(_best(names, acquisition, kind), None)
    return None if best is None else _Listed(f"{servers.bucket}/{names[best]}", best, Anyone())


def _in_data_space(acquisition: Acquisition, kind: Kind, servers: OrbitServers) -> _Listed | None:
    url = f"{servers.space.catalogue}/Products"
    earliest, latest = (f"{t:%Y-%m-%dT%H:%M:%S.%fZ}" for t in (acquisition.start - MARGIN, acquisition.stop + MARGIN))
    wanted = (
        f"startswith(Name,'{_mission(acquisition)}') and contains(Name,'{_TYPES[kind]}') "
        f"and ContentDate/Start lt '{earliest}' and ContentDate/End gt '{latest}'"
    )
    with http.session() as client:
        query = {"$filter": wanted, "$orderby": "ContentDate/Start asc", "$top": "100"}
        answer = http.get_json(client, url, params=query)
    try:
        places = {_name(item["Name"]): str(item["Id"]) for item in answer["value"]}
    except (KeyError, TypeError) as error:
        raise ArchiveError(http.failure(url, reason="expected products with Id and Name")) from error
    best = next(_best(places, acquisition, kind), None)
    if best is None:
        return None
    address = f"{servers.space.downloads}/Products({places[best]})/$value"
    return _Listed(address, best, DataSpaceAccount(servers.space.tokens, servers.space.domains))


def _keys(acquisition: Acquisition, kind: Kind, bucket: str) -> Iterator[str]:
    """Yield the bucket's names of one satellite and kind, in order of creation, from the product's day on."""
    prefix = f"{_TYPES[kind]}/{_mission(acquisition)}_OPER_{_TYPES[kind]}_OPOD_"
    # reprocessed precise files are made years later, so their list is read to its end
    end = f"{prefix}{acquisition.stop + RESTITUTED_WITHIN:%Y%m%dT%H%M%S}" if kind == "restituted" else f"{prefix}:"
    marker = f"{prefix}{acquisition.start:%Y%m%d}"
    with http.session() as client:
        for _ in range(_MOST_PAGES):
            text = http.get_bytes(client, f"{bucket}/", params={"prefix": prefix, "marker": marker})
            try:
                root = parse_xml(text, f"{bucket}/")
            except ValueError as error:
                raise ArchiveError(http.failure(bucket, reason="expected a list in XML, got something else")) from error
            keys = [key.text or "" for key in root.findall("{*}Contents/{*}Key")]
            yield from keys
            if root.findtext("{*}IsTruncated", "false") != "true" or not keys or keys[-1] > end:
                return
            marker = keys[-1]
    raise ArchiveError(http.failure(bucket, reason=f"a list of more than {_MOST_PAGES} pages"))


def _download(listed: _Listed, folder: Path, acquisition: Acquisition) -> Path:
    target = folder / listed.name
    download(Wanted(listed.url, fault=fault_by(lambda path: _check(path, acquisition))), target, listed.account)
    return target


def _on_disk(folder: Path, acquisition: Acquisition, kinds: Sequence[Kind]) -> Path | None:
    """Return the best file in `folder`; ValueError when it is not what its name says."""
    names = [path.name for path in folder.glob("*.EOF")] if folder.is_dir() else []
    for kind in kinds:
        for name in _best(names, acquisition, kind):
            _check(folder / name, acquisition)
            return folder / name
    return None


def _best(names: Iterable[str], acquisition: Acquisition, kind: Kind) -> Iterator[str]:
    """Yield the names of files of one kind that cover the product, the latest made first."""
    candidates, mission = [], _mission(acquisition)
    for name in names:
        try:
            orbit = SentinelOrbit(name)
            begins, ends, made = orbit.start_time, orbit.stop_time, orbit.created_time
        except ValueError:  # another name, another kind of orbit, or a date that does not exist
            continue
        covers = begins <= acquisition.start - MARGIN and acquisition.stop + MARGIN <= ends
        if covers and (orbit.mission, orbit.orbit_type) == (mission, kind):
            candidates.append((made, name))
    return (name for _, name in sorted(candidates, reverse=True))


def _check(path: Path, acquisition: Acquisition) -> None:
    epoch = datetime.combine(acquisition.start.date(), datetime.min.time())
    vectors = parse_eof(path.read_bytes(), path.name, epoch, platform=acquisition.platform)
    covering(vectors, (acquisition.start - epoch).total_seconds(), (acquisition.stop - epoch).total_seconds())


def _mission(acquisition: Acquisition) -> str:
    match = re.fullmatch(r"sentinel-1([a-z])", acquisition.platform)
    if match is None:
        raise ValueError(f"{acquisition.id}: expected a platform such as sentinel-1a, got {acquisition.platform!r}")
    return f"S1{match[1].upper()}"


def _name(key: str) -> str:
    """Return a file's name: what a server says must not lead out of the folder."""
    name = key.rpartition("/")[2]
    return name if re.fullmatch(r"S1[A-Z]_OPER_\w+\.EOF", name) else ""
