"""A map that was sampled, labelled and assessed: the people agree with it, or cannot tell."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from lczmap.classes import CLASSES
from lczmap.evaluation.map_accuracy import assess
from lczmap.evaluation.sampling import allocate_equally, count_cells, draw_sample, write_design
from lczmap.raster import read_class_map


def assess_map(lcz: Path, folder: Path | None = None, *, per_class: int = 3, untold: int = 0) -> Path:
    """Assess a map and return the result, `folder`/map_accuracy.json; `folder` defaults to `sample` beside the map.

    Every cell gets the map's class, except those of the code `untold`, which get none.
    """
    out = folder or lcz.parent / "sample"
    codes, geobox = read_class_map(lcz)
    sampled = allocate_equally(count_cells(codes), per_class)
    design = draw_sample(codes, geobox, sampled, map_name=Path(os.path.relpath(lcz, out)).as_posix(), seed=1)
    write_design(out / "design.json", design)
    with (out / "labels.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["sample", "cell", "class", "sure", "comment", "labeller"])
        for cell, code in enumerate(codes[design.row, design.col], start=1):
            word = "?" if code == untold else CLASSES[code - 1].label
            rows.writerow([design.sample_id, cell, word, "yes", "", "Ana"])
    assess(out, [out / "labels.csv"], out / "map_accuracy.json")
    return out / "map_accuracy.json"
