"""Sentinel-1 SLC products on your disk, read where they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import MultiPoint, mapping

from lczmap.sar.safe import SlcProduct, find_slc, open_slc
from lczmap.scenes.slc.source import STATE, check_request
from lczmap.scenes.sources.source import ArchiveError, Found, Request

_USABLE = re.compile(r"S1[A-Z]_IW_SLC__1SDV_")


class SlcFolder:
    """A folder of SAFE products, zipped or not, at any depth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"SLC products of {folder.name}"

    def search(self, request: Request) -> list[Found]:
        """Return the folder's products by time; ArchiveError when the folder is not there.

        Products of other modes or polarisations are passed over; ValueError for one that cannot be read.
        """
        check_request(self.name, request)
        if not self.folder.is_dir():
            raise ArchiveError(f"{self.folder}: expected a folder of Sentinel-1 SLC products, no such folder")
        products = find_slc(self.folder)
        usable = [path for path in products if _USABLE.match(path.name)]
        if len(usable) < len(products):
            print(f"{self.name}: {len(products) - len(usable)} products are not of mode IW in VV and VH (1SDV)")
        return sorted((_found(open_slc(path)) for path in usable), key=lambda one: (one.datetime, one.id))

    def cost(self, found: Sequence[Found], request: Request) -> str:
        """Say that nothing is downloaded."""
        return f"{self.name}: {len(found)} products of {request.sensor} are read from disk"

    def download(self, found: Found, folder: Path) -> Path:  # noqa: ARG002
        """Return where the product lies; nothing is copied. ArchiveError when it is gone."""
        path = Path(found.item["path"])
        if not path.exists():
            raise ArchiveError(f"{path}: the product is gone; bring it back, or search again")
        return path


def _found(product: SlcProduct) -> Found:
    return Found(
        product.id,
        "sentinel-1",
        product.platform,
        product.datetime,
        dict(STATE),
        product.orbit_direction,
        product.relative_orbit,
        None,
        product.bounds,
        {"path": str(product.path)},
        _outline(product),
    )


def _outline(product: SlcProduct) -> dict[str, Any] | None:
    # a swath fills its bounds only in part; across 180° its bounds must do
    west, _, east, _ = product.bounds
    if west > east:
        return None
    points = [np.stack([swath.points.longitude, swath.points.latitude], axis=-1) for swath in product.swaths.values()]
    return dict(mapping(MultiPoint(np.concatenate(points)).convex_hull))
