"""How sure the network is of each cell: its largest probability, and the entropy of all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lczmap.classes import NUM_CLASSES
from lczmap.raster import Float, lattice, read_header, read_strips, write_float_cog

CONFIDENCE_BANDS = ("confidence", "entropy")
STRIP_ROWS = 256  # rows read at once: the height of a block of probabilities.tif


def write_confidence(probabilities_path: Path, out_path: Path) -> None:
    """Write confidence.tif (bands CONFIDENCE_BANDS, float32, NaN nodata) of a probability map, strip by strip.

    The file takes the map's tags along. ValueError when it has not 17 bands.
    """
    header = read_header(probabilities_path)
    if len(header.names) != NUM_CLASSES:
        raise ValueError(
            f"{probabilities_path}: expected the 17 bands of probabilities.tif, got {len(header.names)} bands"
        )

    def parts() -> Iterator[tuple[tuple[slice, slice], Float]]:
        top = 0
        for probabilities in read_strips(probabilities_path, STRIP_ROWS):
            bottom = top + probabilities.shape[1]
            yield (slice(top, bottom), slice(0, probabilities.shape[2])), confidence(probabilities)
            top = bottom

    write_float_cog(out_path, parts(), lattice(probabilities_path), names=CONFIDENCE_BANDS, tags=header.tags)


def confidence(probabilities: Float) -> Float:
    """Return the largest of (17, y, x) probabilities and their entropy, (2, y, x), both 0..1, NaN where one is NaN.

    The entropy is -Σ p ln p / ln 17 (Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x): 0 where one class has all
    the probability, 1 where all have the same.
    """
    largest = probabilities.max(axis=0)
    entropy = np.zeros(largest.shape)
    for p in probabilities.astype(np.float64):
        entropy -= p * np.log(np.where(p > 0, p, 1.0))  # p ln p is 0 at 0; NaN stays NaN through p
    return np.stack([largest, np.clip(entropy / math.log(NUM_CLASSES), 0, 1)]).astype(np.float32)
