import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lczmap.models import pretrained
from lczmap.models.pretrained import PUBLIC, fetch_weights

pytestmark = pytest.mark.server

CONTENT = bytes(range(256)) * 3000  # 768 kB: several chunks


class Server(ThreadingHTTPServer):
    """Loopback server whose answers are a list of (status, bytes sent, Content-Length said)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes, int]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        status, body, length = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    weights = dataclasses.replace(PUBLIC["gul_s2"], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(pretrained.PUBLIC, "gul_s2", weights)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


OK = (200, CONTENT, len(CONTENT))
TRUNCATED = (200, CONTENT[:300_000], len(CONTENT))


def fetch(server: Server, dest: Path, *, retries: int = 2) -> Path:
    return fetch_weights("gul_s2", dest, base_url=server.url, retries=retries, wait_s=0.01)


def test_a_file_arrives_whole_from_the_named_commit(server: Server, tmp_path: Path) -> None:
    server.answers = [OK]
    dest = tmp_path / "new" / "weights.h5"
    assert fetch(server, dest) == dest
    assert dest.read_bytes() == CONTENT
    assert server.paths == [
        "/zhu-xlab/So2Sat-LCZ-Classification-Demo/fd2c1228644c450a0d1ae18c864c58a31dbdbaf3/Modules/3_classification/"
        "model/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5"
    ]
    assert [path.name for path in dest.parent.iterdir()] == ["weights.h5"]


def test_a_good_file_is_not_fetched_again_and_a_bad_one_is_replaced(server: Server, tmp_path: Path) -> None:
    server.answers = [OK]
    dest = tmp_path / "weights.h5"
    dest.write_bytes(CONTENT)
    fetch(server, dest)
    assert server.paths == []
    dest.write_bytes(b"old")
    fetch(server, dest)
    assert dest.read_bytes() == CONTENT


def test_a_truncated_answer_and_a_server_error_are_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers = [TRUNCATED, (503, b"busy", 4), OK]
    assert fetch(server, tmp_path / "weights.h5").read_bytes() == CONTENT
    assert len(server.paths) == 3


def test_a_connection_that_stays_broken_is_an_error_and_leaves_no_file(server: Server, tmp_path: Path) -> None:
    server.answers = [TRUNCATED]
    with pytest.raises(ValueError, match=r"could not be downloaded after 3 attempt\(s\).*by hand"):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.paths) == 3
    assert list(tmp_path.iterdir()) == []


def test_not_found_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers = [(404, b"", 0)]
    with pytest.raises(ValueError, match=r"after 1 attempt\(s\): HTTP Error 404"):
        fetch(server, tmp_path / "weights.h5")
    assert len(server.paths) == 1


def test_another_content_is_refused_with_both_hashes(server: Server, tmp_path: Path) -> None:
    server.answers = [(200, b"something else", 14)]
    actual = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ValueError, match=f"expected sha256 {hashlib.sha256(CONTENT).hexdigest()}, got {actual}"):
        fetch(server, tmp_path / "weights.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"could not be downloaded after 2 attempt\(s\)"):
        fetch_weights("gul_s2", tmp_path / "x.h5", base_url="http://127.0.0.1:9", retries=1, wait_s=0.01)


def test_the_named_hashes_are_those_of_the_real_files(real_data: Path) -> None:
    files = {
        "gul_s1": next((real_data / "pretrained" / "gul").glob("S1_*.h5")),
        "gul_s2": next((real_data / "pretrained" / "gul").glob("S2_*.h5")),
        "sen2lcz": real_data / "pretrained" / "sen2lcz" / "_32_weights.best.hdf5",
    }
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLIC[name].sha256
