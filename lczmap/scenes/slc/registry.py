"""The archives of SLC products by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lczmap.scenes.slc.source import SlcSource

SlcProvider = Literal["asf", "dataspace", "local"]


def make_slc_source(provider: SlcProvider, *, endpoint: str | None = None, folder: Path | None = None) -> SlcSource:
    """Return the archive `provider`.

    `endpoint` is another address of the service, for a mirror: all of it is expected there. `folder` is that of
    `local`. ArchiveError for an address that would carry credentials unencrypted.
    """
    if provider == "asf":
        from lczmap.scenes.slc.asf import AsfSource, asf_service

        return AsfSource(asf_service(endpoint))
    if provider == "dataspace":
        from lczmap.scenes.slc.dataspace import DataSpaceSource, data_space

        return DataSpaceSource(data_space(endpoint))
    if folder is None:
        raise ValueError("a local source of SLC needs the folder of its products")
    from lczmap.scenes.slc.folder import SlcFolder

    return SlcFolder(folder)
