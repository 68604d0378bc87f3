"""Checkpoints: X.safetensors with X.json beside it, for every kind of classifier. Never pickle.

The JSON names everything needed to use the weights: kind, network name and options, channels, the state of the pixels
it was trained on, normalisation, class table, text encoder, versions, and the sha256 of the weights file.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from lczmap.classes import CLASSES, NUM_CLASSES
from lczmap.files import replacing, write_text

FORMAT = "lczmap-checkpoint"
FORMAT_VERSION = 1
State = Mapping[str, Mapping[str, str]]
Tensors = dict[str, npt.NDArray[Any]]

_KIND_MODULES = {  # register on import
    "torch": "lczmap.models.classifier",
    "random_forest": "lczmap.models.rf",
    "ensemble": "lczmap.models.ensemble",
}


class Classifier(Protocol):
    """What a map is made with.

    `channels` is the order of the input; `state` says per sensor what pixels it was trained on (level, calibration).
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the input channels, in order."""

    @property
    def state(self) -> State:
        """Sensor -> state of its pixels."""

    @property
    def patch_px(self) -> int:
        """Width and height of a patch in pixels."""

    def probabilities(self, patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Classify patches (N, C, patch_px, patch_px), physical units, NaN where missing.

        Returns (N, 17), rows sum to 1.
        """


class StorableClassifier(Classifier, Protocol):
    """A classifier that `save_checkpoint` can write; `kind` names the loader that reads it back."""

    @property
    def kind(self) -> str:
        """Name under which the loader is registered."""

    def to_checkpoint(self) -> tuple[Tensors, dict[str, Any]]:
        """Return the arrays and the JSON-able description of this kind."""


Loader = Callable[[Tensors, dict[str, Any], Path], Classifier]
_LOADERS: dict[str, Loader] = {}


def register_kind(kind: str, loader: Loader) -> None:
    """Register `loader(arrays, description, path)` for checkpoints of a kind; `path` is for messages."""
    _LOADERS[kind] = loader


def save_checkpoint(
    path: Path | str, classifier: StorableClassifier, *, extra: Mapping[str, Any] | None = None
) -> None:
    """Write X.safetensors and X.json; each appears under its name only when complete.

    `extra` is stored as given (JSON-able: metrics, training areas, seed). ValueError for another file ending.
    """
    path = _weights_path(path)
    arrays, description = describe(classifier)
    weights = safetensors.numpy.save({name: array.copy(order="C") for name, array in arrays.items()})
    fields = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lczmap_version": metadata.version("lczmap"),
        "classes": class_table(),
        **description,
        "values": sum(array.size for array in arrays.values()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "extra": dict(extra or {}),
    }
    text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_bytes(weights)
    write_text(path.with_suffix(".json"), text)


def describe(classifier: StorableClassifier) -> tuple[Tensors, dict[str, Any]]:
    """Return a classifier's arrays, and the JSON-able fields that `restore` builds it from."""
    arrays, description = classifier.to_checkpoint()
    return arrays, {
        "kind": classifier.kind,
        "name": classifier.name,
        "channels": list(classifier.channels),
        "patch_px": classifier.patch_px,
        "state": {sensor: dict(state) for sensor, state in classifier.state.items()},
        **description,
    }


def restore(arrays: Tensors, description: dict[str, Any], path: Path) -> Classifier:
    """Build the classifier that `describe` gave; `path` is for messages. ValueError for an unknown kind."""
    kind = str(description["kind"])
    if kind not in _LOADERS and kind in _KIND_MODULES:
        importlib.import_module(_KIND_MODULES[kind])
    if kind not in _LOADERS:
        raise ValueError(f"{path} is of kind {kind!r}; this version of lczmap reads {sorted(_KIND_MODULES)}")
    return _LOADERS[kind](arrays, description, path)


def load_checkpoint(path: Path | str) -> Classifier:
    """Read a checkpoint of any known kind. ValueError, naming the file, for anything that does not fit."""
    path = _weights_path(path)
    description = read_description(path)
    weights = _read_bytes(path)
    actual = hashlib.sha256(weights).hexdigest()
    if actual != description.get("weights_sha256"):
        raise ValueError(
            f"{path} does not belong to the JSON beside it: expected sha256 {description.get('weights_sha256')}, got "
            f"{actual}. Copy both files again, or train or import the network again"
        )
    try:
        arrays = safetensors.numpy.load(weights)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    values = sum(array.size for array in arrays.values())
    if values != description.get("values"):
        raise ValueError(f"{path} holds {values} values, its JSON says {description.get('values')}")
    return restore(arrays, description, path)


def read_description(path: Path | str) -> dict[str, Any]:
    """Read and check the JSON beside a weights file, without reading the weights."""
    path = _weights_path(path).with_suffix(".json")
    try:
        description = json.loads(_read_bytes(path))
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON: {error}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ValueError(f'{path} is not a checkpoint description: expected "format": "{FORMAT}"')
    if description.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {description.get('format_version')}, this version of lczmap reads "
            f"{FORMAT_VERSION}; use the version that wrote it ({description.get('lczmap_version')})"
        )
    if description.get("classes") != class_table():
        raise ValueError(f"{path} was made for another class table: expected the {NUM_CLASSES} LCZ {class_table()}")
    required = {"kind", "name", "channels", "patch_px", "state"}
    if missing := sorted(required - set(description)):
        raise ValueError(f"{path} lacks the fields {missing}; it was not written by save_checkpoint")
    return description


def class_table() -> list[dict[str, Any]]:
    """Return the classes as checkpoints name them, in network order."""
    return [{"index": c.index, "code": c.code, "label": c.label} for c in CLASSES]


def require_state(trained: State, actual: State, *, what: str = "the stack") -> None:
    """Refuse pixels in another state than a network was trained on.

    Every key of `trained` must be present in `actual` with the same value; ValueError names all differences.
    """
    differences = [
        f"{sensor} {key}: expected {expected!r}, got {actual.get(sensor, {}).get(key, 'nothing')!r}"
        for sensor, state in trained.items()
        for key, expected in state.items()
        if actual.get(sensor, {}).get(key) != expected
    ]
    if differences:
        raise ValueError(
            f"{what} is in another state than the network was trained on ({'; '.join(differences)}). Use scenes of "
            "that state, or a network trained on these"
        )


def _weights_path(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a checkpoint name ending in .safetensors, got {path}")
    return path


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"checkpoint file {path} cannot be read: {error.strerror}. A checkpoint is a .safetensors file with a "
            ".json of the same name beside it"
        ) from error
