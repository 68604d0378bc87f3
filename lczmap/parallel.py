"""Where dask runs: on threads of this process, or on a cluster that somebody has started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask
from dask import local, threaded

CONNECT_TIMEOUT_S = 30


@contextmanager
def dask_scheduler(address: str = "threads", *, threads: int = 1) -> Iterator[None]:
    """Run dask's work inside the block: `threads`, or at the `address` of a dask.distributed scheduler.

    Workers at an address must see the same files under the same paths. ValueError when nobody answers there.
    """
    if address == "threads":
        # the functions themselves: at their names dask loads dask.distributed first, to ask whether a cluster runs
        with dask.config.set(scheduler=local.get_sync if threads == 1 else threaded.get, num_workers=threads):
            yield
        return
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise ValueError(f"dask scheduler {address}: no answer ({error}); start it, or use threads") from error
    with client:
        yield
