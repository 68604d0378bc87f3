"""What the annotation of one image of a Sentinel-1 SLC product says: bursts, timing, geolocation grid, orbit.

Element names as documented in ESA's "Sentinel-1 Product Specification" (S1-RS-MDA-52-7441) and seen in real products.
Every error is a ValueError that names the element and the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np

from lczmap.sar.orbit import StateVectors
from lczmap.sar.safe.elements import (
    Double,
    listed,
    moment_at,
    number_at,
    parse_xml,
    positive_at,
    text_at,
    whole_at,
    wholes_at,
)
from lczmap.sar.safe.swath import Burst, Swath, SwathPoints

_AGAIN = "get the product again"


@dataclass(frozen=True)
class SlcAnnotation:
    """One polarisation of one swath, and the orbit that the product brings."""

    polarisation: str
    swath: Swath
    state_vectors: StateVectors


def parse_slc(text: bytes, name: str, epoch: datetime) -> SlcAnnotation:
    """Read the annotation of one polarisation of one swath; times become seconds since `epoch` (naive UTC)."""
    root = parse_xml(text, name)
    return SlcAnnotation(
        text_at(root, "adsHeader/polarisation", name), _swath(root, name, epoch), _orbit(root, name, epoch)
    )


def _swath(root: Element, name: str, epoch: datetime) -> Swath:
    image = "imageAnnotation/imageInformation/"
    lines = whole_at(root, image + "numberOfLines", name)
    # not numberOfSamples: in products put together from bursts of two slices that is the width of the first
    samples = whole_at(root, "swathTiming/samplesPerBurst", name)
    lines_per_burst = whole_at(root, "swathTiming/linesPerBurst", name)
    elements = listed(root, "swathTiming/burstList/burst", name)
    if min(lines_per_burst, samples) < 1 or lines != lines_per_burst * len(elements):
        raise ValueError(
            f"{name}: expected numberOfLines = linesPerBurst × bursts, got {lines} for {lines_per_burst} × "
            f"{len(elements)} (of {samples} samples); {_AGAIN}"
        )
    bursts = tuple(_burst(e, i, (lines_per_burst, samples), name, epoch) for i, e in enumerate(elements))
    if not all(a.azimuth_time < b.azimuth_time for a, b in pairwise(bursts)):
        raise ValueError(f"{name}: expected the bursts in order of azimuthTime, got another order; {_AGAIN}")
    return Swath(
        name=text_at(root, "adsHeader/swath", name),
        lines_per_burst=lines_per_burst,
        samples=samples,
        lines=lines,
        azimuth_interval_s=positive_at(root, image + "azimuthTimeInterval", name),
        near_range_time_s=positive_at(root, image + "slantRangeTime", name),
        range_sampling_rate_hz=positive_at(root, "generalAnnotation/productInformation/rangeSamplingRate", name),
        bursts=bursts,
        points=_points(root, name, epoch),
    )


def _burst(element: Element, number: int, shape: tuple[int, int], name: str, epoch: datetime) -> Burst:
    lines, samples = shape
    first, last = (wholes_at(element, tag, name, lines) for tag in ("firstValidSample", "lastValidSample"))
    ordered = (first >= 0) & (first <= last) & (last < samples)
    if not (ordered | ((first == -1) & (last == -1))).all():
        raise ValueError(
            f"{name}: expected 0 <= firstValidSample <= lastValidSample < {samples} or -1 for both in every line, got "
            f"others in burst {number + 1}; {_AGAIN}"
        )
    return Burst(number, _seconds(element, "azimuthTime", name, epoch), number * lines, first, last)


def _points(root: Element, name: str, epoch: datetime) -> SwathPoints:
    points = listed(root, "geolocationGrid/geolocationGridPointList/geolocationGridPoint", name)

    def column(tag: str) -> Double:
        return np.array([number_at(point, tag, name) for point in points])

    return SwathPoints(
        line=column("line"),
        pixel=column("pixel"),
        azimuth_time=np.array([_seconds(point, "azimuthTime", name, epoch) for point in points]),
        range_time_s=column("slantRangeTime"),
        longitude=column("longitude"),
        latitude=column("latitude"),
        height=column("height"),
        incidence=column("incidenceAngle"),
    )


def _orbit(root: Element, name: str, epoch: datetime) -> StateVectors:
    orbits = listed(root, "generalAnnotation/orbitList/orbit", name)
    frames = {text_at(orbit, "frame", name) for orbit in orbits}
    if frames != {"Earth Fixed"}:
        raise ValueError(f"{name}: expected state vectors of the frame Earth Fixed, got {sorted(frames)}; {_AGAIN}")
    position, velocity = (
        np.array([[number_at(orbit, f"{kind}/{axis}", name) for axis in "xyz"] for orbit in orbits])  # (n, 3)
        for kind in ("position", "velocity")
    )
    time = np.array([_seconds(orbit, "time", name, epoch) for orbit in orbits])
    if (np.diff(time) <= 0).any():
        raise ValueError(f"{name}: expected the state vectors of orbitList in order of time, got others; {_AGAIN}")
    return StateVectors(epoch, time, position, velocity, "product", name=f"{name}: orbitList")


def _seconds(element: Element, path: str, name: str, epoch: datetime) -> float:
    return (moment_at(element, path, name) - epoch).total_seconds()
