"""What `sample` reads and writes: the map and pictures of a run, and a folder for those who label.

The folder holds design.json (how the cells were drawn), sample.gpkg (the cells as squares) and labelling.html. None
of them tells what the map says of a cell.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from lczmap.classes import palette_of
from lczmap.evaluation.cell_pictures import View, view_of_picture, views_of_tiles
from lczmap.evaluation.labelling_page import lonlat, write_labelling_page
from lczmap.evaluation.sampling import (
    Design,
    allocate_by_area,
    allocate_equally,
    count_cells,
    draw_sample,
    write_design,
)
from lczmap.raster import read_class_map, read_tags
from lczmap.vector_file import write_layer

_MAP, _FILTERED = "lcz.tif", "lcz_filtered.tif"


@dataclass(frozen=True)
class Allocation:
    """How many cells: `per_class` of each class, or `total` by area with at least `minimum` of each class."""

    per_class: int
    total: int | None = None
    minimum: int = 20


def sample(
    source: Path,
    folder: Path | None,
    allocation: Allocation,
    *,
    seed: int,
    stacks: Path | None = None,
    rgb: Path | None = None,
    filtered: bool = False,
) -> tuple[Design, Path, int]:
    """Draw a sample of a map's cells and write the folder for labelling; returns design, folder, number of views.

    `source` is a map, or the folder of a run, whose lcz.tif (or lcz_filtered.tif) is taken; `folder` defaults to
    `sample` (`sample_filtered`) beside the map. Pictures come from the tiles' `stacks`, else from `rgb`, which are
    looked for beside the map. ValueError when there is a sample already: labels of it would lose their design.
    """
    map_path = _map_path(source, filtered=filtered)
    out = folder or map_path.parent / ("sample_filtered" if filtered else "sample")
    if (out / "design.json").exists():
        raise ValueError(
            f"{out / 'design.json'}: there is a sample already, and its labels would be lost; name another folder, or "
            "delete this one"
        )
    codes, geobox = read_class_map(map_path)
    population = count_cells(codes)
    if allocation.total is None:
        sampled = allocate_equally(population, allocation.per_class)
    else:
        sampled = allocate_by_area(population, allocation.total, minimum=allocation.minimum)
    name = os.path.relpath(map_path.resolve(), out.resolve())
    design = draw_sample(codes, geobox, sampled, map_name=Path(name).as_posix(), seed=seed)
    views = find_views(map_path, stacks=stacks, rgb=rgb)
    shown = write_labelling_page(out / "labelling.html", design, views, palette=palette_of(read_tags(map_path)))
    write_cells(out / "sample.gpkg", design)
    write_design(out / "design.json", design)  # the last: a folder with a design is complete
    return design, out, shown


def find_views(map_path: Path, *, stacks: Path | None, rgb: Path | None) -> tuple[View, ...]:
    """Return the views for pictures: of the files named, else of those in the run's folder, else none.

    A map in `models/<model>/` uses the stacks and picture of its run. ValueError when a named file has none.
    """
    if stacks is not None:
        views = views_of_tiles(stacks) if stacks.is_dir() else ()
        if not views:
            raise ValueError(f"{stacks}: expected the folder of the tiles, with TILE/s2.tif or TILE/s1.tif in it")
        return views
    if rgb is not None:
        return (view_of_picture(rgb),)
    for run in (map_path.resolve().parent, map_path.resolve().parent.parent.parent):
        if (run / "tiles").is_dir() and (views := views_of_tiles(run / "tiles")):
            return views
        if (run / "rgb.tif").is_file():
            return (view_of_picture(run / "rgb.tif"),)
    return ()


def write_cells(path: Path, design: Design) -> None:
    """Write the cells as GeoPackage: squares in the map's CRS with number, row, column, longitude and latitude."""
    transform = design.geobox.transform
    west, north = transform.c + design.col * transform.a, transform.f + design.row * transform.e
    longitude, latitude = lonlat(design).T
    columns = {"cell": np.arange(1, len(design) + 1), "row": design.row, "col": design.col}
    write_layer(
        path,
        "sample",
        shapely.box(west, north + transform.e, west + transform.a, north),
        {**columns, "longitude": longitude, "latitude": latitude},
        kind="Polygon",
        crs=str(design.geobox.crs),
    )


def _map_path(source: Path, *, filtered: bool) -> Path:
    if not source.is_dir():
        if filtered:
            raise ValueError(f"{source}: `--filtered` is for the folder of a run; name the filtered map itself")
        return source
    path = source / (_FILTERED if filtered else _MAP)
    if not path.is_file():
        raise ValueError(f"{path}: no such map; expected the folder of a finished run, results/<city>/<period>")
    return path
