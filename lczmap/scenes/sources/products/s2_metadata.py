"""What a Sentinel-2 product says of itself: MTD_MSIL1C.xml or MTD_MSIL2A.xml, and the granule's MTD_TL.xml.

Level, platform, orbit, scale and offset are read here, never from file names. Reflectance is
(DN + RADIO_ADD_OFFSET or BOA_ADD_OFFSET of the band) / QUANTIFICATION_VALUE; products of processing baseline 04.00
and later carry an offset per band (-1000), earlier ones none (ESA, Sentinel-2 Products Specification Document 14 and
15). Element names do not depend on the version of the XML namespace. Pure: takes text, opens nothing.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from affine import Affine
from odc.geo.geobox import GeoBox

from lczmap.channels import S2_BANDS_L1C, S2_RESOLUTION_M
from lczmap.scenes.catalogue import Asset, Scene, utc_text

NODATA_DN = 0
OFFSET_BASELINE = (4, 0)
"""From this processing baseline on, DN carry an offset (ESA PSD 14.9)."""
S2_BANDS_L2A = tuple(band for band in S2_BANDS_L1C if band != "B10")
"""L2A has no cirrus band."""
SCL_NOT_CLEAR = (0, 1, 3, 8, 9, 10, 11)
"""Classes of the scene classification that are not a clear view of the ground: no data, saturated or defective,
cloud shadow, cloud of medium and high probability, thin cirrus, snow or ice (Sen2Cor)."""

_PRODUCT_NAMES = ("PRODUCT_URI", "PRODUCT_URI_2A")  # the second in Level-2A of 2017
_LEVELS = {"Level-1C": "L1C", "Level-2A": "L2A", "Level-2Ap": "L2A"}
_RADIOMETRY = {  # names of the quantification, the first that is there; name of the offset
    "L1C": (("QUANTIFICATION_VALUE",), "RADIO_ADD_OFFSET"),
    "L2A": (("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"), "BOA_ADD_OFFSET"),
}


@dataclass(frozen=True)
class ProductMetadata:
    """A product: reflectance = DN · `scale` + `offsets[band]`.

    `id` is the product's name without `.SAFE`; `cloud_cover` is in percent, None where it is not stated.
    """

    id: str
    level: str
    platform: str
    baseline: str
    relative_orbit: int
    orbit_direction: str
    cloud_cover: float | None
    scale: float
    offsets: Mapping[str, float] = field(default_factory=dict)

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands that a product of this level has."""
        return S2_BANDS_L1C if self.level == "L1C" else S2_BANDS_L2A

    def asset(self, band: str, path: str) -> Asset:
        """Describe the file of a band; its offset is applied here and nowhere else."""
        return Asset(
            path=path, scale=self.scale, offset=self.offsets[band], nodata=float(NODATA_DN), unit="reflectance"
        )


@dataclass(frozen=True)
class TileMetadata:
    """A granule: sensing time (UTC, ISO 8601), pixels by their size in metres.

    `sun` is (azimuth clockwise from north, elevation) in degrees at the granule's mean, None where it is not stated.
    """

    datetime: str
    lattices: Mapping[int, GeoBox]
    sun: tuple[float, float] | None

    def lattice(self, band: str) -> GeoBox:
        """Return the pixels of a band at its native size."""
        return self.lattices[S2_RESOLUTION_M[band]]


def describe(
    product: ProductMetadata, tile: TileMetadata, assets: Mapping[str, Asset], *, cloud: Asset | None = None
) -> Scene:
    """Return the scene that a product, its granule and its files are."""
    return Scene(
        id=product.id,
        sensor="sentinel-2",
        platform=product.platform,
        datetime=tile.datetime,
        state={"level": product.level},
        orbit_direction=product.orbit_direction,
        relative_orbit=product.relative_orbit,
        assets=dict(assets),
        cloud=cloud,
        sun=tile.sun,
    )


def parse_product(content: bytes, where: str) -> ProductMetadata:
    """Read MTD_MSIL1C.xml or MTD_MSIL2A.xml; `where` names it in errors.

    ValueError for another kind of file, a missing or impossible value, or offsets that do not fit the baseline.
    """
    root = _root(content, where)
    stated = _text(root, "PROCESSING_LEVEL", where)
    if stated not in _LEVELS:
        raise ValueError(f"{where}: expected PROCESSING_LEVEL {' or '.join(_LEVELS)}, got {stated!r}")
    level = _LEVELS[stated]
    baseline = _text(root, "PROCESSING_BASELINE", where)
    scale = 1 / _quantification(root, level, where)
    direction = _text(root, "SENSING_ORBIT_DIRECTION", where).lower()
    if direction not in ("ascending", "descending"):
        raise ValueError(f"{where}: expected SENSING_ORBIT_DIRECTION ascending or descending, got {direction!r}")
    cloud = next(_all(root, "Cloud_Coverage_Assessment"), None)
    return ProductMetadata(
        id=_text(root, _named(root, _PRODUCT_NAMES), where).removesuffix(".SAFE"),
        level=level,
        platform=_text(root, "SPACECRAFT_NAME", where).lower(),
        baseline=baseline,
        relative_orbit=round(_number(_text(root, "SENSING_ORBIT_NUMBER", where), "SENSING_ORBIT_NUMBER", where)),
        orbit_direction=direction,
        cloud_cover=None if cloud is None else _number(cloud.text or "", "Cloud_Coverage_Assessment", where),
        scale=scale,
        offsets=_offsets(root, level, baseline, scale, where),
    )


def parse_tile(content: bytes, where: str) -> TileMetadata:
    """Read a granule's MTD_TL.xml; `where` names it in errors. ValueError for a missing or impossible value."""
    root = _root(content, where)
    moment = _text(root, "SENSING_TIME", where)
    try:
        sensed = utc_text(datetime.fromisoformat(moment))
    except ValueError as error:
        raise ValueError(f"{where}: SENSING_TIME {moment!r} is no time") from error
    crs = _text(root, "HORIZONTAL_CS_CODE", where).upper()
    if re.fullmatch(r"EPSG:32[67]\d\d", crs) is None:
        raise ValueError(f"{where}: expected a UTM zone as HORIZONTAL_CS_CODE (EPSG:326.. or 327..), got {crs!r}")
    lattices = {size: _lattice(root, size, crs, where) for size in (10, 20, 60)}
    return TileMetadata(datetime=sensed, lattices=lattices, sun=_sun(root, where))


_REMEDY = "is the file from a Sentinel-2 product, and whole? Get the product again"


def _root(content: bytes, where: str) -> ET.Element:
    try:
        return ET.fromstring(content)
    except ET.ParseError as error:
        raise ValueError(f"{where}: not valid XML ({error}); {_REMEDY}") from error


def _all(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return root.iter(name)  # only the outermost elements of these files have a namespace


def _text(root: ET.Element, name: str, where: str) -> str:
    element = next(_all(root, name), None)
    text = "" if element is None else (element.text or "").strip()
    if not text:
        raise ValueError(f"{where}: `{name}` is missing; {_REMEDY}")
    return text


def _named(root: ET.Element, names: Sequence[str]) -> str:
    """Return the first of the names that is there, else the first."""
    return next((name for name in names if next(_all(root, name), None) is not None), names[0])


def _number(text: str, name: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{where}: expected a number as `{name}`, got {text!r}") from error


def _quantification(root: ET.Element, level: str, where: str) -> float:
    name = _named(root, _RADIOMETRY[level][0])
    value = _number(_text(root, name, where), name, where)
    if value <= 0:
        raise ValueError(f"{where}: expected a `{name}` above 0, got {value:g}")
    return value


def _offsets(root: ET.Element, level: str, baseline: str, scale: float, where: str) -> dict[str, float]:
    """Return the offset in reflectance of every band: all stated, or (before baseline 04.00) none."""
    _, name = _RADIOMETRY[level]
    stated: dict[str, float] = {}
    for element in _all(root, name):
        index = round(_number(element.get("band_id", ""), f"band_id of {name}", where))
        if not 0 <= index < len(S2_BANDS_L1C):
            raise ValueError(f"{where}: expected `{name}` of band_id 0..{len(S2_BANDS_L1C) - 1}, got {index}")
        stated[S2_BANDS_L1C[index]] = _number(element.text or "", name, where) * scale
    bands = S2_BANDS_L1C if level == "L1C" else S2_BANDS_L2A
    missing = [band for band in bands if band not in stated]
    if stated and missing:
        raise ValueError(f"{where}: expected a `{name}` for every band, missing for {', '.join(missing)}; {_REMEDY}")
    if not stated and _version(baseline, where) >= OFFSET_BASELINE:
        raise ValueError(
            f"{where}: processing baseline {baseline} has an offset per band, but `{name}` is missing; get the "
            "original product, or describe the scene with its `offset` in an archive.yaml"
        )
    return stated or dict.fromkeys(bands, 0.0)


def _version(baseline: str, where: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", baseline)
    if match is None:
        raise ValueError(f"{where}: expected a PROCESSING_BASELINE such as 05.10, got {baseline!r}")
    return int(match[1]), int(match[2])


def _sun(root: ET.Element, where: str) -> tuple[float, float] | None:
    angles = next(_all(root, "Mean_Sun_Angle"), None)
    if angles is None:
        return None
    zenith, azimuth = (_number(_text(angles, n, where), n, where) for n in ("ZENITH_ANGLE", "AZIMUTH_ANGLE"))
    return azimuth, 90 - zenith


def _lattice(root: ET.Element, pixel_m: int, crs: str, where: str) -> GeoBox:
    size, position = (_of_resolution(root, name, pixel_m, where) for name in ("Size", "Geoposition"))
    rows, cols = (round(_number(_text(size, n, where), n, where)) for n in ("NROWS", "NCOLS"))
    west, north, width, height = (_number(_text(position, n, where), n, where) for n in ("ULX", "ULY", "XDIM", "YDIM"))
    if (width, height) != (pixel_m, -pixel_m):
        raise ValueError(f"{where}: expected XDIM, YDIM = {pixel_m}, -{pixel_m} m, got {width:g}, {height:g}")
    return GeoBox((rows, cols), Affine(width, 0, west, 0, height, north), crs)


def _of_resolution(root: ET.Element, name: str, pixel_m: int, where: str) -> ET.Element:
    for element in _all(root, name):
        if element.get("resolution") == str(pixel_m):
            return element
    raise ValueError(f"{where}: `{name}` of resolution {pixel_m} is missing; {_REMEDY}")
