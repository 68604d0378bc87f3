"""Sentinel-1 IW SLC products on disk: a SAFE folder or a zip file of one becomes a value to work with.

Opening reads the manifest and the annotation of every image; calibration, noise and pixels are read when asked for.
Platform, orbit and times come from the manifest and the annotation, never from the product's name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lczmap.raster import read_window
from lczmap.sar.grd_radiometry import Noise, Vectors
from lczmap.sar.orbit import StateVectors
from lczmap.sar.safe.annotation import SlcAnnotation, parse_slc
from lczmap.sar.safe.container import MANIFEST, Safe, find_products, open_safe
from lczmap.sar.safe.elements import parse_xml, whole_at
from lczmap.sar.safe.manifest import Manifest, Parts, read_manifest, slc_parts
from lczmap.sar.safe.swath import Swath, common
from lczmap.sar.safe.tables import parse_calibration, parse_noise

POLARISATIONS = ("VH", "VV")
_SAMPLE_BYTES = 4  # two 16-bit integers
_HEADER_BYTES = 64 * 2**20  # more than a TIFF needs beside its pixels
_SLC_NAME = re.compile(r"S1[A-Z]_[A-Z0-9]{2}_SLC")
_TAKE = "take an SLC product of mode IW in VV and VH (named S1?_IW_SLC__1SDV_…)"

Key = tuple[str, str]


@dataclass(frozen=True)
class SlcProduct:
    """An IW SLC product in VV and VH, whole or cut to some swaths and bursts.

    `platform` is such as sentinel-1a; `datetime` the start as the manifest says, `epoch` midnight (UTC, no zone) of
    that day. All times are seconds since `epoch`: `start_s` and `stop_s` of the first and the last line of all
    swaths. `bounds` are (west, south, east, north) in degrees, west > east across 180°. `swaths` by name, those that
    the manifest lists. `state_vectors` is the product's own orbit. For sequential use; images of a zip file are
    unpacked into `scratch` when first read, and left there.
    """

    path: Path
    id: str
    platform: str
    datetime: str
    epoch: dt.datetime
    start_s: float
    stop_s: float
    orbit_direction: str
    relative_orbit: int
    absolute_orbit: int
    processor: str
    bounds: tuple[float, float, float, float]
    state_vectors: StateVectors
    swaths: Mapping[str, Swath]
    safe: Safe
    parts: Mapping[Key, Parts]
    scratch: Path | None

    def calibration(self, swath: str, polarisation: str) -> Vectors:
        """Return `sigmaNought` over rows and samples of a swath's image; read anew at each call."""
        table = self._parts(swath, polarisation).calibration
        name = self.safe.checked(table, f"the calibration of {swath} {polarisation}")
        return parse_calibration(self.safe.read(name), f"{self.path}: {name}", "sigma0")

    def noise(self, swath: str, polarisation: str) -> Noise | None:
        """Return thermal noise in DN² over rows and samples of a swath's image, None where the product has none."""
        name = self._parts(swath, polarisation).noise
        if name is None or name not in self.safe.names:
            return None
        return parse_noise(self.safe.read(name), f"{self.path}: {name}")

    def read(self, swath: str, polarisation: str, rows: slice, cols: slice) -> npt.NDArray[np.complex64]:
        """Return digital numbers (rows, cols) of a window of a swath's image; 0 where there is no data.

        ValueError for a window outside the image, and for a file that is empty, cut short or not of the annotated
        size; for a zip file, also without `scratch`.
        """
        image, shape = self._parts(swath, polarisation), self._shape(swath)
        for part, size in zip((rows, cols), shape, strict=True):
            if not 0 <= part.start < part.stop <= size:
                raise ValueError(f"{self.path}: expected a window within {shape} of {swath}, got {rows}, {cols}")
        file = self._file(image.measurement, shape)
        try:
            digital = read_window(file, rows, cols, shape=shape, driver="GTiff")
        except ValueError as error:
            raise ValueError(f"{error}; {self._expected(image.measurement, shape)}") from error
        if not np.iscomplexobj(digital):
            raise ValueError(f"{file}: expected complex samples, got {digital.dtype}; {_TAKE}")
        return digital.astype(np.complex64, copy=False)

    def _parts(self, swath: str, polarisation: str) -> Parts:
        if (swath, polarisation) not in self.parts:
            raise ValueError(f"{self.path}: expected one of {_named(self.parts)}, got {swath} {polarisation}")
        return self.parts[swath, polarisation]

    def _shape(self, swath: str) -> tuple[int, int]:
        return self.swaths[swath].lines, self.swaths[swath].samples

    def _file(self, name: str, shape: tuple[int, int]) -> Path:
        size = self.safe.sizes[name]
        if size == 0:
            raise ValueError(f"{self.path}: {name} is empty; {self._expected(name, shape)}")
        if size > shape[0] * shape[1] * _SAMPLE_BYTES + _HEADER_BYTES:
            raise ValueError(f"{self.path}: {name} is too large for its annotation; {self._expected(name, shape)}")
        return self.safe.place(name, self.scratch)

    def _expected(self, name: str, shape: tuple[int, int]) -> str:
        lines, samples = shape
        return (
            f"expected {lines} lines × {samples} samples (some {lines * samples * _SAMPLE_BYTES} bytes unless "
            f"compressed), got {self.safe.sizes[name]} bytes; download the product again"
        )


def find_slc(folder: Path) -> list[Path]:
    """Return the Sentinel-1 SLC products below a folder (or the folder itself): SAFE folders, then zips, sorted.

    What is named like an SLC product is returned even if it is broken, so that reading it says what is wrong. A zip
    beside its unpacked folder is left out.
    """
    return find_products(folder, _SLC_NAME)


def open_slc(path: Path, scratch: Path | None = None) -> SlcProduct:
    """Open an IW SLC product, a SAFE folder or a zip file of one; images of a zip are unpacked into `scratch`.

    ValueError for any other product, for one of which the manifest lists a file that is not there (it says which
    swath and polarisation), for XML that is broken or hostile, and for a zip that could write elsewhere.
    """
    safe = open_safe(path)
    text = safe.read(safe.checked(MANIFEST, "a manifest"))
    where = f"{safe.path}: {MANIFEST}"
    root = parse_xml(text, where)
    manifest = read_manifest(root, where)
    parts = _checked_parts(safe, manifest)
    epoch = manifest.start.replace(hour=0, minute=0, second=0, microsecond=0)
    swaths, orbit = _swaths(safe, parts, epoch)
    return SlcProduct(
        path=safe.path,
        id=safe.id,
        platform=manifest.platform,
        datetime=manifest.datetime,
        epoch=epoch,
        # of the lines: the manifest of a product cut to bursts may still say those of the whole
        start_s=min(swath.start_s for swath in swaths.values()),
        stop_s=max(swath.stop_s for swath in swaths.values()),
        orbit_direction=manifest.orbit_direction,
        relative_orbit=manifest.relative_orbit,
        absolute_orbit=whole_at(root, ".//{*}orbitNumber[@type='start']", where),
        processor=manifest.processor,
        bounds=manifest.bounds,
        state_vectors=replace(orbit, platform=manifest.platform),
        swaths=swaths,
        safe=safe,
        parts=parts,
        scratch=scratch,
    )


def _swaths(safe: Safe, parts: Mapping[Key, Parts], epoch: dt.datetime) -> tuple[dict[str, Swath], StateVectors]:
    found = {key: _annotation(safe, key, part, epoch) for key, part in parts.items()}
    names = sorted({swath for swath, _ in parts})
    swaths = {name: common(found[name, "VH"].swath, found[name, "VV"].swath, str(safe.path)) for name in names}
    return swaths, found[names[0], "VV"].state_vectors  # the same in all: it is the satellite's


def _checked_parts(safe: Safe, manifest: Manifest) -> dict[Key, Parts]:
    if (manifest.product_type, manifest.mode) != ("SLC", "IW"):
        raise ValueError(
            f"{safe.path}: expected product type SLC of mode IW, got {manifest.product_type} of {manifest.mode}; "
            f"{_TAKE}"
        )
    parts = slc_parts(manifest.files)
    if not parts:
        raise ValueError(f"{safe.path}: expected measurements in the manifest, found none; get the product again")
    polarisations = sorted({polarisation for _, polarisation in parts})
    if polarisations != list(POLARISATIONS):
        raise ValueError(f"{safe.path}: expected VH and VV, got {' and '.join(polarisations)}; {_TAKE}")
    keys = [(swath, p) for swath in sorted({swath for swath, _ in parts}) for p in POLARISATIONS]
    missing = [key for key in keys if key not in parts or not _files(parts[key]) <= safe.names]
    if missing:
        raise ValueError(
            f"{safe.path}: expected annotation, calibration and measurement of {_named(keys)}, files are missing of "
            f"{_named(missing)}; download the product again, or one that is cut to the swaths needed"
        )
    return parts


def _files(parts: Parts) -> set[str]:
    return {parts.measurement, parts.annotation} | ({parts.calibration} if parts.calibration else set())


def _annotation(safe: Safe, key: Key, parts: Parts, epoch: dt.datetime) -> SlcAnnotation:
    name = f"{safe.path}: {parts.annotation}"
    annotation = parse_slc(safe.read(parts.annotation), name, epoch)
    found = annotation.swath.name, annotation.polarisation
    if found != key:
        raise ValueError(f"{name}: expected the annotation of {_named([key])}, got {_named([found])}; get it again")
    return annotation


def _named(keys: Iterable[Key]) -> str:
    return ", ".join(" ".join(key) for key in keys)
