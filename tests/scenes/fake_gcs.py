"""Google's bucket of Sentinel-2 L1C on the loopback: a STAC search, the anonymous listing with pages, the objects."""

from collections.abc import Sequence
from pathlib import Path

from loopback import Answer, Loopback, Request
from tiny_safe import Paint, Safe, gradient, write_safe

BUCKET = "sentinel-2"
PAGE_SIZE = 7
GEOJSON = "application/geo+json"
COLLECTION = {
    "type": "Collection", "id": "sentinel-2-l1c", "stac_version": "1.0.0", "description": "L1C", "license": "other",
    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-06-27T00:00:00Z", None]]}},
    "links": [],
}  # fmt: skip


def place(folder: Path, safe: Safe) -> Path:
    return folder / "tiles" / safe.tile[:2] / safe.tile[2] / safe.tile[3:]


def item(safe: Safe, day: str, *, baseline: str | None = None, processed: str = "20240501T000000") -> dict:
    """A catalogue's item with the properties of Earth Search, of a processing that need not be in the bucket."""
    number = "N" + (baseline or safe.baseline).replace(".", "")
    name = f"S2{safe.satellite}_MSIL1C_{safe.datatake}_{number}_R081_T{safe.tile}_{processed}"
    return {
        "type": "Feature",
        "id": f"S2{safe.satellite}_{safe.tile}_{safe.datatake[:8]}_0_L1C",
        "bbox": [1.4, 52.2, 1.6, 52.4],
        "properties": {
            "datetime": f"{day}T13:14:11.918000Z",
            "platform": f"sentinel-2{safe.satellite.lower()}",
            "grid:code": f"MGRS-{safe.tile}",
            "eo:cloud_cover": 9.9,
            "s2:product_uri": f"{name}.SAFE",
            "s2:datatake_id": f"GS2{safe.satellite}_{safe.datatake}_036143_N{safe.baseline}",
            "s2:datastrip_id": f"S2{safe.satellite}_OPER_MSI_L1C_DS_2BPS_{safe.processed}_S{safe.strip}_N05.10",
        },
    }


def serve_bucket(server: Loopback, folder: Path, products: Sequence[Safe], paint: Paint = gradient) -> tuple[str, str]:
    """Write products into the bucket's folder and serve them; return the address of the search and of the bucket."""
    for safe in products:
        write_safe(place(folder, safe), safe, paint)
    return serve_holdings(server, folder, [item(safe, safe.sensed[:10]) for safe in products])


def serve_holdings(server: Loopback, holdings: Path, catalogue: Sequence[dict]) -> tuple[str, str]:
    """Serve a bucket's folder and a catalogue of items; return the address of the search and of the bucket."""
    root = {
        "type": "Catalog", "id": "imitation", "stac_version": "1.0.0", "description": "a catalogue",
        "conformsTo": ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search",
                       "https://api.stacspec.org/v1.0.0/collections"],
        "links": [
            {"rel": "self", "href": f"{server.url}/stac"},
            {"rel": "root", "href": f"{server.url}/stac"},
            {"rel": "data", "href": f"{server.url}/stac/collections"},
            {"rel": "search", "href": f"{server.url}/stac/search", "method": "POST", "type": GEOJSON},
        ],
    }  # fmt: skip

    def search(asked: Request) -> Answer:
        start = asked.json.get("token", 0)
        link = {
            "rel": "next", "href": f"{server.url}/stac/search", "method": "POST", "merge": True,
            "body": {"token": start + 2},
        }  # fmt: skip
        links = [link] if start + 2 < len(catalogue) else []
        return Answer.of({"type": "FeatureCollection", "features": catalogue[start : start + 2], "links": links})

    def listing(asked: Request) -> Answer:
        files = sorted(p for p in holdings.rglob("*") if p.is_file())
        names = [(p.relative_to(holdings).as_posix(), p.stat().st_size) for p in files]
        inside = [{"name": n, "size": str(size)} for n, size in names if n.startswith(asked.query["prefix"])]
        start = int(asked.query.get("pageToken", "0"))
        page = {"items": inside[start : start + PAGE_SIZE]} if inside else {}
        more = {"nextPageToken": str(start + PAGE_SIZE)} if start + PAGE_SIZE < len(inside) else {}
        return Answer.of(page | more)

    server.route("GET", "/stac", lambda _: Answer.of(root))
    server.route("GET", "/stac/collections/sentinel-2-l1c", lambda _: Answer.of(COLLECTION))
    server.route("POST", "/stac/search", search)
    server.route("GET", f"/storage/v1/b/{BUCKET}/o", listing)
    server.files(f"/{BUCKET}", holdings)
    return f"{server.url}/stac", f"{server.url}/{BUCKET}"
