"""Large files over HTTP: resumed where they broke off, checked, and complete under their name or not there.

What has come lies beside the target under `.<name>.partial`, until it is whole and its checks are passed; the next
attempt, or the next run, goes on from there. What version of the file it is of lies under `.<name>.partial.etag`;
without that, another run goes on only where an MD5 tells whether the parts belong together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from lczmap.scenes.slc.access import Account, opened, plain_session, trouble_of
from lczmap.scenes.slc.alone import alone
from lczmap.scenes.slc.headers import first_byte, retry_after_s, strong_etag, unsatisfied_length, whole_length
from lczmap.scenes.slc.parts import Parts, fault_of, length_of
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
    known. `most_bytes` is what a file of unknown size may have.
    """

    url: str
    size: int | None = None
    md5: str | None = None
    fault: Callable[[Path], str | None] | None = None
    most_bytes: int = 1 << 28


class SizeError(ArchiveError):
    """The service announces a file of another size than was wanted; nothing of it was taken."""


def download(wanted: Wanted, target: Path, account: Account, client: requests.Session | None = None) -> None:
    """Bring a file to `target`, unless it is there. ArchiveError after bounded attempts; what has come is kept.

    A file that does not pass its checks is thrown away and fetched once more from its beginning. Another job that wants
    the same file waits for this one.
    """
    if target.is_file():
        return
    with alone(target):
        if not target.is_file():
            _bring(wanted, target, account, client or plain_session())


def _bring(wanted: Wanted, target: Path, account: Account, client: requests.Session) -> None:
    parts = Parts(target)
    fault: str | None = None
    for _ in range(2):
        whole = _Transfer(wanted, parts, account, client).run()
        fault = fault_of(whole, wanted.size, wanted.md5, wanted.fault)
        if fault is None:
            whole.replace(target)
            parts.discard()
            return
        parts.reject(whole)
    raise ArchiveError(f"{http.without_query(wanted.url)}: {fault}, twice; run the same command again later")


class _Trouble(Exception):  # noqa: N818
    """An attempt that came to nothing and may be repeated, after `pause_s` at least; not all count as failed."""

    def __init__(self, reason: str, *, pause_s: float = 0.0, counts: bool = True) -> None:
        super().__init__(reason)
        self.pause_s, self.counts = pause_s, counts


class _Transfer:
    """One file on its way into its parts."""

    def __init__(self, wanted: Wanted, parts: Parts, account: Account, client: requests.Session) -> None:
        self.wanted, self.parts, self.account, self.client = wanted, parts, account, client
        self.etag = parts.etag()
        self.whole = parts.partial
        self.from_start = False  # what is there cannot be continued, and is kept until there is better
        self.gives_up, self.asks_after_s = 0.0, 0.0  # while the service makes the file
        self.has_renewed = False
        if not (self.etag or wanted.md5):
            parts.discard()  # of an earlier run, and nothing tells of which version

    def run(self) -> Path:
        """Return the whole file, after attempt and attempt."""
        failed = 0
        while True:
            before = self.parts.length
            trouble = self._trouble()
            if trouble is None:
                return self.whole
            if self.parts.length - before >= PROGRESS_BYTES:
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
        start = 0 if self.from_start else self.parts.length
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and self.etag:
            headers["If-Range"] = self.etag
        with opened(self.client, self.wanted.url, self.account, headers) as answer:
            if answer.status_code == 200:
                self._all_of_it(answer)
            elif answer.status_code == 206:
                self._go_on(answer, start)
            elif answer.status_code == 416:
                self._beyond(answer, start)
            else:
                self._refused(answer)

    def _all_of_it(self, answer: requests.Response) -> None:
        """Take a whole file, whatever was asked for; it is not trusted more than what is there unless its size is."""
        total, tag = whole_length(answer, 0), strong_etag(answer)
        self._check_size(total)
        if self.parts.length == 0 or (total is not None and total == self.wanted.size):
            self.parts.begin(tag)
            self.etag, self.from_start = tag, False
            self._receive(answer, self.parts.partial, 0, total)
            return
        self.parts.other.unlink(missing_ok=True)
        try:
            self._receive(answer, self.parts.other, 0, total)
        except _Trouble:
            if self.parts.prefer_longer(tag):
                self.etag, self.from_start = tag, False
            raise
        self.whole = self.parts.other

    def _go_on(self, answer: requests.Response, start: int) -> None:
        if not start or first_byte(answer) != start:
            self.from_start = True
            raise _Trouble("another part of the file than was asked for")
        total, tag = whole_length(answer, start), strong_etag(answer)
        self._check_size(total)
        if tag and self.etag and tag != self.etag:
            self.from_start = True
            raise _Trouble("a part of another version of the file")
        self._receive(answer, self.parts.partial, start, total)

    def _beyond(self, answer: requests.Response, start: int) -> None:
        # nothing is left to send: either all is there, or more than there should be
        if not start or unsatisfied_length(answer) != start:
            self.from_start = True
            raise _Trouble("HTTP 416")

    def _refused(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status == 202:
            self._wait()
        if status in http.AGAIN:
            raise _Trouble(f"HTTP {status}", pause_s=retry_after_s(answer.headers))
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

    def _receive(self, answer: requests.Response, path: Path, start: int, total: int | None) -> None:
        self.gives_up = 0.0  # it is made
        most = self._most() if total is None else total
        with path.open("ab") as stream:
            for chunk in _chunks(answer):
                if stream.tell() + len(chunk) > most:
                    stream.truncate(start)  # none of this answer can be trusted
                    raise self._too_large(f"more than {most} bytes come")
                stream.write(chunk)
        if total is not None and length_of(path) != total:
            raise _Trouble(f"{length_of(path)} of {total} bytes")

    def _check_size(self, total: int | None) -> None:
        """Look at what is announced before any of what is there is given up for it."""
        if total is not None and self.wanted.size is not None and total != self.wanted.size:
            raise SizeError(
                f"{http.without_query(self.wanted.url)}: expected {self.wanted.size} bytes, the service has {total}: "
                "the product has changed, or this is no product; search again"
            )
        if total is not None and total > self._most():
            raise self._too_large(f"the service has {total} bytes")

    def _most(self) -> int:
        return self.wanted.most_bytes if self.wanted.size is None else self.wanted.size

    def _too_large(self, came: str) -> ArchiveError:
        return ArchiveError(
            f"{http.without_query(self.wanted.url)}: expected at most {self._most()} bytes, {came}: this is not the "
            "file that is wanted; search again, or report it"
        )


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
