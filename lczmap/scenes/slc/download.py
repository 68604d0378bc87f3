"""Large files over HTTP: resumed where they broke off, checked, and complete under their name or not there.

What has come lies beside the target under `.<name>.partial`, until it is whole and its checks are passed; the next
attempt, or the next run, goes on from there.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from lczmap.scenes.slc.access import Account, opened, plain_session, trouble_of
from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

PROGRESS_BYTES = 1 << 20
"""An attempt that brings less counts as failed; `http.RETRIES` more may fail in a row."""
SLOW_AFTER_S, SLOW_BYTES_PER_S = 30.0, 1000.0
"""An answer slower than this, over this time, counts as broken."""
PREPARED_AFTER_S, PREPARED_MAX_S = 2.0, 900.0
"""A service that first makes the file (HTTP 202) is asked again with growing pauses, and given up after this time."""
_PAUSE_GROWTH, _LONGEST_PAUSE_S = 1.5, 30.0
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Wanted:
    """A file: its address, its size in bytes and its MD5 where they are known.

    `fault` looks at the whole file and says what is wrong with it, None when nothing is; it is asked where no MD5 is
    known.
    """

    url: str
    size: int | None = None
    md5: str | None = None
    fault: Callable[[Path], str | None] | None = None


def download(wanted: Wanted, target: Path, account: Account, client: requests.Session | None = None) -> None:
    """Bring a file to `target`, unless it is there. ArchiveError after bounded attempts; what has come is kept.

    A file that does not pass its checks is thrown away and fetched once more from its beginning.
    """
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    fault: str | None = None
    for _ in range(2):
        _Transfer(wanted, partial, account, client or plain_session()).run()
        fault = _fault(wanted, partial)
        if fault is None:
            partial.replace(target)
            return
        partial.unlink()
    raise ArchiveError(f"{http.without_query(wanted.url)}: {fault}, twice; run the same command again later")


class _Trouble(Exception):  # noqa: N818
    """An attempt that came to nothing and may be repeated, after `pause_s` at least; not all count as failed."""

    def __init__(self, reason: str, *, pause_s: float = 0.0, counts: bool = True) -> None:
        super().__init__(reason)
        self.pause_s, self.counts = pause_s, counts


class _Transfer:
    """One file on its way into `partial`."""

    def __init__(self, wanted: Wanted, partial: Path, account: Account, client: requests.Session) -> None:
        self.wanted, self.partial, self.account, self.client = wanted, partial, account, client
        self.etag: str | None = None
        self.gives_up, self.asks_after_s = 0.0, 0.0  # while the service makes the file
        self.has_renewed = False

    def run(self) -> None:
        """Fill `partial`, attempt by attempt."""
        failed = 0
        while True:
            before = self._length()
            trouble = self._trouble()
            if trouble is None:
                return
            if self._length() - before >= PROGRESS_BYTES:
                failed, self.has_renewed = 0, False
            failed += trouble.counts
            if failed > http.RETRIES:
                raise ArchiveError(http.failure(self.wanted.url, reason=f"{trouble} in {failed} attempts"))
            pause_s = max(trouble.pause_s, http.BACKOFF_S * 2 ** (failed - 1) if trouble.counts else 0.0)
            time.sleep(min(pause_s, http.RETRY_AFTER_MAX_S))

    def _trouble(self) -> _Trouble | None:
        try:
            self._attempt()
        except _Trouble as error:
            return error
        except requests.RequestException as error:
            # the error is not kept as a cause: it holds the request with its credentials
            return _Trouble(trouble_of(error))
        return None

    def _attempt(self) -> None:
        start = self._length()
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and self.etag:
            headers["If-Range"] = self.etag
        with opened(self.client, self.wanted.url, self.account, headers) as answer:
            if answer.status_code == 200:
                self.partial.unlink(missing_ok=True)  # all of it, whatever was asked for
                self._receive(answer, 0)
            elif answer.status_code == 206:
                self._go_on(answer, start)
            elif answer.status_code == 416:
                self._beyond(answer, start)
            else:
                self._refused(answer)

    def _go_on(self, answer: requests.Response, start: int) -> None:
        stated = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if stated is None or int(stated[1]) != start:
            self.partial.unlink(missing_ok=True)
            raise _Trouble("another part of the file than was asked for")
        self._receive(answer, start)

    def _beyond(self, answer: requests.Response, start: int) -> None:
        # nothing is left to send: either all is there, or more than there should be
        stated = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
        if stated is None or int(stated[1]) != start:
            self.partial.unlink(missing_ok=True)
            raise _Trouble("HTTP 416")

    def _refused(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status == 202:
            self._wait()
        if status in http.AGAIN:
            raise _Trouble(f"HTTP {status}", pause_s=_retry_after(answer.headers))
        if status in (401, 403) and not self.has_renewed and self.account.renew(status):
            self.has_renewed = True
            raise _Trouble(f"HTTP {status}")
        remedy = f"; {self.account.remedy}" if status in (401, 403) else ""
        raise ArchiveError(http.failure(self.wanted.url, status=status) + remedy)

    def _wait(self) -> None:
        now = time.monotonic()
        if not self.gives_up:
            self.gives_up, self.asks_after_s = now + PREPARED_MAX_S, PREPARED_AFTER_S / _PAUSE_GROWTH
        if now > self.gives_up:
            reason = f"the service has not made the file within {PREPARED_MAX_S:g} s"
            raise ArchiveError(http.failure(self.wanted.url, reason=reason))
        self.asks_after_s = min(self.asks_after_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)
        raise _Trouble("HTTP 202", pause_s=self.asks_after_s, counts=False)

    def _receive(self, answer: requests.Response, start: int) -> None:
        tag = answer.headers.get("ETag")
        self.etag = tag if tag and not tag.startswith("W/") else None
        total = _whole_length(answer, start)
        self._check_size(total)
        with self.partial.open("ab") as stream:
            for chunk in _chunks(answer):
                stream.write(chunk)
        if total is not None and self._length() != total:
            raise _Trouble(f"{self._length()} of {total} bytes")

    def _check_size(self, total: int | None) -> None:
        if total is not None and self.wanted.size is not None and total != self.wanted.size:
            raise ArchiveError(
                f"{http.without_query(self.wanted.url)}: expected {self.wanted.size} bytes, the service has {total}: "
                "the product has changed, or this is no product; search again"
            )

    def _length(self) -> int:
        return self.partial.stat().st_size if self.partial.is_file() else 0


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    began, came = time.monotonic(), 0
    while chunk := _next_chunk(answer):
        yield chunk
        came += len(chunk)
        if time.monotonic() - began > SLOW_AFTER_S:
            if came < SLOW_AFTER_S * SLOW_BYTES_PER_S:
                raise _Trouble("too slow an answer")
            began, came = time.monotonic(), 0


def _next_chunk(answer: requests.Response) -> bytes:
    try:
        chunk: bytes = answer.raw.read1(_CHUNK)
    except (HTTPError, OSError):
        raise _Trouble("the connection broke") from None
    return chunk


def _fault(wanted: Wanted, path: Path) -> str | None:
    if wanted.size is not None and path.stat().st_size != wanted.size:
        return f"expected {wanted.size} bytes, got {path.stat().st_size}"
    if wanted.md5 is not None:
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, "md5").hexdigest()
        return None if md5 == wanted.md5.lower() else f"expected the MD5 {wanted.md5}, got {md5}"
    return None if wanted.fault is None else wanted.fault(path)


def _whole_length(answer: requests.Response, start: int) -> int | None:
    if "Content-Encoding" in answer.headers:
        return None
    stated = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if stated and answer.status_code == 206:
        return int(stated[1])
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _retry_after(headers: Mapping[str, str]) -> float:
    stated = headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0  # a date is left to the growing pauses
