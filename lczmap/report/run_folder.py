"""The files of a finished run, as the report reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lczmap.evaluation.map_accuracy_files import ASSESSED, MAIN_MAPS, find_assessed
from lczmap.evaluation.records import read_report
from lczmap.evaluation.sampling import fingerprints
from lczmap.grid import Grid
from lczmap.report.json_file import Record, read_record
from lczmap.report.markup import Html, paragraph, picture, tag


@dataclass(frozen=True)
class Assessment:
    """A result of `assess` in the run's folder, and the map that it is of, as seen from there, such as `lcz.tif`.

    None: no map of the run has the classes and the grid that were sampled.
    """

    path: Path
    report: Record
    map_name: str | None


@dataclass(frozen=True)
class RunFolder:
    """results/<city>/<period>, where Snakemake put its measurements, and the networks' checkpoints, the main first.

    `made` are the files of the run. All others are hidden, since a folder keeps those of earlier configurations; only
    what people measure (`assessments`) is shown as well. None: whatever lies there is shown.
    """

    folder: Path
    benchmarks: Path
    checkpoints: Sequence[Path] = ()
    made: Sequence[Path] | None = None

    @property
    def city(self) -> str:
        """Name of the city."""
        return self.folder.resolve().parent.name

    @property
    def period(self) -> str:
        """First and last day, `2024-05-01_2024-09-30`."""
        return self.folder.resolve().name

    @cached_property
    def grid(self) -> Grid:
        """The city's grid; ValueError where it is missing."""
        path = self.folder / ".." / "grid.json"
        if not path.is_file():
            raise ValueError(f"{path}: no such file; expected results/<city>/<period> of a run, got {self.folder}")
        return Grid.from_json(path.read_text(encoding="utf-8"))

    @cached_property
    def record(self) -> dict[str, Any]:
        """What run.json says, empty where it is missing."""
        return self.json("run.json") or {}

    @property
    def scenes(self) -> list[dict[str, Any]]:
        """The scenes, in order of time: those of scenes.json, else the shorter list in run.json."""
        found = (self.json("scenes.json") or self.record).get("scenes", [])
        return sorted(found, key=lambda scene: (str(scene["sensor"]), str(scene["datetime"])))

    @cached_property
    def _known(self) -> frozenset[Path] | None:
        return None if self.made is None else frozenset(path.resolve() for path in self.made)

    def shows(self, path: Path) -> bool:
        """Say whether a file is there and belongs to the run."""
        own = self._known is None or path.name == ASSESSED or path.resolve() in self._known
        return own and path.is_file()

    def has(self, name: str) -> bool:
        """Say whether the run has a file of this name."""
        return self.shows(self.folder / name)

    def found(self, pattern: str) -> list[Path]:
        """Return the run's files that a pattern below its folder matches, such as `models/*/lcz.tif`, in order."""
        return sorted(path for path in self.folder.glob(pattern) if self.shows(path))

    def changes(self) -> list[Path]:
        """Return the city's folders of changes from this period or to it."""
        folder = (self.folder / ".." / "changes").resolve()
        reports = sorted(path for path in folder.glob("*_to_*/change.json") if self.shows(path))
        return [path.parent for path in reports if self.period in path.parent.name.split("_to_")]

    def json(self, name: str) -> dict[str, Any] | None:
        """Return what a JSON file of the run says, None where there is none; ValueError for a broken file."""
        return read_record(self.folder / name) if self.has(name) else None

    def picture(self, name: str, description: str) -> Html | None:
        """Return a picture of the run inside the page, None where there is none."""
        return picture(self.folder / name, description) if self.has(name) else None

    def networks(self) -> list[str]:
        """Return the names of the folders of compared networks that have a map."""
        return [path.parent.name for path in self.found("models/*/lcz.tif")]

    @cached_property
    def assessments(self) -> list[Assessment]:
        """Results of `assess` for the maps of the run, the main network's first; ValueError for a broken one."""
        folders = [self.folder, *(self.folder / "models" / name for name in self.networks())]
        results = [path for folder in folders for path in find_assessed(folder)]
        maps = [path for name in MAIN_MAPS for path in (folder / name for folder in folders) if self.shows(path)]
        known = fingerprints(maps) if results else {}
        return [self._assessment(path, known) for path in results]

    def main_assessments(self) -> list[Assessment]:
        """Return those of the main network's maps: what is known of how often the map itself is right."""
        return [one for one in self.assessments if one.map_name in MAIN_MAPS]

    def _assessment(self, path: Path, known: Mapping[str, Path]) -> Assessment:
        sampled = known.get(read_report(path, ("codes_sha256",), verb="assess")["codes_sha256"])
        name = None if sampled is None else sampled.relative_to(self.folder).as_posix()
        return Assessment(path, read_record(path), name)


@dataclass(frozen=True)
class Section:
    """A part of the page: `key` is its address on the page."""

    key: str
    title: str
    content: Html

    def html(self) -> Html:
        """Return the section with its heading."""
        return tag("section", tag("h2", self.title), self.content, id=self.key)


def absent(sentence: str) -> Html:
    """Return the sentence that stands for something the run did not make."""
    return paragraph(sentence, class_="absent")
