"""Public networks: download of their Keras weights, and conversion into our checkpoints.

Both repositories publish HDF5 files of weights under the MIT licence. Layers are matched by Keras' creation numbers,
every stored value is used exactly once, and shapes must agree.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lczmap.channels import S2_10, SO2SAT8
from lczmap.files import replacing, sha256
from lczmap.grid import PATCH_PX
from lczmap.models.cards import PUBLISHED, short_card
from lczmap.models.classifier import State, TorchClassifier, save_checkpoint
from lczmap.models.normalise import SO2SAT_S2_MEAN, ChannelNormaliser, identity
from lczmap.models.registry import Network, create_model

RAW_URL = "https://raw.githubusercontent.com"
STATE = {"sentinel-2": {"level": "L1C"}}  # So2Sat LCZ42 and the GUL product are made of top-of-atmosphere reflectance
MARGIN_PX = 1  # gul_s1 maps patches of 34 px: its 3 x 3 windows are whole then
CHUNK = 1 << 18  # bytes
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class PublicWeights:
    """Where a file of public weights is, and what it holds: `values` counts all stored numbers."""

    repository: str
    commit: str
    path: str
    sha256: str
    values: int
    dense: tuple[str, ...]  # Keras names of the linear layers, in the order of our network

    @property
    def url_path(self) -> str:
        """Path below the base URL."""
        return urllib.parse.quote(f"/{self.repository}/{self.commit}/{self.path}")


PUBLIC = {
    "gul_s1": PublicWeights(
        "zhu-xlab/So2Sat-LCZ-Classification-Demo",
        "fd2c1228644c450a0d1ae18c864c58a31dbdbaf3",  # a commit whose README names this file
        "Modules/3_classification/model/S1_RESNET20_BS32_LR1e-4_IN32-32-7_PRO52A-R10-GLOBAL_2019-06-22.h5",
        "88bef20ec3807a591c63d2153196cc5228e8329edc0171d0b23d68667c4dcbc1",
        576_465,
        ("dense_1",),
    ),
    "gul_s2": PublicWeights(
        "zhu-xlab/So2Sat-LCZ-Classification-Demo",
        "fd2c1228644c450a0d1ae18c864c58a31dbdbaf3",  # a commit with this file
        "Modules/3_classification/model/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5",
        "a4348f55e21039b81aec6f57b1c943c851dc70c5b79e025fb9e93438cc1e730f",
        576_897,
        ("dense_1",),
    ),
    "sen2lcz": PublicWeights(
        "ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-simple-tour",
        "4d28ac48c7b226f79ea792cda6c6a6a58f79c04e",
        "results/_32_weights.best.hdf5",
        "2ca98e4adb7d67cc0f69e8168826b763eb7df8cb6ca508689fa34c171e2e8b2a",
        793_348,
        # dense_3, made and then left out by the authors' code, is not in the file: 4 is the last stack's head,
        # 5 that of the third pooling
        ("dense_1", "dense_2", "dense_5", "dense_4"),
    ),
}


def public_weights(name: str) -> PublicWeights:
    """Look up public weights by network name; ValueError names the known ones."""
    if name not in PUBLIC:
        raise ValueError(f"no public weights are known for {name!r}; known: {', '.join(PUBLIC)}")
    return PUBLIC[name]


def import_weights(name: str, source: Path | str, out: Path | str) -> TorchClassifier:
    """Convert a public Keras HDF5 weights file to a checkpoint at `out` (X.safetensors + X.json).

    Input of `gul_s2` and `sen2lcz`: reflectance of the ten bands of `s2_10`, L1C, not normalised; a missing pixel
    becomes the mean of So2Sat. Input of `gul_s1`: the channels of `so2sat8` in patches of 34 px; it answers only once
    `adapt-model` has given it the statistics of a city's scene. ValueError when the file is not HDF5, or a layer is
    missing, left over, or of another shape.
    """
    weights = public_weights(name)
    source = Path(source)
    origin = {
        "repository": weights.repository,
        "path": weights.path,
        "licence": "MIT",
        "source_sha256": sha256(source),
    }
    metadata: dict[str, Any] = {"weights": origin, "card": short_card(name)}
    published = PUBLISHED.get(name)
    if published is not None and published.training_counts:
        metadata["class_prior"] = published.class_prior
    classifier = _untrained(name, metadata)
    copy_keras_weights(classifier.network, read_keras_weights(source), weights, source)
    save_checkpoint(out, classifier)
    return classifier


def _untrained(name: str, metadata: dict[str, Any]) -> TorchClassifier:
    """Return the classifier that public weights are copied into: network, normaliser, state of the pixels."""
    if name == "gul_s1":
        from lczmap.sar.profiles import profile_state  # compiles on import: only where it is needed

        network = create_model(name, SO2SAT8.channels, margin_px=MARGIN_PX)
        normaliser = ChannelNormaliser(identity(SO2SAT8.channels))  # 0 is a missing pixel
        state: State = {"sentinel-1": profile_state("so2sat8")}
        patch_px = PATCH_PX + 2 * MARGIN_PX
        return TorchClassifier(network, normaliser, state=state, patch_px=patch_px, metadata=metadata)
    network = create_model(name, S2_10.channels)
    normaliser = ChannelNormaliser(identity(S2_10.channels, fill=SO2SAT_S2_MEAN))
    return TorchClassifier(network, normaliser, state=STATE, metadata=metadata)


def read_keras_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Return all arrays of a Keras weights file by `layer/variable` (`conv2d_1/kernel`)."""
    arrays: dict[str, npt.NDArray[np.float32]] = {}

    def collect(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            layer, variable = name.split("/")[-2:]
            arrays[f"{layer}/{variable.removesuffix(':0')}"] = np.asarray(item, dtype=np.float32)

    try:
        with h5py.File(path) as file:
            file.visititems(collect)
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a Keras HDF5 weights file: {error}") from error
    return arrays


def copy_keras_weights(
    network: Network, arrays: dict[str, npt.NDArray[np.float32]], weights: PublicWeights, source: Path
) -> None:
    """Copy Keras arrays into a network whose layers are registered in the order Keras numbered them."""
    left = dict(arrays)
    with torch.no_grad():
        for key, tensor in _keras_names(network, weights.dense):
            if key not in left:
                raise ValueError(
                    f"{source} lacks {key}, which {network.spec.name} needs; it holds {len(arrays)} arrays"
                )
            array = _to_torch_layout(left.pop(key))
            if array.shape != tuple(tensor.shape):
                raise ValueError(f"{source}: expected {key} as {tuple(tensor.shape)}, got {array.shape}")
            tensor.copy_(torch.from_numpy(array))
    if left:
        raise ValueError(f"{source} holds {sorted(left)[:5]}, for which {network.spec.name} has no place")


def fetch_weights(
    name: str, dest: Path | str, *, base_url: str = RAW_URL, retries: int = 3, wait_s: float = 2.0
) -> Path:
    """Download the public weights file of `gul_s1`, `gul_s2` or `sen2lcz` to `dest`; return its path.

    A file with the right sha256 that is already there is kept. The file appears under its name only when complete and
    its sha256 agrees. A broken connection or server error is tried again `retries` times, waiting `wait_s`, then
    twice that, and so on. ValueError names URL, file and remedy. The paths and full commits of the two repositories
    were read from a public file index (that of `gul_s1` from the repository's README at that commit) and could not be
    tried against the server itself; the sha256 are those of the files that the imports were checked with.
    """
    weights, dest = public_weights(name), Path(dest)
    if dest.is_file() and sha256(dest) == weights.sha256:
        return dest
    url = base_url.rstrip("/") + weights.url_path
    with replacing(dest) as temporary:
        _download(url, temporary, retries=retries, wait_s=wait_s)
        actual = sha256(temporary)
        if actual != weights.sha256:
            raise ValueError(
                f"{url} is not the expected file for {name}: expected sha256 {weights.sha256}, got {actual}. Nothing "
                f"was kept; get the file by hand and put it at {dest}"
            )
    return dest


def _keras_names(network: nn.Module, dense: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield (Keras name, our tensor) for every stored value; Keras numbers each kind of layer from 1."""
    layers = list(network.modules())
    for i, conv in enumerate((m for m in layers if isinstance(m, nn.Conv2d)), start=1):
        yield f"conv2d_{i}/kernel", conv.weight
        if conv.bias is not None:
            yield f"conv2d_{i}/bias", conv.bias
    for i, norm in enumerate((m for m in layers if isinstance(m, nn.BatchNorm2d)), start=1):
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        tensors = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        for name, tensor in zip(names, tensors, strict=True):
            if tensor is not None:
                yield f"batch_normalization_{i}/{name}", tensor
    for name, linear in zip(dense, (m for m in layers if isinstance(m, nn.Linear)), strict=True):
        yield f"{name}/kernel", linear.weight
        yield f"{name}/bias", linear.bias


def _to_torch_layout(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn (H, W, in, out) and (in, out) kernels of Keras into (out, in, H, W) and (out, in)."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim)
    return np.ascontiguousarray(array.transpose(order)) if order else array


def _download(url: str, temporary: Path, *, retries: int, wait_s: float) -> None:
    for attempt in range(retries + 1):
        try:
            return _download_once(url, temporary)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            permanent = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if permanent or attempt == retries:
                raise ValueError(
                    f"{url} could not be downloaded after {attempt + 1} attempt(s): {error}. Check the connection and "
                    "try again, or get the file by hand"
                ) from error
            time.sleep(wait_s * 2**attempt)
    return None


def _download_once(url: str, temporary: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, temporary.open("wb") as file:
        expected = response.headers.get("Content-Length")
        received = 0
        while chunk := response.read(CHUNK):
            received += file.write(chunk)
        if expected is not None and received != int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - received)
