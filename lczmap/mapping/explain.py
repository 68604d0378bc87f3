"""What speaks for the mapped class: how well each band group's features agree with that class's text prompt.

BP-LCZ compares the features of every band group with prompts such as "a photo of a … with near infrared bands" (Lan et
al.). The cosine of the two, for the class that the map shows, is the group's support.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lczmap.classes import NUM_CLASSES
from lczmap.grid import Grid, Tile, tile_geobox
from lczmap.mapping.classify import first_cell, tile_aoi_cells
from lczmap.mapping.mosaic import most_probable_code, tile_cell_geobox
from lczmap.mapping.pixels import read_views
from lczmap.mapping.slide import BATCH_SIZE, Bool, Layout, answer_batches, mean_answer
from lczmap.models.bp_lcz import BPLCZ
from lczmap.models.checkpoint import Classifier, load_checkpoint
from lczmap.models.classifier import TorchClassifier
from lczmap.raster import Float, read_cells, write_cells


def explain_tile(
    stacks: Sequence[Path],
    checkpoint: Path,
    probabilities_path: Path,
    grid: Grid,
    tile: Tile,
    out_path: Path,
    *,
    batch_size: int = BATCH_SIZE,
    allow_level_mismatch: bool = False,
) -> None:
    """Write the support of a tile's mapped classes as GeoTIFF: a band per band group, cosine -1..1, NaN nodata.

    `probabilities_path` holds the tile's class probabilities as `classify_tile` wrote them; `stacks` and the
    conditions on them are as there. Of several views the mean is written. ValueError for a network without text.
    """
    classifier = load_checkpoint(checkpoint)
    names, answer = _support_of(classifier, checkpoint)
    probabilities, _ = read_cells(probabilities_path, expected=tile_cell_geobox(grid, tile))
    code = most_probable_code(probabilities)  # (rows, cols)
    layout = Layout(classifier.patch_px, grid.cell_px, first_cell(grid, tile), batch_size)
    wanted = tile_aoi_cells(grid, tile) & (code > 0)
    views = read_views(classifier, stacks, tile_geobox(grid, tile), any_state=allow_level_mismatch)
    support = mean_answer(_support_of_class(pixels, code, wanted, answer, len(names), layout) for _, pixels in views)
    write_cells(out_path, support, tile_cell_geobox(grid, tile), names=names, nodata=np.nan)


def _support_of_class(
    pixels: Float,
    code: npt.NDArray[np.uint8],
    wanted: Bool,
    answer: Callable[[Float], Float],
    groups: int,
    layout: Layout,
) -> Float:
    """Return each group's cosine with the class `code` (rows, cols) of a cell, (groups, rows, cols); else NaN."""
    out = np.full((groups, *code.shape), np.nan, np.float32)
    for rows, cols, cosines in answer_batches(pixels, wanted, answer, layout):
        of_class = cosines.reshape(len(rows), groups, NUM_CLASSES)
        out[:, rows, cols] = of_class[np.arange(len(rows)), :, code[rows, cols] - 1].T
    return out


def _support_of(classifier: Classifier, path: Path) -> tuple[tuple[str, ...], Callable[[Float], Float]]:
    """Return the band groups' names and a function: patches (B, C, H, W) -> cosines (B, groups · 17)."""
    network = classifier.network if isinstance(classifier, TorchClassifier) else None
    if not isinstance(classifier, TorchClassifier) or not isinstance(network, BPLCZ) or not network.has_text:
        raise ValueError(
            f"{path}: the network {classifier.name!r} compares nothing with text, so there is no support to show; "
            "choose a network bp_lcz_…, or set `map.explanation: false`"
        )
    normaliser, device = classifier.normaliser, classifier.device

    @torch.inference_mode()
    def cosines(patches: Float) -> Float:
        x = normaliser(torch.from_numpy(patches).to(device))
        support = network.group_support(x)  # (G, B, 17)
        found: Float = support.permute(1, 0, 2).flatten(1).float().cpu().numpy()  # (B, G · 17)
        return found

    return network.group_names, cosines
