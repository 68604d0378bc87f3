"""How the run was made: settings, versions, times, and the files to take away."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from lczmap.provenance import measured_steps
from lczmap.report.markup import Cell, Html, Number, folded, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section, absent
from lczmap.report.values import flat_table

_FILES = (
    ("lcz.tif", "the map: codes 1 to 17, nodata 0"),
    ("lcz_filtered.tif", "the map after the Gaussian class filter"),
    ("confidence.tif", "highest probability and normalised entropy of each cell"),
    ("probabilities.tif", "probability of each of the 17 classes"),
    ("rgb.tif", "true-colour picture, 10 m"),
    ("map.png", "the map as a picture"),
    ("project.qgs", "QGIS project with all layers"),
    ("accuracy.json", "accuracy on reference polygons"),
    ("run.json", "settings, versions, scenes, weights"),
)


def parameters_section(run: RunFolder) -> Section:
    """Return the configuration with every default, the versions and the weights."""
    record = run.record
    if not record:
        return Section("parameters", "Run parameters", absent("run.json is not there: make it with `record-run`."))
    versions = {"lczmap": record["lczmap"], "python": record["python"], **record["libraries"]}
    weights = [[one["name"], tag("code", one["sha256"])] for one in record["networks"]]
    parts = [
        paragraph(record["attribution"]),
        folded("Configuration, with every default", flat_table(record["config"])),
        folded("Versions of software", flat_table(versions)),
        folded("Weights", table(["network", "SHA-256 of the checkpoint"], weights)),
        paragraph("SHA-256 of lcz.tif: ", tag("code", str(record.get("lcz_sha256", "unknown")))),
    ]
    return Section("parameters", "Run parameters", join(parts))


def timings_section(run: RunFolder) -> Section:
    """Return how long each step took, as Snakemake measured it."""
    steps = list(measured_steps(run.benchmarks, run.city, run.period))
    if not steps:
        sentence = "No measurements: Snakemake writes them to benchmarks/ in the folder that it runs in."
        return Section("timings", "Times", absent(sentence))
    rows: list[list[Cell]] = [
        [tag("code", name), jobs, Number(f"{seconds:,.1f}"), Number(f"{peak:,.0f}")]
        for name, (jobs, seconds, peak) in steps
    ]
    total = sum(seconds for _, (_, seconds, _) in steps)
    caption = f"Steps that are measured, {total:,.0f} s together; jobs may have run beside each other"
    header = ["step", "jobs", "seconds", "peak memory of a job (MiB)"]
    return Section("timings", "Times", table(header, rows, caption=caption))


def files_section(run: RunFolder, page: Path) -> Section:
    """Return links to the run's files, relative to the page."""
    rows = [[_link(run.folder / name, page), what] for name, what in _FILES if run.has(name)]
    exports = [path for path in sorted((run.folder / "exports").rglob("*")) if path.is_file()]
    rows += [[_link(path, page), "export"] for path in exports]
    parts = [
        paragraph("The links lead to the files beside this page; they are not inside it."),
        table(["file", "what it is"], rows),
        None if exports else absent("No exports: choose them with `exports` in the configuration."),
    ]
    return Section("files", "Files", join(parts))


def _link(path: Path, page: Path) -> Html:
    address = Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()
    return tag("a", address, href=quote(address))
