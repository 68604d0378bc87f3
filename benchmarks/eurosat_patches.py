"""What the benchmarks on EuroSAT share: its 100 example patches, their order of bands, the ten land-cover classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.channels import S2_10
from lczmap.raster import read_cells

FILE_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
"""Order of the bands in the files: B8A comes last."""
LAND_COVERS = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
SIDE_PX = 64
QUADRANT_PX = 32
DN = 10_000  # per unit of reflectance

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SourcePatches:
    """Real Sentinel-2 L1C patches: `pixels` (N, 13, 64, 64) reflectance in the files' band order.

    `land_cover` (N,) are positions in LAND_COVERS.
    """

    pixels: Float
    land_cover: npt.NDArray[np.int64]

    def bands(self, channels: tuple[str, ...] = S2_10.channels) -> Float:
        """Return the patches with other bands or another order, (N, C, 64, 64)."""
        return self.pixels[:, [FILE_BANDS.index(band) for band in channels]]


def read_source_patches(folder: Path) -> SourcePatches:
    """Read `folder`/<land cover>/*.tif; ValueError where a class is missing or a file is no 13-band patch of 64 px."""
    pixels, land_cover = [], []
    for number, name in enumerate(LAND_COVERS):
        files = sorted((folder / name).glob("*.tif"))
        if not files:
            raise ValueError(f"{folder / name}: no patches; expected the folders {', '.join(LAND_COVERS)}")
        for path in files:
            dn, _ = read_cells(path)
            if dn.shape != (len(FILE_BANDS), SIDE_PX, SIDE_PX):
                raise ValueError(f"{path}: expected 13 bands of 64 × 64 px, got {dn.shape}")
            pixels.append(dn.astype(np.float32) / DN)
            land_cover.append(number)
    return SourcePatches(np.stack(pixels), np.array(land_cover))


def centres(pixels: Float) -> Float:
    """Return the middle 32 × 32 px of patches (N, C, 64, 64)."""
    edge = (SIDE_PX - QUADRANT_PX) // 2
    return np.ascontiguousarray(pixels[:, :, edge : edge + QUADRANT_PX, edge : edge + QUADRANT_PX])


def quadrants(pixels: Float) -> Float:
    """Return the four quadrants of patches (N, C, 64, 64), one patch's after the other: (4 N, C, 32, 32)."""
    n, channels = pixels.shape[:2]
    halves = pixels.reshape(n, channels, 2, QUADRANT_PX, 2, QUADRANT_PX).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(halves.reshape(4 * n, channels, QUADRANT_PX, QUADRANT_PX))
