"""Adapt a trained classifier to the pixels of one city, without labels: batch-norm statistics and class priors.

Both are transductive: the classifier has then seen the pixels that it is to answer, and figures of it count for that
city only. AdaBN after Li et al. (2018, Pattern Recognition 80); prior after Saerens, Latinne & Decaestecker (2002,
Neural Computation 14), both re-implemented from their descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lczmap.classes import NUM_CLASSES
from lczmap.models.checkpoint import StorableClassifier
from lczmap.models.classifier import BATCH, TorchClassifier
from lczmap.models.ensemble import EnsembleClassifier
from lczmap.models.gul import GulRadar

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Prior = Literal["trained", "em"]

MIN_SHARE = 1e-4  # a class that the city seems not to have keeps this share: no class is ruled out
MAX_STEPS = 1000
TOLERANCE = 1e-6  # of a share, between two steps


@dataclass(frozen=True)
class Adaptation:
    """What is adapted, and `record`, which goes into the metadata of every classifier that was adapted."""

    batch_norm: bool
    prior: Prior
    seed: int
    record: Mapping[str, Any]


def networks_of(classifier: StorableClassifier) -> Iterator[TorchClassifier]:
    """Yield a network's classifier, or those of all networks in an ensemble; nothing of a forest."""
    if isinstance(classifier, TorchClassifier):
        yield classifier
    elif isinstance(classifier, EnsembleClassifier):
        for member in classifier.members:
            yield from networks_of(member)


def adapt(
    classifier: StorableClassifier, patches: Float, what: Adaptation, *, extra: Mapping[str, Any] | None = None
) -> StorableClassifier:
    """Return the classifier adapted to unlabelled patches (N, C, H, W), physical units, NaN where missing.

    Networks are changed in place. Members of an ensemble are adapted one by one; a forest in it stays as it is, and so
    does a network of which nothing is asked. `gul_s1` has got the statistics of its scene before.
    `extra` is what the training recorded. ValueError as of `check_prior` when the prior is asked for.
    """
    if what.prior == "em":
        check_prior(classifier, extra)
    if isinstance(classifier, EnsembleClassifier):
        members = [
            adapt(member, classifier.part_of(member, patches), what, extra=record.get("extra"))
            for member, record in zip(classifier.members, classifier.records, strict=True)
        ]
        metadata = {**classifier.metadata, "adaptation": dict(what.record)}
        return EnsembleClassifier(members, metadata=metadata, records=classifier.records)
    if not isinstance(classifier, TorchClassifier) or not _is_changed(classifier, what):
        return classifier
    record = dict(what.record)
    if what.batch_norm:
        record["batch_norm_layers"] = reestimate_batch_norm(classifier, patches, seed=what.seed)
    inference = classifier.inference
    if what.prior == "em":
        trained = class_prior(classifier, extra or {})
        without = _rebuilt(classifier, inference=replace(inference, log_prior=()))
        estimate, log_prior = em_prior(without.probabilities(patches), trained)
        record["class_prior_estimate"] = estimate.tolist()
        inference = replace(inference, log_prior=tuple(log_prior.tolist()))
    return _rebuilt(classifier, inference=inference, metadata={**classifier.metadata, "adaptation": record})


def check_prior(classifier: StorableClassifier, extra: Mapping[str, Any] | None = None) -> None:
    """Refuse a classifier whose prior cannot be adapted: a forest, or one without `class_prior`; ValueError."""
    if isinstance(classifier, EnsembleClassifier):
        for member, record in zip(classifier.members, classifier.records, strict=True):
            check_prior(member, record.get("extra"))
    elif isinstance(classifier, TorchClassifier):
        class_prior(classifier, extra or {})
    else:
        raise ValueError(f"the prior of {classifier.name} cannot be adapted: it keeps none; leave `--prior em` out")


def check_batch_norm(classifier: StorableClassifier) -> None:
    """Refuse a classifier in which no network has a batch norm: nothing would be re-estimated; ValueError."""
    if not any(_batch_norms(one) for one in networks_of(classifier)):
        raise ValueError(
            f"{classifier.name} has no batch norm whose statistics could be adapted to a city; leave `--batch-norm` out"
        )


def reestimate_batch_norm(classifier: TorchClassifier, patches: Float, *, seed: int, batch: int = BATCH) -> int:
    """Replace all batch-norm statistics by those of patches (N, C, H, W), in place; return the number of layers.

    The mean over whole batches of `batch` patches in random order; everything but the batch norms is as in use.
    ValueError for fewer than two patches. A network without batch norm stays as it is (0 layers).
    """
    if len(patches) < 2:
        raise ValueError(f"batch-norm statistics need at least 2 patches, got {len(patches)}")
    layers = _batch_norms(classifier)
    momenta = [layer.momentum for layer in layers]
    order = np.random.default_rng(seed).permutation(len(patches))
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative mean
        layer.train()
    with torch.no_grad():
        for start in range(0, max(len(patches) - batch, 0) + 1, batch):
            part = torch.from_numpy(patches[order[start : start + batch]]).to(classifier.device)
            classifier.network(classifier.normaliser(part))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    classifier.network.eval()
    return len(layers)


def class_prior(classifier: TorchClassifier, extra: Mapping[str, Any]) -> Double:
    """Return the class shares (17,) that a network's probabilities imply: `class_prior` of metadata or `extra`.

    ValueError where none is recorded, or it is no 17 shares.
    """
    recorded = classifier.metadata.get("class_prior", extra.get("class_prior"))
    if recorded is None:
        raise ValueError(
            f"{classifier.name} does not say which class shares it was trained on (`class_prior`): its prior cannot be "
            "adapted; train it with this version, or leave `--prior em` out"
        )
    shares = np.asarray(recorded, np.float64)
    if shares.shape != (NUM_CLASSES,) or shares.min() < 0 or not shares.sum() > 0:
        raise ValueError(f"{classifier.name}: expected a class_prior of {NUM_CLASSES} shares >= 0, got {recorded}")
    normalised: Double = shares / shares.sum()
    return normalised


def em_prior(probabilities: npt.NDArray[np.floating[Any]], trained: Double) -> tuple[Double, Double]:
    """Estimate the class shares of unlabelled samples from a classifier's probabilities (N, 17); returns (shares,
    log prior), both (17,).

    `trained` (17,) are the shares that the probabilities imply. Expectation: weigh each class by its new over its
    trained share, and normalise; maximisation: the mean is the new share, at least MIN_SHARE. The log prior is the
    logarithm of the last weights; a class without trained share keeps the weight 1. The probabilities must be
    calibrated (fit a temperature): from those of a network that knows nothing of its classes all shares go to one.
    """
    known = trained > 0
    values = probabilities.astype(np.float64)  # (N, 17)
    shares, weights = trained, np.ones(NUM_CLASSES)
    for _ in range(MAX_STEPS):
        weighted = values * weights
        expected = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        new = np.maximum(expected, MIN_SHARE)
        new = new / new.sum()
        weights = np.where(known, new / np.where(known, trained, 1), 1.0)
        change = np.abs(new - shares).max()
        shares = new
        if change < TOLERANCE:
            break
    return shares, np.log(weights)


def _batch_norms(classifier: TorchClassifier) -> list[_BatchNorm]:
    return [layer for layer in classifier.network.modules() if isinstance(layer, _BatchNorm)]


def _is_changed(classifier: TorchClassifier, what: Adaptation) -> bool:
    """True where anything is asked for, or the scene's statistics were set before: those of `gul_s1`."""
    return what.batch_norm or what.prior == "em" or isinstance(classifier.network, GulRadar)


def _rebuilt(classifier: TorchClassifier, **changes: Any) -> TorchClassifier:
    given = {
        "state": classifier.state,
        "patch_px": classifier.patch_px,
        "metadata": classifier.metadata,
        "inference": classifier.inference,
        "device": classifier.device,
    }
    return TorchClassifier(classifier.network, classifier.normaliser, **{**given, **changes})
