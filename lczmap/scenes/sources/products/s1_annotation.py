"""What the XML files of a Sentinel-1 GRD product say: manifest, annotation, calibration, noise.

Element names as documented in ESA's "Sentinel-1 Product Specification" (S1-RS-MDA-52-7441) and seen in real products;
the noise annotation of processors before 2.9 (one `noiseVectorList`) as documented there, not seen. Every parser
takes the text and a name for messages, and raises ValueError naming the element that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from lczmap.sar.grd import GridPoints, GroundRange
from lczmap.sar.grd_radiometry import AzimuthNoise, Noise, Vectors
from lczmap.scenes.catalogue import utc_text

Double = npt.NDArray[np.float64]

SPEED_OF_LIGHT = 299_792_458.0  # m / s
_LUT = {"sigma0": "sigmaNought", "gamma0": "gamma"}


@dataclass(frozen=True)
class Parts:
    """The files of one polarisation, relative to the product's folder; None where the manifest names none."""

    measurement: str
    annotation: str
    calibration: str | None
    noise: str | None


@dataclass(frozen=True)
class Manifest:
    """What manifest.safe says. `bounds` are (west, south, east, north) in degrees, west > east across 180°."""

    product_type: str
    mode: str
    platform: str
    datetime: str
    orbit_direction: str
    relative_orbit: int
    processor: str
    bounds: tuple[float, float, float, float]
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
    root = _parse(text, name)
    platform = f"{_text(root, './/{*}platform/{*}familyName', name)}{_text(root, './/{*}platform/{*}number', name)}"
    software = root.find(".//{*}processing/{*}facility/{*}software")
    start = _text(root, ".//{*}acquisitionPeriod/{*}startTime", name)
    return Manifest(
        product_type=_text(root, ".//{*}productType", name),
        mode=_text(root, ".//{*}instrumentMode/{*}mode", name),
        platform=platform.lower(),
        datetime=utc_text(datetime.fromisoformat(start)),
        orbit_direction=_text(root, ".//{*}orbitProperties/{*}pass", name).lower(),
        relative_orbit=int(_text(root, ".//{*}relativeOrbitNumber[@type='start']", name)),
        processor="unknown" if software is None else f"{software.get('name')} {software.get('version')}",
        bounds=_bounds(_text(root, ".//{*}footPrint/{*}coordinates", name)),
        parts=_parts(root, name),
    )


def parse_annotation(text: bytes, name: str) -> Annotation:
    """Read the annotation of one polarisation."""
    root = _parse(text, name)
    image = "imageAnnotation/imageInformation/"
    start = _time(_text(root, image + "productFirstLineUtcTime", name))
    interval = float(_text(root, image + "azimuthTimeInterval", name))
    spacing = tuple(float(_text(root, f"{image}{axis}PixelSpacing", name)) for axis in ("azimuth", "range"))
    return Annotation(
        polarisation=_text(root, "adsHeader/polarisation", name),
        lines=int(_text(root, image + "numberOfLines", name)),
        pixels=int(_text(root, image + "numberOfSamples", name)),
        spacing_m=(spacing[0], spacing[1]),
        points=_grid_points(root, name),
        ground_range=_ground_range(root, name, start, interval, spacing[1]),
    )


def parse_calibration(text: bytes, name: str, calibration: str) -> Vectors:
    """Read the amplitude A of a calibration: sigma0 from `sigmaNought`, gamma0 from `gamma`."""
    if calibration not in _LUT:
        raise ValueError(f"{name}: expected calibration {' or '.join(_LUT)}, got {calibration!r}")
    root = _parse(text, name)
    return _vectors(root, "calibrationVectorList/calibrationVector", _LUT[calibration], name)


def parse_noise(text: bytes, name: str) -> Noise:
    """Read thermal noise, of the present format (range times azimuth) or that of processors before 2.9."""
    root = _parse(text, name)
    if root.find("noiseVectorList") is not None:
        return Noise(_vectors(root, "noiseVectorList/noiseVector", "noiseLut", name))
    across = _vectors(root, "noiseRangeVectorList/noiseRangeVector", "noiseRangeLut", name)
    along = root.findall("noiseAzimuthVectorList/noiseAzimuthVector")
    return Noise(across, tuple(_azimuth_noise(element, name) for element in along))


def _parse(text: bytes, name: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{name}: not readable XML ({error}); get the product again") from error


def _text(element: ElementTree.Element, path: str, name: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"{name}: expected an element {path.replace('{*}', '')}, found none; get the product again")
    return found.strip()


def _numbers(element: ElementTree.Element, path: str, name: str) -> Double:
    return np.array(_text(element, path, name).split(), dtype=np.float64)


def _time(text: str) -> float:
    # seconds; only differences are used, so no zone is needed
    return (datetime.fromisoformat(text) - datetime(2000, 1, 1)).total_seconds()


def _bounds(coordinates: str) -> tuple[float, float, float, float]:
    corners = [pair.split(",") for pair in coordinates.split()]
    latitude, longitude = [float(c[0]) for c in corners], [float(c[1]) for c in corners]
    if max(longitude) - min(longitude) > 180:
        longitude = [lon % 360 for lon in longitude]
    west, east = (lon - 360 if lon > 180 else lon for lon in (min(longitude), max(longitude)))
    return west, min(latitude), east, max(latitude)


def _parts(root: ElementTree.Element, name: str) -> tuple[Parts, ...]:
    files = {}
    for item in root.iterfind(".//{*}dataObject"):
        location = item.find(".//{*}fileLocation")
        if location is not None:
            files[item.get("ID", "")] = location.get("href", "").removeprefix("./")
    units = root.iterfind(".//{*}contentUnit[@repID='s1Level1MeasurementSchema']")
    images = [unit for unit in units if unit.get("dmdID")]
    if not images:
        raise ValueError(f"{name}: expected measurements with their annotation, found none; get the product again")
    return tuple(_part(unit, files, name) for unit in images)


def _part(unit: ElementTree.Element, files: Mapping[str, str], name: str) -> Parts:
    pointer = unit.find("{*}dataObjectPointer")
    measurement = None if pointer is None else files.get(pointer.get("dataObjectID", ""))
    described = [token.removesuffix("Annotation") for token in unit.get("dmdID", "").split()]
    by_kind = {kind: [files[d] for d in described if d.startswith(kind) and d in files] for kind in _KINDS}
    if measurement is None or not by_kind["product"]:
        raise ValueError(f"{name}: expected a measurement and its annotation, got {described}; get the product again")
    first = {kind: found[0] if found else None for kind, found in by_kind.items()}
    return Parts(measurement, by_kind["product"][0], first["calibration"], first["noise"])


_KINDS = ("product", "calibration", "noise")


def _grid_points(root: ElementTree.Element, name: str) -> GridPoints:
    points = root.findall("geolocationGrid/geolocationGridPointList/geolocationGridPoint")

    def column(tag: str) -> Double:
        return np.array([float(_text(point, tag, name)) for point in points])

    return GridPoints(
        line=column("line"),
        pixel=column("pixel"),
        longitude=column("longitude"),
        latitude=column("latitude"),
        height=column("height"),
        incidence=column("incidenceAngle"),
        slant_range=column("slantRangeTime") * SPEED_OF_LIGHT / 2,
    )


def _ground_range(root: ElementTree.Element, name: str, start: float, interval: float, spacing_m: float) -> GroundRange:
    records = root.findall("coordinateConversion/coordinateConversionList/coordinateConversion")
    if not records:
        raise ValueError(f"{name}: expected a conversion of slant to ground range; this is no ground-range product")
    line = [(_time(_text(record, "azimuthTime", name)) - start) / interval for record in records]
    coefficients = [_numbers(record, "srgrCoefficients", name) for record in records]
    length = max(c.size for c in coefficients)
    return GroundRange(
        np.array(line),
        np.array([float(_text(record, "sr0", name)) for record in records]),
        np.stack([np.pad(c, (0, length - c.size)) for c in coefficients]),
        spacing_m,
    )


def _vectors(root: ElementTree.Element, path: str, tag: str, name: str) -> Vectors:
    elements = root.findall(path)
    if not elements:
        raise ValueError(f"{name}: expected {path}, found none; get the product again")
    pixel = tuple(_numbers(element, "pixel", name) for element in elements)
    value = tuple(_numbers(element, tag, name) for element in elements)
    for pixels, values in zip(pixel, value, strict=True):
        if pixels.size != values.size or not pixels.size:
            raise ValueError(f"{name}: expected as many {tag} as pixels, got {values.size} for {pixels.size}")
    return Vectors(np.array([float(_text(element, "line", name)) for element in elements]), pixel, value)


def _azimuth_noise(element: ElementTree.Element, name: str) -> AzimuthNoise:
    first_line, last_line, first_pixel, last_pixel = (
        int(_text(element, tag, name))
        for tag in ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    )
    line, value = _numbers(element, "line", name), _numbers(element, "noiseAzimuthLut", name)
    if line.size != value.size or not line.size:
        raise ValueError(f"{name}: expected as many noiseAzimuthLut as lines, got {value.size} for {line.size}")
    return AzimuthNoise(first_line, last_line, first_pixel, last_pixel, line, value)
