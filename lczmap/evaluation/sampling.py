"""A probability sample of map cells: stratified random, the classes of the map as strata.

Cells of a class are drawn without replacement, each equally likely; a class with fewer cells than asked for gives
all. This is the design that Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015, section 3) recommend. Cells get
their numbers in random order, so a number says nothing of the class, and the first n cells are a sample too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from lczmap.classes import CLASSES, NODATA_CODE, NUM_CLASSES, LczClass
from lczmap.files import write_json
from lczmap.raster import read_class_map, square_pixel_m
from lczmap.shares import apportion

Counts = npt.NDArray[np.int64]

DESIGN_WHAT = "stratified random sample of map cells; strata are the classes of the map"


@dataclass(frozen=True)
class Design:
    """How a sample was drawn, and its cells in random order: cell number k + 1 lies at `row[k]`, `col[k]`.

    `map_name` is the map's path from the folder of the design, `codes_sha256` the fingerprint of its classes and
    grid; `population` (17,) counts the map's cells of each class, `sampled` (17,) those drawn.
    """

    map_name: str
    codes_sha256: str
    geobox: GeoBox
    seed: int
    population: Counts
    sampled: Counts
    row: Counts
    col: Counts

    def __len__(self) -> int:
        """Return the number of cells drawn."""
        return len(self.row)

    @cached_property
    def sample_id(self) -> str:
        """Fingerprint of everything here, 16 hexadecimal digits; label files carry it."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cell_km2(self) -> float:
        """Area of a cell in km²."""
        return abs(self.geobox.transform.a * self.geobox.transform.e) / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the content of design.json; it names no cell's class, so it gives nothing away."""
        return {"what": DESIGN_WHAT, "sample": self.sample_id, **self._content()}

    def _content(self) -> dict[str, Any]:
        return {
            "map": self.map_name,
            "codes_sha256": self.codes_sha256,
            "crs": crs_name(self.geobox),
            "transform": list(self.geobox.transform)[:6],
            "shape": list(self.geobox.shape),
            "seed": self.seed,
            "strata": {
                c.label: {"cells": int(self.population[c.index]), "sampled": int(self.sampled[c.index])}
                for c in CLASSES
                if self.population[c.index]
            },
            "cells": np.column_stack([self.row, self.col]).tolist(),
        }


def fingerprint(codes: npt.NDArray[np.uint8], geobox: GeoBox) -> str:
    """Return the SHA-256 of a map's codes (y, x) and its grid; compression, tags and colours do not matter."""
    digest = hashlib.sha256(json.dumps([crs_name(geobox), list(geobox.transform)[:6], list(geobox.shape)]).encode())
    digest.update(np.ascontiguousarray(codes, np.uint8).tobytes())
    return digest.hexdigest()


def fingerprints(maps: Sequence[Path]) -> dict[str, Path]:
    """Return maps by their fingerprint, each read once; of equal maps the first."""
    return {fingerprint(*read_class_map(path)): path for path in reversed(maps)}


def crs_name(geobox: GeoBox) -> str:
    """Return the CRS as `EPSG:…` where it has a code: its long text differs between versions of libraries."""
    epsg = None if geobox.crs is None else geobox.crs.epsg
    return str(geobox.crs) if epsg is None else f"EPSG:{epsg}"


def count_cells(codes: npt.NDArray[np.uint8]) -> Counts:
    """Return the number of cells (17,) of each class of a map (y, x); nodata is not counted."""
    counts: Counts = np.bincount(codes.ravel(), minlength=NUM_CLASSES + 1)[NODATA_CODE + 1 :].astype(np.int64)
    return counts


def allocate_equally(population: Counts, per_class: int) -> Counts:
    """Return how many cells (17,) to draw: `per_class` of each class, all of a class that has fewer."""
    if per_class < 2:
        raise ValueError(f"expected at least 2 cells per class, got {per_class}: one label has no variance")
    return np.minimum(population, per_class)


def allocate_by_area(population: Counts, total: int, *, minimum: int) -> Counts:
    """Return how many cells (17,) to draw: `minimum` of each class, the rest of `total` in proportion to area.

    Olofsson et al. 2014, section 5.1.1, suggest it: rare classes keep enough cells for their user's accuracy.
    ValueError when the minima alone exceed `total`.
    """
    least = allocate_equally(population, minimum)
    rest = min(total, int(population.sum())) - int(least.sum())
    if rest < 0:
        raise ValueError(
            f"expected a total of at least {least.sum()} cells ({minimum} for each of the {(population > 0).sum()} "
            f"classes of the map), got {total}: raise the total or lower the minimum"
        )
    return least + apportion(population - least, rest)


def draw_sample(codes: npt.NDArray[np.uint8], geobox: GeoBox, sampled: Counts, *, map_name: str, seed: int) -> Design:
    """Draw `sampled` (17,) cells of each class from a map of codes 0..17 (y, x).

    The same map, numbers and seed give the same cells. ValueError for a map without classes or whose cells are not
    squares of true metres: cells of unequal area would need weights.
    """
    square_pixel_m(geobox, map_name)
    population = count_cells(codes)
    if not population.any():
        raise ValueError(f"{map_name}: no cell has a class; map the city first")
    random = np.random.default_rng(seed)
    flat = codes.ravel()
    chosen = [
        random.choice(np.flatnonzero(flat == c.code), int(sampled[c.index]), replace=False)
        for c in CLASSES
        if sampled[c.index]
    ]
    row, col = np.divmod(random.permutation(np.concatenate(chosen)), codes.shape[1])
    return Design(map_name, fingerprint(codes, geobox), geobox, seed, population, sampled, row, col)


def write_design(path: Path, design: Design) -> None:
    """Write design.json."""
    write_json(path, design.to_json())


def read_design(path: Path) -> Design:
    """Read design.json; ValueError for another file, or one that was changed by hand."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `lczmap sample` makes it")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        design = _from_json(fields)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, CRSError) as error:
        raise ValueError(
            f"{path}: expected the design.json of `lczmap sample`, which says how the cells were drawn; without it "
            "labels are not a probability sample and give no map accuracy (Olofsson et al. 2014)"
        ) from error
    if design.sample_id != fields.get("sample"):
        raise ValueError(f"{path}: the design was changed after the sample was drawn; bring back the original file")
    return design


def classes_of(counts: Counts) -> tuple[LczClass, ...]:
    """Return the classes whose count in (17,) is not zero."""
    return tuple(c for c in CLASSES if counts[c.index])


def _from_json(fields: Mapping[str, Any]) -> Design:
    strata = fields["strata"]
    population, sampled = (
        np.array([strata.get(c.label, {}).get(key, 0) for c in CLASSES], np.int64) for key in ("cells", "sampled")
    )
    row, col = np.array(fields["cells"], np.int64).reshape(-1, 2).T
    return Design(
        map_name=fields["map"],
        codes_sha256=fields["codes_sha256"],
        geobox=GeoBox(tuple(fields["shape"]), Affine(*fields["transform"]), fields["crs"]),
        seed=int(fields["seed"]),
        population=population,
        sampled=sampled,
        row=row,
        col=col,
    )
