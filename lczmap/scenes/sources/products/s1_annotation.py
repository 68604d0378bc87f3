"""What the manifest and the annotation of a Sentinel-1 GRD product say; calibration and noise are read as for SLC.

Element names as documented in ESA's "Sentinel-1 Product Specification" (S1-RS-MDA-52-7441) and seen in real products.
Every parser takes the text and a name for messages, and raises ValueError naming the element that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from lczmap.sar.grd import GridPoints, GroundRange
from lczmap.sar.range_doppler import SPEED_OF_LIGHT
from lczmap.sar.safe import manifest
from lczmap.sar.safe.elements import moment_at, number_at, numbers_at, parse_xml, text_at, whole_at
from lczmap.sar.safe.manifest import Parts
from lczmap.sar.safe.tables import parse_calibration, parse_noise

__all__ = ["Annotation", "Manifest", "parse_annotation", "parse_calibration", "parse_manifest", "parse_noise"]

Double = npt.NDArray[np.float64]

_EPOCH = datetime(2000, 1, 1)  # any will do: only differences of times are used


@dataclass(frozen=True)
class Manifest(manifest.Manifest):
    """What manifest.safe says, and the files of each image."""

    parts: tuple[Parts, ...]


@dataclass(frozen=True)
class Annotation:
    """What one polarisation's annotation says; `lines` × `pixels` is the size of the image."""

    polarisation: str
    lines: int
    pixels: int
    spacing_m: tuple[float, float]
    points: GridPoints
    ground_range: GroundRange


def parse_manifest(text: bytes, name: str) -> Manifest:
    """Read manifest.safe."""
    root = parse_xml(text, name)
    common = manifest.read_manifest(root, name)
    return Manifest(**vars(common), parts=_parts(root, common.files, name))


def parse_annotation(text: bytes, name: str) -> Annotation:
    """Read the annotation of one polarisation."""
    root = parse_xml(text, name)
    image = "imageAnnotation/imageInformation/"
    start = _time(root, image + "productFirstLineUtcTime", name)
    interval = number_at(root, image + "azimuthTimeInterval", name)
    azimuth, across = (number_at(root, f"{image}{axis}PixelSpacing", name) for axis in ("azimuth", "range"))
    return Annotation(
        polarisation=text_at(root, "adsHeader/polarisation", name),
        lines=whole_at(root, image + "numberOfLines", name),
        pixels=whole_at(root, image + "numberOfSamples", name),
        spacing_m=(azimuth, across),
        points=_grid_points(root, name),
        ground_range=_ground_range(root, name, start, interval, across),
    )


def _time(element: Element, path: str, name: str) -> float:
    return (moment_at(element, path, name) - _EPOCH).total_seconds()


def _parts(root: Element, files: Mapping[str, str], name: str) -> tuple[Parts, ...]:
    units = root.iterfind(".//{*}contentUnit[@repID='s1Level1MeasurementSchema']")
    images = [unit for unit in units if unit.get("dmdID")]
    if not images:
        raise ValueError(f"{name}: expected measurements with their annotation, found none; get the product again")
    return tuple(_part(unit, files, name) for unit in images)


def _part(unit: Element, files: Mapping[str, str], name: str) -> Parts:
    pointer = unit.find("{*}dataObjectPointer")
    measurement = None if pointer is None else files.get(pointer.get("dataObjectID", ""))
    described = [token.removesuffix("Annotation") for token in unit.get("dmdID", "").split()]
    by_kind = {kind: [files[d] for d in described if d.startswith(kind) and d in files] for kind in _KINDS}
    if measurement is None or not by_kind["product"]:
        raise ValueError(f"{name}: expected a measurement and its annotation, got {described}; get the product again")
    first = {kind: found[0] if found else None for kind, found in by_kind.items()}
    return Parts(measurement, by_kind["product"][0], first["calibration"], first["noise"])


_KINDS = ("product", "calibration", "noise")


def _grid_points(root: Element, name: str) -> GridPoints:
    points = root.findall("geolocationGrid/geolocationGridPointList/geolocationGridPoint")

    def column(tag: str) -> Double:
        return np.array([number_at(point, tag, name) for point in points])

    return GridPoints(
        line=column("line"),
        pixel=column("pixel"),
        longitude=column("longitude"),
        latitude=column("latitude"),
        height=column("height"),
        incidence=column("incidenceAngle"),
        slant_range=column("slantRangeTime") * SPEED_OF_LIGHT / 2,
    )


def _ground_range(root: Element, name: str, start: float, interval: float, spacing_m: float) -> GroundRange:
    records = root.findall("coordinateConversion/coordinateConversionList/coordinateConversion")
    if not records:
        raise ValueError(f"{name}: expected a conversion of slant to ground range; this is no ground-range product")
    line = [(_time(record, "azimuthTime", name) - start) / interval for record in records]
    coefficients = [numbers_at(record, "srgrCoefficients", name) for record in records]
    length = max(c.size for c in coefficients)
    return GroundRange(
        np.array(line),
        np.array([number_at(record, "sr0", name) for record in records]),
        np.stack([np.pad(c, (0, length - c.size)) for c in coefficients]),
        spacing_m,
    )
