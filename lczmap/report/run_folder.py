"""The files of a finished run, as the report reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lczmap.grid import Grid
from lczmap.report.markup import Html, paragraph, picture, tag


@dataclass(frozen=True)
class RunFolder:
    """results/<city>/<period>, where Snakemake put its measurements, and the networks' checkpoints, the main first."""

    folder: Path
    benchmarks: Path
    checkpoints: Sequence[Path] = ()

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

    def has(self, name: str) -> bool:
        """Say whether the run has a file of this name."""
        return (self.folder / name).is_file()

    def json(self, name: str) -> dict[str, Any] | None:
        """Return what a JSON file of the run says, None where there is none; ValueError for a broken file."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: not JSON ({error}); delete it and run again") from error
        return content

    def picture(self, name: str, description: str) -> Html | None:
        """Return a picture of the run inside the page, None where there is none."""
        return picture(self.folder / name, description) if self.has(name) else None

    def networks(self) -> list[str]:
        """Return the names of the folders of compared networks that have a map."""
        return sorted(path.parent.name for path in self.folder.glob("models/*/lcz.tif"))


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
