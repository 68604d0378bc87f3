"""Search once, freeze what was found, fetch it in pieces that survive an interruption."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from lczmap.files import write_json
from lczmap.scenes.catalogue import Scene
from lczmap.scenes.local import ARCHIVE_NAME, read_archive, write_archive
from lczmap.scenes.sources.choose import choose
from lczmap.scenes.sources.source import ArchiveError, Found, Request, Searchable, Source

THREADS = 4


def search_archive(
    source: Searchable,
    request: Request,
    out_path: Path,
    *,
    max_dates: int | None,
    seasons: Sequence[tuple[int, ...]] = ((),),
    one_orbit: bool = False,
    may_be_empty: bool = False,
) -> list[Found]:
    """Search, choose, and freeze the choice as JSON; prints what was found and what fetching it will cost.

    ArchiveError when nothing is found, unless it `may_be_empty`.
    """
    everything = source.search(request)
    chosen, dropped = choose(everything, request, max_dates=max_dates, seasons=seasons, one_orbit=one_orbit)
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    print(f"{source.name}: {len(chosen)} of {len(everything)} scenes chosen{f' ({reasons})' if reasons else ''}")
    if not chosen and not may_be_empty:
        remedy = "extend the period, raise `max_cloud`, or choose another source"
        if request.sensor == "sentinel-1":
            remedy += ", or map without radar (`sentinel1.use: preferred` or `off`)"
        raise ArchiveError(
            f"{source.name}: expected {request.sensor} scenes of the city in {request.start}..{request.end}, found "
            f"{len(everything)}, none of use{f' ({reasons})' if reasons else ''}; {remedy}"
        )
    for one in chosen:
        cloud = "" if one.cloud_cover is None else f", {one.cloud_cover:.0f} % cloud"
        print(f"  {one.datetime} {one.id}{cloud}")
    if chosen:
        print(source.cost(chosen, request), flush=True)
    write_json(out_path, {"source": source.name, "found": [asdict(one) for one in chosen]})
    return chosen


def read_found(path: Path) -> list[Found]:
    """Read what `search_archive` froze; ValueError when it is not of this version."""
    try:
        entries = json.loads(path.read_text())["found"]
        return [Found(**{**entry, "bounds": tuple(entry["bounds"])}) for entry in entries]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a search result of this version ({error!r}); delete it and run again") from error


def fetch_scenes(source: Source, found: Sequence[Found], request: Request, archive: Path) -> list[Scene]:
    """Fetch the scenes into the folder of `archive` and describe them in it (an archive.yaml).

    What is there from an earlier attempt is kept. When some fail, the others are fetched all the same; then
    ArchiveError tells what failed, and no archive.yaml is written.
    """
    folder = archive.parent / _fingerprint(source, request)
    archive.unlink(missing_ok=True)  # an archive is complete when its description is there
    if found:
        print(source.cost(found, request), flush=True)

    def fetch(one: Found) -> Scene | ArchiveError | None:
        try:
            scene = _fetch(source, one, request, folder / _folder_name(one.id))
        except ArchiveError as error:
            return error
        print(f"  {one.id}: {'shows nothing of the city' if scene is None else 'there'}", flush=True)
        return scene

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(fetch, found))
    failures = [result for result in results if isinstance(result, ArchiveError)]
    if failures:
        raise ArchiveError(
            f"{len(failures)} of {len(found)} scenes could not be fetched; the first: {failures[0]}"
        ) from failures[0]
    scenes = [result for result in results if isinstance(result, Scene)]
    write_archive(archive, scenes)
    return scenes


def _fetch(source: Source, one: Found, request: Request, folder: Path) -> Scene | None:
    described = folder / ARCHIVE_NAME
    if described.is_file():
        try:
            scenes = read_archive(described)
            return scenes[0] if scenes else None
        except ValueError as error:  # a window is gone: fetch it again
            print(f"  {one.id}: {error}; fetched again", flush=True)
    scene = source.fetch(one, request, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_archive(described, [] if scene is None else [scene])
    return scene


def _fingerprint(source: Source, request: Request) -> str:
    """Return a folder name for windows of this source, place and kind: another city outline is another folder."""
    grid = request.grid
    what = [source.key, grid.crs, grid.west, grid.north, grid.width, grid.height, request.bands, request.calibration]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


def _folder_name(scene_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", scene_id)
