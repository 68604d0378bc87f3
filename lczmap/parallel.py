"""Where dask runs: on threads of this process, or on a cluster that somebody has started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask

CONNECT_TIMEOUT_S = 30


@contextmanager
def dask_scheduler(address: str = "threads", *, threads: int = 1) -> Iterator[None]:
    """Run dask's work inside the block: `threads`, or at the `address` of a dask.distributed scheduler.

    Workers at an address must see the same files under the same paths. ValueError when nobody answers there.
    """
    if address == "threads":
        with dask.config.set(scheduler="synchronous" if threads == 1 else "threads", num_workers=threads):
            yield
        return
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise ValueError(f"dask scheduler {address}: no answer ({error}); start it, or use threads") from error
    with client:
        yield
