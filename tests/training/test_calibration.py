from typing import Any

import numpy as np
import pytest
import torch

from lczmap.training.calibrate import fit_temperature, log_prior, trained_shares
from lczmap.training.preset import NetworkPreset


def likelihood(logits: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0) -> float:
    return float(torch.nn.functional.cross_entropy(logits / temperature, targets))


def test_temperature_of_logits_that_are_three_times_too_sure_is_three() -> None:
    random = torch.Generator().manual_seed(0)
    honest = 2 * torch.randn(4000, 5, generator=random)
    targets = torch.multinomial(honest.softmax(dim=1), 1, generator=random)[:, 0]
    temperature = fit_temperature(3 * honest, targets)
    assert temperature == pytest.approx(3, rel=0.05)
    grid = [likelihood(3 * honest, targets, t) for t in np.linspace(1, 6, 200)]
    assert likelihood(3 * honest, targets, temperature) <= min(grid) + 1e-7
    assert fit_temperature((3 * honest).log_softmax(dim=1), targets) == pytest.approx(temperature)
    soft = honest.softmax(dim=1)
    assert fit_temperature(3 * honest, soft) == pytest.approx(3, rel=1e-4)


def test_likelihood_never_falls_even_where_no_temperature_is_best() -> None:
    sure = torch.tensor([[9.0, 0.0], [0.0, 9.0]])  # all right: the colder the better, down to the bound
    assert fit_temperature(sure, torch.tensor([0, 1])) == pytest.approx(1 / 20, rel=1e-3)
    undecided = torch.zeros(2, 2)
    assert fit_temperature(undecided, torch.tensor([0, 1])) == 1.0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.9, 0.1, 0]),
        ({"sampling": "balanced"}, [0.5, 0.5, 0]),
        ({"sampling": "sqrt"}, [0.75, 0.25, 0]),
        ({"class_weights": "inverse"}, [0.5, 0.5, 0]),
        ({"class_weights": "balanced", "sampling": "sqrt"}, [0.25, 0.75, 0]),
        ({"criterion": "focal"}, [0.9, 0.1, 0]),
        ({"criterion": "focal", "focal": {"alpha": "max"}}, [0.5, 0.5, 0]),
    ],
)
def test_trained_shares_count_sampling_and_weights(settings: dict[str, Any], expected: list[float]) -> None:
    shares = trained_shares(np.array([90, 10, 0]), NetworkPreset(**settings))
    assert shares.tolist() == pytest.approx(expected)


def test_uniform_prior_undoes_the_trained_shares() -> None:
    shares = np.array([0.9, 0.1, 0.0])
    added = log_prior(shares, "uniform")
    assert shares[:2] * np.exp(added[:2]) == pytest.approx([0.5, 0.5])
    assert added[2] == added[0]  # of a class without patches nothing is known
    assert log_prior(shares, "trained") == ()
