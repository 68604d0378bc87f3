"""Answers from services that ask who is there: credentials go only where they are meant to go.

Redirects are followed by hand, because at each address it is decided anew which credentials, if any, may go there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.util import parse_url

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

HOPS = 12
"""Redirects that are followed."""
_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){1,3}")
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")


class AccountError(ArchiveError):
    """No credentials are given, or they are not accepted: other downloads with the same account would fail as well."""


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
    client = http.ForgetfulSession()
    client.headers["Accept-Encoding"] = "identity"  # ranges and lengths are those of the file
    return client


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port that a request for an address really goes to.

    ArchiveError for an address that can be read in two ways (user names, backslashes, spaces, control characters: what
    one library takes for the host is another's path), or is not of the web.
    """
    try:
        sent, split = parse_url(url), urlsplit(url)  # the first is what the library that connects uses
        host = (sent.host or "").strip("[]").lower()
        is_plain = not (_AMBIGUOUS.search(url) or "@" in split.netloc or sent.auth)
        if not (is_plain and host and host == split.hostname and sent.scheme in ("http", "https")):
            raise ValueError("not plain")
    except ValueError:
        raise ArchiveError(
            f"{http.without_query(url)!r}: expected a plain address of the web, without user name, spaces and "
            "backslashes; search again, or check the endpoint"
        ) from None
    return str(sent.scheme), host, sent.port


def may_carry(url: str, domains: tuple[str, ...]) -> bool:
    """Say whether credentials meant for `domains` (and hosts below them) may go to an address: never unencrypted."""
    try:
        scheme, host, _ = origin(url)
    except ArchiveError:
        return False
    if not _is_private(scheme, host):
        return False
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def service_address(endpoint: str) -> tuple[str, str]:
    """Return an endpoint without a trailing slash, and its host; ArchiveError unless it is a plain https address."""
    try:
        scheme, host, _ = origin(endpoint)
        if "?" in endpoint or "#" in endpoint:
            raise ArchiveError("not plain")
    except ArchiveError:
        shown = http.without_query(endpoint)
        raise ArchiveError(f"endpoint: expected a plain https address, got {shown!r}") from None
    if not _is_private(scheme, host):
        raise ArchiveError(f"{http.without_query(endpoint)}: credentials travel over https only; give an https address")
    return endpoint.rstrip("/"), host


@contextmanager
def opened(
    client: requests.Session, url: str, account: Account, headers: Mapping[str, str] | None = None
) -> Iterator[requests.Response]:
    """Yield the first answer that is no redirect, its body unread.

    ArchiveError for redirects that do not end or leave encryption, and for addresses that are not encrypted (loopback
    excepted) or not plain; requests' own errors otherwise.
    """
    first = url
    for _ in range(HOPS):
        scheme, host, _port = origin(url)
        if not _is_private(scheme, host):
            raise ArchiveError(f"{http.without_query(url)}: expected an https address; search again, or report it")
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


def _is_private(scheme: str, host: str) -> bool:
    return scheme == "https" or _LOOPBACK.fullmatch(host) is not None


def _next(url: str, location: str) -> str:
    if _AMBIGUOUS.search(location):  # before it is joined: that would take some of these out
        raise ArchiveError(http.failure(url, reason="a redirect to an address that is not plain"))
    try:
        target = urljoin(url, location)
    except ValueError:
        raise ArchiveError(http.failure(url, reason="a redirect to an address that cannot be read")) from None
    if origin(url)[0] == "https" and origin(target)[0] != "https":
        raise ArchiveError(http.failure(url, reason=f"a redirect away from https, to {http.without_query(target)}"))
    return target
