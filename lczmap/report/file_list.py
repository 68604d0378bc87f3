"""The files to take away: what each is, with a link."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from lczmap.evaluation.map_accuracy_files import ASSESSED
from lczmap.report.markup import Html, folded, join, paragraph, table, tag
from lczmap.report.run_folder import RunFolder, Section, absent

_Described = tuple[tuple[str, str], ...]

_MAP: _Described = (
    ("lcz.tif", "the map: codes 1 to 17, 0 where there is no class, colours inside"),
    ("lcz.tif.aux.xml", "names of its classes for GIS; keep it beside the map"),
    ("lcz_filtered.tif", "the map after the Gaussian class filter: the one to look at and to give to a climate model"),
    ("lcz_filtered.tif.aux.xml", "names of its classes for GIS"),
    ("confidence.tif", "probability of the most probable class, and normalised entropy, 0 to 1 each"),
    ("probabilities.tif", "probability of each of the 17 classes, one band each"),
    ("explanation.tif", "how well each group of bands agrees with the text of the mapped class, -1 to 1"),
    ("map.png", "the map as a picture with a legend"),
    ("reliability.md", "what is known about the public weights"),
)
_ACCURACY: _Described = (
    ("accuracy.json", "accuracy on reference polygons of the map and the filtered map: figures, classes, confusion"),
    ("agreement.json", "agreement with the network that taught this one, which is no accuracy"),
    ("bootstraps.json", "the figures of every repeated draw, from which the box plot is made"),
    ("accuracy.png", "box plot of the accuracy figures"),
    ("confusion.png", "mean confusion matrix"),
    ("calibration.png", "how often the map is right at each confidence"),
    (ASSESSED, "accuracy and true areas of the map that was sampled, from a probability sample"),
    (f"sample*/{ASSESSED}", "accuracy and true areas of the map that was sampled, from a probability sample"),
)
_STYLES: _Described = (
    ("lcz.qml", "style of lcz.tif for QGIS, which takes it by itself"),
    ("lcz_filtered.qml", "style of lcz_filtered.tif for QGIS"),
    ("confidence.qml", "style of confidence.tif for QGIS"),
    ("lcz.clr", "colours of lcz.tif as text, for programs that read colour maps"),
    ("lcz_filtered.clr", "colours of lcz_filtered.tif as text"),
)
_QGIS: _Described = (
    ("project.qgs", "QGIS project with all layers; move or copy it with its folder"),
    *_STYLES,
    ("rgb.tif", "natural-colour picture, 10 m; to look at, not to measure in"),
    ("aoi.geojson", "outline of the area of interest, longitude and latitude"),
    ("training_areas.gpkg", "the training areas as polygons with class, name and colour"),
)
_AREAS: _Described = (
    ("area_quality.json", "what was noticed about the training areas: classes, flags, warnings"),
    ("area_quality.csv", "a row for each training area with its measures and flags"),
    ("area_quality.gpkg", "the same as polygons, to look at in QGIS"),
)
_HEAT: _Described = (
    ("heat/heat.json", "temperature of each zone and its difference from the reference class, with intervals"),
    ("heat/heat.csv", "the same as a table, also for each hour of the day and each time step"),
    ("heat/heat.png", "the same as a picture"),
    ("heat/sensors.gpkg", "proposed places for thermometers, as points"),
    ("heat/sensors.json", "how many thermometers each class gets, and why some get none"),
    ("heat/sensors.png", "the proposed places on the map"),
)
_OTHERS: _Described = (
    ("other_maps/*/agreement.json", "agreement with this other map, with intervals; areas of the classes in both"),
    ("other_maps/*/difference.tif", "where the two maps differ: 1 same class to 5 natural here and built there"),
    ("other_maps/*/other.tif", "the other map on the cells of this one"),
    ("other_maps/*/difference.png", "both maps and their difference as a picture"),
)
_CHANGES: _Described = (
    ("change.tif", "class before and after (100 · before + after), and the least probability of change"),
    ("change.json", "which classes became which, in km², and how much of it is sure"),
    ("change.png", "both maps and the changes as a picture"),
)
_RECORDS: _Described = (
    ("run.json", "settings with every default, versions, scenes that were used, SHA-256 of the weights"),
    ("scenes.json", "the scenes that were found for the period"),
    ("coregistration.json", "how far each pass lay off, and whether it was moved"),
    ("coregistration.png", "the same as a picture"),
)
_EXPORTS: _Described = (
    ("exports/lcz_generator.tif", "map, filtered map and probability in the LCZ Generator's format: for w2w and WRF"),
    ("exports/lcz_generator.qml", "its style for QGIS"),
    ("exports/lcz_generator.clr", "its colours as text"),
    ("exports/lcz_wudapt.tif", "the filtered map with codes 1 to 10 and 101 to 107: for UMEP and SUEWS"),
    ("exports/lcz_wudapt.tif.aux.xml", "names of its classes for GIS"),
    ("exports/lcz_wudapt.qml", "its style for QGIS"),
    ("exports/lcz_wudapt.clr", "its colours as text"),
    ("exports/wrf/urban_parameters.csv", "urban parameters of each class for WRF, the same for every city"),
    ("exports/wrf/README.txt", "the steps from this map to WRF"),
    ("exports/lcz.kmz", "map, filtered map, legend and outline for Google Earth"),
    ("exports/lcz.gpkg", "the filtered map as polygons, with a style for QGIS"),
    ("exports/lcz.parquet", "the same polygons as GeoParquet"),
    ("exports/stac_item.json", "STAC item: the files for a catalogue, with their bands, classes and checksums"),
    ("exports/metadata.json", "description of the data set to publish with it (schema.org, JSON-LD)"),
)
_GROUPS = (
    ("The map", _MAP),
    ("Accuracy", _ACCURACY),
    ("For QGIS", _QGIS),
    ("For other programs (exports)", _EXPORTS),
    ("Training areas", _AREAS),
    ("Heat island", _HEAT),
    ("Other maps of the city", _OTHERS),
    ("Records of the run", _RECORDS),
)
_OF_NETWORKS = (*_MAP, *_ACCURACY, *_STYLES)


def files_section(run: RunFolder, page: Path) -> Section:
    """Return links to the run's files, relative to the page, each with a sentence on what it is."""
    parts = [paragraph("The links lead to the files beside this page; they are not inside it.")]
    for title, described in _GROUPS:
        rows = [(path, what) for pattern, what in described for path in run.found(pattern)]
        parts += _listed(title, rows + (_unknown(run) if described is _EXPORTS else []), page)
    changed = [(folder / name, what) for folder in run.changes() for name, what in _CHANGES]
    parts += _listed("Changes between periods", [(path, what) for path, what in changed if run.shows(path)], page)
    if not run.found("exports/**/*"):
        parts.append(absent("No exports: choose them with `exports` in the configuration."))
    for name in run.networks():
        rows = [(path, what) for pattern, what in _OF_NETWORKS for path in run.found(f"models/{name}/{pattern}")]
        parts.append(folded(f"Files of the network {name}", _table(rows, page)))
    return Section("files", "Files", join(parts))


def _unknown(run: RunFolder) -> list[tuple[Path, str]]:
    known = {path for pattern, _ in _EXPORTS for path in run.found(pattern)}
    return [(path, "no file that lczmap writes") for path in run.found("exports/**/*") if path not in known]


def _listed(title: str, rows: Sequence[tuple[Path, str]], page: Path) -> Iterator[Html]:
    if rows:
        yield tag("h3", title)
        yield _table(rows, page)


def _table(rows: Sequence[tuple[Path, str]], page: Path) -> Html:
    return table(["file", "what it is"], [[_link(path, page), what] for path, what in rows])


def _link(path: Path, page: Path) -> Html:
    address = Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()
    return tag("a", address, href=quote(address))
