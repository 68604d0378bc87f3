"""The colours that a picture holds."""

from pathlib import Path

import numpy as np
from PIL import Image


def colors_in(path: Path) -> set[tuple[int, ...]]:
    """Return the different colours (red, green, blue, alpha) of a PNG."""
    packed = np.unique(np.asarray(Image.open(path).convert("RGBA")).reshape(-1, 4).view(np.uint32))
    return {tuple(color) for color in packed.view(np.uint8).reshape(-1, 4).tolist()}
