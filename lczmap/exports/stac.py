"""The run as a STAC Item (STAC 1.1), with where and when, what the classes are and how the map was made.

Extensions: projection 2.0, raster 1.1, classification 2.0, file 2.1, processing 1.1, attribution 0.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pystac
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, NoDataStrings, RasterBand, RasterExtension, Sampling
from shapely.geometry import mapping

from lczmap.classes import CLASSES, code_to_wudapt
from lczmap.exports.facts import RunFacts
from lczmap.exports.footprint import lonlat_bounds, map_outline
from lczmap.exports.outputs import Kind, Output, known_outputs, relative_href
from lczmap.exports.vector_style import named_colors
from lczmap.files import sha256, write_json
from lczmap.grid import Grid
from lczmap.provenance import RELIABILITY_TAG
from lczmap.raster import RasterHeader, read_colors, read_header

# pystac has no classes for these two: their fields are written as their schemas say
PROCESSING = "https://stac-extensions.github.io/processing/v1.1.0/schema.json"
ATTRIBUTION = "https://stac-extensions.github.io/attribution/v0.1.0/schema.json"
SHA256_MULTIHASH = "1220"  # code 0x12 of SHA2-256, length 0x20 bytes (multiformats.io)
LEVEL = "L4"  # not measured by an instrument but derived, in the words of the processing extension
ROLES = {
    "classes": ["data"],
    "wudapt": ["data"],
    "raster": ["data"],
    "vector": ["data"],
    "picture": ["overview"],
    "record": ["metadata"],
}
ESA = pystac.Provider(
    "European Space Agency",
    description="Copernicus Sentinel data, from which the map was made",
    roles=[pystac.ProviderRole.PRODUCER, pystac.ProviderRole.LICENSOR],
    url="https://sentinels.copernicus.eu",
)


def export_stac(
    facts: RunFacts, grid: Grid, files: Sequence[Path], out: Path, *, license_id: str | None = None
) -> pystac.Item:
    """Write a STAC Item of a run with the given files as assets, and return it.

    Hrefs are relative to the item, so that the folder can be moved as a whole. `license_id` is the map's licence, an
    SPDX identifier; without one the item states none. ValueError for a file that no run makes or that is missing.
    """
    area = map_outline(grid)
    item = pystac.Item(
        id=f"lcz_{facts.city}_{facts.start}_{facts.end}",
        geometry=mapping(area),
        bbox=list(lonlat_bounds(area)),
        datetime=None,
        start_datetime=datetime.combine(facts.start, time.min, UTC),
        end_datetime=datetime.combine(facts.end, time(23, 59, 59), UTC),
        properties=_properties(facts),
        stac_extensions=[PROCESSING, ATTRIBUTION],
    )
    if not facts.is_simulated:
        item.common_metadata.providers = [ESA]
    if license_id is not None:
        item.common_metadata.license = license_id
    _add_projection(item, grid)
    for output, path in known_outputs(files):
        item.add_asset(output.key, pystac.Asset(relative_href(path, out), output.title, None, output.media_type))
        _describe(item.assets[output.key], output, path, grid)
    write_json(out, item.to_dict(include_self_link=False, transform_hrefs=False))
    return item


def _properties(facts: RunFacts) -> dict[str, Any]:
    return {
        "title": facts.title,
        "description": facts.description,
        "attribution": facts.attribution,
        "processing:level": LEVEL,
        "processing:lineage": facts.lineage,
        "processing:software": dict(facts.software),
        "lczmap:network": facts.network_key,
        "lczmap:architecture": facts.architecture,
        **({"lczmap:members": _members(facts)} if facts.members else {}),
        "lczmap:weights_sha256": facts.weights_sha256,
        "lczmap:scenes": facts.scene_ids,
    }


def _members(facts: RunFacts) -> list[dict[str, str]]:
    return [{"network": key, "architecture": architecture} for key, architecture in facts.members]


def _add_projection(item: pystac.Item, grid: Grid) -> None:
    geobox = grid.cell_geobox
    box = geobox.boundingbox
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=grid.crs,
        shape=list(geobox.shape),
        transform=list(geobox.transform)[:6],
        bbox=[box.left, box.bottom, box.right, box.top],
    )


def _describe(asset: pystac.Asset, output: Output, path: Path, grid: Grid) -> None:
    asset.roles = [output.key] if output.key in ("thumbnail", "visual") else ROLES[output.kind]
    checksum = SHA256_MULTIHASH + sha256(path)
    FileExtension.ext(asset, add_if_missing=True).apply(size=path.stat().st_size, checksum=checksum)
    if output.kind not in ("classes", "wudapt", "raster"):
        return
    header = read_header(path)
    RasterExtension.ext(asset, add_if_missing=True).bands = [_band(header, n) for n in range(len(header.names))]
    asset.extra_fields["bands"] = [{"name": name} for name in header.names]
    if header.transform != grid.cell_geobox.transform:
        code = header.crs if header.crs and header.crs.startswith("EPSG:") else None
        transform = list(header.transform)[:6]
        ProjectionExtension.ext(asset).apply(code=code, shape=list(header.shape), transform=transform)
    if output.kind in ("classes", "wudapt"):
        ClassificationExtension.ext(asset, add_if_missing=True).classes = _classes(path, output.kind)
    if RELIABILITY_TAG in header.tags:
        asset.description = header.tags[RELIABILITY_TAG]


def _band(header: RasterHeader, number: int) -> RasterBand:
    dtype, nodata = header.dtypes[number], header.nodata
    missing: float | NoDataStrings | None = nodata
    if nodata is not None and math.isnan(nodata):
        missing = NoDataStrings.NAN
    elif nodata is not None and not dtype.startswith("float"):
        missing = int(nodata)
    in_metres = header.crs is not None and pyproj.CRS(header.crs).is_projected
    resolution = abs(header.transform.a) if in_metres else None
    return RasterBand.create(
        data_type=DataType(dtype), nodata=missing, sampling=Sampling.AREA, spatial_resolution=resolution
    )


def _classes(path: Path, kind: Kind) -> list[Classification]:
    codes = np.array([c.code for c in CLASSES])
    values = code_to_wudapt(codes) if kind == "wudapt" else codes
    table = read_colors(path)
    colors = named_colors(
        {int(code): table[value] for code, value in zip(codes, values, strict=True) if value in table}
    )
    return [
        Classification.create(
            value=int(value),
            name=f"lcz_{c.label.lower()}",
            title=c.title,
            description=c.name,
            color_hint=colors[c.code][1:].upper(),
        )
        for c, value in zip(CLASSES, values, strict=True)
    ]
