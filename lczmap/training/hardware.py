"""On what a training runs: devices and processes.

The batches, the gradients and the image-text loss are those of one device whatever runs them. Two things are not:
each process draws its own random numbers (augmentation, dropout), and each normalises a batch with its own share of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Hardware:
    """Names of lightning: number of `devices`, `strategy`, `accelerator` (`cpu`, `gpu`, `auto`: a GPU if present).

    `auto` with several devices starts one process for each (`ddp_spawn`), which hands the weights back to this one;
    they share the patches through shared memory. With `ddp`, lightning runs the whole command once per device.
    Batches of a recipe are those of all devices together. Gradients and the image-text loss are those of one process
    (losses/contrastive.py); batch norm is not: each device normalises with its own share of the batch, and the running
    statistics are those of the first.
    """

    devices: int = 1
    strategy: str = "auto"
    accelerator: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a training on no device."""
        if self.devices < 1:
            raise ValueError(f"expected one device or more, got {self.devices}")

    @property
    def lightning_strategy(self) -> str:
        """What the trainer is told."""
        return "ddp_spawn" if self.strategy == "auto" and self.devices > 1 else self.strategy

    @property
    def device(self) -> torch.device:
        """Where this process computes what is not training: its GPU, or the CPU."""
        import torch  # seconds that a forest does not need

        is_gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return torch.device("cuda" if is_gpu else "cpu")


ONE_DEVICE = Hardware()
"""The usual case."""


def is_first_process() -> bool:
    """Return True in the process that prints and writes files: the only one, or rank 0.

    Ask where a network is trained: importing lightning takes seconds, and a forest has one process.
    """
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0
