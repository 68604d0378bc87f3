"""What a checkpoint says about using a network: its temperature and the class frequencies it was trained with."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from lczmap.models.losses import one_hot
from lczmap.models.normalise import ChannelNormaliser
from lczmap.models.registry import Network
from lczmap.training.data import Patches
from lczmap.training.preset import NetworkPreset

HOTTEST = 20.0  # bound of the temperature, above and, as its reciprocal, below
_STEPS = 60  # of the golden section: the bracket shrinks to 1e-12 of itself
_GOLDEN = (math.sqrt(5) - 1) / 2

Prior = Literal["trained", "uniform"]


@torch.inference_mode()
def predict(network: Network, normaliser: ChannelNormaliser, patches: Patches, *, batch: int = 128) -> torch.Tensor:
    """Return the network's answers (N, classes) in float32, logits or log-probabilities, for all patches in order.

    In every process that trained, all of them: the patches are not shared. On the network's device.
    """
    network.eval()
    device = next(network.parameters()).device
    starts = range(0, len(patches), batch)
    parts = (patches[list(range(start, min(start + batch, len(patches))))][0] for start in starts)
    return torch.cat([network(normaliser(x.to(device))).float().cpu() for x in parts])


def fit_temperature(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the number that logits (N, classes) are to be divided by for the lowest negative log-likelihood.

    The likelihood is that of validation patches with `targets` (N,) or (N, classes), never of the test. It has one
    minimum in 1 / T, which a golden section finds between 1/20 and 20. Never worse than 1, which stands if nothing is
    better. Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """
    soft = one_hot(targets, logits.shape[1]).double()
    logits = logits.double()

    def cost(log_temperature: float) -> float:
        return -float((soft * (logits / math.exp(log_temperature)).log_softmax(dim=1)).sum())

    low, high = -math.log(HOTTEST), math.log(HOTTEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    best = (low + high) / 2
    return math.exp(best) if cost(best) < cost(0.0) else 1.0


def trained_shares(counts: npt.NDArray[np.integer | np.floating], recipe: NetworkPreset) -> npt.NDArray[np.float64]:
    """Return the class frequencies (classes,) that a training presents, from the numbers of patches.

    Sampling and class weights both count, the focal loss's alpha among them: a class that is drawn or weighs twice is
    twice as frequent. What its gamma or smoothing add is not known in advance and left out. Soft labels are drawn by
    their most probable class; their shares are those of the sums where the sampling is natural, else nearly so.
    """
    counts = np.asarray(counts, np.float64)
    present = counts > 0
    shares = {"natural": counts, "balanced": present.astype(np.float64), "sqrt": np.sqrt(counts)}[recipe.sampling]
    if recipe.class_weights != "none" or (recipe.criterion == "focal" and recipe.focal.alpha != "none"):
        shares = np.where(present, shares / np.where(present, counts, 1), 0)
    return shares / shares.sum()  # type: ignore[no-any-return]


def log_prior(shares: npt.NDArray[np.float64], prior: Prior) -> tuple[float, ...]:
    """Return what to add to log-probabilities for the classes to be expected as `prior` says, empty for `trained`.

    `uniform` is log(1/K) - log(share) for the K classes that were trained. A class that was not gets the lowest of
    these: nothing speaks for it.
    """
    if prior == "trained":
        return ()
    known = shares > 0
    added = -np.log(np.where(known, shares * known.sum(), 1.0))
    return tuple(np.where(known, added, added[known].min()).tolist())
