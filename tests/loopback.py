"""A web server on loopback for the tests: routes are functions, and it can misbehave on command.

with Loopback() as server:
    server.route("GET", r"/items/(?P<name>.+)", lambda request: Answer(b"…"))
    server.files("/data", folder)                    # files with Range requests, as an object store gives them
    server.misbehave(r"/data/.*", "status", status=503, times=2)
    …
    assert server.requests[0].path == "/data/a.tif"
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

Fault = Literal["status", "hang", "truncate", "trickle", "close", "body"]


@dataclass(frozen=True)
class Request:
    """What came: `parts` are the named groups of the route, `query` the first value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, status: int = 200) -> Answer:
        return cls(json.dumps(content).encode(), status, {"Content-Type": "application/json"})


@dataclass
class _Misbehaviour:
    pattern: str
    kind: Fault
    times: int
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Loopback:
    """The server; `url` is its address, `requests` all that came."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._routes: list[tuple[str, str, Callable[[Request], Answer]]] = []
        self._faults: list[_Misbehaviour] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def route(self, method: str, pattern: str, answer: Callable[[Request], Answer]) -> None:
        """Answer requests whose whole path (without query) matches the pattern; later routes win."""
        self._routes.insert(0, (method, pattern, answer))

    def files(self, prefix: str, folder: Path) -> None:
        """Serve a folder's files below `prefix`, with HEAD and Range."""

        def answer(request: Request) -> Answer:
            path = folder / request.parts["file"]
            return _part(path.read_bytes(), request.headers.get("Range")) if path.is_file() else Answer(status=404)

        for method in ("GET", "HEAD"):
            self.route(method, re.escape(prefix) + r"/(?P<file>.+)", answer)

    def misbehave(
        self,
        pattern: str,
        kind: Fault,
        *,
        times: int = 1,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        seconds: float = 5.0,
    ) -> None:
        """Spoil the next `times` answers to paths that match.

        `status`: that status with `headers` and `body`; `hang`: silence for `seconds`; `truncate`: half of the body
        under the whole length; `trickle`: a byte every 0.1 s for `seconds`, then silence; `close`: the connection
        breaks without an answer; `body`: a good status with `body` instead.
        """
        self._faults.append(_Misbehaviour(pattern, kind, times, status, headers or {}, body, seconds))

    def count(self, pattern: str) -> int:
        return sum(re.fullmatch(pattern, request.path) is not None for request in self.requests)

    def _fault(self, path: str) -> _Misbehaviour | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.fullmatch(fault.pattern, path):
                    fault.times -= 1
                    return fault
        return None

    def _answer(self, request: Request) -> Answer:
        for method, pattern, answer in self._routes:
            match = re.fullmatch(pattern, request.path)
            if method == request.method and match:
                return answer(Request(**{**request.__dict__, "parts": match.groupdict()}))
        return Answer(b"no such route", 404)


def _part(content: bytes, wanted: str | None) -> Answer:
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if not match:
        return Answer(content, 200, headers)
    first, last = match.groups()
    start = len(content) - int(last) if not first else int(first)
    stop = len(content) if not first or not last else min(int(last) + 1, len(content))
    if start >= len(content):
        return Answer(b"", 416, headers | {"Content-Range": f"bytes */{len(content)}"})
    return Answer(content[start:stop], 206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, unquote(parts.path), query, dict(self.headers.items()), body)
            server.requests.append(request)
            fault = server._fault(request.path)
            try:
                if fault is None:
                    self._send(server._answer(request))
                else:
                    self._spoil(fault, request)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _send(self, answer: Answer, *, body: bytes | None = None) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body if body is None else body)

        def _spoil(self, fault: _Misbehaviour, request: Request) -> None:
            if fault.kind == "status":
                self._send(Answer(fault.body, fault.status, fault.headers))
                return
            if fault.kind == "body":
                self._send(Answer(fault.body, 200, fault.headers))
                return
            self.close_connection = True
            if fault.kind == "hang":
                time.sleep(fault.seconds)
            elif fault.kind == "truncate":
                answer = server._answer(request)
                self._send(answer, body=answer.body[: len(answer.body) // 2])
            elif fault.kind == "trickle":
                answer = server._answer(request)
                self._send(answer, body=b"")
                for i in range(round(fault.seconds / 0.1)):
                    self.wfile.write(answer.body[i : i + 1])
                    self.wfile.flush()
                    time.sleep(0.1)

        do_GET = do_HEAD = do_POST = _serve  # noqa: N815

    return Handler
