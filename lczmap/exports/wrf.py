"""What WRF needs beside the map: the table of urban canopy parameters, and the steps with w2w in words.

The table is that of w2w 0.6.0 (Demuzere, Argüeso, Zonato and Kittner 2022, doi:10.21105/joss.04432), whose values
follow Stewart and Oke (2012, doi:10.1175/BAMS-D-11-00019.1). It holds for no particular city.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lczmap.classes import CLASSES
from lczmap.exports.wrf_classes import FIRST_ZONE, SHIFT
from lczmap.files import write_text
from lczmap.raster import read_cells

COLUMNS = ("FRC_URB2D", "MH_URB2D_MIN", "MH_URB2D", "MH_URB2D_MAX", "BLDFR_URB2D", "H2W")
"""Built or paved share (0..1), least, mean and largest building height (m), building share (0..1), height to width."""
PARAMETERS: dict[int, tuple[float, ...]] = {
    1: (0.95, 25, 50, 75, 0.5, 2.5),
    2: (0.9, 10, 17.5, 25, 0.55, 1.25),
    3: (0.85, 3, 6.5, 10, 0.55, 1.25),
    4: (0.65, 25, 50, 75, 0.3, 1),
    5: (0.7, 10, 17.5, 25, 0.3, 0.5),
    6: (0.6, 3, 6.5, 10, 0.3, 0.5),
    7: (0.85, 4, 5, 6, 0.75, 1.5),
    8: (0.85, 3, 6.5, 10, 0.4, 0.2),
    9: (0.3, 3, 6.5, 10, 0.15, 0.15),
    10: (0.55, 5, 10, 15, 0.25, 0.35),
    15: (0.95, 0, 0, 0, 0.05, 0),
}
"""Values of COLUMNS by code; the natural types have 0 throughout."""
README_TEMPLATE = "wrf_readme.txt"


@dataclass(frozen=True)
class Exported:
    """What of a three-band export the steps name: its bounds in degrees and its built codes with their pixels."""

    west: float
    south: float
    east: float
    north: float
    pixels: dict[int, int]


def export_wrf(generator_map: Path, table: Path, readme: Path) -> None:
    """Write the table of urban canopy parameters, and a text with the steps from lcz_generator.tif to WRF's input."""
    exported = read_exported(generator_map)
    write_text(table, parameter_csv())
    write_text(readme, steps_text(generator_map.name, table.name, exported))


def parameter_csv() -> str:
    """Return the table as w2w's option `--lcz-ucp` reads it; LU_INDEX of both WRF numberings and the name follow."""
    lines = [",".join(["", *COLUMNS, "LU_INDEX_41", "LU_INDEX_61", "NAME"])]
    for c in CLASSES:
        values = PARAMETERS.get(c.code, (0.0,) * len(COLUMNS))
        first = wrf_class(c.code)
        numbers = ["", ""] if first is None else [str(first), str(first + SHIFT)]
        lines.append(",".join([str(c.code), *(f"{value:g}" for value in values), *numbers, f'"{c.title}"']))
    return "\n".join(lines) + "\n"


def wrf_class(code: int) -> int | None:
    """Return LU_INDEX among 41 classes of a code 1..17: 31..40 for 1..10, 41 for E, None for what WRF does not keep."""
    if code <= 10:
        return code + FIRST_ZONE - 1
    return FIRST_ZONE + 10 if code == 15 else None


def zone_label(zone: int) -> str:
    """Return the label of WRF's zone 1..11: 1..10, and E for 11."""
    return "E" if zone == 11 else str(zone)


def read_exported(generator_map: Path) -> Exported:
    """Read what the steps say of the three-band export; ValueError for another file."""
    bands, geobox = read_cells(generator_map)
    if bands.shape[0] != 3:
        raise ValueError(f"{generator_map}: expected the three bands of export-lcz-generator, got {bands.shape[0]}")
    codes, counts = np.unique(bands[1][np.isin(bands[1], list(PARAMETERS))], return_counts=True)
    box = geobox.boundingbox
    pixels = {int(code): int(count) for code, count in zip(codes, counts, strict=True)}
    return Exported(box.left, box.bottom, box.right, box.top, pixels)


def steps_text(map_name: str, table_name: str, exported: Exported) -> str:
    """Return README.txt: the steps for this map with w2w and WRF."""
    total = sum(exported.pixels.values())
    zones = [
        f"  {c.title:<28}{exported.pixels[c.code]:>9} pixels{exported.pixels[c.code] / total:>8.1%}"
        f"   LU_INDEX {wrf_class(c.code)} (61 classes: {(wrf_class(c.code) or 0) + SHIFT})"
        for c in CLASSES
        if c.code in exported.pixels
    ]
    template = Path(__file__).with_name(README_TEMPLATE).read_text(encoding="utf-8")
    return template.format(
        map=map_name,
        table=table_name,
        west=exported.west,
        south=exported.south,
        east=exported.east,
        north=exported.north,
        zones="\n".join(zones) or "  none: this map changes nothing in WRF",
    )
