"""Which found scenes a request can use, and why an archive cannot serve it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lczmap.scenes.sources.products.s2_metadata import S2_BANDS_L2A
from lczmap.scenes.sources.source import ArchiveError, Found, Request
from lczmap.scenes.sources.stac.bands import Item
from lczmap.scenes.sources.stac.items import is_terrain_corrected, sensor_of


def product_of(request: Request) -> str:
    """Return what an endpoint must have: L1C or L2A, or gamma0 for Sentinel-1."""
    return request.level if request.sensor == "sentinel-2" else "gamma0"


def bands_of(request: Request) -> list[str]:
    """Return the bands to fetch; a request may name all thirteen of Sentinel-2, L2A has no B10."""
    absent = request.sensor == "sentinel-2" and request.level == "L2A"
    return [band for band in request.bands if not absent or band in S2_BANDS_L2A]


def not_corrected(collection: str) -> str:
    """Return the refusal of a Sentinel-1 collection in radar geometry."""
    return (
        f"collection {collection}: Sentinel-1 that is not terrain-corrected cannot be laid on a map here; "
        "choose sentinel-1-rtc of planetary_computer, the source sentinelhub, or SAFE products on disk"
    )


def of_sensor(items: Sequence[Item], request: Request, where: str) -> list[Item]:
    """Return the items of the sensor asked for; ArchiveError when there are only others."""
    kept = [item for item in items if sensor_of(item) == request.sensor]
    if items and not kept:
        raise ArchiveError(
            f"{where}: expected items of {request.sensor}, got {len(items)} of others, the first of platform "
            f"{items[0]['properties'].get('platform')!r}; choose another collection"
        )
    return kept


def require_gamma0(request: Request) -> None:
    """Raise ArchiveError when Sentinel-1 is asked in another calibration than STAC collections have."""
    if request.sensor == "sentinel-1" and request.calibration != "gamma0":
        raise ArchiveError(
            f"expected Sentinel-1 calibrated to {request.calibration}, terrain-corrected collections of STAC "
            "deliver gamma0; set the calibration to gamma0, or choose the source sentinelhub"
        )


def terrain_corrected(items: Sequence[Item]) -> list[Item]:
    """Return the Sentinel-1 items that lie on a map; ArchiveError when there are only others."""
    kept = [item for item in items if is_terrain_corrected(item.get("collection"))]
    if items and not kept:
        raise ArchiveError(not_corrected(str(items[0].get("collection"))))
    return kept


def in_period(found: list[Found], request: Request) -> list[Found]:
    """Return the scenes of the days asked for, the last one included; the rest is chosen elsewhere (choose.py)."""
    return [scene for scene in found if request.start <= scene.datetime[:10] <= request.end]


def of_level(found: list[Found], request: Request, where: str) -> list[Found]:
    """Return the Sentinel-2 scenes of the level asked for; ArchiveError when there are only others."""
    if request.sensor == "sentinel-1":
        return found
    kept = [scene for scene in found if scene.state["level"] == request.level]
    if found and not kept:
        raise ArchiveError(
            f"{where}: expected Sentinel-2 {request.level}, collection {found[0].item['collection']} delivers "
            f"{found[0].state['level']}; set that level, or choose another collection or source"
        )
    return kept


def complete(found: list[Found], request: Request) -> list[Found]:
    """Return the scenes that have all bands asked for; ArchiveError when no Sentinel-2 scene has them."""
    wanted = set(bands_of(request))
    kept = [scene for scene in found if wanted <= set(scene.item["files"])]
    if found and not kept and request.sensor == "sentinel-2":  # radar scenes of one polarisation are usual
        missing = sorted(wanted - set(found[0].item["files"]))
        raise ArchiveError(
            f"collection {found[0].item['collection']}: expected bands {', '.join(bands_of(request))}, "
            f"{', '.join(missing)} not found in {found[0].id}; choose another collection"
        )
    return kept
