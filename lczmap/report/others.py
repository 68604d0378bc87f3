"""How far the map agrees with others: networks of the run, its teacher, other maps, other periods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lczmap.report.estimates import figure, sentence, warning_list
from lczmap.report.json_file import read_record
from lczmap.report.markup import Html, Number, join, paragraph, picture, table, tag
from lczmap.report.run_folder import RunFolder, Section

_AGREEMENT = (
    ("agreement", "same class"),
    ("kappa", "kappa"),
    ("correlation_built", "correlation of the probabilities of a built class"),
    ("weighted", "with partial credit for similar classes"),
    ("weighted_chance", "the same of an unrelated map"),
    ("built_or_natural", "both built or both natural"),
    ("majority_baseline", "naming one class everywhere"),
)
_SAME_POLYGONS = "On the same reference polygons"
_OTHER_POLYGONS = "On reference polygons that are not the same: figures of two rows do not compare"


def networks_table(run: RunFolder) -> Iterator[Html]:
    """Yield the accuracy of all networks of the run side by side, where there are several."""
    rows = []
    for name in ["", *run.networks()]:
        report = run.json(f"models/{name}/accuracy.json" if name else "accuracy.json")
        if report is not None:
            oa, *figures = (figure(report[key]) for key in ("oa", "aa", "kappa", "oaw", "oaw_chance"))
            filtered = figure(report["filtered"]["oa"]) if "filtered" in report else "–"
            tested = f"{report['cells']:,} cells of {report['polygons']:,} polygons ({report.get('split', 'test')})"
            rows.append([name or "main network", oa, filtered, *figures, tested])
    if len(rows) > 1:
        yield tag("h3", "Networks beside each other")
        header = ["network", "OA", "OA of the filtered map", "AA", "kappa", "OAw", "chance line of OAw", "tested on"]
        alike = len({row[-1] for row in rows}) == 1
        where = _SAME_POLYGONS if alike else _OTHER_POLYGONS
        yield table(header, rows, caption=f"{where}; 95 % intervals in brackets")


def with_teacher(run: RunFolder) -> Iterator[Html]:
    """Yield the agreement of the networks with the one that taught them, where one did."""
    for name in ["", *run.networks()]:
        place = f"models/{name}/agreement.json" if name else "agreement.json"
        report = run.json(place)
        if report is not None:
            yield tag("h3", f"Agreement of {name or 'the main network'} with its teacher")
            yield from _agreement(run, place, f"On {report['cells']:,} cells that were not taught")


def other_maps(run: RunFolder) -> Iterator[Html]:
    """Yield the agreement with the other maps of the configuration."""
    for folder in (path.parent for path in run.found("other_maps/*/agreement.json")):
        place = f"other_maps/{folder.name}"
        yield tag("h3", f"Agreement with the map {folder.name}")
        yield from _agreement(run, f"{place}/agreement.json", f"Agreement with {folder.name}, which is no accuracy")
        yield _compared(read_record(folder / "agreement.json"))
        drawn = run.picture(f"{place}/difference.png", f"This map, {folder.name}, and where they differ")
        if drawn is not None:
            yield drawn


def _compared(report: Mapping[str, Any]) -> Html:
    """Return which of our maps another one was compared with."""
    filtered = report.get("map_filter") is not None  # reports of earlier versions: never
    which = "filtered map" if filtered else "map before the filter"
    return paragraph(f"The {which} ({report['map']}) was compared with {report['other']['file']}.")


def _agreement(run: RunFolder, place: str, caption: str) -> Iterator[Html]:
    report = read_record(run.folder / place)
    yield paragraph(sentence(str(report["what"])))
    yield from warning_list(report)
    rows = [[name, figure(report[key])] for key, name in _AGREEMENT if key in report]
    yield table(["figure", "value (95 % interval)"], rows, caption=caption)


def changes_section(run: RunFolder) -> Section | None:
    """Return the changes from and to other periods of the city, None where there are none."""
    parts: list[Html] = []
    for folder in run.changes():
        earlier, later = (period.replace("_", " to ") for period in folder.name.split("_to_"))
        parts += [tag("h3", f"From {earlier}, to {later}"), *_change(run, folder)]
    return Section("changes", "Changes between periods", join(parts)) if parts else None


def _change(run: RunFolder, folder: Path) -> Iterator[Html]:
    report = read_record(folder / "change.json")
    changed = report["changed"]
    surely = "; ".join(
        f"{part['share']:.1%} with a probability of change of at least {least}"
        for least, part in report["surely"].items()
    )
    yield paragraph(f"{changed['share']:.1%} of the cells ({changed['km2']:.2f} km²) differ in class: {surely}.")
    yield paragraph(sentence(str(report["what"])))
    yield from warning_list(report)
    rows = [[one["before"], one["after"], Number(f"{one['km2']:.2f}")] for one in report["largest"]]
    yield table(["class before", "class after", "km²"], rows, caption="Largest changes")
    if run.shows(folder / "change.png"):
        yield picture(folder / "change.png", "Where the class differs, and how sure that is")
