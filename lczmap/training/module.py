"""One training step, one validation step: the lightning module of every network."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import distributed
from torch.optim.lr_scheduler import LambdaLR

from lczmap.models.losses import BPLoss, ClassificationLoss, LossTerms, class_similarity
from lczmap.models.losses.processes import rank_and_world
from lczmap.models.registry import ModelOutput, Network
from lczmap.training.augment import Augmenter
from lczmap.training.average import WeightAverage
from lczmap.training.data import Batch, class_index
from lczmap.training.optimisers import build_optimiser, cosine_factor, step_factor
from lczmap.training.preset import Optimiser

FIGURES = ("validation_oa", "validation_loss")  # those that can decide which validation is best
_STEP, _RANK = 1_000_003, 999_983  # primes, so that seeds of steps and processes do not meet


class TrainingModule(lightning.LightningModule):
    """Trains a network on patches in physical units; `history` has one row of figures per epoch.

    `validations` has one row per validation. All random numbers of a step follow from `seed`, the step and the
    process's rank, so a resumed training goes on as if nothing had happened. With `ema` above 0 a moving average of
    the weights (average.py) is what is validated and what a checkpoint of lightning holds under `ema`.
    """

    def __init__(
        self,
        network: Network,
        loss: ClassificationLoss | BPLoss,
        augment: Augmenter,
        optimiser: Optimiser,
        *,
        seed: int,
        ema: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.augment = augment
        self.optimiser = optimiser
        self.seed = seed
        self.average = WeightAverage(network, ema) if ema else None
        self.history: list[dict[str, float]] = []
        self.validations: list[dict[str, float]] = []
        self._trained, self._validated = Figures(), Figures()

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:  # noqa: ARG002  # lightning's signature
        """Return the loss of one batch."""
        rank, _ = rank_and_world()
        torch.manual_seed(self.seed + _STEP * (self.global_step + 1) + _RANK * rank)  # of augmentation and dropout
        x, target = self.augment(*batch)
        terms, _, _ = self._terms(x, target)
        self._trained.add(
            len(x), loss=terms.total, cls=terms.cls, con=terms.con, cos_pos=terms.cos_pos, cos_neg=terms.cos_neg
        )
        self.log("loss", terms.total.detach(), on_step=False, on_epoch=True, prog_bar=True, batch_size=len(x))
        return terms.total

    def on_train_batch_end(self, *_: Any) -> None:
        """Take the step into the moving average."""
        if self.average is not None:
            self.average.update()

    def validation_step(self, batch: Batch, batch_index: int) -> None:  # noqa: ARG002  # lightning's signature
        """Count right answers; `zero_shot_oa` takes the class whose prompts are most similar."""
        x, target = self.augment.normaliser(batch[0]), batch[1]
        terms, output, text = self._terms(x, target)
        wanted = class_index(target)
        self._validated.add(len(x), validation_loss=terms.total, validation_oa=_share_right(output.logits, wanted))
        if text is not None:
            nearest = class_similarity(output.features, text)
            self._validated.add(len(x), zero_shot_oa=_share_right(nearest, wanted))

    def on_fit_start(self) -> None:
        """Put the moving average beside the weights."""
        if self.average is not None:
            self.average.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Start counting."""
        self._trained = Figures()

    def on_validation_epoch_start(self) -> None:
        """Start counting, with the averaged weights where there are any."""
        self._validated = Figures()
        if self.average is not None:
            self.average.swap()

    def on_validation_epoch_end(self) -> None:
        """Publish the figures that decide which validation is best, and go back to the weights being trained."""
        if self.average is not None:
            self.average.swap()
        means = self._validated.means()
        self.log_dict({name: means.get(name, math.nan) for name in FIGURES}, prog_bar=True)
        self.validations.append({"epoch": float(self.current_epoch + 1), "step": float(self.global_step)} | means)

    def on_train_epoch_end(self) -> None:
        """Add the epoch's row to the history, with the figures of its last validation."""
        means = self._trained.means() | self._validated.means()
        self.history.append({"epoch": float(self.current_epoch + 1)} | means)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the figures and the moving average for a resumed training."""
        checkpoint["history"], checkpoint["validations"] = self.history, self.validations
        if self.average is not None:
            checkpoint["ema"] = {"steps": self.average.steps, "values": self.average.values}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the figures and the moving average of the interrupted training."""
        self.history, self.validations = list(checkpoint["history"]), list(checkpoint["validations"])
        if self.average is not None:
            self.average.steps, self.average.values = checkpoint["ema"]["steps"], dict(checkpoint["ema"]["values"])

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule: `cosine` by step, `step` by epoch."""
        settings = self.optimiser
        optimiser = build_optimiser(self, settings)
        if settings.schedule == "constant":
            return optimiser
        if settings.schedule == "step":
            schedule = LambdaLR(optimiser, lambda epoch: step_factor(epoch, settings))
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(settings.warmup * steps)
        schedule = LambdaLR(optimiser, lambda step: cosine_factor(step, steps, warmup))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _terms(self, x: torch.Tensor, target: torch.Tensor) -> tuple[LossTerms, ModelOutput, torch.Tensor | None]:
        output: ModelOutput = self.network(x, features=True)
        text = self.network.text_features()
        with torch.autocast(x.device.type, enabled=False):  # losses in float32 under mixed precision
            return self.loss(output, target, text), output, text


class Figures:
    """Means over an epoch and over all processes, weighted by the number of patches."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}  # on the device: reading a value there would stop it every step
        self._counts: dict[str, int] = {}

    def add(self, count: int, **values: torch.Tensor) -> None:
        """Add the means of a batch of `count` patches."""
        for name, value in values.items():
            self._sums[name] = count * value.detach() + self._sums.get(name, 0.0)
            self._counts[name] = self._counts.get(name, 0) + count

    def means(self) -> dict[str, float]:
        """Return the means by name; figures that do not exist (cosines without text) are left out."""
        own = {name: (float(total), self._counts[name]) for name, total in self._sums.items()}
        parts: list[Any] = [own]
        if (world := rank_and_world()[1]) > 1:
            parts = [None] * world
            distributed.all_gather_object(parts, own)
        means = {}
        for name in dict.fromkeys(name for part in parts for name in part):
            totals, counts = zip(*(part[name] for part in parts if name in part), strict=True)
            means[name] = sum(totals) / sum(counts)
        return {name: value for name, value in means.items() if math.isfinite(value)}


def _share_right(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (scores.argmax(dim=1) == wanted).float().mean()
