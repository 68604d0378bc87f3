"""HTTP with bounded patience: every request ends, in an answer or in an error that says what to do.

Errors 429, 500, 502, 503 and 504 and broken connections are tried again with growing pauses; a server's Retry-After
is honoured up to `RETRY_AFTER_MAX_S`. Addresses appear in messages without their query, where signatures live.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from lczmap.scenes.sources.source import ArchiveError

RETRIES = 4
BACKOFF_S = 1.0
"""Pauses grow as BACKOFF_S · 2^n."""
RETRY_AFTER_MAX_S = 60
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0
ANSWER_MAX_S = 300.0
"""However slowly it comes, an answer ends by then."""
ANSWER_MAX_BYTES = 1 << 28
"""A larger answer is an error: it is held in memory. Tiles of heights have some 40 MB, pages of searches some 5 MB."""
AGAIN = (429, 500, 502, 503, 504)

_REMEDIES = {
    401: "the archive asks for credentials, or does not accept yours: docs/data.md says which variables to set",
    403: "access is refused: check your account's rights, or the address",
    404: "nothing is there: check the address, or search again",
    429: "too many requests, or the quota is used up: wait, then run the same command again; what is there is kept",
}
_LATER = "your connection or the archive has trouble: run the same command again later; what has been fetched is kept"


def retry() -> Retry:
    """Return the retry policy, for any library that takes one."""
    return Retry(
        total=RETRIES,
        backoff_factor=BACKOFF_S,
        backoff_max=RETRY_AFTER_MAX_S,
        status_forcelist=AGAIN,
        allowed_methods=None,  # searches are POST and change nothing
        respect_retry_after_header=True,
        retry_after_max=RETRY_AFTER_MAX_S,
        raise_on_status=False,
    )


class ForgetfulSession(requests.Session):
    """A session that sends only the credentials it is given: a line for the host in ~/.netrc takes no part."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda prepared: prepared  # where none is set, the library looks into ~/.netrc

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Take credentials out when a redirect leads to another host; the library would then look into ~/.netrc."""
        before, after = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(before, after):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def session() -> requests.Session:
    """Return a session that retries, and sends no credentials of its own."""
    made = ForgetfulSession()
    for scheme in ("http://", "https://"):
        made.mount(scheme, HTTPAdapter(max_retries=retry()))
    return made


def get_bytes(client: requests.Session, url: str, *, params: dict[str, str] | None = None) -> bytes:
    """Return the body of a GET; ArchiveError when it fails. A body that breaks off is asked for again."""
    for attempt in range(RETRIES + 1):
        try:  # the session has its own attempts at getting an answer
            answer = client.get(url, params=params, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), stream=True)
        except requests.RequestException as error:
            raise ArchiveError(failure(url, reason=_cause(error))) from error
        with answer:
            if answer.status_code != 200:
                raise ArchiveError(failure(url, status=answer.status_code))
            try:
                return _body(answer, url)  # urllib3 checks it against the length that was announced
            except requests.RequestException as error:
                if attempt == RETRIES:
                    raise ArchiveError(failure(url, reason="the answer broke off")) from error
        time.sleep(BACKOFF_S * 2**attempt)
    raise AssertionError("not reached")


def _body(answer: requests.Response, url: str) -> bytes:
    ends = time.monotonic() + ANSWER_MAX_S
    parts, came = [], 0
    for part in answer.iter_content(1 << 16):
        parts.append(part)
        came += len(part)
        if came > ANSWER_MAX_BYTES:
            raise ArchiveError(failure(url, reason=f"the answer has more than {ANSWER_MAX_BYTES} bytes"))
        if time.monotonic() > ends:
            raise ArchiveError(failure(url, reason=f"the answer took longer than {ANSWER_MAX_S:g} s"))
    return b"".join(parts)


def get_json(client: requests.Session, url: str, *, params: dict[str, str] | None = None) -> Any:
    """Return the JSON of a GET; ArchiveError when it fails or is no JSON."""
    body = get_bytes(client, url, params=params)
    try:
        return json.loads(body)
    except ValueError as error:
        raise ArchiveError(failure(url, reason="expected JSON, got something else")) from error


def failure(url: str, *, status: int | None = None, reason: str = "") -> str:
    """Return the message for a request that failed: the address without its query, what came, what to do."""
    came = f"HTTP {status}" if status is not None else reason
    return f"{without_query(url)}: {came}; {_REMEDIES.get(status or 0, _LATER)}"


def without_query(url: str) -> str:
    """Return an address without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def gdal_options() -> dict[str, Any]:
    """Return the same patience as GDAL options, for rasters that are read through HTTP by windows."""
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": RETRIES,
        "GDAL_HTTP_RETRY_DELAY": BACKOFF_S,
        "GDAL_HTTP_RETRY_CODES": ",".join(map(str, AGAIN)),
        "GDAL_HTTP_CONNECTTIMEOUT": CONNECT_TIMEOUT_S,
        "GDAL_HTTP_TIMEOUT": READ_TIMEOUT_S,
        "GDAL_HTTP_LOW_SPEED_TIME": 20,
        "GDAL_HTTP_LOW_SPEED_LIMIT": 1000,  # bytes per second
        "VSI_CACHE": False,
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",  # else a failure is remembered and a later attempt fails too
    }


def _cause(error: requests.RequestException) -> str:
    # the library's own text repeats the address with its query
    names = {
        requests.Timeout: f"no answer within {READ_TIMEOUT_S:g} s",
        requests.exceptions.RetryError: f"errors in {RETRIES + 1} attempts",
        requests.exceptions.SSLError: "no secure connection",
        requests.exceptions.ChunkedEncodingError: "the connection broke",
        requests.ConnectionError: "no connection",
    }
    return next((text for kind, text in names.items() if isinstance(error, kind)), type(error).__name__)
