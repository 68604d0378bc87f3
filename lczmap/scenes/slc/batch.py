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
from lczmap.scenes.slc.access import AccountError
from lczmap.scenes.slc.process import SlcOptions, geometry_file, process_slc
from lczmap.scenes.slc.source import SlcSource
from lczmap.scenes.sources.source import ArchiveError, Found
from lczmap.scenes.stack import Dates, applied_shift, choose_passes, rank_passes

PRODUCT_ORBIT = "product"
"""In orbits.json: the product's own state vectors."""


def download_products(source: SlcSource, found: Sequence[Found], folder: Path, out: Path) -> None:
    """Download what a search froze into `folder`, and write products.json: id to path.

    What is there is kept. When some fail the others are downloaded all the same; then ArchiveError tells what failed.
    AccountError at once when there is no account, or it is not accepted: that of the others is the same one.
    """
    paths, failures = {}, []
    for one in found:
        try:
            paths[one.id] = str(source.download(one, folder).resolve())
            print(f"  {one.id}: there", flush=True)
        except AccountError:
            raise
        except ArchiveError as error:
            failures.append(error)
    if failures:
        raise ArchiveError(
            f"{len(failures)} of {len(found)} products could not be downloaded; the first: {failures[0]}"
        )
    write_json(out, {"products": paths})


def read_products(path: Path) -> dict[str, Path]:
    """Read products.json: product id to its SAFE folder or zip."""
    return {name: Path(place) for name, place in _entries(path, "products").items()}


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
    for name in products:
        scene = _process(name, products, orbits, grid, archive.parent, options)
        print(f"  {name}: {'shows nothing of the city' if scene is None else 'there'}", flush=True)
        scenes += [] if scene is None else [scene]
    write_archive(archive, scenes)
    discard_others(archive.parent, scenes)


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
            again = _process(scene.id, products, orbits, grid, archive.parent, moved)
            if again is None:
                raise ValueError(
                    f"{scene.id} showed a corner of the city and shows nothing of it when moved by {shift} m; exclude "
                    "it (`relative_orbit`, `platform`, the period)"
                )
            placed.append(again)
            print(f"  {scene.id}: moved {shift[0]:+.1f} m east, {shift[1]:+.1f} m north", flush=True)
    write_archive(archive, placed)
    discard_others(archive.parent, placed)


def used_passes(scenes: Sequence[Scene], dates: Dates, max_dates: int) -> list[tuple[Scene, ...]]:
    """Return the scenes of each Sentinel-1 pass that the stacks will use."""
    ranked = rank_passes(scenes)
    if not ranked:
        return []
    numbers = range(1, max_dates + 1) if dates == "softmax" else (1,)
    chosen = [one for number in numbers for one in choose_passes(ranked, dates, max_dates, number)]
    return [one.scenes for one in chosen]


def discard_others(folder: Path, scenes: Sequence[Scene]) -> None:
    """Delete pixels in `folder` that were made before, of other products, orbits, heights or shifts."""
    files = {Path(file).resolve() for scene in scenes for file in scene.files}
    files |= {geometry_file(file) for file in files}
    for file in folder.glob("S1*_IW_SLC__*.tif"):
        if file.resolve() not in files:
            file.unlink()


def _process(
    name: str,
    products: Mapping[str, Path],
    orbits: Mapping[str, Path | None],
    grid: Grid,
    folder: Path,
    options: SlcOptions,
) -> Scene | None:
    if name not in products or name not in orbits:
        raise ValueError(
            f"expected a product and an orbit of {name}, got products {sorted(products)} and orbits {sorted(orbits)}; "
            "run `fetch-slc` and `fetch-orbit` again"
        )
    if not products[name].exists():
        raise ValueError(f"{name} is no longer at {products[name]}; bring it back, or delete products.json")
    return process_slc(products[name], grid, folder, orbits[name], options)


def _entries(path: Path, key: str) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text())[key])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a list of {key} of this version ({error!r}); delete it and run again"
        ) from error
