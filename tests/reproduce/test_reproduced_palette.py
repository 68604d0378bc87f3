"""Classes of a reproduction's pictures have the colours of the palette that is asked for."""

from pathlib import Path

import numpy as np
import pytest
from evaluation.picture_colors import colors_in

from lczmap.classes import NUM_CLASSES, PaletteName, class_colors, rgb
from lczmap.reproduce.figures import draw_samples


@pytest.mark.parametrize("palette", ["official", "colour_blind"])
def test_samples_have_the_colours_of_the_palette(tmp_path: Path, palette: PaletteName) -> None:
    labels = np.arange(NUM_CLASSES)
    places = np.column_stack([labels, labels % 3]).astype(np.float32)
    draw_samples(places, labels, tmp_path / "tsne.png", title="t", colors=class_colors(palette))
    assert {(*rgb(color), 255) for color in class_colors(palette)} <= colors_in(tmp_path / "tsne.png")
