"""The lightning trainer around a module: progress, early stopping, resuming, choosing an epoch."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar

import lczmap
from lczmap.files import write_text
from lczmap.training.data import PatchDataset, training_loader, validation_loader
from lczmap.training.module import MONITORED, TrainingModule
from lczmap.training.preset import NetworkPreset

_LAST, _BEST, _FINGERPRINT = "last", "best", "settings.sha256"
_HARMLESS = (  # lightning's advice that does not fit data in memory and batches of indices
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*Trying to infer the `batch_size`.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*but have no `val_dataloader`.*",
)


def fit(
    module: TrainingModule, train: PatchDataset, validation: PatchDataset, recipe: NetworkPreset, *, folder: Path
) -> dict[str, Any]:
    """Train in place and leave the weights of the chosen epoch in `module`; return figures of the training.

    After each epoch the state is written to `folder`; a later call with the same network, recipe, seed and data goes
    on from there, one with others starts anew. Without validation patches there is no early stopping and the last
    epoch is kept. Runs on an accelerator where there is one.
    """
    watched = len(validation) > 0
    if not watched and (recipe.keep == "best" or recipe.patience is not None):
        print("no validation patches: all epochs are trained and the last is kept", flush=True)
    resume = _resumable(folder, _fingerprint(module, recipe, train, validation))
    best = _checkpoint(folder, _BEST, MONITORED)
    callbacks: list[Callback] = [_checkpoint(folder, _LAST, None)]
    if watched and recipe.keep == "best":
        callbacks.append(best)
    if watched and recipe.patience is not None:
        callbacks.append(EarlyStopping(MONITORED, mode="max", patience=recipe.patience))
    callbacks.append(TQDMProgressBar() if sys.stdout.isatty() else ProgressLines())
    with _quiet():
        _trainer(recipe.epochs, callbacks).fit(
            module,
            training_loader(train, recipe.batch_size, seed=module.seed),
            validation_loader(validation, 2 * recipe.batch_size) if watched else None,
            ckpt_path=resume,
            weights_only=True,
        )
    chosen = len(module.history)
    if watched and recipe.keep == "best":
        stored = torch.load(best.best_model_path, weights_only=True, map_location="cpu")
        module.load_state_dict(stored["state_dict"])
        chosen = int(stored["epoch"]) + 1
    return _figures(module.history, chosen)


class ProgressLines(Callback):
    """A line per tenth of the epochs, for logs."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print when a tenth is full."""
        done, total = pl_module.current_epoch + 1, int(trainer.max_epochs or 1)
        if 10 * done // total > 10 * (done - 1) // total:
            shown = ", ".join(f"{name} {float(value):.3f}" for name, value in trainer.callback_metrics.items())
            seconds = time.monotonic() - self._started
            print(f"train: {100 * done // total} %, epoch {done} of {total}, {shown}, {seconds:.0f} s", flush=True)


def _trainer(epochs: int, callbacks: list[Callback]) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        callbacks=callbacks,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stdout.isatty(),
        num_sanity_val_steps=0,
        deterministic="warn" if torch.cuda.is_available() else None,
    )


def _checkpoint(folder: Path, name: str, monitor: str | None) -> ModelCheckpoint:
    """Return a callback that keeps one file, the latest or the one with the highest `monitor`."""
    return ModelCheckpoint(
        folder,
        filename=name,
        monitor=monitor,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _fingerprint(module: TrainingModule, recipe: NetworkPreset, train: PatchDataset, validation: PatchDataset) -> str:
    """Return a hash of everything that decides how the training goes."""
    words = f"{lczmap.__version__} {module.network.spec} {recipe.model_dump_json()} {module.seed}"
    digest = hashlib.sha256(words.encode())
    for tensor in (train.patches, train.targets, validation.patches, validation.targets):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _resumable(folder: Path, fingerprint: str) -> Path | None:
    """Return the state to go on from; a folder of another training is emptied."""
    mark, last = folder / _FINGERPRINT, folder / f"{_LAST}.ckpt"
    if mark.is_file() and mark.read_text() == fingerprint:
        if last.is_file():
            print("going on with an interrupted training", flush=True)
        return last if last.is_file() else None
    shutil.rmtree(folder, ignore_errors=True)
    write_text(mark, fingerprint)
    return None


def _figures(history: list[dict[str, float]], chosen: int) -> dict[str, Any]:
    row = history[chosen - 1]
    rounded = [{name: round(value, 5) for name, value in r.items()} for r in history]
    row = rounded[chosen - 1]
    figures: dict[str, Any] = {"epochs": len(history), "chosen_epoch": chosen}
    if MONITORED in row:
        figures["best_validation_oa"] = max(r[MONITORED] for r in rounded)
    shown = {name: row[name] for name in (MONITORED, "zero_shot_oa", "cos_pos", "cos_neg") if name in row}
    return figures | shown | {"history": rounded}


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out lightning's banner and advice that does not apply; errors and other warnings pass."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _HARMLESS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)
