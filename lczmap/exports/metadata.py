"""A description of the data set: schema.org Dataset as JSON-LD, in the vocabulary of Croissant 1.0 (MLCommons).

Croissant asks for four things that no run knows: creator, licence, address and date of publication. They are options;
the file says that it conforms to Croissant only where all four are given.
Sources: Croissant format specification 1.0, mlcommons.org/croissant/1.0; schema.org/Dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from lczmap.classes import CLASSES
from lczmap.exports.facts import RunFacts
from lczmap.exports.footprint import lonlat_bounds, map_outline
from lczmap.exports.outputs import Output, known_outputs, relative_href
from lczmap.files import sha256, write_json
from lczmap.grid import Grid

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
SENTINEL_TERMS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
"""Legal notice on the use of Copernicus Sentinel data: free, full and open, with attribution."""
CLASSES_SOURCE = "https://doi.org/10.1175/BAMS-D-11-00019.1"
"""Stewart and Oke 2012, Local climate zones for urban temperature studies."""

# Terms of Croissant that are not schema.org's (the specification's appendix 1)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "field": "cr:field",
    "key": "cr:key",
    "recordSet": "cr:recordSet",
}


@dataclass(frozen=True)
class Publication:
    """What only the person who publishes a map knows; None where it is not known yet.

    `license` and `url` are addresses, `date` is YYYY-MM-DD.
    """

    creator: str | None = None
    license: str | None = None
    url: str | None = None
    date: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Options that are still to be given."""
        return tuple(name for name in ("creator", "license", "url", "date") if getattr(self, name) is None)


def write_metadata(
    facts: RunFacts, grid: Grid, files: Sequence[Path], out: Path, *, publication: Publication | None = None
) -> None:
    """Write the description of a run's data set with the size and SHA-256 of the given files.

    The map's licence is its maker's choice and is never guessed; what the sources ask for is stated. ValueError for a
    file that no run makes or that is missing.
    """
    known = publication or Publication()
    listed = list(known_outputs(files))
    content: dict[str, Any] = {"@context": _CONTEXT, "@type": "sc:Dataset"}
    if not known.missing:
        content["conformsTo"] = CONFORMS_TO
    content |= {
        "name": facts.title,
        "description": facts.description,
        "keywords": ["local climate zones", "urban climate", "land cover", *(s.title() for s in facts.sensors)],
        "inLanguage": "en",
        **_published(known),
        "creditText": facts.attribution,
        "temporalCoverage": f"{facts.start}/{facts.end}",
        "spatialCoverage": {"@type": "Place", "name": facts.place, "geo": _shape(map_outline(grid))},
        "measurementTechnique": facts.lineage,
        "citation": CLASSES_SOURCE,
        "isBasedOn": list(_sources(facts)),
        "variableMeasured": list(_variables(facts, {output.key for output, _ in listed})),
        "distribution": [_file_object(output, path, out) for output, path in listed],
        "recordSet": [_class_table()],
    }
    write_json(out, content)


def _published(publication: Publication) -> dict[str, Any]:
    creator = None if publication.creator is None else {"@type": "Person", "name": publication.creator}
    given = {
        "creator": creator,
        "license": publication.license,
        "url": publication.url,
        "datePublished": publication.date,
    }
    return {key: value for key, value in given.items() if value is not None}


def _shape(area: BaseGeometry) -> dict[str, Any]:
    """Return schema.org's box: south west north east."""
    west, south, east, north = lonlat_bounds(area)
    return {"@type": "GeoShape", "box": f"{south:.6f} {west:.6f} {north:.6f} {east:.6f}"}


def _sources(facts: RunFacts) -> Iterator[dict[str, Any]]:
    weights = f"sha256:{facts.weights_sha256}"
    yield {"@type": "CreativeWork", "name": f"Weights of the network {facts.network}", "identifier": weights}
    if facts.is_simulated:
        yield {"@type": "Dataset", "name": "Simulated scenes", "description": facts.attribution}
        return
    for sensor in facts.sensors:
        yield {
            "@type": "Dataset",
            "name": f"Copernicus {sensor.title()} data",
            "creditText": facts.attribution,
            "license": SENTINEL_TERMS,
            "identifier": list(facts.scenes[sensor]),
        }


def _variables(facts: RunFacts, files: set[str]) -> Iterator[dict[str, Any]]:
    yield {
        "@type": "PropertyValue",
        "name": "Local Climate Zone",
        "description": f"codes 1..17, 0 nodata; pixel size {facts.pixel_size_m} m",
        "minValue": 1,
        "maxValue": len(CLASSES),
    }
    if "confidence" not in files:
        return
    for name, text in (
        ("confidence", "maximum class probability"),
        ("entropy", "of the class probabilities, by ln 17"),
    ):
        yield {"@type": "PropertyValue", "name": name, "description": text, "minValue": 0, "maxValue": 1}


def _file_object(output: Output, path: Path, out: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": output.key,
        "name": output.file,
        "description": output.title,
        "contentUrl": relative_href(path, out),
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": output.media_type,
        "sha256": sha256(path),
    }


def _class_table() -> dict[str, Any]:
    """Return the 17 classes as a record set that is in the description itself."""
    fields = (("code", "sc:Integer"), ("label", "sc:Text"), ("name", "sc:Text"))
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The 17 Local Climate Zones and their codes in the maps",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/code"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind} for name, kind in fields
        ],
        "data": [{"classes/code": c.code, "classes/label": c.label, "classes/name": c.name} for c in CLASSES],
    }
