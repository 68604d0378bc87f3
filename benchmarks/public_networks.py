"""Write how plausible the public networks' answers on real land-cover patches are, with controls that must fail.

    python benchmarks/public_networks.py --data DIR --out table.md

DIR is the folder of real data: `eurosat` (100 Sentinel-2 L1C patches of ten land-cover classes) and `pretrained`. For
seven land covers some Local Climate Zones are plausible, for the other three none is. The controls change one thing
about the pixels that a wrong reader would get wrong: swapped bands, another scale, the order of bands in the files.
Land cover is no Local Climate Zone: this is a test of band order, scale and class order, no accuracy.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from eurosat_patches import FILE_BANDS, LAND_COVERS, Float, SourcePatches, centres, read_source_patches

from lczmap.channels import S2_10
from lczmap.classes import LABELS
from lczmap.files import write_text
from lczmap.models.checkpoint import Classifier
from lczmap.models.pretrained import import_weights

WEIGHTS = {"gul_s2": "gul/S2_RESNET20*.h5", "sen2lcz": "sen2lcz/_32_weights.best.hdf5"}
PLAUSIBLE = {
    "AnnualCrop": "D",
    "Forest": "A",
    "Industrial": "8 10",
    "Pasture": "D B",
    "Residential": "5 6 3 9",
    "River": "G",
    "SeaLake": "G",
}
"""Labels that a Local Climate Zone network may give a land cover. The other three (herbs, motorways, orchards and
vineyards) can be several classes, and are not counted."""


def controls(patches: SourcePatches) -> dict[str, Float]:
    """Return the centres (N, 10, 32, 32) as the networks take them, and changed in one way each."""
    right = centres(patches.bands())
    file_order = tuple(band for band in FILE_BANDS if band in S2_10.channels)
    return {
        "as they are": right,
        "B2 and B4 swapped": centres(patches.bands(_swapped("B2", "B4"))),
        "B8 and B8A swapped": centres(patches.bands(_swapped("B8", "B8A"))),
        "× 10": right * np.float32(10),
        "÷ 10": right / np.float32(10),
        "B8A last, as in the file": centres(patches.bands(file_order)),
        "B9 taken for B8A": centres(patches.bands(tuple("B9" if band == "B8A" else band for band in S2_10.channels))),
    }


def answers(classifier: Classifier, patches: Float) -> list[str]:
    """Return the label of the most probable class of each patch."""
    return [LABELS[index] for index in classifier.probabilities(patches).argmax(axis=1)]


def plausible(labels: list[str], patches: SourcePatches) -> dict[str, tuple[int, int]]:
    """Return for each mappable land cover how many of its patches got a plausible label, and how many it has."""
    names = [LAND_COVERS[number] for number in patches.land_cover]
    counts = {}
    for name, allowed in PLAUSIBLE.items():
        given = [label for label, of in zip(labels, names, strict=True) if of == name]
        counts[name] = (sum(label in allowed.split() for label in given), len(given))
    return counts


def control_table(by_network: Mapping[str, Mapping[str, list[str]]], patches: SourcePatches) -> list[str]:
    columns = list(next(iter(by_network.values())))
    lines = [f"| network | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for network, given in by_network.items():
        counts = [list(plausible(given[column], patches).values()) for column in columns]
        cells = (f"{sum(n for n, _ in rows)} of {sum(m for _, m in rows)}" for rows in counts)
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return lines


def land_cover_table(by_network: Mapping[str, Mapping[str, list[str]]], patches: SourcePatches) -> list[str]:
    """Return what each network says about each land cover, the commonest answer first."""
    lines = [f"| land cover | plausible | {' | '.join(by_network)} |", "|---" * (2 + len(by_network)) + "|"]
    for number, name in enumerate(LAND_COVERS):
        cells = []
        for given in by_network.values():
            labels = given["as they are"]
            said = Counter(label for label, of in zip(labels, patches.land_cover, strict=True) if of == number)
            cells.append(", ".join(f"{label} × {count}" for label, count in said.most_common()))
        lines.append(f"| {name} | {PLAUSIBLE.get(name, '–').replace(' ', ', ')} | {' | '.join(cells)} |")
    return lines


def _swapped(one: str, other: str) -> tuple[str, ...]:
    exchange = {one: other, other: one}
    return tuple(exchange.get(band, band) for band in S2_10.channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    options = parser.parse_args()
    patches = read_source_patches(options.data / "eurosat")
    variants = controls(patches)
    by_network = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, file in WEIGHTS.items():
            weights = next((options.data / "pretrained").glob(file))
            classifier = import_weights(name, weights, Path(folder, f"{name}.safetensors"))
            by_network[name] = {what: answers(classifier, pixels) for what, pixels in variants.items()}
    tables = (
        ["Patches of seven land covers with a plausible class.", "", *control_table(by_network, patches)],
        ["What the networks say of each land cover.", "", *land_cover_table(by_network, patches)],
    )
    write_text(options.out, "\n\n".join("\n".join(lines) for lines in tables) + "\n")


if __name__ == "__main__":
    main()
