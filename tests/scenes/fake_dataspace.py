"""The Copernicus Data Space on the loopback: OData search with pages, tokens by password, downloads behind a redirect.

The answers have the format of the recorded one for Sentinel-2 (`cop_dataspace_search.json`), with the attributes that
Sentinel-1 has there.
"""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import shapely
from loopback import Answer, Loopback, Request

PAGE = 2
NAME, PASSWORD = "someone@example.org", "p+ss&word"


def zip_bytes(name: str, size: int = 200_000) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{name}.SAFE/manifest.safe", "<manifest/>")
        archive.writestr(f"{name}.SAFE/measurement/a.tiff", bytes(i * 7 % 251 for i in range(size)))
    return packed.getvalue()


@dataclass
class Product:
    """One product of the catalogue; `facts` replaces values of its item."""

    letter: str = "A"
    day: str = "20260111"
    time: str = "174000"
    unit: str = "0A1B"
    polarisations: str = "VV&VH"
    west: float = 0.0
    relative_orbit: int = 59
    type: str = "IW_SLC__1S"
    facts: dict[str, Any] = field(default_factory=dict)
    packed: bytes = b""

    def __post_init__(self) -> None:
        self.packed = self.packed or zip_bytes(self.name)

    @property
    def name(self) -> str:
        start = f"{self.day}T{self.time}"
        return f"S1{self.letter}_IW_SLC__1SDV_{start}_{start[:-2]}27_060000_07ABCD_{self.unit}"

    @property
    def uuid(self) -> str:
        return str(UUID(hashlib.md5(self.name.encode()).hexdigest()))

    @property
    def start(self) -> str:
        d, t = self.day, self.time
        return f"{d[:4]}-{d[4:6]}-{d[6:]}T{t[:2]}:{t[2:4]}:{t[4:]}.123000Z"

    @property
    def outline(self) -> shapely.Polygon:
        w = self.west
        return shapely.Polygon([(w, 51.5), (w + 3.4, 51.9), (w + 3.0, 53.5), (w - 0.6, 53.1)])

    def item(self) -> dict[str, Any]:
        attributes = {
            "orbitDirection": "ASCENDING", "relativeOrbitNumber": self.relative_orbit, "orbitNumber": 60000,
            "platformShortName": "SENTINEL-1", "platformSerialIdentifier": self.letter, "operationalMode": "IW",
            "polarisationChannels": self.polarisations, "productType": self.type, "processorVersion": "003.91",
        }  # fmt: skip
        kinds = {str: "String", int: "Integer"}
        return {
            "@odata.mediaContentType": "application/octet-stream",
            "Id": self.uuid,
            "Name": f"{self.name}.SAFE",
            "ContentLength": len(self.packed),
            "Online": True,
            "Checksum": [
                {"Value": value, "Algorithm": algorithm, "ChecksumDate": "2026-02-01T00:00:00Z"}
                for value, algorithm in (("0" * 64, "BLAKE3"), (hashlib.md5(self.packed).hexdigest(), "MD5"))
            ],
            "ContentDate": {"Start": self.start, "End": self.start},
            "GeoFootprint": shapely.geometry.mapping(self.outline),
            "Attributes": [
                {"@odata.type": f"#OData.CSC.{kind}Attribute", "Name": name, "Value": value, "ValueType": kind}
                for name, value, kind in ((n, v, kinds[type(v)]) for n, v in attributes.items())
            ],
        } | self.facts  # fmt: skip


class FakeDataSpace:
    """The service; `tokens` are those that it accepts, `grants` how many it gave."""

    def __init__(self, server: Loopback, products: list[Product], folder: Path, lasts_s: float = 600) -> None:
        self.server, self.products, self.lasts_s = server, products, lasts_s
        self.tokens: set[str] = {"given-token"}
        self.grants = 0
        self.sent_to = f"{server.url}/store"  # where downloads are redirected
        for one in products:
            (folder / f"{one.uuid}.zip").write_bytes(one.packed)
        server.route("GET", r"/odata/v1/Products", self._search)
        server.route("POST", "/auth/realms/CDSE/protocol/openid-connect/token", self._token)
        server.route("GET", r"/odata/v1/Products\((?P<id>[^)]+)\)/\$value", self._value)
        server.files("/store", folder)

    def _search(self, asked: Request) -> Answer:
        wanted = asked.query["$filter"]
        assert "Collection/Name eq 'SENTINEL-1'" in wanted and asked.query["$expand"] == "Attributes"
        kind = re.search(
            r"Attributes/OData\.CSC\.StringAttribute/any\(att:att/Name eq 'productType' and "
            r"att/OData\.CSC\.StringAttribute/Value eq '(\w+)'\)",
            wanted,
        )[1]
        areas = re.findall(r"OData\.CSC\.Intersects\(area=geography'SRID=4326;(POLYGON\(\([^)]*\)\))'\)", wanted)
        area = shapely.union_all([shapely.from_wkt(one) for one in areas])
        first = re.search(r"ContentDate/Start ge ([^ )]+)", wanted)[1]
        last = re.search(r"ContentDate/Start le ([^ )]+)", wanted)[1]
        inside = [
            p for p in self.products if p.type == kind and first <= p.start <= last and p.outline.intersects(area)
        ]
        skip = int(asked.query.get("$skip", 0))
        page = {
            "@odata.context": "$metadata#Products(Attributes())",
            "value": [p.item() for p in inside[skip : skip + PAGE]],
        }
        if skip + PAGE < len(inside):
            kept = "&".join(f"{k}={quote(v)}" for k, v in asked.query.items() if k != "$skip")
            page["@odata.nextLink"] = f"{self.server.url}/odata/v1/Products?{kept}&$skip={skip + PAGE}"
        return Answer.of(page)

    def _token(self, asked: Request) -> Answer:
        form = asked.form
        assert (form["client_id"], form["grant_type"]) == ("cdse-public", "password")
        if (form["username"], form["password"]) != (NAME, PASSWORD):
            return Answer.of({"error": "invalid_grant", "error_description": f"{NAME}: Invalid user credentials"}, 401)
        self.grants += 1
        self.tokens.add(f"token-{self.grants}")
        return Answer.of({"access_token": f"token-{self.grants}", "expires_in": self.lasts_s, "token_type": "Bearer"})

    def _value(self, asked: Request) -> Answer:
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Answer.of({"detail": "Expired signature"}, 401)
        return Answer(b"", 301, {"Location": f"{self.sent_to}/{asked.parts['id']}.zip"})
