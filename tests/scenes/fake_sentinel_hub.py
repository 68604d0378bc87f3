"""A Sentinel Hub on the loopback: tokens, the Catalog API with pages, a Process API that paints what is asked for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from loopback import Answer, Loopback, Request
from rasterio.io import MemoryFile
from tiny_archive import Paint, make_grid

from lczmap.scenes.sources.source import Request as ArchiveRequest

CLIENT_ID, CLIENT_SECRET, TOKEN = "cl1ent-0f-a-test", "s3cret/0f+a=test", "t0ken.of.a.test"
TOKEN_PATH = "/auth/realms/main/protocol/openid-connect/token"
SEARCH_PATH = "/api/v1/catalog/1.0.0/search"
PROCESS_PATH = "/api/v1/process"
PAGE = 2

GRID = make_grid(120)
OPTICAL = ArchiveRequest(GRID, "sentinel-2", "2024-06-01", "2024-06-30", ("B2", "B11"))
RADAR = ArchiveRequest(GRID, "sentinel-1", "2024-06-01", "2024-06-30", ("VH", "VV"))

DTYPES = {"UINT16": "uint16", "UINT8": "uint8", "FLOAT32": "float32"}


@dataclass
class FakeSentinelHub:
    """`paints` are pictures by the service's band names, in the evalscript's units; NaN is where dataMask is 0."""

    server: Loopback
    items: Sequence[Mapping[str, Any]] = ()
    paints: Mapping[str, Paint] = field(default_factory=dict)
    spoil: Callable[[np.ndarray], np.ndarray] = lambda picture: picture
    moved_m: float = 0.0

    def __post_init__(self) -> None:
        self.server.route("POST", TOKEN_PATH, self._token)
        self.server.route("POST", SEARCH_PATH, self._search)
        self.server.route("POST", PROCESS_PATH, self._process)

    @property
    def searches(self) -> list[Any]:
        return [r.json for r in self.server.requests if r.path == SEARCH_PATH]

    @property
    def processed(self) -> list[Any]:
        return [r.json for r in self.server.requests if r.path == PROCESS_PATH]

    def _token(self, request: Request) -> Answer:
        asked = request.form
        if asked != {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}:
            return Answer.of({"error": "invalid_client", "error_description": f"{asked} is not known"}, 401)
        return Answer.of({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def _search(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer.of({"error": "no token"}, 401)
        asked = request.json
        start, end = asked["datetime"].split("/")
        found = [item for item in self.items if start <= item["properties"]["datetime"] <= end]
        first = asked.get("next", 0)
        context = {"limit": PAGE, "returned": len(found[first : first + PAGE])}
        if first + PAGE < len(found):
            context["next"] = first + PAGE
        return Answer.of({"type": "FeatureCollection", "features": found[first : first + PAGE], "context": context})

    def _process(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer.of({"error": "no token"}, 401)
        asked = request.json
        if max(asked["output"]["width"], asked["output"]["height"]) > 2500:
            return Answer.of({"error": {"status": 400, "message": "too large"}}, 400)
        return Answer(self._picture(asked), 200, {"Content-Type": "image/tiff"})

    def _picture(self, asked: Any) -> bytes:
        west, south, east, north = asked["input"]["bounds"]["bbox"]
        width, height = asked["output"]["width"], asked["output"]["height"]
        transform = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
        rows, cols = np.mgrid[0:height, 0:width] + 0.5
        x, y = transform @ (cols, rows)
        script = asked["evalscript"]
        *bands, mask = re.search(r"bands: \[(.*?)\]", script)[1].replace('"', "").split(", ")
        assert mask == "dataMask"
        sample = DTYPES[re.search(r'sampleType: "(\w+)"', script)[1]]
        missing = re.search(r": (\[[^\[]*\]|[^\[\]]*\]);\n}", script)[1].strip("[]").split(", ")[0]
        values = np.stack([self.paints[band](x, y) for band in bands])
        values = np.where(np.isnan(values), float(missing), values)
        if sample != "float32":
            values = np.rint(values)
        picture = self.spoil(values.astype(sample))
        epsg = asked["input"]["bounds"]["properties"]["crs"].rpartition("/")[2]
        profile = {"count": len(picture), "height": picture.shape[1], "width": picture.shape[2], "dtype": picture.dtype}
        where = {"crs": f"EPSG:{epsg}", "transform": Affine.translation(self.moved_m, 0) @ transform}
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", compress="deflate", **where, **profile) as target:
                target.write(picture)
            return memory.read()


def optical_item(
    name: str, moment: str, *, platform: str = "sentinel-2a", cloud: float = 10.0, **properties: Any
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": name,
        "bbox": [1.5, 52.2, 1.7, 52.4],
        "properties": {"datetime": moment, "platform": platform, "eo:cloud_cover": cloud, **properties},
    }


def radar_item(name: str, moment: str, **properties: Any) -> dict[str, Any]:
    stated = {
        "datetime": moment,
        "sar:instrument_mode": "IW",
        "s1:polarization": "DV",
        "sat:orbit_state": "ascending",
        "sar:polarizations": ["VV", "VH"],
    }
    return {"type": "Feature", "id": name, "bbox": [0.5, 51.0, 4.0, 53.0], "properties": stated | properties}
