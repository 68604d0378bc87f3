"""The SLC products of a run: downloaded, given an orbit, processed, and processed again at their measured shift.

Each step leaves a small file that the next one reads: products.json (where products lie), orbits.json (which orbit
file each uses), an archive.yaml of scenes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lczmap.files import write_json
from lczmap.grid import Grid
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.local import write_archive
from lczmap.scenes.slc.process import SlcOptions, process_slc
from lczmap.scenes.slc.source import SlcSource
from lczmap.scenes.sources.source import ArchiveError, Found
from lczmap.scenes.stack import Dates, applied_shift, choose_passes, rank_passes

PRODUCT_ORBIT = "product"
"""In orbits.json: the product's own state vectors."""


def download_products(source: SlcSource, found: Sequence[Found], folder: Path, out: Path) -> None:
    """Download what a search froze into `folder`, and write products.json: id to path.

    What is there is kept. When some fail the others are downloaded all the same; then ArchiveError tells what failed.
    """
    paths, failures = {}, []
    for one in found:
        try:
            paths[one.id] = str(source.download(one, folder).resolve())
            print(f"  {one.id}: there", flush=True)
        except ArchiveError as error:
            failures.append(error)
    if failures:
        raise ArchiveError(
            f"{len(failures)} of {len(found)} products could not be downloaded; the first: {failures[0]}"
        )
    write_json(out, {"products": paths})


def read_products(path: Path) -> dict[str, Path]:
    """Read products.json; ValueError when a product is gone."""
    products = {name: Path(place) for name, place in _entries(path, "products").items()}
    for name, place in products.items():
        if not place.exists():
            raise ValueError(f"{path}: {name} is no longer at {place}; bring it back, or delete {path.name}")
    return products


def read_orbits(path: Path) -> dict[str, Path | None]:
    """Read orbits.json: product id to its orbit file, None where the product's own orbit counts."""
    entries = _entries(path, "orbits")
    return {name: None if place == PRODUCT_ORBIT else Path(place) for name, place in entries.items()}


def write_orbits(path: Path, orbits: Mapping[str, Path | None]) -> None:
    """Write orbits.json."""
    text = {name: PRODUCT_ORBIT if place is None else str(place.resolve()) for name, place in orbits.items()}
    write_json(path, {"orbits": text})


def process_products(
    products: Mapping[str, Path], orbits: Mapping[str, Path | None], grid: Grid, archive: Path, options: SlcOptions
) -> None:
    """Process all products, unmoved, into the folder of `archive` and describe the scenes in it."""
    scenes = []
    for name, path in products.items():
        scene = process_slc(path, grid, archive.parent, orbits[name], options)
        print(f"  {name}: {'shows nothing of the city' if scene is None else 'there'}", flush=True)
        scenes += [] if scene is None else [scene]
    write_archive(archive, scenes)


def place_products(
    products: Mapping[str, Path],
    orbits: Mapping[str, Path | None],
    grid: Grid,
    archive: Path,
    options: SlcOptions,
    *,
    scenes: Sequence[Scene],
    shifts: Mapping[str, Any],
    dates: Dates,
    max_dates: int,
) -> None:
    """Process the passes that the stacks use once more, at their shift in `shifts`, and describe them in `archive`.

    A pass that stays where it is needs no second processing: its scenes are taken as they are.
    """
    placed: list[Scene] = []
    for one in used_passes(scenes, dates, max_dates):
        shift = applied_shift(shifts, one[0].id)
        if shift == (0.0, 0.0):
            placed += one
            continue
        moved = replace(options, terrain=replace(options.terrain, shift_m=shift))
        for scene in one:
            again = process_slc(products[scene.id], grid, archive.parent, orbits[scene.id], moved)
            if again is not None:
                placed.append(replace(again, usable_fraction=scene.usable_fraction))
                print(f"  {scene.id}: moved {shift[0]:+.1f} m east, {shift[1]:+.1f} m north", flush=True)
    write_archive(archive, placed)


def used_passes(scenes: Sequence[Scene], dates: Dates, max_dates: int) -> list[tuple[Scene, ...]]:
    """Return the scenes of each Sentinel-1 pass that the stacks will use."""
    ranked = rank_passes(scenes)
    if not ranked:
        return []
    numbers = range(1, max_dates + 1) if dates == "softmax" else (1,)
    chosen = [one for number in numbers for one in choose_passes(ranked, dates, max_dates, number)]
    return [one.scenes for one in chosen]


def _entries(path: Path, key: str) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text())[key])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a list of {key} of this version ({error!r}); delete it and run again"
        ) from error
