"""One job at a time on what several jobs may fetch into the same folder.

The lock is the system's (flock), and ends with the process that holds it. It exists on Linux and macOS; on file systems
that have none, a line says so and nothing is locked.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Wait until no other job or thread holds `target`, and hold it: whoever waited looks again whether it is there.

    The lock lies beside it under `.<name>.lock`, and is taken away afterwards.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.lock")
    while True:
        with path.open("ab") as stream:
            _wait(stream, target)
            if _is_still(path, stream):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return


def _wait(stream: IO[bytes], target: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"  {target.name}: another job fetches it; waiting", flush=True)
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError as error:
        print(f"{target.parent}: no locks on this file system ({error.strerror}); run one job at a time", flush=True)


def _is_still(path: Path, stream: IO[bytes]) -> bool:
    # who held it before has taken it away: the lock of a file that is no longer there keeps nobody out
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
