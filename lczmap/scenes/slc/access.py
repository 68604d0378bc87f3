"""Answers from services that ask who is there: credentials go only where they are meant to go.

Redirects are followed by hand, because at each address it is decided anew which credentials, if any, may go there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import requests

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

HOPS = 12
"""Redirects that are followed."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Account(Protocol):
    """Whose credentials a download uses. `remedy` says which variables to set, for messages."""

    remedy: str

    def headers(self, url: str) -> dict[str, str]:
        """Return the credentials for an address; none for addresses that they are not meant for."""
        ...

    def renew(self, status: int) -> bool:
        """After a refusal (401, 403): get new credentials, if that can be done, and say whether to try again."""
        ...


def plain_session() -> requests.Session:
    """Return a session that neither retries nor sends credentials of its own."""
    client = requests.Session()
    client.headers["Accept-Encoding"] = "identity"  # ranges and lengths are those of the file
    client.auth = lambda prepared: prepared  # else a line for this host in ~/.netrc would replace ours
    return client


def may_carry(url: str, domains: tuple[str, ...]) -> bool:
    """Say whether credentials meant for `domains` (and hosts below them) may go to an address: never unencrypted."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" and host not in _LOOPBACK:
        return False
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def service_address(endpoint: str) -> tuple[str, str]:
    """Return an endpoint without a trailing slash, and its host; ArchiveError unless it is a plain https address."""
    parts = urlsplit(endpoint)
    if not parts.hostname or parts.username or parts.query or parts.scheme not in ("http", "https"):
        raise ArchiveError(f"endpoint: expected a plain https address, got {http.without_query(endpoint)!r}")
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ArchiveError(f"{http.without_query(endpoint)}: credentials travel over https only; give an https address")
    return endpoint.rstrip("/"), parts.hostname


@contextmanager
def opened(
    client: requests.Session, url: str, account: Account, headers: Mapping[str, str] | None = None
) -> Iterator[requests.Response]:
    """Yield the first answer that is no redirect, its body unread.

    ArchiveError for redirects that do not end or leave encryption; requests' own errors otherwise.
    """
    first = url
    for _ in range(HOPS):
        answer = client.get(
            url,
            headers={**(headers or {}), **account.headers(url)},
            timeout=(http.CONNECT_TIMEOUT_S, http.READ_TIMEOUT_S),
            allow_redirects=False,
            stream=True,
        )
        with answer:
            if not answer.is_redirect:
                yield answer
                return
            url = _next(url, answer.headers["Location"])
    raise ArchiveError(http.failure(first, reason=f"more than {HOPS} redirects"))


def trouble_of(error: requests.RequestException) -> str:
    """Return what to say of a request that failed, without the address and credentials that the error quotes."""
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.Timeout):
        return f"no answer within {http.READ_TIMEOUT_S:g} s"
    return "no connection" if isinstance(error, requests.ConnectionError) else "the connection broke"


def _next(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise ArchiveError(http.failure(url, reason=f"a redirect away from https, to {http.without_query(target)}"))
    return target
