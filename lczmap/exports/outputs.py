"""The files of a run that a catalogue or a description of the data set names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["classes", "wudapt", "raster", "vector", "picture", "record"]
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
TIFF = "image/tiff; application=geotiff"


@dataclass(frozen=True)
class Output:
    """One file: `key` names it in a catalogue, `media_type` is a MIME type, `kind` says how to read it."""

    file: str
    key: str
    title: str
    media_type: str
    kind: Kind


OUTPUTS: tuple[Output, ...] = (
    Output("lcz.tif", "lcz", "Local Climate Zones: codes 1..17, 0 nodata", COG, "classes"),
    Output("lcz_filtered.tif", "lcz_filtered", "Filtered Local Climate Zones: codes 1..17, 0 nodata", COG, "classes"),
    Output("confidence.tif", "confidence", "Maximum probability and normalised entropy, 0..1", COG, "raster"),
    Output("probabilities.tif", "probabilities", "Probability of each class, 0..1", COG, "raster"),
    Output("rgb.tif", "visual", "Sentinel-2 true colour", COG, "raster"),
    Output("map.png", "thumbnail", "Picture of the map", "image/png", "picture"),
    Output("report.html", "report", "Report", "text/html", "record"),
    Output("accuracy.json", "accuracy", "Accuracy on reference polygons", "application/json", "record"),
    Output("map_accuracy.json", "map_accuracy", "Map accuracy from a probability sample", "application/json", "record"),
    Output("run.json", "run", "Record of the run", "application/json", "record"),
    Output("lcz_generator.tif", "lcz_generator", "Bands lcz, lczFilter, classProbability in EPSG:4326", TIFF, "raster"),
    Output("lcz_wudapt.tif", "lcz_wudapt", "Local Climate Zones in WUDAPT codes 1..10, 101..107", COG, "wudapt"),
    Output("lcz.gpkg", "polygons", "Polygons of one class", "application/geopackage+sqlite3", "vector"),
    Output("lcz.parquet", "polygons_parquet", "Polygons of one class", "application/vnd.apache.parquet", "vector"),
    Output("lcz.kmz", "kmz", "Map for Google Earth", "application/vnd.google-earth.kmz", "picture"),
)
_BY_FILE = {output.file: output for output in OUTPUTS}


def known_outputs(paths: Sequence[Path]) -> Iterator[tuple[Output, Path]]:
    """Yield what each file is, by its name; ValueError for a missing file, an unknown name or one given twice."""
    seen: set[str] = set()
    for path in paths:
        if path.name not in _BY_FILE:
            raise ValueError(f"{path}: not a file that a run makes; known are {', '.join(_BY_FILE)}")
        if path.name in seen:
            raise ValueError(f"{path}: {path.name} was given twice; one description is of one map")
        if not path.is_file():
            raise ValueError(f"{path}: no such file; make it first, or leave it out")
        seen.add(path.name)
        yield _BY_FILE[path.name], path


def relative_href(path: Path, out: Path) -> str:
    """Return the path of a file as seen from the folder of `out`, such as `../lcz.tif`."""
    return Path(os.path.relpath(path, out.parent)).as_posix()
