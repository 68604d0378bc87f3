"""Earthdata Login for the burst service: from the environment only, sent only to NASA's login and to ASF's hosts.

The burst service knows users by a cookie (`asf-urs`) that another of ASF's hosts sets after a login (documentation of
the Burst Extractor; burst2safe 2.0 gets it the same way). A login is a walk through redirects: ASF sends the visitor to
NASA's login, which takes name and password and sends back; or ASF takes a token at once. Not exercised against the
services.
"""

from __future__ import annotations

import os
import threading
import time
from base64 import b64encode
from dataclasses import dataclass

import requests

from lczmap.scenes.slc.access import AccountError, may_carry, opened, plain_session, trouble_of
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

COOKIE = "asf-urs"
_TOKEN, _NAME, _PASSWORD = "EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"


@dataclass(frozen=True)
class LoginPlaces:
    """Where one logs in: a small protected file at ASF, the host of NASA's login, and ASF's domains."""

    protected: str
    login_host: str
    domains: tuple[str, ...]


class EarthdataLogin:
    """A login kept as a cookie in `client`; the environment is read when it is first needed.

    Credentials that were refused are not sent again: services close an account after too many wrong passwords.
    """

    remedy = (
        f"set {_TOKEN} to a token of your account at urs.earthdata.nasa.gov, or {_NAME} and {_PASSWORD}; sign in there "
        "once with a browser, accept the agreement and authorise the applications of ASF"
    )

    def __init__(self, client: requests.Session, places: LoginPlaces) -> None:
        self._client, self._places = client, places
        self._lock, self._is_signed_in = threading.Lock(), False
        self._refusal: AccountError | None = None

    def headers(self, url: str) -> dict[str, str]:
        """Return the token for ASF's hosts, name and password for NASA's login, nothing for others.

        ArchiveError when NASA's login asks and there are no name and password: the token was not accepted.
        """
        token = os.environ.get(_TOKEN)
        if token and may_carry(url, self._places.domains):
            return {"Authorization": f"Bearer {token}"}
        if not may_carry(url, (self._places.login_host,)):
            return {}
        name, password = os.environ.get(_NAME), os.environ.get(_PASSWORD)
        if not (name and password):
            raise AccountError(
                f"{http.without_query(url)}: the login is asked for and {_TOKEN} not accepted; {self.remedy}"
            )
        return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}

    def renew(self, status: int) -> bool:
        """Sign in again after a refusal: the cookie may have ended."""
        if status not in (401, 403):
            return False
        with self._lock:
            self._walk()
        return True

    def sign_in(self) -> None:
        """Sign in, unless that has been done; ArchiveError when there are no credentials, or they are not accepted."""
        if not (os.environ.get(_TOKEN) or (os.environ.get(_NAME) and os.environ.get(_PASSWORD))):
            raise AccountError(f"ASF's bursts need an Earthdata Login, and none is given: {self.remedy}")
        with self._lock:
            if not self._is_signed_in:
                self._walk()
                self._is_signed_in = True

    def _walk(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        try:
            self._walk_through()
        except AccountError as error:
            self._refusal = error
            raise

    def _walk_through(self) -> None:
        trouble = ""
        for attempt in range(http.RETRIES + 1):
            try:
                with plain_session() as visitor, opened(visitor, self._places.protected, self) as answer:
                    if answer.status_code not in http.AGAIN:
                        self._let_in(visitor, answer)
                        return
                trouble = f"HTTP {answer.status_code}"
            except requests.RequestException as error:
                # not kept as a cause: it holds the request with the credentials
                trouble = trouble_of(error)
            if attempt < http.RETRIES:
                time.sleep(http.BACKOFF_S * 2**attempt)
        raise ArchiveError(http.failure(self._places.protected, reason=f"{trouble} in {http.RETRIES + 1} attempts"))

    def _let_in(self, visitor: requests.Session, answer: requests.Response) -> None:
        # a visitor of its own: downloads that go on meanwhile keep the cookie that they have
        if COOKIE not in {cookie.name for cookie in visitor.cookies}:
            raise AccountError(
                f"{http.without_query(answer.url)}: HTTP {answer.status_code}: Earthdata Login did not let you in; "
                f"{self.remedy}"
            )
        self._client.cookies.update(visitor.cookies)
