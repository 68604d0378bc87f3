"""What is done to a network's answers when it is used: test-time augmentation, temperature, class priors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lczmap.classes import NUM_CLASSES


@dataclass(frozen=True)
class Inference:
    """Settings that a checkpoint carries.

    `tta` averages the probabilities of the eight turned and mirrored patches. `temperature` divides the logits (fitted
    on validation patches; 1 changes nothing). `log_prior` (17,) is added to the log-probabilities before they are
    normalised again: log(prior of the target) - log(prior of the training), empty for none.
    """

    tta: bool = False
    temperature: float = 1.0
    log_prior: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a temperature that is not positive and a prior of another number of classes."""
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ValueError(f"expected a positive temperature, got {self.temperature}")
        if len(self.log_prior) not in (0, NUM_CLASSES):
            raise ValueError(f"expected {NUM_CLASSES} log priors or none, got {len(self.log_prior)}")
        if not all(math.isfinite(value) for value in self.log_prior):
            raise ValueError(f"expected finite log priors, got {self.log_prior}")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary that `from_json` reads."""
        return asdict(self) | {"log_prior": list(self.log_prior)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Inference:
        """Read what `to_json` wrote; ValueError for unknown fields."""
        if unknown := sorted(set(fields) - {"tta", "temperature", "log_prior"}):
            raise ValueError(f"unknown inference settings {unknown}")
        return cls(**{**fields, "log_prior": tuple(fields.get("log_prior", ()))})


PLAIN = Inference()
"""The softmax of the logits and nothing else."""
