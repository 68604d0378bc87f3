"""What is seen of a training: a line per tenth of it, and no advice of lightning's that does not apply."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning
from lightning.pytorch.callbacks import Callback

_HARMLESS = (  # lightning's advice that does not fit data in memory and batches of indices
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*Trying to infer the `batch_size`.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*but have no `val_dataloader`.*",
    ".*use `self.log.*sync_dist=True.*",  # figures are means over all processes already
)


class ProgressLines(Callback):
    """A line per tenth of the epochs, for logs."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print when a tenth is full; of several processes the first prints."""
        done, total = pl_module.current_epoch + 1, int(trainer.max_epochs or 1)
        if trainer.is_global_zero and 10 * done // total > 10 * (done - 1) // total:
            shown = ", ".join(f"{name} {float(value):.3f}" for name, value in trainer.callback_metrics.items())
            seconds = time.monotonic() - self._started
            print(f"train: {100 * done // total} %, epoch {done} of {total}, {shown}, {seconds:.0f} s", flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out lightning's banner and advice that does not apply; errors and other warnings pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _HARMLESS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
