import gzip
import hashlib
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import Answer, Loopback, Request
from so2sat.made_so2sat import make_so2sat, write_geo

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError
from lczmap.so2sat import download as download_module
from lczmap.so2sat.download import fetch
from lczmap.so2sat.files import OFFERS, KnownFile, Offer
from lczmap.so2sat.reader import open_h5

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("so2sat") / "testing.h5"
    make_so2sat(path, 1, layout="contiguous")
    return path.read_bytes()


@pytest.fixture(scope="module")
def packed(whole: bytes) -> bytes:
    return gzip.compress(whole, 1)


@pytest.fixture
def server(tmp_path: Path, whole: bytes, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.01)
    monkeypatch.setattr(http, "RETRIES", 1)
    monkeypatch.setattr("lczmap.scenes.slc.download.PROGRESS_BYTES", 1 << 16)
    known = KnownFile("v2", "testing", (1,) * 17, hashlib.md5(whole).hexdigest())
    monkeypatch.setattr("lczmap.so2sat.files.KNOWN_FILES", (known, KnownFile("v4", "testing", (1,) * 17)))
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "testing.h5").write_bytes(whole)
    (folder / "testing.h5.gz").write_bytes(packed)
    write_geo(folder / "testing_geo.h5", ["cairo"] * 17, 17)
    with Loopback() as running:
        running.files("/share", folder)
        mediatum = {"v2": Offer(f"{running.url}/share/{{name}}", "m1483140")}
        hugging = {"v4": Offer(f"{running.url}/share/{{name}}", suffix=".gz")}
        monkeypatch.setitem(OFFERS, "mediatum", mediatum)
        monkeypatch.setitem(OFFERS, "huggingface", hugging)
        yield running


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_with_the_shares_public_name(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole
    assert left(tmp_path / "data") == ["testing.h5"]
    assert server.requests[0].headers["Authorization"] == "Basic " + b64encode(b"m1483140:m1483140").decode()


def test_a_broken_connection_goes_on_where_it_broke(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    server.misbehave("/share/testing.h5", "truncate")
    fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole
    asked = [request.headers.get("Range") for request in server.requests]
    assert asked == [None, f"bytes={len(whole) // 2}-"]


def test_another_run_goes_on_with_what_has_come(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    server.misbehave("/share/testing.h5", "truncate")
    server.misbehave("/share/testing.h5", "status", times=9)
    with pytest.raises(ArchiveError, match=r"HTTP 503 in .* what has been fetched is kept"):
        fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert not (tmp_path / "data" / "testing.h5").exists()
    server._faults.clear()
    fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert server.requests[-1].headers["Range"] == f"bytes={len(whole) // 2}-"
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole


def test_a_service_without_ranges_sends_the_whole_again(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    def always_all(_: Request) -> Answer:
        return Answer(whole)

    server.route("GET", "/share/testing.h5", always_all)
    server.misbehave("/share/testing.h5", "truncate")
    fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole
    assert left(tmp_path / "data") == ["testing.h5"]


def test_a_wrong_md5_is_no_file(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "served" / "testing.h5").write_bytes(whole[:-1] + b"x")
    with pytest.raises(ArchiveError, match=r"expected the MD5 .*, got .*, twice"):
        fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert left(tmp_path / "data") == []


def test_a_packed_file_is_unpacked(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    fetch("v4", "testing", tmp_path / "data" / "testing.h5")
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole
    assert left(tmp_path / "data") == ["testing.h5"]
    assert "Authorization" not in server.requests[0].headers


def test_a_spoilt_packed_file_is_thrown_away(server: Loopback, tmp_path: Path, whole: bytes, packed: bytes) -> None:
    served = tmp_path / "served" / "testing.h5.gz"
    served.write_bytes(packed[:-5000])
    with pytest.raises(ArchiveError, match=r"testing.h5.gz: cannot be unpacked: .*; run the same command again"):
        fetch("v4", "testing", tmp_path / "data" / "testing.h5")
    assert left(tmp_path / "data") == []
    served.write_bytes(packed)
    fetch("v4", "testing", tmp_path / "data" / "testing.h5")
    assert (tmp_path / "data" / "testing.h5").read_bytes() == whole


def test_the_places_come_beside_and_give_the_cities(server: Loopback, tmp_path: Path) -> None:
    for name in ("testing", "testing_geo"):
        fetch("v4", name, tmp_path / "data" / f"{name}.h5")
    cities = open_h5(tmp_path / "data" / "testing.h5").cities
    assert cities is not None and set(cities.tolist()) == {"cairo"}


def test_a_page_of_the_service_is_no_file(server: Loopback, tmp_path: Path) -> None:
    server.misbehave("/share/testing_geo.h5", "body", body=b"<html>moved</html>", times=2)
    with pytest.raises(ArchiveError, match=r"expected an HDF5 file, got one that begins with b'<html>"):
        fetch("v4", "testing_geo", tmp_path / "data" / "testing_geo.h5")


def test_a_file_larger_than_it_can_be_is_refused(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    server.route("GET", "/share/testing.h5", lambda _: Answer(whole + bytes(len(whole))))
    with pytest.raises(ArchiveError, match="expected at most"):
        fetch("v2", "testing", tmp_path / "data" / "testing.h5")


def test_a_full_disk_is_noticed_before_anything_comes(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(ValueError, match=r"data: testing.h5 needs up to 0.00 GB more, the disk has 0.00 GB; make room"):
        fetch("v2", "testing", tmp_path / "data" / "testing.h5")
    assert server.requests == []


def test_another_address_takes_the_place_of_the_services(server: Loopback, tmp_path: Path, whole: bytes) -> None:
    server.route("GET", "/mirror/so2sat/testing.h5", lambda _: Answer(whole))
    fetch("v4", "testing", tmp_path / "testing.h5", url=f"{server.url}/mirror/so2sat/{{name}}")
    assert (tmp_path / "testing.h5").read_bytes() == whole


def test_what_is_there_is_not_asked_for(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "testing.h5").write_bytes(b"own")
    fetch("v2", "testing", tmp_path / "testing.h5")
    assert server.requests == []


def test_files_and_services_that_do_not_exist_are_named(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file 'tests' of version 'v2'; known: v2 testing"):
        fetch("v2", "tests", tmp_path / "tests.h5")
    with pytest.raises(ValueError, match="huggingface offers v4, not v2"):
        fetch("v2", "testing", tmp_path / "testing.h5", service="huggingface")
    with pytest.raises(ArchiveError, match="expected a plain address"):
        fetch("v2", "testing", tmp_path / "testing.h5", url="not an address")


def test_progress_is_printed_now_and_then(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download_module, "PROGRESS_S", 0.01)
    server.misbehave("/share/testing.h5", "trickle", seconds=0.2)
    fetch("v2", "testing", tmp_path / "testing.h5")
    assert "GB, " in capsys.readouterr().out
