"""Train one network on labelled patches, wherever they come from: cities, So2Sat, any other set of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lczmap.classes import NUM_CLASSES
from lczmap.models.checkpoint import State
from lczmap.models.classifier import TorchClassifier
from lczmap.models.inference import Inference
from lczmap.models.losses import (
    BPLoss,
    ClassificationLoss,
    balanced_weights,
    build_loss,
    focal_alpha,
    inverse_weights,
)
from lczmap.models.normalise import ChannelNormaliser, identity
from lczmap.models.registry import Network, create_model, takes_option
from lczmap.raster import Float
from lczmap.training.augment import Augmenter
from lczmap.training.calibrate import fit_temperature, log_prior, predict, trained_shares
from lczmap.training.data import Patches, class_counts
from lczmap.training.fit import fit
from lczmap.training.hardware import ONE_DEVICE, Hardware
from lczmap.training.module import TrainingModule
from lczmap.training.preset import NetworkPreset

SAMPLE = 8192
"""Training patches that a normalisation is estimated from, 600 MB at 18 channels."""
PREPARED = 1024
"""Training patches that a network sees before its first step (Network.prepare)."""


@dataclass(frozen=True)
class FitResult:
    """A trained network in evaluation mode on the CPU, and what belongs to its use; `figures` are JSON-able."""

    network: Network
    normaliser: ChannelNormaliser
    inference: Inference
    figures: dict[str, Any]
    channels: tuple[str, ...]
    state: State
    patch_px: int

    def classifier(self) -> TorchClassifier:
        """Return the network as what maps are made with; ValueError unless it knows the 17 classes."""
        return TorchClassifier(
            self.network, self.normaliser, state=self.state, patch_px=self.patch_px, inference=self.inference
        )


def fit_network(
    name: str,
    recipe: NetworkPreset,
    train: Patches,
    validation: Patches | None,
    *,
    channels: Sequence[str],
    state: State,
    folder: Path,
    seed: int,
    num_classes: int = NUM_CLASSES,
    normaliser: ChannelNormaliser | None = None,
    patch_px: int = 32,
    hardware: Hardware = ONE_DEVICE,
) -> FitResult:
    """Train the network `name` of the registry as `recipe` says, and choose and calibrate it on `validation`.

    Patches come in physical units; `normaliser` (default: fitted on up to 8192 training patches drawn with `seed`)
    runs on each batch. `folder` holds the state of an unfinished training, from which a later call goes on.
    ValueError for fewer than two training patches, targets out of range, a recipe that does not fit the network, or
    a training that diverged.
    """
    counts = _checked_counts(train, num_classes)
    if recipe.prior == "uniform" and num_classes != NUM_CLASSES:
        raise ValueError(f"`prior: uniform` is for the {NUM_CLASSES} classes of maps, got {num_classes}")
    torch.manual_seed(seed)
    network = create_model(name, channels, num_classes, preset=recipe.base, **_network_options(name, recipe, patch_px))
    loss = _build_loss(network, recipe, counts)
    if normaliser is None:
        sample = _sample(train, SAMPLE, seed).numpy()
        normaliser = fit_normaliser(channels, sample, recipe.normalisation, missing_value=network.missing_value)
    if type(network).prepare is not Network.prepare:
        with torch.no_grad():
            network.prepare(normaliser(_sample(train, PREPARED, seed)))
    augment = Augmenter(recipe.augmentation, normaliser, num_classes=num_classes)
    module = TrainingModule(network, loss, augment, recipe.optimiser, seed=seed, ema=recipe.ema)
    figures = fit(module, train, validation, recipe, folder=folder, hardware=hardware)
    network.eval()  # before the text is stored: without dropout
    network.strip_text()
    _check_finite(network, recipe)
    shares = trained_shares(counts, recipe)
    temperature = _temperature(network, normaliser, validation, hardware.device) if recipe.temperature else 1.0
    inference = Inference(tta=recipe.tta, temperature=temperature, log_prior=log_prior(shares, recipe.prior))
    figures |= {"temperature": round(temperature, 5), "class_prior": np.round(shares, 6).tolist()}
    return FitResult(network, normaliser, inference, figures, tuple(channels), state, patch_px)


def fit_normaliser(
    channels: Sequence[str], patches: Float, normalisation: str, *, missing_value: float | None = None
) -> ChannelNormaliser:
    """Return the normaliser of a recipe, fitted on training patches (N, C, H, W), physical units, NaN where missing.

    With `none` values stay as they are and a missing pixel becomes `missing_value` (that of the network, registry.py)
    or, for None, the channel's mean.
    """
    if normalisation in ("paper", "recipe"):
        return ChannelNormaliser.fit(channels, patches, "paper" if normalisation == "paper" else "recipe")
    if missing_value is not None:
        return ChannelNormaliser(identity(channels, fill=(missing_value,) * len(channels)))
    means = ChannelNormaliser.fit(channels, patches, "paper").normalisation.mean
    return ChannelNormaliser(identity(channels, fill=means))


def _network_options(name: str, recipe: NetworkPreset, patch_px: int) -> dict[str, Any]:
    """Return the recipe's options, with the size of the patches for a network that is built for one."""
    size = {"image_size": patch_px} if takes_option(name, "image_size") else {}
    return {**size, **recipe.network}


def _checked_counts(train: Patches, num_classes: int) -> Any:
    targets = train.targets
    if len(targets) < 2:
        raise ValueError(f"expected two training patches or more, got {len(targets)}")
    if targets.ndim == 2 and targets.shape[1] != num_classes:
        raise ValueError(f"expected soft labels of {num_classes} classes, got {tuple(targets.shape)}")
    if targets.ndim == 1 and not (int(targets.min()) >= 0 and int(targets.max()) < num_classes):
        raise ValueError(
            f"expected class indices 0 to {num_classes - 1}, got {int(targets.min())} to {int(targets.max())}"
        )
    return class_counts(targets, num_classes)


def _build_loss(network: Network, recipe: NetworkPreset, counts: Any) -> ClassificationLoss | BPLoss:
    weights = None
    if recipe.class_weights != "none":
        weights = (balanced_weights if recipe.class_weights == "balanced" else inverse_weights)(counts)
    gamma = 0.0
    if recipe.criterion == "focal":
        gamma = recipe.focal.gamma
        alpha = focal_alpha(counts, recipe.focal.alpha)
        weights = weights if alpha is None else alpha
    return build_loss(
        network,
        preset=recipe.base,
        class_weights=weights,
        label_smoothing=recipe.label_smoothing,
        gamma=gamma,
        **recipe.loss,
    )


def _sample(train: Patches, most: int, seed: int) -> torch.Tensor:
    """Return up to `most` patches, drawn at random, in order."""
    count = len(train)
    chosen = np.arange(count)
    if count > most:
        chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return train[chosen.tolist()][0]


def _check_finite(network: Network, recipe: NetworkPreset) -> None:
    for name, value in network.state_dict().items():
        if not bool(value.isfinite().all()):
            raise ValueError(
                f"the training diverged: {name} is not finite; the learning rate {recipe.optimiser.lr:g} is the likely "
                "cause: lower `optimiser.lr`, and look at the losses of the epochs"
            )


def _temperature(
    network: Network, normaliser: ChannelNormaliser, validation: Patches | None, device: torch.device
) -> float:
    if validation is None or not len(validation):
        print("no validation patches: the temperature stays 1", flush=True)
        return 1.0
    answers = predict(network.to(device), normaliser.to(device), validation)
    network.cpu()
    normaliser.cpu()
    return fit_temperature(answers, validation.targets)
