"""How large and how fast every network is: parameters, multiply-accumulates, samples per second.

Training is a whole step (forward, loss, backward, AdamW) on patches that lie on the device already; inference is the
forward pass. Reading, normalising and varying patches is left out. One figure is the median of several repeats after a
warm-up, and holds for the device that the table names.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lczmap.channels import INPUTS, S2_10, SO2SAT8
from lczmap.evaluation.timing import CPU_VARIANTS, CUDA_VARIANTS, Shape, Speed, inference_speed, training_speed
from lczmap.files import write_text
from lczmap.models.registry import Network, create_model, list_models

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class PaperInput:
    """What a network's paper feeds it: channels, and the side of a patch in pixels."""

    channels: tuple[str, ...]
    size_px: int

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        return len(self.channels), self.size_px, self.size_px


SO2SAT18 = PaperInput((*SO2SAT8.channels, *S2_10.channels), 32)
PAPER_INPUTS = {
    "gul_s1": PaperInput(SO2SAT8.channels, 32),
    "gul_s2": PaperInput(S2_10.channels, 32),
    "sen2lcz": PaperInput(S2_10.channels, 32),
    "mscnn": PaperInput(S2_10.channels, 32),
    "lcznet": PaperInput(S2_10.channels, 48),
    "rsnnet": PaperInput(INPUTS["D6"], 48),
}
"""Networks whose paper does not take the 18 channels of So2Sat at 32 px."""


@dataclass(frozen=True)
class NetworkFigures:
    """Figures of one network: `macs` per patch, speeds by the name of the variant.

    `parameters` are those of inference: without a text tower.
    """

    name: str
    channels: int
    size_px: int
    parameters: int
    macs: int
    training: dict[str, Speed]
    inference: dict[str, Speed]


def measure_networks(
    out: Path, *, device: Device = "auto", names: Sequence[str] = (), seconds: float = 6.0
) -> list[NetworkFigures]:
    """Write a Markdown table of the networks `names` (default: all); return its figures.

    About `seconds` are spent on each network and variant, compilation not counted. ValueError for an unknown name, a
    device that is not there, or a network that cannot be measured: no row is left out.
    """
    if unknown := sorted(set(names) - set(list_models())):
        raise ValueError(f"unknown networks {unknown}; known: {', '.join(list_models())}")
    place = _place(device)
    figures = []
    for name in names or list_models():
        try:
            figures.append(measure_network(name, place, seconds=seconds))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ValueError(f"the network {name} could not be measured on {place}: {error}") from error
        print(f"{name}: {figures[-1].parameters:,} parameters, {figures[-1].macs / 1e6:.0f} MMAC", flush=True)
    write_text(out, speed_table(figures, device_name(place)))
    return figures


def measure_network(name: str, device: torch.device, *, seconds: float = 6.0) -> NetworkFigures:
    """Return the figures of one network at its paper's input, with freshly initialised weights."""
    given = PAPER_INPUTS.get(name, SO2SAT18)
    variants = CUDA_VARIANTS if device.type == "cuda" else CPU_VARIANTS
    network = _build(name, given)
    parameters = sum(p.numel() for key, p in network.named_parameters() if not key.startswith("text."))
    macs = count_macs(network, _patches(given, 1))
    training, inference = {}, {}
    for variant in variants:
        training[variant.name] = training_speed(_build(name, given), given.shape, variant, device, seconds / 2)
        inference[variant.name] = inference_speed(_build(name, given), given.shape, variant, device, seconds / 2)
    return NetworkFigures(name, len(given.channels), given.size_px, parameters, macs, training, inference)


def count_macs(network: nn.Module, x: torch.Tensor) -> int:
    """Return the multiply-accumulates of convolutions and matrix products for a batch (B, C, H, W)."""
    counter = FlopCounterMode(display=False)
    network.eval()
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:  # fused attention would not be counted on every device
        network(x)
    return int(counter.get_total_flops()) // 2


def speed_table(figures: Sequence[NetworkFigures], device: str) -> str:
    """Return the Markdown table; `device` is named below it."""
    variants = list(figures[0].training)
    heads = [f"{what}, {variant}" for what in ("training", "inference") for variant in variants]
    lines = [
        f"| network | input | parameters | MMAC | {' | '.join(heads)} |",
        "|---|---|---|---|" + "---|" * len(heads),
    ]
    for row in figures:
        speeds = [row.training[v] for v in variants] + [row.inference[v] for v in variants]
        cells = " | ".join(f"{_rounded(s.per_second)} ({s.batch})" for s in speeds)
        size = f"{row.channels} × {row.size_px} × {row.size_px}"
        lines.append(f"| {row.name} | {size} | {row.parameters:,} | {row.macs / 1e6:.1f} | {cells} |")
    note = (
        f"Patches per second, in brackets the batch, on {device}. Training is forward, loss, backward and AdamW. "
        "Parameters and multiply-accumulates (convolutions and matrix products of one patch) are those of inference: "
        "no text tower, which training of BP-LCZ includes (`mini`)."
    )
    return "\n".join([*lines, "", note, ""])


def device_name(device: torch.device) -> str:
    """Return what a reader needs to place a figure: the device's name, its threads, and torch's version."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _build(name: str, given: PaperInput) -> Network:
    torch.manual_seed(0)
    options: dict[str, Any] = {"image_size": given.size_px} if name == "cnn_yoo" else {}
    network = create_model(name, given.channels, **options)
    network.prepare(_patches(given, 64))
    return network


def _patches(given: PaperInput, count: int) -> torch.Tensor:
    return torch.rand(count, *given.shape)


def _place(device: Device) -> torch.device:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device cuda: torch finds no GPU here; use --device cpu")
    return torch.device("cuda" if device != "cpu" and available else "cpu")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
