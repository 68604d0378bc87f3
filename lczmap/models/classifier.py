"""A trained torch network as a classifier: physical units in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lczmap.classes import NUM_CLASSES
from lczmap.models.checkpoint import (
    Classifier,
    State,
    StorableClassifier,
    Tensors,
    load_checkpoint,
    read_description,
    register_kind,
    require_state,
    save_checkpoint,
)
from lczmap.models.inference import PLAIN, Inference
from lczmap.models.normalise import ChannelNormaliser, Normalisation
from lczmap.models.registry import Network, create_model

__all__ = [
    "Classifier",
    "ProbabilityModule",
    "State",
    "StorableClassifier",
    "TorchClassifier",
    "load_checkpoint",
    "read_description",
    "register_kind",
    "require_state",
    "save_checkpoint",
]

BATCH = 64  # patches per forward pass: on a CPU 64 is faster than 256


class ProbabilityModule(nn.Module):
    """Normaliser, network and softmax in one module, for export: (B, C, H, W) physical units -> (B, classes).

    `inference` says what else is done to the answers; its default is the plain softmax. Each of the eight views of
    `tta` is a pass of the whole batch, so that a row's bits do not depend on what else is asked.
    """

    def __init__(self, normaliser: ChannelNormaliser, network: Network, inference: Inference = PLAIN) -> None:
        super().__init__()
        self.normaliser = normaliser
        self.network = network
        self.inference = inference

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return probabilities (B, classes), rows sum to 1."""
        x = self.normaliser(x)
        if not self.inference.tta:
            return self._with_prior(self._softmax(x))
        views = [self._softmax(view) for view in dihedral_views(x)]
        return self._with_prior(torch.stack(views).mean(dim=0))  # (8, B, classes) -> (B, classes)

    def _softmax(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.network(x).float()
        if self.inference.temperature != 1:
            logits = logits / self.inference.temperature
        return logits.softmax(dim=1)  # type: ignore[no-any-return]

    def _with_prior(self, probabilities: torch.Tensor) -> torch.Tensor:
        if not self.inference.log_prior:
            return probabilities
        return (probabilities.log() + probabilities.new_tensor(self.inference.log_prior)).softmax(dim=1)


def dihedral_views(x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the eight turned and mirrored views of square patches (B, C, H, H), the patches themselves first."""
    for mirrored in (x, x.flip(3)):
        for quarters in range(4):
            yield torch.rot90(mirrored, quarters, (2, 3)) if quarters else mirrored


class TorchClassifier:
    """A network with its normaliser, channels and the state of the pixels it was trained on.

    The network is put into evaluation mode. `metadata` (JSON-able) goes into the checkpoint's description, and so does
    `inference`: what is done to the network's answers. ValueError for a network of another number of classes than 17,
    or a normaliser of other channels.
    """

    kind = "torch"

    def __init__(
        self,
        network: Network,
        normaliser: ChannelNormaliser,
        *,
        state: State,
        patch_px: int = 32,
        metadata: Mapping[str, Any] | None = None,
        inference: Inference = PLAIN,
        device: str | torch.device = "cpu",
    ) -> None:
        if normaliser.normalisation.channels != network.spec.channels:
            raise ValueError(
                f"network and normaliser differ in channels: {network.spec.channels} and "
                f"{normaliser.normalisation.channels}"
            )
        if network.spec.num_classes != NUM_CLASSES:
            raise ValueError(
                f"a classifier for maps needs a network of the {NUM_CLASSES} LCZ classes, {network.spec.name} has "
                f"{network.spec.num_classes}; train it on LCZ labels"
            )
        self.network = network
        self.normaliser = normaliser
        self.name = network.spec.name
        self.channels = network.spec.channels
        self.state: State = {sensor: dict(values) for sensor, values in state.items()}
        self.patch_px = patch_px
        self.metadata = dict(metadata or {})
        self.inference = inference
        self.device = torch.device(device)
        self.module = ProbabilityModule(normaliser, network, inference).to(self.device).eval()

    def probabilities(self, patches: npt.NDArray[np.float32], *, batch: int = BATCH) -> npt.NDArray[np.float32]:
        """Classify patches (N, C, H, W), physical units, NaN where missing. Returns (N, 17), rows sum to 1.

        A row depends on its own patch only (up to rounding), not on the others of its batch.
        """
        expected = (len(self.channels), self.patch_px, self.patch_px)
        if patches.ndim != 4 or patches.shape[1:] != expected:
            raise ValueError(
                f"{self.name} expected patches (N, {', '.join(map(str, expected))}) of {', '.join(self.channels)}, got "
                f"{patches.shape}"
            )
        result = np.empty((len(patches), NUM_CLASSES), np.float32)
        self.module.eval()
        with torch.inference_mode():
            for start in range(0, len(patches), batch):
                part = np.ascontiguousarray(patches[start : start + batch], dtype=np.float32)
                result[start : start + batch] = self.module(torch.from_numpy(part).to(self.device)).cpu().numpy()
        return result

    def to_checkpoint(self) -> tuple[Tensors, dict[str, Any]]:
        """Return the network's weights and the description that `load_checkpoint` builds it from.

        Maps need no text tower, so only the features of its prompts are kept (`text_bank`), and what `text` says of it.
        """
        self.network.store_text()
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in stored_tensors(self.network).items()}
        spec = self.network.spec
        options = {**spec.options, "text": None} if "text" in spec.options else dict(spec.options)
        return arrays, {
            "num_classes": spec.num_classes,
            "options": options,
            "normalisation": self.normaliser.normalisation.to_json(),
            "text": self.network.text_description,
            "inference": self.inference.to_json(),
            "metadata": self.metadata,
        }


def _load_torch(arrays: Tensors, description: dict[str, Any], path: Path) -> TorchClassifier:
    try:
        network = create_model(
            description["name"], description["channels"], description["num_classes"], **description["options"]
        )
        network.text_description = description["text"]
        normaliser = ChannelNormaliser(Normalisation.from_json(description["normalisation"]))
        inference = Inference.from_json(description.get("inference", {}))  # files of older versions have none
    except KeyError as error:
        raise ValueError(f"{path.with_suffix('.json')} lacks the field {error}; write the checkpoint again") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.with_suffix('.json')} describes no network of this version: {error}") from error
    load_arrays(network, arrays, path)
    return TorchClassifier(
        network,
        normaliser,
        state=description["state"],
        patch_px=description["patch_px"],
        metadata=description.get("metadata"),
        inference=inference,
    )


def stored_tensors(network: Network) -> dict[str, torch.Tensor]:
    """Return what a checkpoint holds: parameters and buffers, but no text tower and no batch-norm counters."""
    state = network.state_dict()
    return {n: t for n, t in state.items() if not (n.startswith("text.") or n.endswith(".num_batches_tracked"))}


def load_arrays(network: Network, arrays: Tensors, path: Path) -> None:
    """Copy arrays into a network. ValueError, naming `path`, unless names and shapes are exactly the network's."""
    expected = {name: tuple(tensor.shape) for name, tensor in stored_tensors(network).items()}
    actual = {name: tuple(array.shape) for name, array in arrays.items()}
    if actual != expected:
        missing = sorted(set(expected) - set(actual))
        unknown = sorted(set(actual) - set(expected))
        shapes = [
            f"{n}: expected {expected[n]}, got {actual[n]}"
            for n in expected
            if actual.get(n, expected[n]) != expected[n]
        ]
        raise ValueError(
            f"{path} does not hold the weights of {network.spec.name}: missing {missing[:5]}, unknown {unknown[:5]}, "
            f"other shapes {shapes[:5]}. Train or import the network again with this version"
        )
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)


register_kind("torch", _load_torch)
