"""The head of the page: which place and time, made of what, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lczmap.classes import NODATA_CODE
from lczmap.evaluation.figures import class_shares
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import read_class_map, read_tags
from lczmap.report.estimates import figure
from lczmap.report.markup import Html, join, paragraph, tag
from lczmap.report.run_folder import RunFolder

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
    accuracy = run.json("accuracy.json")
    if accuracy is None and run.json("agreement.json") is None:
        yield "No reference areas were given: nothing in this report measures how often the map is right."


def _facts(run: RunFolder, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the value and the words of each box."""
    codes, _ = read_class_map(run.folder / "lcz.tif")
    area = float((codes != NODATA_CODE).sum()) * (run.grid.cell_m / 1000) ** 2
    shares = class_shares(codes)
    gaps = tags.get("LCZMAP_GAPS")
    without = "" if gaps is None else f"; {gaps} of the area of interest has no class"
    yield f"{area:,.0f} km²" if area >= 100 else f"{area:.1f} km²", f"mapped{without}"
    yield f"{int((shares > 0).sum())} of {len(shares)}", "classes found"
    accuracy = run.json("accuracy.json")
    if accuracy is not None:
        yield _with_interval(accuracy["oa"], "overall accuracy on reference polygons")
        yield _with_interval(accuracy["aa"], "average accuracy on reference polygons")
    agreement = run.json("agreement.json")
    if agreement is not None:
        yield _with_interval(agreement["agreement"], "agreement with the teacher, which is no accuracy")
    sensors = tags.get("LCZMAP_SENSORS", "unknown").replace("sentinel", "Sentinel").replace(" ", " and ")
    yield tags.get("LCZMAP_NETWORK", "unknown"), f"network, which saw {sensors}"


def _with_interval(estimate: Mapping[str, Any], what: str) -> tuple[str, str]:
    value, _, interval = figure(estimate).partition(" ")
    return value, f"{what} {interval}".rstrip()
