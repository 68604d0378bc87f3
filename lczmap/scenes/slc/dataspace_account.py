"""Tokens of the Copernicus Data Space: from the environment only, renewed before they end, never written anywhere."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import requests

from lczmap.scenes.slc.access import AccountError, may_carry, trouble_of
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

TOKEN_MARGIN_S = 60.0
"""A token is renewed this long before it ends (they last ten minutes)."""
_CLIENT = "cdse-public"
_NAME, _PASSWORD, _TOKEN = "CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_ACCESS_TOKEN"


class DataSpaceAccount:
    """An account whose tokens go to `domains` and nowhere else; the environment is read when one is first needed.

    A password that was refused is not sent again: services close an account after too many of them.
    """

    remedy = (
        f"set {_NAME} and {_PASSWORD} to your account at dataspace.copernicus.eu, or {_TOKEN} to a token of it (with "
        "two-factor authentication; it lasts ten minutes)"
    )

    def __init__(self, tokens: str, domains: tuple[str, ...]) -> None:
        self._url, self._domains = tokens, domains
        self._token, self._ends, self._lock = "", 0.0, threading.Lock()
        self._refusal: AccountError | None = None

    def headers(self, url: str) -> dict[str, str]:
        """Return a token for addresses of the service, nothing for others; ArchiveError when there is none."""
        return {"Authorization": f"Bearer {self._valid()}"} if may_carry(url, self._domains) else {}

    def renew(self, status: int) -> bool:
        """Forget a token that was not accepted; False where no other can be had."""
        with self._lock:
            self._ends = 0.0
        return status == 401 and bool(os.environ.get(_NAME) and os.environ.get(_PASSWORD))

    def _valid(self) -> str:
        with self._lock:
            if time.monotonic() >= self._ends:
                self._token, self._ends = self._new()
            return self._token

    def _new(self) -> tuple[str, float]:
        name, password = os.environ.get(_NAME), os.environ.get(_PASSWORD)
        if not (name and password):
            given = os.environ.get(_TOKEN)
            if not given:
                raise AccountError(f"the Copernicus Data Space needs an account, and none is given: {self.remedy}")
            return given, 0.0
        if self._refusal is not None:
            raise self._refusal
        form = {"client_id": _CLIENT, "grant_type": "password", "username": name, "password": password}
        return self._granted(self._asked(form))

    def _asked(self, form: dict[str, str]) -> requests.Response:
        try:
            with http.session() as client:
                answer = client.post(
                    self._url,
                    data=form,
                    timeout=(http.CONNECT_TIMEOUT_S, http.READ_TIMEOUT_S),
                    allow_redirects=False,  # a password goes to the address it was meant for
                )
        except requests.RequestException as error:
            # not kept as a cause: it holds the request with the password
            raise ArchiveError(http.failure(self._url, reason=trouble_of(error))) from None
        if answer.status_code in (400, 401, 403):
            self._refusal = AccountError(
                f"{http.without_query(self._url)}: HTTP {answer.status_code}: name or password are not accepted; "
                f"{self.remedy}"
            )
            raise self._refusal
        if answer.status_code != 200:
            raise ArchiveError(http.failure(self._url, status=answer.status_code))
        return answer

    def _granted(self, answer: requests.Response) -> tuple[str, float]:
        try:
            granted: Any = answer.json()
            lasts_s = float(granted.get("expires_in", 600))
            return str(granted["access_token"]), time.monotonic() + max(lasts_s - TOKEN_MARGIN_S, 0.0)
        except (AttributeError, KeyError, TypeError, ValueError):
            # without its cause: that would quote the answer, which may hold a token
            raise ArchiveError(http.failure(self._url, reason="expected a token, got something else")) from None
