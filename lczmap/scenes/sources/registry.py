"""The archives by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lczmap.scenes.sources.source import Source

SourceName = Literal["local", "stac", "sentinelhub", "gcs"]


def make_source(
    name: SourceName,
    *,
    endpoint: str | None = None,
    collection: str | None = None,
    bucket: str | None = None,
    folder: Path | None = None,
    upsampling: Literal["cubic", "nearest"] = "cubic",
    remove_noise: bool = True,
    dem: Path | None = None,
    geoid_m: float = 0.0,
) -> Source:
    """Return the archive `name`; the heavy libraries of one archive are imported only when it is chosen."""
    if name == "stac":
        from lczmap.scenes.sources.stac.source import StacSource

        return StacSource(endpoint, collection)
    if name == "sentinelhub":
        from lczmap.scenes.sources.sentinel_hub.source import SentinelHubSource

        return SentinelHubSource(endpoint, upsampling=upsampling)
    if name == "gcs":
        from lczmap.scenes.sources.gcs.source import GcsSource

        return GcsSource(endpoint, bucket)
    if folder is None:
        raise ValueError("a local source needs the folder of its products")
    from lczmap.scenes.sources.products.folder import ProductFolder

    return ProductFolder(folder, remove_noise=remove_noise, dem=dem, geoid_m=geoid_m)
