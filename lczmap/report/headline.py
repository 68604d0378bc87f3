"""The head of the page: which place and time, made of what, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.classes import NODATA_CODE
from lczmap.evaluation.figures import class_shares
from lczmap.provenance import RELIABILITY_TAG, network_kind
from lczmap.raster import read_class_map, read_tags
from lczmap.report.estimates import figure
from lczmap.report.markup import Html, join, paragraph, tag
from lczmap.report.run_folder import Assessment, RunFolder

LOCAL_CLIMATE_ZONE = (
    "A Local Climate Zone is a kind of neighbourhood or landscape, hundreds of metres across or more, whose buildings, "
    "plants and ground give the air near the ground a temperature of its own. There are 10 built and 7 natural kinds "
    "(Stewart and Oke 2012)."
)
SIMULATED = "Simulated scenes"


def days(run: RunFolder) -> str:
    """Return the period in words, `2024-05-01 to 2024-09-30`."""
    return run.period.replace("_", " to ")


def headline(run: RunFolder) -> Html:
    """Return the title and the cautions."""
    cautions = [paragraph(line, class_="caution") for line in _cautions(run, read_tags(run.folder / "lcz.tif"))]
    return join(
        [
            tag("h1", f"Local Climate Zones of {run.city}"),
            paragraph(f"{days(run)}, map cells of {run.grid.cell_m} m, {run.grid.crs}", class_="subtitle"),
            *cautions,
        ]
    )


def introduction(run: RunFolder) -> Html:
    """Return what a Local Climate Zone is, and the facts of the run in a few boxes."""
    facts = _facts(run, read_tags(run.folder / "lcz.tif"))
    boxes = [tag("li", tag("b", value), tag("span", words)) for value, words in facts]
    return tag("div", paragraph(LOCAL_CLIMATE_ZONE), tag("ul", *boxes, class_="facts"), class_="introduction")


def _cautions(run: RunFolder, tags: Mapping[str, str]) -> Iterator[str]:
    if str(run.record.get("attribution", "")).startswith(SIMULATED):
        yield "Simulated scenes: this map shows no real place. Its figures say nothing about other cities."
    if RELIABILITY_TAG in tags:
        yield f"How far the network can be trusted: {tags[RELIABILITY_TAG]}"
    measured = run.main_assessments() or run.has("accuracy.json") or run.has("agreement.json")
    if not measured:
        nothing = "No reference areas were given: nothing in this report measures how often the map is right."
        yield run.record.get("untested") or nothing


def _facts(run: RunFolder, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the value and the words of each box."""
    codes, _ = read_class_map(run.folder / "lcz.tif")
    area = float((codes != NODATA_CODE).sum()) * (run.grid.cell_m / 1000) ** 2
    shares = class_shares(codes)
    gaps = tags.get("LCZMAP_GAPS")
    without = "" if gaps is None else f"; {gaps} of the area of interest has no class"
    yield f"{area:,.0f} km²" if area >= 100 else f"{area:.1f} km²", f"mapped{without}"
    yield f"{int((shares > 0).sum())} of {len(shares)}", "classes found"
    for one in run.main_assessments():
        yield _with_interval(one.report["oa"], _measured_on(one))
    accuracy = run.json("accuracy.json")
    if accuracy is not None:
        yield _on_polygons(accuracy, "oa", "overall accuracy on reference polygons")
        yield _on_polygons(accuracy, "aa", "average accuracy on reference polygons")
    agreement = run.json("agreement.json")
    if agreement is not None:
        yield _with_interval(agreement["agreement"], "agreement with the teacher, which is no accuracy")
    sensors = tags.get("LCZMAP_SENSORS", "unknown").replace("sentinel", "Sentinel").replace(" ", " and ")
    main = next(iter(run.record.get("networks", [])), {"name": tags.get("LCZMAP_NETWORK", "unknown")})
    key, kind = main.get("key", main["name"]), network_kind(main)
    yield key, f"{'network' if kind == key else kind}, which saw {sensors}"


def _measured_on(one: Assessment) -> str:
    share = one.report["assessed_share"]
    assessed = "the whole map" if share == 1 else f"{share:.1%} of the map"
    return f"overall accuracy of {assessed} {one.map_name}, estimated from a probability sample"


def _on_polygons(accuracy: Mapping[str, Any], key: str, what: str) -> tuple[str, str]:
    """Return a figure of the map and, where it was measured, that of the filtered map."""
    value, words = _with_interval(accuracy[key], what)
    return value, f"{words}; filtered map {figure(accuracy['filtered'][key])}" if "filtered" in accuracy else words


def _with_interval(estimate: Mapping[str, Any], what: str) -> tuple[str, str]:
    value, _, interval = figure(estimate).partition(" ")
    return value, f"{what} {interval}".rstrip()
