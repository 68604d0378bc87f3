"""How often the map is right: on reference polygons, and from a probability sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.classes import LABELS
from lczmap.report.areas import class_name
from lczmap.report.estimates import figure, sentence, warning_list
from lczmap.report.markup import Cell, Html, Number, folded, join, paragraph, table, tag
from lczmap.report.others import networks_table, other_maps, with_teacher
from lczmap.report.run_folder import Assessment, RunFolder, Section, absent
from lczmap.report.values import flat_table

_FIGURES = (
    ("oa", "OA", "overall accuracy: share of the reference cells that the map names right"),
    ("aa", "AA", "average accuracy: mean of the classes' producer's accuracies"),
    ("kappa", "kappa", "agreement beyond that of unrelated maps with the same class shares"),
    ("oau", "OAu", "overall accuracy among built classes alone; leaves out every confusion of built and natural"),
    ("oabu", "OAbu", "built or natural: share of the cells where this much is right"),
    ("oaw", "OAw", "partial credit for similar classes; read it beside the next line"),
    ("oaw_chance", "chance line of OAw", "OAw of an unrelated map with the same class shares"),
    ("majority_baseline", "one class everywhere", "overall accuracy of naming the most frequent class everywhere"),
    ("ece", "ECE", "calibration error: mean distance of confidence and accuracy; optimistic on chosen polygons"),
)
_QUARTILES = ("minimum", "lower", "median", "upper", "maximum")
_PICTURES = (
    ("accuracy.png", "Box plot of the accuracy figures on reference polygons"),
    ("confusion.png", "Mean confusion matrix: reference in rows, map in columns"),
    ("calibration.png", "Calibration: how often the map is right at each confidence"),
)


def accuracy_section(run: RunFolder, colors: Mapping[int, str]) -> Section:
    """Return everything that was measured about the map's accuracy, each figure with its interval.

    `colors` is each code's #rrggbb on the map.
    """
    parts = [*_on_polygons(run, colors), *networks_table(run), *_from_sample(run, colors)]
    return Section("accuracy", "Accuracy", join([*parts, *with_teacher(run), *other_maps(run)]))


def _on_polygons(run: RunFolder, colors: Mapping[int, str]) -> Iterator[Html]:
    yield tag("h3", "Accuracy on reference polygons")
    report = run.json("accuracy.json")
    if report is None:
        nothing = (
            "No reference areas: accuracy.json is not there. Give `training.areas`, a file of areas of known class."
        )
        yield absent(run.record.get("untested") or nothing)
        yield from _retrained(run)
        return
    yield paragraph(
        f"Overall accuracy on reference polygons {figure(report['oa'])}, average accuracy {figure(report['aa'])}, "
        f"on {report['cells']:,} cells of {report['polygons']:,} polygons. In brackets: 95 % intervals from drawing "
        "whole polygons."
    )
    filtered = report.get("filtered")
    if filtered is not None:
        yield paragraph(
            f"Overall accuracy of the filtered map {figure(filtered['oa'])}, average accuracy "
            f"{figure(filtered['aa'])}, on {filtered['cells']:,} of these cells. What is not called filtered here is "
            "of the map before the filter."
        )
    yield paragraph(sentence(str(report.get("protocol", report["what"]))))
    yield from warning_list(report)
    yield _figures_table(report, filtered)
    yield _class_table(report["classes"], None if filtered is None else filtered["classes"], colors)
    yield from _drawn(run, report)
    yield paragraph(str(report["note"]), class_="note")


def _figures_table(report: Mapping[str, Any], filtered: Mapping[str, Any] | None) -> Html:
    """Return the figures of the map and, where it was measured, those of the filtered map beside them."""
    maps = {"value": report} if filtered is None else {"map before the filter": report, "filtered map": filtered}
    rows: list[list[Cell]] = [
        [name, *(figure(one[key]) if key in one else "–" for one in maps.values()), meaning]
        for key, name, meaning in _FIGURES
        if key in report
    ]
    header = ["figure", *(f"{name} (95 % interval)" for name in maps), "what it is"]
    return table(header, rows, caption="Accuracy on reference polygons")


def _drawn(run: RunFolder, report: Mapping[str, Any]) -> Iterator[Html]:
    drawn = run.json("bootstraps.json")
    if drawn is not None:
        yield paragraph(f"Box plot and confusion matrix: {sentence(drawn['what'])} {drawn['protocol']}")
    for name, description in _PICTURES:
        found = run.picture(name, description)
        if found is not None:
            yield found
    if not run.has("accuracy.png"):
        yield absent("No box plot: accuracy.png is made where `accuracy.bootstraps` is above 0.")
    yield folded("Confusion matrix in cells", _confusion(report["confusion_matrix"]["cells"]))


def _retrained(run: RunFolder) -> Iterator[Html]:
    """Yield the figures of forests that were trained anew, which stand in where no polygon tests the map itself."""
    drawn = run.json("bootstraps.json")
    if drawn is None or drawn["method"] != "retraining":
        return
    yield paragraph(f"These figures are not of this map. {sentence(drawn['what'])} {drawn['protocol']}")
    yield from warning_list(drawn)
    quartiles = [(name, drawn["quartiles"].get(key)) for key, name, _ in _FIGURES]
    rows: list[list[Cell]] = [
        [name, *(_two_digits(values[place]) for place in _QUARTILES)] for name, values in quartiles if values
    ]
    header = ["figure", "minimum", "lower quartile", "median", "upper quartile", "maximum"]
    yield table(header, rows, caption="Accuracy of forests that were trained anew")


def _class_table(
    classes: list[Mapping[str, Any]], filtered: list[Mapping[str, Any]] | None, colors: Mapping[int, str]
) -> Html:
    smoothed = [[] for _ in classes] if filtered is None else [[_two_digits(one["f1"])] for one in filtered]
    rows: list[list[Cell]] = [
        [
            class_name(f"LCZ {one['label']}: {one['name']}", colors[one["code"]]),
            int(one["polygons"]),
            int(one["reference_cells"]),
            int(one["map_cells"]),
            *(_two_digits(one[key]) for key in ("pa", "ua", "f1")),
            *also,
        ]
        for one, also in zip(classes, smoothed, strict=True)
    ]
    header = [
        "class",
        "polygons",
        "reference cells",
        "reference cells mapped so",
        "producer's accuracy",
        "user's accuracy",
        "F1",
        *(["F1, filtered map"] if filtered is not None else []),
    ]
    return table(header, rows, caption="Each class on reference polygons")


def _two_digits(value: float | None) -> Number | None:
    return None if value is None else Number(f"{value:.2f}")


def _confusion(cells: list[list[int]]) -> Html:
    rows = [_counted(label, row) for label, row in zip(LABELS, cells, strict=True)]
    return table(["reference \\ map", *LABELS], rows, caption="Cells; rows are the reference, columns the map")


def _counted(label: str, row: list[int]) -> list[Cell]:
    return [f"LCZ {label}", *(int(count) for count in row)]


def _from_sample(run: RunFolder, colors: Mapping[int, str]) -> Iterator[Html]:
    yield tag("h3", "Map accuracy from a probability sample")
    if not run.assessments:
        yield absent(
            "Not done. `lczmap sample` draws cells at random for people to label, `lczmap assess` estimates the "
            "accuracy of the whole map and the true areas; this page shows them when it is made again."
        )
    for one in run.assessments:
        yield from _assessed(one, colors) if one.map_name is not None else _of_earlier(run, one)


def _of_earlier(run: RunFolder, one: Assessment) -> Iterator[Html]:
    name = one.path.relative_to(run.folder).as_posix()
    yield paragraph(
        f"{name} assesses an earlier map: no map of this run has the classes and the grid that were sampled. Its "
        "figures are not shown, because they say nothing reliable of this map; draw a new sample of it with "
        "`lczmap sample`.",
        class_="caution",
    )


def _assessed(one: Assessment, colors: Mapping[int, str]) -> Iterator[Html]:
    found = one.report
    labels = found["labels"]
    yield paragraph(
        f"Overall accuracy of {one.map_name} {figure(found['oa'])}, built or natural {figure(found['oabu'])}, OAw "
        f"{figure(found['oaw'])} (an unrelated map reaches {found['oaw_chance']:.2f}), from {labels['used']} labelled "
        f"cells of {labels['drawn']} that were drawn. In brackets: 95 % intervals."
    )
    yield paragraph(sentence(str(found["what"])))
    yield from warning_list(found)
    yield table(
        ["class", "labelled cells", "user's accuracy", "producer's accuracy", "mapped km²", "estimated km²"],
        [_sampled(one, colors) for one in found["classes"]],
        caption="Each class, estimated from the sample",
    )
    yield folded("All figures of the sample", flat_table(found))


def _sampled(one: Mapping[str, Any], colors: Mapping[int, str]) -> list[Cell]:
    name = class_name(f"LCZ {one['label']}: {one['name']}", colors[one["code"]])
    accuracies = (figure(one["ua"]), figure(one["pa"]))
    return [name, int(one["used"]), *accuracies, Number(f"{one['mapped_km2']:.2f}"), figure(one["area_km2"])]
