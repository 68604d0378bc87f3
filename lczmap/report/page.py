"""The report of a city: one HTML file with its map, figures and pictures inside, which asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import lczmap
from lczmap.files import write_text
from lczmap.report.accuracy import accuracy_section
from lczmap.report.areas import areas_section
from lczmap.report.file_list import files_section
from lczmap.report.headline import days, headline, introduction
from lczmap.report.heat import heat_section
from lczmap.report.markup import Html, paragraph, tag
from lczmap.report.models import models_section
from lczmap.report.others import changes_section
from lczmap.report.quality import areas_quality_section
from lczmap.report.record import parameters_section, timings_section
from lczmap.report.run_folder import RunFolder, Section
from lczmap.report.scenes import scenes_section, shifts_section
from lczmap.report.viewer import class_colors, map_section

SCRIPTS = ("codec.js", "view.js", "paint.js", "panel.js", "controls.js", "map.js")
"""The scripts of the map, in the order in which they build on each other."""


def write_report(
    folder: Path,
    page: Path,
    *,
    benchmarks: Path,
    checkpoints: Sequence[Path] = (),
    made: Sequence[Path] | None = None,
) -> None:
    """Write the report of results/<city>/<period> as one HTML file.

    `benchmarks` is where Snakemake put its measurements, `checkpoints` are the networks' files, the main one's first;
    a JSON file of the same name lies beside each. `made` are the files of the run where others may lie in its folder.
    A section whose files are missing says what is missing and why.
    ValueError where lcz.tif, grid.json or the JSON file of a checkpoint is not there, and for broken files.
    """
    run = RunFolder(folder, benchmarks, checkpoints, made)
    if not run.has("lcz.tif"):
        asked = "results/<city>/<period> of a finished run" if made is None else "it among the files of --made"
        raise ValueError(f"{folder / 'lcz.tif'}: no such file; expected {asked}")
    for described in (path.with_suffix(".json") for path in checkpoints):
        if not described.is_file():
            raise ValueError(f"{described}: no such file; expected the JSON file beside each --checkpoint")
    write_text(page, f"<!DOCTYPE html>\n{_document(run, _sections(run, page))}\n")


def _sections(run: RunFolder, page: Path) -> list[Section]:
    colors = class_colors(run.folder / "lcz.tif")
    found = [
        map_section(run),
        areas_section(run, colors),
        accuracy_section(run, colors),
        areas_quality_section(run),
        heat_section(run),
        changes_section(run),
        scenes_section(run),
        shifts_section(run),
        models_section(run),
        parameters_section(run),
        timings_section(run),
        files_section(run, page),
    ]
    return [section for section in found if section is not None]


def _document(run: RunFolder, sections: Sequence[Section]) -> Html:
    scripts = [_asset(name) for name in SCRIPTS]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"Local Climate Zones of {run.city}, {days(run)}"),
        tag("style", _asset("page.css")),
    ]
    links = [tag("a", section.title, href=f"#{section.key}") for section in sections]
    top = tag("div", headline(run), tag("nav", *links, aria_label="Sections"), class_="wrap")
    foot = tag(
        "div",
        paragraph(str(run.record.get("attribution", "")), f" Made by lczmap {lczmap.__version__}."),
        class_="wrap",
    )
    body = [
        tag("header", top, class_="top"),
        tag("main", introduction(run), *(section.html() for section in sections)),
        tag("footer", foot),
        *(tag("script", script) for script in scripts),
    ]
    return tag("html", tag("head", *head), tag("body", *body), lang="en")


def _asset(name: str) -> Html:
    return Html((files("lczmap.report") / "assets" / name).read_text(encoding="utf-8"))


def _policy(scripts: Sequence[Html]) -> str:
    """Return the rule that lets the browser run our scripts alone, and load nothing from anywhere."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
