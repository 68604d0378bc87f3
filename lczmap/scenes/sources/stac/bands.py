"""The files of a STAC item: which asset holds which channel, its pixels, scale and offset. Pure, opens nothing.

Sentinel-2 assets are known by the names of Planetary Computer (B02), Copernicus Data Space (B02_10m) and Earth
Search (blue, rededge1, nir08 …), else by the one band that an asset says it holds. Reflectance = DN · scale + offset;
the offset is decided here, once per item (`reflectance_offset`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lczmap.channels import S2_RESOLUTION_M
from lczmap.scenes.sources.http import without_query
from lczmap.scenes.sources.products.s2_metadata import OFFSET_BASELINE

Item = Mapping[str, Any]
S2_SCALE = 1e-4  # reflectance per DN, ESA Sentinel-2 Products Specification Document
S2_OFFSET = -0.1  # BOA_ADD_OFFSET and RADIO_ADD_OFFSET of -1000 DN, baseline >= 04.00 (same document)

_COMMON_NAMES = {
    "coastal": "B1", "blue": "B2", "green": "B3", "red": "B4", "rededge1": "B5", "rededge2": "B6", "rededge3": "B7",
    "nir": "B8", "nir08": "B8A", "nir09": "B9", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
_S2_NAME = re.compile(r"B0?(?P<band>\d{1,2}|8A)(?:_(?P<size>\d\d)m)?", re.IGNORECASE)
_SCL_NAME = re.compile(r"SCL(?:_20m)?", re.IGNORECASE)
_FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_S1_NAMES = {"vh": "VH", "vv": "VV"}


@dataclass(frozen=True)
class BandFile:
    """One channel's file, as its item describes it: value = DN · `scale` + `offset`.

    `href` is an address without query, or a path. `crs`, `transform` (a, b, c, d, e, f) and `shape` (rows, columns)
    are its pixels, None where the item does not say.
    """

    href: str
    dtype: str
    nodata: float | None
    scale: float = 1.0
    offset: float = 0.0
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> BandFile:
        """Return the file that `dataclasses.asdict` wrote, also after a passage through JSON."""
        lists = {key: None if entry[key] is None else tuple(entry[key]) for key in ("transform", "shape")}
        return cls(**{**entry, **lists})


def optical_files(item: Item) -> dict[str, BandFile]:
    """Return the files of a Sentinel-2 item by band (B1..B12), and SCL; ValueError when the offset is unknown."""
    said, files = item["properties"], {}
    for name, asset in _best(item["assets"]).items():
        if name == "SCL":
            files[name] = BandFile(nodata=0.0, **_pixels(item, asset, "uint8"))
            continue
        declared = _band_value(asset, "offset")
        scale = _band_value(asset, "scale")
        offset = reflectance_offset(said, None if declared is None else float(declared))
        scale = S2_SCALE if scale is None else float(scale)
        files[name] = BandFile(nodata=0.0, scale=scale, offset=offset, **_pixels(item, asset, "uint16"))
    return files


def _best(assets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the asset of each Sentinel-2 band (and SCL): its native pixel size first, then a GeoTIFF."""
    offers: dict[str, list[tuple[tuple[bool, bool], Any]]] = {}
    for key, asset in assets.items():
        band = _s2_band(key, asset)
        if band is not None:
            name = _S2_NAME.fullmatch(key)
            other_size = name is not None and name["size"] not in (None, str(S2_RESOLUTION_M.get(band)))
            offers.setdefault(band, []).append(((other_size, "jp2" in str(asset.get("type"))), asset))
    return {band: min(found, key=lambda offer: offer[0])[1] for band, found in offers.items()}


def _s2_band(key: str, asset: Mapping[str, Any]) -> str | None:
    if {"thumbnail", "overview", "visual", "metadata"} & set(asset.get("roles") or ()):
        return None
    if _SCL_NAME.fullmatch(key):
        return "SCL"
    bands = asset.get("eo:bands") or asset.get("bands") or []
    names = [key, *(str(bands[0].get(k)) for k in ("name", "common_name", "eo:common_name") if len(bands) == 1)]
    for name in names:
        match = _S2_NAME.fullmatch(name)
        band = f"B{match['band'].upper()}" if match else _COMMON_NAMES.get(name)
        if band in S2_RESOLUTION_M:
            return band
    return None


def radar_files(item: Item) -> dict[str, BandFile]:
    """Return the files of a Sentinel-1 item among VH and VV."""
    assets = {_S1_NAMES[key.lower()]: asset for key, asset in item["assets"].items() if key.lower() in _S1_NAMES}
    files = {}
    for name, asset in sorted(assets.items()):
        nodata = _band_value(asset, "nodata")
        nodata = None if nodata is None else float(nodata)
        files[name] = BandFile(nodata=nodata, **_pixels(item, asset, "float32"))
    return files


def reflectance_offset(properties: Mapping[str, Any], declared: float | None) -> float:
    """Return what is added to DN · 1e-4: -0.1 where the DN carry the +1000 of baseline >= 04.00, else 0.

    `declared` is the offset in the asset's own metadata. The rule, in this order: (1) the archive says that it took
    the +1000 away (`earthsearch:boa_offset_applied`): 0. (2) The processing baseline decides; a declared -0.1 at an
    older baseline is ignored, because Earth Search writes it into all items alike. (3) Without a baseline, the
    declared offset. ValueError when nothing says it, or when a declared 0 contradicts the baseline.
    The flag of (1) is known to be false where it should be true (issues Element84/earth-search 66 and 71,
    cirrus-geo/cirrus-earth-search 33): the pixels are looked at when they come.
    """
    applied = next((properties[k] for k in _FLAGS if k in properties), None)
    baseline = baseline_of(properties)
    if applied is True:
        return 0.0
    if baseline is None:
        if declared is None:
            raise ValueError("neither processing baseline nor offset are stated, the reflectance is unknown")
        return declared
    carried = baseline >= OFFSET_BASELINE
    if carried and declared == 0 and applied is None:
        raise ValueError(
            f"processing baseline {baseline[0]:02}.{baseline[1]:02} has the offset {S2_OFFSET}, the asset says 0"
        )
    return S2_OFFSET if carried else 0.0


def baseline_of(properties: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the processing baseline of a Sentinel-2 item, None where it is not stated."""
    keys = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    text = next((str(properties[key]) for key in keys if properties.get(key)), None)
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    if match is None:
        raise ValueError(f"expected a processing baseline such as 05.10, got {text!r}")
    return int(match[1]), int(match[2])


def _pixels(item: Item, asset: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    transform, shape = (_projection(item, asset, key) for key in ("transform", "shape"))
    code, epsg = (_projection(item, asset, key) for key in ("code", "epsg"))
    data_type = _band_value(asset, "data_type")
    return {
        "href": without_query(asset["href"]) if "://" in asset["href"] else asset["href"],
        "dtype": str(data_type) if data_type in ("uint8", "uint16", "int16", "float32") else dtype,
        "crs": str(code) if code else f"EPSG:{epsg}" if epsg else None,
        "transform": None if transform is None else tuple(float(v) for v in transform[:6]),
        "shape": None if shape is None else (int(shape[0]), int(shape[1])),
    }


def _projection(item: Item, asset: Mapping[str, Any], key: str) -> Any:
    value = asset.get(f"proj:{key}")
    return item["properties"].get(f"proj:{key}") if value is None else value


def _band_value(asset: Mapping[str, Any], key: str) -> Any:
    # STAC 1.0 has raster:bands, 1.1 writes into the asset or into its one band
    places = [asset, *(asset.get("raster:bands") or [])[:1], *(asset.get("bands") or [])[:1]]
    return next((place[k] for place in places for k in (f"raster:{key}", key) if place.get(k) is not None), None)
