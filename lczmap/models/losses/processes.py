"""Rows of a batch over the processes of one training (torch.distributed), gradients included."""

from __future__ import annotations

import torch
from torch import distributed


def rank_and_world() -> tuple[int, int]:
    """Return this process's number and how many train together: (0, 1) for a single one."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows (B, …) of all processes, in order of rank: (world * B, …). All must hold equally many.

    Gradients flow into this process's rows only, times the number of processes: a mean over the processes of a loss
    that all compute from the same rows then has the gradient of a single process.
    """
    rank, world = rank_and_world()
    if world == 1:
        return rows
    parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world)]
    distributed.all_gather(parts, rows.detach().contiguous())
    if rows.requires_grad:
        own = rows.view_as(rows)
        own.register_hook(lambda gradient: world * gradient)  # type: ignore[no-untyped-call]  # torch's is not typed
        parts[rank] = own
    return torch.cat(parts)
