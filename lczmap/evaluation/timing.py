"""Samples per second of one network on one device, for training steps and forward passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from lczmap.classes import NUM_CLASSES
from lczmap.models.losses import build_loss
from lczmap.models.registry import Network


@dataclass(frozen=True)
class Variant:
    """One way to run a network: `name` heads the column."""

    name: str
    bf16: bool = False
    channels_last: bool = True
    compiled: bool = False


CPU_VARIANTS = (Variant("float32"),)
CUDA_VARIANTS = (
    Variant("float32, contiguous", channels_last=False),
    Variant("float32, channels last"),
    Variant("bf16, channels last", bf16=True),
    Variant("bf16, channels last, compiled", bf16=True, compiled=True),
)
LARGEST_BATCH = {"cpu": (32, 64), "cuda": (256, 512)}  # training, inference
SMALLEST_BATCH = 8  # of a slow network on a CPU
REPEATS = (3, 50)  # at least, at most

Shape = tuple[int, int, int]
"""Channels, height and width of a patch."""
Step = Callable[[int], Callable[[], None]]
"""Makes a function that processes one batch of the given size."""


@dataclass(frozen=True)
class Speed:
    """Patches per second with the batch they were measured with."""

    per_second: float
    batch: int


def training_speed(network: Network, shape: Shape, variant: Variant, device: torch.device, seconds: float) -> Speed:
    """Return the speed of whole steps: forward, loss (with the text tower, if there is one), backward, AdamW."""
    network, run = _prepared(network, variant, device)
    loss = build_loss(network).to(device)
    parameters = [p for p in (*network.parameters(), *loss.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4)
    network.train()

    def step(batch: int) -> Callable[[], None]:
        x = torch.rand(batch, *shape).to(device)
        target = torch.randint(NUM_CLASSES, (batch,)).to(device)

        def train() -> None:
            with _precision(variant, device):
                terms = loss(run(x, features=True), target, network.text_features())
            optimiser.zero_grad()
            terms.total.backward()
            optimiser.step()

        return train

    return _speed(step, LARGEST_BATCH[device.type][0], device, seconds)


def inference_speed(network: Network, shape: Shape, variant: Variant, device: torch.device, seconds: float) -> Speed:
    """Return the speed of forward passes in evaluation mode, without a text tower."""
    network.strip_text()
    network, run = _prepared(network, variant, device)
    network.eval()

    def step(batch: int) -> Callable[[], None]:
        x = torch.rand(batch, *shape).to(device)

        def classify() -> None:
            with torch.inference_mode(), _precision(variant, device):
                run(x)

        return classify

    return _speed(step, LARGEST_BATCH[device.type][1], device, seconds)


def _speed(step: Step, largest: int, device: torch.device, seconds: float) -> Speed:
    """Measure with the largest batch; on a CPU with the largest power of two that leaves time for three repeats."""
    batch = largest
    if device.type == "cpu":
        probe = step(SMALLEST_BATCH)
        probe()
        each = timed(probe, device) / SMALLEST_BATCH
        while batch > SMALLEST_BATCH and (REPEATS[0] + 1) * batch * each > seconds:
            batch //= 2
    run = step(batch)
    run()  # warm-up: memory, kernels, compilation for this batch
    times: list[float] = []
    while len(times) < REPEATS[0] or (len(times) < REPEATS[1] and sum(times) < seconds / 2):
        times.append(timed(run, device))
    return Speed(batch / median(times), batch)


def timed(run: Callable[[], None], device: torch.device) -> float:
    """Return the seconds that `run` takes, the device's queue included."""
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _prepared(network: Network, variant: Variant, device: torch.device) -> tuple[Network, Any]:
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    network = network.to(device)
    network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's types lack this argument
    return network, torch.compile(network, dynamic=False) if variant.compiled else network


def _precision(variant: Variant, device: torch.device) -> Any:
    return torch.autocast(device.type, torch.bfloat16) if variant.bf16 else nullcontext()
