import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from loopback import Answer, Loopback

from lczmap.scenes.slc import access, download
from lczmap.scenes.slc.download import Wanted
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

pytestmark = pytest.mark.server

CONTENT = bytes(i * 31 % 251 for i in range(100_001))
HALF = len(CONTENT) // 2
MD5 = hashlib.md5(CONTENT).hexdigest()
FILE = r"/store/file\.bin"


class Nobody:
    """An account that needs none, and counts how often it was to be renewed."""

    remedy = "set NOTHING"

    def __init__(self, renews: bool = False) -> None:
        self.renews, self.renewed = renews, 0

    def headers(self, url: str) -> dict[str, str]:  # noqa: ARG002
        return {}

    def renew(self, status: int) -> bool:  # noqa: ARG002
        self.renewed += 1
        return self.renews


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.02)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.6)
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "file.bin").write_bytes(CONTENT)
    with Loopback() as server:
        server.files("/store", tmp_path / "held")
        yield server


@pytest.fixture
def endless() -> Iterator[str]:
    """A server whose answers have no length and do not end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for _ in range(1000):
                    self.wfile.write(bytes(100_000))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "out" / "file.bin"


def fetch(server: Loopback, target: Path, account: Nobody | None = None, **wanted) -> bytes:
    download.download(Wanted(f"{server.url}/store/file.bin?signature=secret", **wanted), target, account or Nobody())
    return target.read_bytes()


def ranges(server: Loopback) -> list[str | None]:
    return [request.headers.get("Range") for request in server.requests]


def partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("truncate", {}),
        ("close", {}),
        ("hang", {"seconds": 1.0}),
        ("trickle", {"seconds": 0.3}),
        ("status", {"status": 500}),
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}),
    ],
)
def test_short_trouble_is_waited_out_and_what_came_is_not_asked_for_again(server, target, kind, how):
    server.misbehave(FILE, kind, times=2, **how)
    assert fetch(server, target) == CONTENT
    came = {"truncate": [HALF, HALF + (len(CONTENT) - HALF) // 2], "trickle": [3, 6]}.get(kind, [None, None])
    assert ranges(server) == [None, *(f"bytes={n}-" if n else None for n in came)]
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_next_run_goes_on_where_the_last_one_broke_off(server, target, monkeypatch):
    monkeypatch.setattr(http, "RETRIES", 0)
    server.misbehave(FILE, "truncate")
    with pytest.raises(ArchiveError, match=r"/store/file\.bin: the connection broke in 1 attempts; .*is kept"):
        fetch(server, target)
    assert not target.exists() and partial(target).read_bytes() == CONTENT[:HALF]
    assert fetch(server, target, md5=MD5) == CONTENT
    assert ranges(server) == [None, f"bytes={HALF}-"]


def hold_version(server: Loopback, content: bytes, tag: str) -> None:
    """The server has this version now; a range is of it only for those who have the rest of it."""

    def answer(request):
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if not begin or request.headers.get("If-Range", tag) != tag:
            return Answer(content, 200, {"ETag": tag})
        part = {"ETag": tag, "Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        return Answer(content[begin:], 206, part)

    server.route("GET", FILE, answer)


@pytest.mark.parametrize("is_changed", [False, True])
def test_next_run_goes_on_only_with_the_version_that_it_has(server, target, monkeypatch, is_changed):
    hold_version(server, CONTENT, '"1"')
    with monkeypatch.context() as patch:
        patch.setattr(http, "RETRIES", 0)
        server.misbehave(FILE, "truncate")
        with pytest.raises(ArchiveError, match="is kept"):
            fetch(server, target)
    new = CONTENT[::-1] if is_changed else CONTENT
    hold_version(server, new, '"2"' if is_changed else '"1"')
    assert fetch(server, target) == new
    assert ranges(server) == [None, f"bytes={HALF}-"] and server.requests[-1].headers["If-Range"] == '"1"'
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_part_of_an_unknown_version_is_not_joined(server, target):
    target.parent.mkdir()
    partial(target).write_bytes(bytes(HALF))
    assert fetch(server, target) == CONTENT and ranges(server) == [None]


def test_part_of_another_version_that_comes_nevertheless_is_not_joined(server, target):
    hold_version(server, CONTENT, '"1"')
    server.misbehave(FILE, "truncate")
    other = {"Content-Range": f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}", "ETag": '"2"'}
    server.misbehave(FILE, "status", status=206, headers=other, body=bytes(len(CONTENT) - HALF))
    assert fetch(server, target) == CONTENT


@pytest.mark.parametrize(
    ("status", "body", "wanted", "message"),
    [
        (200, b"<html>maintenance", {"size": len(CONTENT), "md5": MD5}, "the service has 17"),
        (200, b"<html>maintenance", {"md5": MD5}, "expected the MD5 .*, twice"),
        (206, b"<html>maintenance", {"md5": MD5}, "another part of the file than was asked for in 2 attempts"),
        (416, b"", {"md5": MD5}, "HTTP 416 in 2 attempts"),
    ],
)
def test_answer_that_is_not_the_file_leaves_what_has_come(server, target, monkeypatch, status, body, wanted, message):
    target.parent.mkdir()
    partial(target).write_bytes(CONTENT[:HALF])
    monkeypatch.setattr(http, "RETRIES", 1)
    server.misbehave(FILE, "status", status=status, body=body, times=2)
    with pytest.raises(ArchiveError, match=message):
        fetch(server, target, **wanted)
    assert partial(target).read_bytes() == CONTENT[:HALF]
    server._faults.clear()
    before = len(server.requests)
    assert fetch(server, target, **wanted) == CONTENT
    assert ranges(server)[before:] == [f"bytes={HALF}-"] and [p.name for p in target.parent.iterdir()] == [target.name]


def test_jobs_that_want_the_same_file_fetch_it_once(server, target, capsys):
    begun, release = threading.Event(), threading.Event()

    def answer(_):
        begun.set()
        release.wait(5)
        return Answer(CONTENT)

    server.route("GET", FILE, answer)
    came: list[bytes] = []
    jobs = [threading.Thread(target=lambda: came.append(fetch(server, target))) for _ in range(3)]
    jobs[0].start()
    assert begun.wait(5)
    for job in jobs[1:]:
        job.start()
    time.sleep(0.2)
    release.set()
    for job in jobs:
        job.join(10)
    assert came == [CONTENT] * 3 and len(server.requests) == 1
    assert "file.bin: another job fetches it; waiting" in capsys.readouterr().out
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_lock_that_an_interruption_left_keeps_nobody_out(server, target):
    target.parent.mkdir()
    target.with_name(f".{target.name}.lock").touch()
    assert fetch(server, target) == CONTENT and [p.name for p in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("wanted", [{"size": 1000}, {"most_bytes": 1000}])
def test_answer_without_end_is_broken_off(endless, target, wanted):
    with pytest.raises(ArchiveError, match="expected at most 1000 bytes, more than 1000 bytes come"):
        download.download(Wanted(f"{endless}/x", **wanted), target, Nobody())
    assert sum(p.stat().st_size for p in target.parent.iterdir()) == 0


def test_file_larger_than_any_of_its_kind_is_told_before_it_comes(server, target):
    with pytest.raises(ArchiveError, match=rf"at most 1000 bytes, the service has {len(CONTENT)} bytes"):
        fetch(server, target, most_bytes=1000)
    assert list(target.parent.iterdir()) == []


def test_server_that_ignores_ranges_is_read_from_the_beginning(server, target):
    server.misbehave(FILE, "truncate")
    server.misbehave(FILE, "body", body=CONTENT)
    assert fetch(server, target) == CONTENT
    assert ranges(server) == [None, f"bytes={HALF}-"]


def test_part_other_than_the_asked_one_is_not_joined(server, target):
    server.misbehave(FILE, "truncate")
    other = {"Content-Range": f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}"}
    server.misbehave(FILE, "status", status=206, headers=other, body=CONTENT[7:])
    assert fetch(server, target) == CONTENT
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_file_that_changes_meanwhile_is_read_from_the_beginning(server, target):
    new = CONTENT[::-1]

    def answer(request):
        if request.headers.get("If-Range") == '"1"':
            return Answer(new, 200, {"ETag": '"2"'})
        return Answer(CONTENT, 200, {"ETag": '"1"'})

    server.route("GET", FILE, answer)
    server.misbehave(FILE, "truncate")
    assert fetch(server, target) == new


@pytest.mark.parametrize("left_over", [CONTENT, CONTENT + b"more"])
def test_left_over_part_as_long_as_the_file_or_longer_ends_well(server, target, left_over):
    target.parent.mkdir()
    partial(target).write_bytes(left_over)
    assert fetch(server, target, md5=MD5) == CONTENT
    assert ranges(server)[0] == f"bytes={len(left_over)}-" and len(server.requests) == 1 + (left_over != CONTENT)


def test_long_download_may_break_more_often_than_a_short_one_may_fail(server, target, monkeypatch):
    monkeypatch.setattr(http, "RETRIES", 1)
    monkeypatch.setattr(download, "PROGRESS_BYTES", 5)
    server.misbehave(FILE, "truncate", times=6)
    assert fetch(server, target) == CONTENT


def test_trouble_that_does_not_end_is_an_error_in_bounded_time(server, target, monkeypatch):
    monkeypatch.setattr(http, "RETRIES", 2)
    monkeypatch.setattr(download, "SLOW_AFTER_S", 0.5)
    server.misbehave(FILE, "trickle", times=1000, seconds=60)
    start = time.monotonic()
    with pytest.raises(ArchiveError, match=r"/store/file\.bin: too slow an answer in 3 attempts") as error:
        fetch(server, target)
    assert time.monotonic() - start < 5 and "secret" not in str(error.value)


def test_server_that_asks_to_wait_is_waited_for(server, target):
    server.misbehave(FILE, "status", status=429, headers={"Retry-After": "1"})
    start = time.monotonic()
    assert fetch(server, target) == CONTENT
    assert time.monotonic() - start >= 1


def test_file_that_is_made_first_is_waited_for_without_counting_as_failed(server, target, monkeypatch):
    monkeypatch.setattr(http, "RETRIES", 0)
    monkeypatch.setattr(download, "PREPARED_AFTER_S", 0.01)
    server.misbehave(FILE, "status", status=202, times=7)
    assert fetch(server, target) == CONTENT


def test_time_for_making_a_file_begins_anew_after_it_has_come_in_part(server, target, monkeypatch):
    monkeypatch.setattr(download, "PREPARED_AFTER_S", 0.01)
    monkeypatch.setattr(download, "PREPARED_MAX_S", 0.3)
    for kind in ("status", "trickle", "status"):
        server.misbehave(FILE, kind, status=202, seconds=0.5)
    assert fetch(server, target) == CONTENT and len(server.requests) == 4


def test_file_that_is_never_made_is_an_error(server, target, monkeypatch):
    monkeypatch.setattr(download, "PREPARED_AFTER_S", 0.01)
    monkeypatch.setattr(download, "PREPARED_MAX_S", 0.2)
    server.misbehave(FILE, "status", status=202, times=1000)
    with pytest.raises(ArchiveError, match=r"has not made the file within 0\.2 s"):
        fetch(server, target)


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_other_size_than_catalogued_is_told_before_it_comes(server, target, size):
    with pytest.raises(ArchiveError, match=rf"expected {size} bytes, the service has {len(CONTENT)}"):
        fetch(server, target, size=size)
    assert not target.exists()


def test_file_with_a_fault_is_fetched_once_more(server, target):
    server.misbehave(FILE, "body", body=CONTENT[::-1])
    looked = []

    def fault(path: Path) -> str | None:
        looked.append(path.read_bytes() == CONTENT)
        return None if looked[-1] else "backwards"

    assert fetch(server, target, fault=fault) == CONTENT and looked == [False, True]
    target.unlink()
    server.misbehave(FILE, "body", body=CONTENT[::-1], times=2)
    with pytest.raises(ArchiveError, match=r"/store/file\.bin: backwards, twice"):
        fetch(server, target, fault=fault)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(("renews", "requests_made"), [(True, 2), (False, 1)])
def test_refusal_is_tried_again_once_with_new_credentials(server, target, renews, requests_made):
    account = Nobody(renews)
    server.misbehave(FILE, "status", status=401, times=1000)
    with pytest.raises(ArchiveError, match=r"HTTP 401; .*set NOTHING"):
        fetch(server, target, account)
    assert (account.renewed, len(server.requests)) == (1, requests_made)


def test_redirects_that_do_not_end_or_leave_encryption_are_errors(server, target):
    server.route("GET", "/round", lambda _: Answer(b"", 302, {"Location": "/round"}))
    with pytest.raises(ArchiveError, match="/round: more than 12 redirects"):
        download.download(Wanted(f"{server.url}/round"), target, Nobody())
    assert access._next("http://127.0.0.1/a/b", "../c?d=e") == "http://127.0.0.1/c?d=e"
    with pytest.raises(ArchiveError, match=r"a redirect away from https, to http://a.org/b;"):
        access._next("https://a.org/b", "http://a.org/b?token=x")


AMBIGUOUS = [
    "https://evil.example\\@a.org/x",
    "https://me@a.org/x",
    "https://me:secret@a.org/x",
    "https://a.org /x",
    "https://a.org/x y",
    "https://a\t.org/x",
    "https://a.org/\nx",
    "https:///a.org",
    "https://[a.org/x",
    "ftp://a.org/x",
    "//a.org/x",
]


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_address_that_can_be_read_in_two_ways_gets_no_request_and_no_credentials(target, url):
    assert not access.may_carry(url, ("a.org",))
    with pytest.raises(ArchiveError, match=r"expected a plain address|cannot be read") as error:
        download.download(Wanted(url), target, Nobody())
    assert "secret" not in str(error.value)


def test_host_that_is_contacted_decides_where_credentials_go(server, target):
    class Somebody(Nobody):
        def headers(self, url: str) -> dict[str, str]:
            return {"Authorization": "secret"} if access.may_carry(url, ("localhost",)) else {}

    port = server.url.rpartition(":")[2]
    server.route("GET", "/away", lambda _: Answer(b"", 302, {"Location": f"http://127.0.0.1:{port}\\@localhost/x"}))
    for url in (f"http://127.0.0.1:{port}\\@localhost/x", f"http://localhost:{port}/away"):
        with pytest.raises(ArchiveError, match="plain"):
            download.download(Wanted(url), target, Somebody())
    sent = [(r.headers["Host"].partition(":")[0], r.headers.get("Authorization")) for r in server.requests]
    assert sent == [("localhost", "secret")]


def test_address_without_encryption_is_refused_except_on_loopback(server, target):
    with pytest.raises(ArchiveError, match=r"http://example\.org/x: expected an https address"):
        download.download(Wanted("http://example.org/x?token=secret"), target, Nobody())
    server.route("GET", "/away", lambda _: Answer(b"", 302, {"Location": "http://example.org/y"}))
    with pytest.raises(ArchiveError, match=r"http://example\.org/y: expected an https address"):
        download.download(Wanted(f"{server.url}/away"), target, Nobody())


def test_netrc_takes_no_part(server, target, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert requests.utils.get_netrc_auth(server.url) == ("me", "secret")
    fetch(server, target)
    assert "Authorization" not in server.requests[0].headers
