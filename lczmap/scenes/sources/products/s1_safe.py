"""Sentinel-1 GRD products on disk: which there are, and what their XML files say of the two images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lczmap.sar.grd_radiometry import Noise, Vectors
from lczmap.sar.safe.container import MANIFEST, Safe, find_products, open_safe
from lczmap.sar.safe.manifest import Parts
from lczmap.scenes.sources.products.s1_annotation import (
    Annotation,
    Manifest,
    parse_annotation,
    parse_calibration,
    parse_manifest,
    parse_noise,
)

__all__ = ["Image", "Safe", "find_grd", "open_safe", "read_images", "read_manifest"]

_GRD_NAME = re.compile(r"S1[A-Z]_[A-Z0-9]{2}_GRD")
_MODE, _PIXEL_M = "IW", 10.0


@dataclass(frozen=True)
class Image:
    """One polarisation of a product. `noise` is None where the product brings no noise annotation."""

    measurement: str
    annotation: Annotation
    calibration: Vectors
    noise: Noise | None


def find_grd(folder: Path) -> list[Path]:
    """Return the Sentinel-1 GRD products below a folder (or the folder itself): SAFE folders, then zips, sorted.

    What is named like a GRD product is returned even if it is broken, so that reading it says what is wrong. A zip
    beside its unpacked folder is left out.
    """
    return find_products(folder, _GRD_NAME)


def read_manifest(safe: Safe) -> Manifest:
    """Read a product's manifest; ValueError unless it is a GRD of the interferometric wide swath."""
    manifest = parse_manifest(safe.read(safe.checked(MANIFEST, "a manifest")), f"{safe.path}: {MANIFEST}")
    if (manifest.product_type, manifest.mode) != ("GRD", _MODE):
        raise ValueError(
            f"{safe.path}: expected product type GRD of mode IW, got {manifest.product_type} of {manifest.mode}"
        )
    return manifest


def read_images(safe: Safe, manifest: Manifest, calibration: str) -> Mapping[str, Image]:
    """Read the annotation of VH and VV; ValueError when one is missing or the pixels are not 10 m."""
    images = {}
    for parts in manifest.parts:
        name = safe.checked(parts.annotation, "an annotation")
        annotation = parse_annotation(safe.read(name), f"{safe.path}: {name}")
        images[annotation.polarisation] = _image(safe, parts, annotation, calibration)
    if not {"VH", "VV"} <= set(images):
        raise ValueError(
            f"{safe.path}: expected both VH and VV, got {' and '.join(sorted(images))}; take a product of dual "
            "polarisation (1SDV)"
        )
    return images


def _image(safe: Safe, parts: Parts, annotation: Annotation, calibration: str) -> Image:
    if annotation.spacing_m != (_PIXEL_M, _PIXEL_M):
        raise ValueError(f"{safe.path}: expected pixels of 10 m (GRDH), got {annotation.spacing_m} m")
    polarisation = annotation.polarisation
    measurement = safe.checked(parts.measurement, f"the image of {polarisation}")
    table = safe.checked(parts.calibration, f"the calibration of {polarisation}")
    has_noise = parts.noise is not None and parts.noise in safe.names
    return Image(
        measurement,
        annotation,
        parse_calibration(safe.read(table), f"{safe.path}: {table}", calibration),
        parse_noise(safe.read(parts.noise), f"{safe.path}: {parts.noise}") if has_noise and parts.noise else None,
    )
