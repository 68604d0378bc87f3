"""A moving average of a network's weights: smoother than the last step's, and often better on other cities."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """Average of all floating-point parameters and buffers (running batch statistics too) of a network over steps.

    Each step keeps a share of the old average, `decay`, or (1 + n) / (10 + n) after n steps where that is less: a
    short training would otherwise keep its random start. Integer buffers are those of the last step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._network = network
        self.values = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take a step of the network in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, tensor in self._network.state_dict().items():
            average = self.values[name]
            if average.is_floating_point():
                average.lerp_(tensor, 1 - decay)
            else:
                average.copy_(tensor)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's values and the average; a second call puts both back."""
        for name, tensor in self._network.state_dict().items():
            kept = tensor.clone()
            tensor.copy_(self.values[name])
            self.values[name].copy_(kept)

    def to(self, device: torch.device) -> None:
        """Move the average to the network's device, always as a copy: started processes share memory otherwise."""
        self.values = {name: tensor.to(device, copy=True) for name, tensor in self.values.items()}
