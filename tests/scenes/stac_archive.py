"""A small STAC archive for the tests: painted scenes as items and files, served by an API or saved as a catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pystac
from loopback import Answer, Loopback, Request
from tiny_archive import CRS, NORTH, WEST, lattice, pixel_centres

from lczmap.channels import S2_BANDS_L1C, S2_RESOLUTION_M
from lczmap.raster import footprint, write_cells

WIDTH_M = 4800
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
]


def optical_item(
    folder: Path,
    name: str = "S2C_one",
    *,
    day: str = "2024-06-01",
    bands: Sequence[str] = S2_BANDS_L1C,
    carried: int = 1000,
    west: float = WEST - 2400,
    north: float = NORTH + 2400,
    crs: str = CRS,
    described: bool = True,
    **properties: object,
) -> dict:
    """Write reflectance 0.02 + 1e-5 · (metres east of WEST - 5000) per band, uint16, plus `carried` DN; and SCL 4."""
    assets = {}
    for band in [*(b for b in bands if b != "B10"), "SCL"]:
        geobox = lattice(S2_RESOLUTION_M.get(band, 20), WIDTH_M, west=west, north=north, crs=crs)
        east, _ = pixel_centres(geobox)
        digital = 200 + 0.1 * (east - west + 2600) + carried if band != "SCL" else np.full(geobox.shape, 4)
        key = band if band in ("SCL", "B8A") else f"B{int(band[1:]):02}"
        pixels = np.rint(digital).astype("uint8" if band == "SCL" else "uint16")
        write_cells(folder / name / f"{key}.tif", pixels[None], geobox, names=[band], nodata=0)
        assets[key] = {"href": f"{name}/{key}.tif", "type": "image/tiff", "roles": ["data"]}
        if described:
            shape, transform = list(geobox.shape), [float(v) for v in geobox.transform[:6]]
            assets[key] |= {"proj:shape": shape, "proj:transform": transform}
    said = {
        "platform": "Sentinel-2C",
        "s2:processing_baseline": "05.11" if carried else "03.01",
        "eo:cloud_cover": 12.5,
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 8,
        "s2:mean_solar_azimuth": 150.0,
        "s2:mean_solar_zenith": 40.0,
    }
    if described:
        said["proj:epsg"] = int(crs.removeprefix("EPSG:"))
    box = lattice(10, WIDTH_M, west=west, north=north, crs=crs)
    return _item(name, day, "sentinel-2-l2a", assets, said | properties, list(footprint(box, "EPSG:4326")))


def radar_item(folder: Path, name: str = "S1A_one_rtc", *, day: str = "2024-06-02", **properties: object) -> dict:
    """Write linear gamma0 0.01 (VH) and 0.1 (VV), -32768 in the first column; no proj:* metadata."""
    box = lattice(10, WIDTH_M, west=WEST - 2403.3, north=NORTH + 2401.7)
    assets = {}
    for key, value in (("vh", 0.01), ("vv", 0.1)):
        pixels = np.full(box.shape, value, np.float32)
        pixels[:, 100] = -32768
        write_cells(folder / name / f"{key}.tif", pixels[None], box, names=[key], nodata=-32768)
        assets[key] = {"href": f"{name}/{key}.tif", "type": "image/tiff", "roles": ["data"]}
    said = {"platform": "SENTINEL-1A", "sar:instrument_mode": "IW", "sat:orbit_state": "ascending"}
    return _item(name, day, "sentinel-1-rtc", assets, said | properties, list(footprint(box, "EPSG:4326")))


def serve(server: Loopback, folder: Path, items: Sequence[Mapping], *, page: int = 2) -> str:
    """Serve items by pages and their files; return the address of the API."""
    url = f"{server.url}/v1"
    server.files("/files", folder)
    links = [
        {"rel": "self", "href": url},
        {"rel": "search", "href": f"{url}/search", "type": "application/geo+json", "method": "POST"},
        {"rel": "data", "href": f"{url}/collections"},
    ]
    about = {"stac_version": "1.0.0", "description": "test"}
    root = about | {"type": "Catalog", "id": "test", "conformsTo": CONFORMS, "links": links}
    server.route("GET", "/v1/?", lambda _: Answer.of(root))
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]}}
    names = {str(item["collection"]) for item in items} | {"sentinel-2-l2a", "sentinel-1-rtc"}

    def collection(request: Request) -> Answer:
        if request.parts["name"] not in names:
            return Answer.of({"code": "NotFoundError"}, 404)
        identity = {"type": "Collection", "id": request.parts["name"], "license": "x", "extent": extent, "links": []}
        return Answer.of(about | identity)

    def search(request: Request) -> Answer:
        body = request.json
        mine = [with_hrefs(i, f"{server.url}/files/") for i in items if i["collection"] in body["collections"]]
        start = int(body.get("token", 0))
        following = {**body, "token": str(start + page)}
        next_link = {"rel": "next", "method": "POST", "href": f"{url}/search", "body": following}
        links = [next_link] if start + page < len(mine) else []
        return Answer.of({"type": "FeatureCollection", "features": mine[start : start + page], "links": links})

    server.route("GET", "/v1/collections/(?P<name>[^/]+)", collection)
    server.route("POST", "/v1/search", search)
    return url


def save_catalogue(folder: Path, items: Sequence[Mapping]) -> Path:
    """Write the items as a static catalogue beside their files; return catalog.json."""
    catalogue = pystac.Catalog("test", "a catalogue on disk")
    for item in items:
        entry = pystac.Item.from_dict({**with_hrefs(item, f"{folder}/"), "links": []})
        entry.collection_id = str(item["collection"])
        catalogue.add_item(entry)
    catalogue.normalize_hrefs(str(folder))
    catalogue.make_all_asset_hrefs_relative()
    catalogue.save(pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


def save_items(path: Path, items: Sequence[Mapping]) -> Path:
    """Write the items as one item collection."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return path


def with_hrefs(item: Mapping, prefix: str) -> dict:
    return {**item, "assets": {k: a | {"href": prefix + a["href"]} for k, a in item["assets"].items()}}


def _item(name: str, day: str, collection: str, assets: dict, said: dict, bbox: list[float]) -> dict:
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "bbox": bbox,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": f"{day}T10:30:00.024Z"} | said,
        "links": [],
        "assets": assets,
    }
