"""Talking to Sentinel Hub with bounded patience, and without letting credentials out.

sentinelhub-py builds the requests and walks through the catalogue's pages. Its transport is replaced, because in 3.12
it asks for the token without a timeout, tries a 429 again for ever unless told otherwise, does not notice a trickling
answer, and its OAuth library writes the client's secret to the debug log. Here every exchange ends: `RETRIES` more
attempts after 429, 5xx and broken connections, with growing pauses; Retry-After, in milliseconds from the service
(documented by it) and in seconds from its identity server, is honoured up to `RETRY_AFTER_MAX_S`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from sentinelhub.config import SHConfig
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.download.sentinelhub_client import SentinelHubDownloadClient
from urllib3.exceptions import HTTPError

from lczmap.scenes.sources import http
from lczmap.scenes.sources.sentinel_hub.account import REMEDY
from lczmap.scenes.sources.source import ArchiveError

READ_TIMEOUT_S = 180.0
"""A full sub-tile of terrain-corrected radar takes the service a while before the first byte."""
SLOW_AFTER_S, SLOW_BYTES_PER_S = 20.0, 1000.0
"""An answer that is slower on average, after this time, counts as broken."""
ANSWER_MAX_S = 1800.0
"""No answer takes longer."""
PACED_MAX_S = 600.0
"""How long a request waits for its turn in all, when the service says when that is."""
TOKEN_MARGIN_S = 120
"""A token is renewed this long before it ends."""
_CHUNK = 1 << 16


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client(SentinelHubDownloadClient):
    """A client for the Catalog and the Process API of one service; safe to share between threads."""

    def __init__(self, config: SHConfig) -> None:
        super().__init__(config=config)
        self._token, self._token_ends, self._token_lock = "", 0.0, threading.Lock()

    def body(self, request: DownloadRequest) -> bytes:
        """Return what the service answers to a request; ArchiveError after bounded attempts."""
        content: bytes = self._execute_download(request).content
        return content

    def _execute_download(self, request: DownloadRequest) -> DownloadResponse:
        url = str(request.url)
        authorisation = {"Authorization": f"Bearer {self._valid_token()}"} if request.use_session else {}
        answer = _send(
            request.request_type.value, url, headers={**request.headers, **authorisation}, json=request.post_values
        )
        if answer.status != 200:
            raise ArchiveError(self._refusal(url, answer))
        return DownloadResponse(request=request, content=answer.body, status_code=answer.status)

    def _valid_token(self) -> str:
        with self._token_lock:
            if time.time() >= self._token_ends - TOKEN_MARGIN_S:
                self._token, self._token_ends = self._new_token()
            return self._token

    def _new_token(self) -> tuple[str, float]:
        url = self.config.sh_token_url
        form = {
            "grant_type": "client_credentials",
            "client_id": self.config.sh_client_id,
            "client_secret": self.config.sh_client_secret,
        }
        answer = _send("POST", url, form=form, wait_unit_s=1.0)
        if answer.status in (400, 401, 403):  # OAuth 2.0 allows 400 as well as 401 for a client that is not accepted
            raise ArchiveError(
                f"{http.without_query(url)}: HTTP {answer.status}: the credentials are not accepted; check that they "
                f"belong to this service and have not expired; {REMEDY}"
            )
        if answer.status != 200:
            raise ArchiveError(http.failure(url, status=answer.status))
        try:
            token = json.loads(answer.body)
            return str(token["access_token"]), time.time() + float(token.get("expires_in", 600))
        except (KeyError, TypeError, ValueError):
            # without its cause: that would quote the answer, which may hold a token
            raise ArchiveError(http.failure(url, reason="expected a token, got something else")) from None

    def _refusal(self, url: str, answer: _Answer) -> str:
        message = http.failure(url, status=answer.status)
        if answer.status == 403:
            message += " (Sentinel Hub also answers so when the month's quota is used up)"
        said = _error_text(answer.body)
        for secret in (self.config.sh_client_secret, self.config.sh_client_id, self._token):
            said = said.replace(secret, "***") if secret else said
        return f"{message}; the service says: {said}" if said else message


def _send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    wait_unit_s: float = 0.001,
) -> _Answer:
    """Return the first answer that is no passing trouble; ArchiveError after `RETRIES` more attempts.

    An answer that names a time to wait, in `wait_unit_s`, is no failed attempt, up to `PACED_MAX_S` of waiting.
    """
    trouble, failed, tries, waited_s = "", 0, 0, 0.0
    while failed <= http.RETRIES:
        asked_to_wait_s = 0.0
        try:
            answer = _exchange(method, url, headers=headers, json=json, form=form)
            if answer.status not in http.AGAIN:
                return answer
            trouble, asked_to_wait_s = f"HTTP {answer.status}", _retry_after(answer.headers) * wait_unit_s
        except requests.RequestException as error:
            # the error is not kept as a cause: it holds the request with its token
            trouble = _trouble(error)
        failed += asked_to_wait_s == 0 or waited_s >= PACED_MAX_S
        if failed <= http.RETRIES:
            pause_s = min(max(asked_to_wait_s, http.BACKOFF_S * 2**tries), http.RETRY_AFTER_MAX_S)
            time.sleep(pause_s)
            tries, waited_s = tries + 1, waited_s + pause_s
    raise ArchiveError(http.failure(url, reason=f"{trouble} in {tries + 1} attempts"))


def _exchange(
    method: str, url: str, *, headers: Mapping[str, str] | None, json: Any, form: Mapping[str, str] | None
) -> _Answer:
    with requests.Session() as session:
        answer = session.request(
            method,
            url,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            json=json,
            data=form,
            timeout=(http.CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            auth=lambda prepared: prepared,  # else a line for this host in ~/.netrc would replace the token
            stream=True,
            allow_redirects=False,  # a token goes to the address it was meant for
        )
        with answer:
            body = _read(answer)
    return _Answer(answer.status_code, answer.headers, body)


def _read(answer: requests.Response) -> bytes:
    announced, start, body = answer.headers.get("Content-Length"), time.monotonic(), bytearray()
    try:
        while chunk := answer.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            elapsed_s = time.monotonic() - start
            is_slow = elapsed_s > SLOW_AFTER_S and len(body) / elapsed_s < SLOW_BYTES_PER_S
            if is_slow or elapsed_s > ANSWER_MAX_S:
                raise requests.exceptions.ReadTimeout(f"{len(body)} bytes in {elapsed_s:.0f} s")
    except (HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.exceptions.ChunkedEncodingError("the connection broke") from error
    if announced is not None and "Content-Encoding" not in answer.headers and len(body) != int(announced):
        raise requests.exceptions.ChunkedEncodingError(f"{len(body)} of {announced} bytes")
    return bytes(body)


def _retry_after(headers: Mapping[str, str]) -> int:
    stated = headers.get("Retry-After", "")
    return int(stated) if stated.isdecimal() else 0  # a date is left to the growing pauses


def _trouble(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.Timeout):
        return "no answer, or too slow a one,"
    return "the connection broke" if isinstance(error, requests.exceptions.ChunkedEncodingError) else "no connection"


def _error_text(body: bytes) -> str:
    try:
        content = json.loads(body)
        error = content.get("error", content) if isinstance(content, dict) else content
        said = error.get("message", "") if isinstance(error, dict) else error
    except ValueError:
        return ""
    return " ".join(str(said).split())[:300]
