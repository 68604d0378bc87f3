"""One training step, one validation step: the lightning module of every network."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from lczmap.models.losses import BPLoss, ClassificationLoss, LossTerms, class_similarity
from lczmap.models.registry import ModelOutput, Network
from lczmap.training.data import Augmenter, Batch
from lczmap.training.preset import Optimiser

MONITORED = "validation_oa"


class TrainingModule(lightning.LightningModule):
    """Trains a network on normalised patches; `history` has one row of figures per epoch.

    All random numbers of a step follow from `seed` and the step, so a resumed training goes on as if nothing had
    happened.
    """

    def __init__(
        self,
        network: Network,
        loss: ClassificationLoss | BPLoss,
        augment: Augmenter,
        optimiser: Optimiser,
        *,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.augment = augment
        self.optimiser = optimiser
        self.seed = seed
        self.history: list[dict[str, float]] = []
        self._trained, self._validated = Figures(), Figures()

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:  # noqa: ARG002  # lightning's signature
        """Return the loss of one batch."""
        torch.manual_seed(self.seed + 1_000_003 * (self.global_step + 1))  # of augmentation and dropout
        x, target = self.augment(*batch)
        terms, _, _ = self._terms(x, target)
        self._trained.add(
            len(x), loss=terms.total, cls=terms.cls, con=terms.con, cos_pos=terms.cos_pos, cos_neg=terms.cos_neg
        )
        self.log("loss", terms.total.detach(), on_step=False, on_epoch=True, prog_bar=True, batch_size=len(x))
        return terms.total

    def validation_step(self, batch: Batch, batch_index: int) -> None:  # noqa: ARG002  # lightning's signature
        """Count right answers; `zero_shot_oa` takes the class whose prompts are most similar."""
        x, target = batch
        terms, output, text = self._terms(x, target)
        wanted = target.argmax(dim=1) if target.ndim == 2 else target
        self._validated.add(len(x), validation_loss=terms.total, validation_oa=_share_right(output.logits, wanted))
        if text is not None:
            nearest = class_similarity(output.features, text)
            self._validated.add(len(x), zero_shot_oa=_share_right(nearest, wanted))

    def on_train_epoch_start(self) -> None:
        """Start counting."""
        self._trained = Figures()

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._validated = Figures()

    def on_validation_epoch_end(self) -> None:
        """Publish the figure that decides which epoch is best."""
        if not self.trainer.sanity_checking:
            self.log(MONITORED, self._validated.means()[MONITORED], prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Add the epoch's row to the history."""
        means = self._trained.means() | self._validated.means()
        self.history.append({"epoch": float(self.current_epoch + 1)} | means)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history for a resumed training."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history of the interrupted training."""
        self.history = list(checkpoint["history"])

    def configure_optimizers(self) -> Any:
        """Return the optimiser and, for `cosine`, its schedule by step."""
        optimiser = build_optimiser(self, self.optimiser)
        if self.optimiser.schedule == "constant":
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(self.optimiser.warmup * steps)
        schedule = LambdaLR(optimiser, lambda step: cosine_factor(step, steps, warmup))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _terms(self, x: torch.Tensor, target: torch.Tensor) -> tuple[LossTerms, ModelOutput, torch.Tensor | None]:
        output: ModelOutput = self.network(x, features=True)
        text = self.network.text_features()
        return self.loss(output, target, text), output, text


class Figures:
    """Means over an epoch, weighted by the number of patches."""

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
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        return {name: value for name, value in means.items() if math.isfinite(value)}


def build_optimiser(module: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters that require gradients.

    `sgd` decays all of them, as in BP-LCZ; `adamw` matrices and kernels only.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    if settings.name == "sgd":
        return torch.optim.SGD(
            parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr)


def cosine_factor(step: int, steps: int, warmup: int) -> float:
    """Return the learning rate at `step` of `steps` as a share of its maximum: linear rise, then half a cosine."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _share_right(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (scores.argmax(dim=1) == wanted).float().mean()
