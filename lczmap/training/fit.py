"""The lightning trainer around a module: early stopping, resuming, choosing a validation."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar

import lczmap
from lczmap.files import write_text
from lczmap.training.data import Batch, Patches, training_loader, validation_loader
from lczmap.training.hardware import ONE_DEVICE, Hardware, is_first_process
from lczmap.training.module import FIGURES, TrainingModule
from lczmap.training.preset import NetworkPreset
from lczmap.training.progress import ProgressLines, quiet

_LAST, _BEST, _FINGERPRINT, _FINISHED = "last", "best", "settings.sha256", "finished"
_MODE = {"validation_oa": "max", "validation_loss": "min"}


def fit(
    module: TrainingModule,
    train: Patches,
    validation: Patches | None,
    recipe: NetworkPreset,
    *,
    folder: Path,
    hardware: Hardware = ONE_DEVICE,
) -> dict[str, Any]:
    """Train in place and leave the chosen weights in `module`, on the CPU; return figures of the training.

    After each epoch the state is written to `folder`; a later call with the same network, recipe, seed and data goes
    on from there, or takes the weights if that training had ended; one with others starts anew. Without validation
    patches there is no early stopping and the last epoch is kept. ValueError where devices would get no patches.
    """
    watched = validation is not None and len(validation) > 0
    if not watched and (recipe.keep == "best" or recipe.patience is not None):
        print("no validation patches: all epochs are trained and the last is kept", flush=True)
    _check_shares(recipe, hardware, len(train), len(validation) if validation is not None else 0)
    fingerprint = _fingerprint(module, recipe, train, validation)
    best = watched and recipe.keep == "best"
    if _holds(folder / _FINISHED, fingerprint):
        return _figures(module, _load(module, folder, best=best), recipe)
    resume = _resumable(folder, fingerprint)
    batches = training_loader(train, recipe.batch_size, seed=module.seed, sampling=recipe.sampling)
    watching = None
    if watched and validation is not None:
        watching = validation_loader(validation, _validation_batch(len(validation), recipe, hardware))
    with quiet():
        trainer = _trainer(recipe, hardware, _callbacks(folder, recipe, watched, len(batches)))
        trainer.fit(module, batches, watching, ckpt_path=resume, weights_only=True)
    kept = _load(module, folder, best=best)
    trainer.strategy.barrier()  # nobody clears the folder before all have read it
    if is_first_process():
        write_text(folder / _FINISHED, fingerprint)
    return _figures(module, kept, recipe)


def _check_shares(recipe: NetworkPreset, hardware: Hardware, trained: int, watched: int) -> None:
    if min(recipe.batch_size, trained) % hardware.devices:
        raise ValueError(
            f"expected a batch size that {hardware.devices} devices can share, got {recipe.batch_size} for "
            f"{trained} patches; set `batch_size` to a multiple"
        )
    if 0 < watched < hardware.devices:
        raise ValueError(
            f"expected a validation patch or more for each of {hardware.devices} devices, got {watched}; use fewer "
            "devices"
        )


def _validation_batch(count: int, recipe: NetworkPreset, hardware: Hardware) -> int:
    """Return how many validation patches go together: fewer where a device would get none, which lightning refuses."""
    usual = 2 * recipe.batch_size
    return usual if -(-count // usual) >= hardware.devices else count // hardware.devices


class EvenValidations(Callback):
    """Have an epoch of so many batches validated so many times, at equal distances and the last at its end."""

    def __init__(self, batches: int, validations: int) -> None:
        if validations > batches:
            print(f"an epoch has {batches} batches: that is how often it is validated", flush=True)
        count = min(validations, batches)
        self.ends = {round(i * batches / count) for i in range(1, count + 1)}
        self.batches = batches

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002  # lightning's signature
        batch: Batch,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Say whether validation follows; lightning asks whether the number of batches can be divided by this."""
        trainer.val_check_batch = batch_idx + 1 if batch_idx + 1 in self.ends else self.batches


def _callbacks(folder: Path, recipe: NetworkPreset, watched: bool, batches: int) -> list[Callback]:
    callbacks: list[Callback] = [_checkpoint(folder, _LAST, None)]
    if watched:
        callbacks.append(EvenValidations(batches, recipe.validations_per_epoch))
    if watched and recipe.keep == "best":
        callbacks.append(_checkpoint(folder, _BEST, recipe.keep_by or recipe.monitor))
    if watched and recipe.patience is not None:
        callbacks.append(
            EarlyStopping(
                recipe.monitor, mode=_MODE[recipe.monitor], patience=recipe.patience, check_on_train_epoch_end=False
            )
        )
    callbacks.append(TQDMProgressBar() if sys.stdout.isatty() else ProgressLines())
    return callbacks


def _trainer(recipe: NetworkPreset, hardware: Hardware, callbacks: list[Callback]) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.lightning_strategy,
        precision=recipe.precision,
        callbacks=callbacks,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stdout.isatty(),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # data.py deals the batches
        deterministic="warn" if torch.cuda.is_available() else None,
    )


def _checkpoint(folder: Path, name: str, monitor: str | None) -> ModelCheckpoint:
    """Return a callback that keeps one file: the latest epoch, or the validation with the best `monitor`."""
    return ModelCheckpoint(
        folder,
        filename=name,
        monitor=monitor,
        mode=_MODE.get(str(monitor), "max"),
        save_on_train_epoch_end=monitor is None,
        enable_version_counter=False,
    )


def _fingerprint(module: TrainingModule, recipe: NetworkPreset, train: Patches, validation: Patches | None) -> str:
    """Return a hash of everything that decides how the training goes."""
    data = [part.fingerprint() for part in (train, validation) if part is not None]
    normalisation = module.augment.normaliser.normalisation
    words = (
        f"{lczmap.__version__} {module.network.spec} {recipe.model_dump_json()} {module.seed} {normalisation} {data}"
    )
    return hashlib.sha256(words.encode()).hexdigest()


def _resumable(folder: Path, fingerprint: str) -> Path | None:
    """Return the state to go on from; a folder of another training is emptied."""
    mark, last = folder / _FINGERPRINT, folder / f"{_LAST}.ckpt"
    if _holds(mark, fingerprint):
        if last.is_file():
            print("going on with an interrupted training", flush=True)
        return last if last.is_file() else None
    if is_first_process():
        shutil.rmtree(folder, ignore_errors=True)
        write_text(mark, fingerprint)
    return None


def _holds(mark: Path, fingerprint: str) -> bool:
    return mark.is_file() and mark.read_text() == fingerprint


def _load(module: TrainingModule, folder: Path, *, best: bool) -> dict[str, float]:
    """Put the kept weights and all figures into the module; return the row of the validation they are from.

    They are read from the files because a training in several processes leaves nothing else.
    """
    last = torch.load(folder / f"{_LAST}.ckpt", weights_only=True, map_location="cpu")
    module.history, module.validations = last["history"], last["validations"]
    kept = torch.load(folder / f"{_BEST}.ckpt", weights_only=True, map_location="cpu") if best else last
    module.cpu()
    module.load_state_dict(kept["state_dict"])
    if "ema" in kept:
        module.network.load_state_dict(kept["ema"]["values"])
    return dict((kept["validations"] if best else module.history)[-1])


def _figures(module: TrainingModule, kept: dict[str, float], recipe: NetworkPreset) -> dict[str, Any]:
    history = [_rounded(row) for row in module.history]
    figures: dict[str, Any] = {"epochs": len(history), "chosen_epoch": int(kept["epoch"])}
    if module.validations:
        figures["best_validation_oa"] = round(max(row[FIGURES[0]] for row in module.validations), 5)
    row = history[figures["chosen_epoch"] - 1] | _rounded(kept)
    figures |= {name: row[name] for name in (*FIGURES, "zero_shot_oa", "cos_pos", "cos_neg") if name in row}
    if recipe.validations_per_epoch > 1:
        figures["validations"] = [_rounded(row) for row in module.validations]
    return figures | {"history": history}


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in row.items()}
