"""Look-up tables of a Sentinel-1 product: calibration and thermal noise, of ground-range and of complex images.

Element names as documented in ESA's "Sentinel-1 Product Specification" (S1-RS-MDA-52-7441) and seen in real products;
the noise annotation of processors before 2.9 (one `noiseVectorList`) as documented there, not seen. Every error is a
ValueError that names the element and the file.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from lczmap.sar.grd_radiometry import AzimuthNoise, Noise, Vectors
from lczmap.sar.safe.elements import listed, number_at, numbers_at, parse_xml, whole_at

_LUT = {"sigma0": "sigmaNought", "gamma0": "gamma"}


def parse_calibration(text: bytes, name: str, calibration: str) -> Vectors:
    """Read the amplitude A of a calibration: sigma0 from `sigmaNought`, gamma0 from `gamma`."""
    if calibration not in _LUT:
        raise ValueError(f"{name}: expected calibration {' or '.join(_LUT)}, got {calibration!r}")
    tag = _LUT[calibration]
    table = _vectors(parse_xml(text, name), "calibrationVectorList/calibrationVector", tag, name)
    if min(values.min() for values in table.value) <= 0:
        raise ValueError(f"{name}: expected {tag} above 0, got 0 or less; get the product again")
    return table


def parse_noise(text: bytes, name: str) -> Noise:
    """Read thermal noise, of the present format (range times azimuth) or that of processors before 2.9."""
    root = parse_xml(text, name)
    if root.find("noiseVectorList") is not None:
        return Noise(_vectors(root, "noiseVectorList/noiseVector", "noiseLut", name))
    across = _vectors(root, "noiseRangeVectorList/noiseRangeVector", "noiseRangeLut", name)
    along = root.findall("noiseAzimuthVectorList/noiseAzimuthVector")
    return Noise(across, tuple(_azimuth_noise(element, name) for element in along))


def _vectors(root: Element, path: str, tag: str, name: str) -> Vectors:
    elements = listed(root, path, name)
    pixel = tuple(numbers_at(element, "pixel", name) for element in elements)
    value = tuple(numbers_at(element, tag, name) for element in elements)
    for pixels, values in zip(pixel, value, strict=True):
        if pixels.size != values.size or not pixels.size:
            raise ValueError(f"{name}: expected as many {tag} as pixels, got {values.size} for {pixels.size}")
        if (np.diff(pixels) < 0).any():
            raise ValueError(f"{name}: expected pixels of {tag} to ascend, got others; get the product again")
    # products put together from two slices may hold vectors out of order, or two of one line: the first counts
    line, order = np.unique([number_at(element, "line", name) for element in elements], return_index=True)
    return Vectors(line, tuple(pixel[i] for i in order), tuple(value[i] for i in order))


def _azimuth_noise(element: Element, name: str) -> AzimuthNoise:
    first_line, last_line, first_pixel, last_pixel = (
        whole_at(element, tag, name)
        for tag in ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    )
    line, value = numbers_at(element, "line", name), numbers_at(element, "noiseAzimuthLut", name)
    if line.size != value.size or not line.size:
        raise ValueError(f"{name}: expected as many noiseAzimuthLut as lines, got {value.size} for {line.size}")
    return AzimuthNoise(first_line, last_line, first_pixel, last_pixel, line, value)
