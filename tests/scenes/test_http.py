"""Answers that are held in memory, and credentials of which nobody spoke."""

from collections.abc import Iterator

import pytest
import requests
from loopback import Answer, Loopback

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

pytestmark = pytest.mark.server


@pytest.fixture
def server(monkeypatch) -> Iterator[Loopback]:
    monkeypatch.setattr(http, "BACKOFF_S", 0.02)
    with Loopback() as server:
        server.route("GET", "/x", lambda _: Answer(b"12345"))
        yield server


def test_answer_that_fills_the_memory_is_broken_off(server, monkeypatch):
    monkeypatch.setattr(http, "ANSWER_MAX_BYTES", 5)
    assert http.get_bytes(http.session(), f"{server.url}/x") == b"12345"
    monkeypatch.setattr(http, "ANSWER_MAX_BYTES", 4)
    with pytest.raises(ArchiveError, match="/x: the answer has more than 4 bytes"):
        http.get_bytes(http.session(), f"{server.url}/x")


def test_netrc_takes_no_part_in_searches_nor_after_a_redirect(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert requests.utils.get_netrc_auth(server.url) == ("me", "secret")
    server.route("GET", "/away", lambda _: Answer(b"", 302, {"Location": f"{server.url}/x"}))
    assert http.get_bytes(http.session(), f"{server.url}/away") == b"12345"
    assert [request.headers.get("Authorization") for request in server.requests] == [None, None]


def test_credentials_that_are_given_do_not_follow_a_redirect_to_another_host(server):
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    server.route("GET", "/here", lambda _: Answer(b"", 302, {"Location": "/x"}))
    server.route("GET", "/away", lambda _: Answer(b"", 302, {"Location": f"{elsewhere}/x"}))
    for path in ("here", "away"):
        http.session().get(f"{server.url}/{path}", headers={"Authorization": "secret"}, timeout=5)
    assert [request.headers.get("Authorization") for request in server.requests] == ["secret", "secret", "secret", None]


def test_proxies_of_the_environment_are_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    assert http.get_bytes(http.session(), "http://example.org/x") == b"12345"


def test_address_that_cannot_be_read_is_not_repeated_in_messages():
    assert http.without_query("https://me:secret@[a.org/x") == "an address that cannot be read"
