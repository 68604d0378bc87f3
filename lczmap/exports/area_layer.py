"""Training areas as a GeoPackage that any GIS shows: one polygon a row, with class and colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from lczmap.classes import CLASSES, PaletteName, class_colors
from lczmap.training.areas import read_areas
from lczmap.vector_file import write_layer

CODE_FIELD = "lcz"
AREA_LAYER = "training_areas"


def write_area_layer(
    areas_path: Path, out_path: Path, *, crs: str, field: str | None = None, palette: PaletteName = "official"
) -> int:
    """Write training areas, of any file that `read_areas` reads, as GeoPackage in `crs`; returns how many.

    Columns: `lcz` 1..17, `label` 1..10 or A..G, `name` such as `LCZ 6: Open lowrise`, `color` #rrggbb of `palette`,
    `area_ha`. `field` is the attribute that holds the class. Polygons so far away that `crs` has no place for them are
    left out. ValueError as from `read_areas`, and where none remains.
    """
    areas = read_areas(areas_path, field=field).to_crs(crs)
    polygons = np.array(areas.polygons, dtype=object)
    near = np.isfinite(shapely.bounds(polygons)).all(axis=1)
    if not near.any():
        raise ValueError(f"training areas {areas_path}: none lies where {crs} is defined; are they of another city?")
    polygons, codes = polygons[near], areas.codes[near]
    classes, colors = [CLASSES[code - 1] for code in codes], class_colors(palette)
    columns: dict[str, npt.NDArray[Any]] = {
        CODE_FIELD: codes.astype(np.int32),
        "label": np.array([c.label for c in classes], object),
        "name": np.array([c.title for c in classes], object),
        "color": np.array([colors[c.index] for c in classes], object),
        "area_ha": np.array([round(polygon.area / 10_000, 2) for polygon in polygons]),
    }
    write_layer(out_path, AREA_LAYER, polygons, columns, kind="Polygon", crs=crs)
    return len(classes)
