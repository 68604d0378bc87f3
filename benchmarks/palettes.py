"""How far apart the colours of the classes are with and without colour blindness: the table of docs/outputs.md.

    python benchmarks/palettes.py

Colour blindness as simulated by Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB; differences are
CIEDE2000 of all 136 pairs of the 17 classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000, rgb2lab

from lczmap.classes import LABELS, NUM_CLASSES, class_colors

Array = npt.NDArray[np.float64]

SIGHT: dict[str, Array] = {
    "normal sight": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(rgb: Array) -> Array:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def gamma(rgb: Array) -> Array:
    return np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)


def differences(colors: tuple[str, ...], sight: Array) -> Array:
    """Return the CIEDE2000 differences of all pairs of colours (N, N) as they are seen."""
    rgb = np.array([list(bytes.fromhex(color[1:])) for color in colors]) / 255
    seen = gamma(np.clip(linear(rgb) @ sight.T, 0, 1))
    lab = rgb2lab(seen[np.newaxis])[0]
    return np.asarray(deltaE_ciede2000(lab[:, np.newaxis], lab[np.newaxis]))


def main() -> None:
    first, second = np.triu_indices(NUM_CLASSES, 1)
    for palette in ("official", "colour_blind"):
        for name, sight in SIGHT.items():
            pairs = differences(class_colors(palette), sight)[first, second]
            near = int(pairs.argmin())
            print(
                f"{palette:12} {name:12} pairs below 10: {(pairs < 10).sum():2}, below 5: {(pairs < 5).sum():2}; "
                f"nearest {LABELS[first[near]]} and {LABELS[second[near]]}: {pairs[near]:.1f}"
            )


if __name__ == "__main__":
    main()
